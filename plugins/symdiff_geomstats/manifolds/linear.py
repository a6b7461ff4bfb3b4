"""GL+(n): matrices of positive determinant, with ``d(A, B) = |log(A^-1 B)|_F``.

geomstats equips this group with the flat metric of all matrices, which is not invariant. The measure used here is
left-invariant and agrees with the length of one-parameter subgroups; it is no distance in the strict sense (the
triangle inequality holds only near the identity).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.eigenvalues import eigenvalues
from symdiff.errors import CutLocusError
from symdiff.representations import matrix_exponential
from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.logarithm import by_square_roots, denman_beavers


class GeneralLinear(Manifold):
    """GL+(n)."""

    name: ClassVar[str] = "gl+"
    constants: ClassVar[int] = 1
    follows_translations: ClassVar[bool] = True
    sees: ClassVar[str] = "GL+(n) holds [[1, 0], [P v, a]]: homomorphisms into it can follow scales and translations"

    @property
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """All matrices with one entry 1."""
        found: Tensor = torch.eye(self.n * self.n, dtype=torch.float64).unflatten(1, (self.n, self.n))
        return found

    def _exp(self, X: Tensor) -> Tensor:
        return matrix_exponential(X)

    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The principal logarithm: no eigenvalue may be real and negative or 0."""
        double = A.double()
        refuse_negative(double, torch.finfo(A.dtype).eps ** 0.5)
        return by_square_roots(double, _two_by_two_root if self.n == 2 else denman_beavers).to(A.dtype)

    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """What the determinant is below 0."""
        found: Tensor = (-torch.linalg.det(A)).clamp_min(0)
        return found


def refuse_negative(A: Float[Tensor, "*batch s s"], tolerance: float) -> None:
    """Raise `CutLocusError` where an eigenvalue is on the closed negative half-line, up to `tolerance`."""
    found = eigenvalues(A)
    wrong = (found.imag.abs() <= tolerance * found.abs()) & (found.real <= 0)
    if bool(wrong.any()):
        raise CutLocusError(
            f"{int(wrong.any(-1).sum())} of {max(wrong[..., 0].numel(), 1)} matrices have no real logarithm, or two: "
            f"an eigenvalue is {float(found.real[wrong][0]):.3g}",
            "values this far from the identity have no geodesic to it in GL+(n): choose another manifold, or train a "
            "rho that moves less",
        )


def _two_by_two_root(A: Tensor) -> Tensor:
    """``(A + sqrt(det) 1) / sqrt(tr + 2 sqrt(det))``, by the theorem of Cayley and Hamilton."""
    root = torch.linalg.det(A).clamp_min(torch.finfo(A.dtype).tiny).sqrt()
    trace = A.diagonal(dim1=-2, dim2=-1).sum(-1)
    eye = torch.eye(2, dtype=A.dtype, device=A.device)
    found: Tensor = (A + root[..., None, None] * eye) / (trace + 2 * root).sqrt()[..., None, None]
    return found
