"""Lower-triangular matrices with positive diagonal, with the left-invariant metric of the cone ``L L^T``.

``L -> L L^T`` maps the group onto the symmetric positive definite matrices P, and left multiplication by K to
``P -> K P K^T``, an isometry of the affine-invariant metric of that cone. Half of its distance,
``d(L, M) = |log of the singular values of L^-1 M|``, is therefore left-invariant on the group, the distance of a
Riemannian metric of nonpositive curvature (so that means are unique), and the length of a scale is its logarithm.
geomstats' own default here, the log-Cholesky metric, is not invariant; its affine-invariant metric of the cone is what
this one is tested against.

Reference: Pennec, Fillard, Ayache, "A Riemannian framework for tensor computing", IJCV 66(1), 2006.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import CutLocusError
from symdiff.representations import matrix_exponential
from symdiff_geomstats import library
from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.logarithm import by_square_roots, triangular_root


class Triangular(Manifold):
    """The positive lower-triangular matrices of size n."""

    name: ClassVar[str] = "triangular"
    constants: ClassVar[int] = 1
    follows_translations: ClassVar[bool] = True
    sees: ClassVar[str] = (
        "lower-triangular matrices hold [[1, 0], [P v, a]]: homomorphisms into them can follow scales and translations"
    )

    @property
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """Matrices with one entry 1 on or below the diagonal."""
        row, column = torch.tril_indices(self.n, self.n)
        basis = torch.zeros(len(row), self.n, self.n, dtype=torch.float64)
        basis[torch.arange(len(row)), row, column] = 1
        return basis

    @property
    def tangents(self) -> Float[Tensor, "dim size size"]:
        """The symmetric matrices, orthonormal in the Frobenius product."""
        basis = self.algebra
        basis = basis + basis.mT
        found: Tensor = basis / basis.flatten(1).norm(dim=1)[:, None, None]
        return found

    def _exp(self, X: Tensor) -> Tensor:
        return matrix_exponential(X)

    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The lower-triangular logarithm, which every element has."""
        refuse_outside(A)
        return by_square_roots(A.double(), triangular_root).to(A.dtype)

    def inverse(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """By forward substitution, which keeps zeros."""
        eye = torch.eye(self.n, dtype=A.dtype, device=A.device).expand_as(A)
        inverse: Tensor = torch.linalg.solve_triangular(A, eye, upper=False)
        return inverse

    def geodesic_exp(self, X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The Cholesky factor of ``exp(2 X)``, X symmetric."""
        power = matrix_exponential((X + X.mT).double())
        factor, failed = torch.linalg.cholesky_ex(power)
        if bool((failed != 0).any()):
            raise CutLocusError(
                f"a geodesic of length {float(X.norm(dim=(-2, -1)).max()):.3g} ends at a singular matrix in float64",
                "points this far apart cannot be averaged or compared here",
            )
        found: Tensor = factor.to(X.dtype)
        return found

    def geodesic_log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``log(A A^T) / 2``, symmetric."""
        refuse_outside(A)
        left, values, _ = torch.linalg.svd(A.double())
        log = (left * values.log()[..., None, :]) @ left.mT
        found: Tensor = log.to(A.dtype)
        return found

    def length(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """Norm of the logarithms of the singular values."""
        refuse_outside(A)
        values: Tensor = torch.linalg.svdvals(A)
        found: Tensor = values.log().norm(dim=-1)
        return found

    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """The largest entry above the diagonal, and what the least one on it is below 0."""
        above = A.triu(1).abs().amax((-2, -1))
        return torch.maximum(above, (-A.diagonal(dim1=-2, dim2=-1).amin(-1)).clamp_min(0))

    def reference_distance(self, A: Float[Tensor, "k s s"], B: Float[Tensor, "k s s"]) -> Float[Tensor, " k"] | None:
        """Half of the affine-invariant distance of geomstats between ``A A^T`` and ``B B^T``."""
        with library.double():
            found: Tensor = library.space("spd", self.n).metric.dist(A @ A.mT, B @ B.mT)
        return found / 2


def refuse_outside(A: Float[Tensor, "*batch s s"]) -> None:
    """Raise `CutLocusError` where an entry on the diagonal is not positive and finite."""
    diagonal = A.detach().diagonal(dim1=-2, dim2=-1)
    wrong = ~(diagonal.isfinite() & (diagonal > 0))
    if bool(wrong.any()):
        raise CutLocusError(
            f"a triangular matrix with {float(diagonal[wrong][0]):.3g} on its diagonal has no logarithm",
            "its scale overflowed or vanished: shorten --length or lower -o learning_rate",
        )
