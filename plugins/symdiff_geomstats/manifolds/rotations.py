"""SO(n): rotations, with the bi-invariant metric in which a turn by w in one plane has length w."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.eigenvalues import eigenvalues
from symdiff.errors import CutLocusError, NonFiniteError
from symdiff.representations import matrix_exponential
from symdiff_geomstats import library
from symdiff_geomstats.manifolds import skew
from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.logarithm import by_square_roots, orthogonal_root


def skew_basis(n: int) -> Float[Tensor, "dim n n"]:
    """``E_ji - E_ij`` for i < j: the turn from axis i to axis j."""
    first, second = torch.triu_indices(n, n, 1)
    count = torch.arange(len(first))
    basis = torch.zeros(len(first), n, n, dtype=torch.float64)
    basis[count, second, first] = 1
    basis[count, first, second] = -1
    return basis


def rotation_exp(X: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """The exponential of skew matrices, orthogonal to rounding.

    Raises
    ------
    NonFiniteError
        An angle is so large that its own rounding is a visible part of a turn (n of 4 and above); as `determined`.
    """
    if X.shape[-1] <= 3:
        return skew.rotation(X)
    return orthogonalised(matrix_exponential(determined(X)))


def determined(X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """`X` itself, whose angles are not so large that their own rounding is a visible part of a turn.

    On a GPU, which is not waited for, those that are become NaN.

    Raises
    ------
    NonFiniteError
        On the CPU, if one is.
    """
    size, most = X.detach().abs().sum(-1), 1e-2 / torch.finfo(X.dtype).eps
    if X.device.type != "cpu":
        return X.masked_fill((size.amax(-1) > most)[..., None, None], torch.nan)
    largest = float(size.amax()) if X.numel() else 0.0
    if math.isfinite(largest) and largest > most:
        raise NonFiniteError(
            f"a rotation by {largest:.3g} is not determined in {str(X.dtype).removeprefix('torch.')}",
            "lower -o learning_rate, or look for extreme steps in the recording",
        )
    return X


def orthogonalised(R: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """The rotations nearest to matrices that are rotations but for rounding, by two Newton-Schulz steps."""
    eye = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    for _ in range(2):
        R = R @ (3 * eye - R.mT @ R) / 2
    return R


def rotation_log(R: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """The skew logarithm with all angles in (-pi, pi).

    Raises
    ------
    CutLocusError
        An angle is pi, up to 16 roots of the rounding of the dtype: the sign of the plane is then rounding.
    """
    refuse_half_turns(R)
    double = R.double()
    n = R.shape[-1]
    if n == 2:
        angle = torch.atan2(double[..., 1, 0] - double[..., 0, 1], double[..., 0, 0] + double[..., 1, 1])
        return (angle[..., None, None] * skew_basis(2)[0].to(R.device)).to(R.dtype)
    if n == 3:
        scalar, vector = quaternion(double)
        factor = _twice_arcsine_ratio(vector, scalar)
        found: Tensor = torch.tensordot(factor * vector, _axes().to(R.device), dims=1).to(R.dtype)
        return found
    log = by_square_roots(double, orthogonal_root)
    return ((log - log.mT) / 2).to(R.dtype)


def angles(R: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch planes"]:
    """Angles in [0, pi] of the planes, ``n // 2`` of them; exact also at pi, without gradient."""
    n = R.shape[-1]
    R = R.detach()
    if n == 2:
        return torch.atan2(R[..., 1, 0] - R[..., 0, 1], R[..., 0, 0] + R[..., 1, 1]).abs()[..., None]
    if n == 3:
        scalar, vector = quaternion(R)
        return 2 * torch.atan2(vector.norm(dim=-1), scalar)[..., None]
    found = eigenvalues(R).angle().abs()
    # Eigenvalues come in conjugate pairs (and a 1 for odd n), so every angle of a plane is there twice.
    return found.sort(dim=-1, descending=True).values[..., 0 : n - 1 : 2]


def quaternion(R: Float[Tensor, "*batch 3 3"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 3"]]:
    """Scalar (not negative) and vector part of the unit quaternion, accurate at every angle (Shepperd 1978)."""
    trace = R[..., 0, 0] + R[..., 1, 1] + R[..., 2, 2]
    squares = [1 + trace, *(1 + 2 * R[..., i, i] - trace for i in range(3))]
    mixed = {(0, 1): R[..., 2, 1] - R[..., 1, 2], (0, 2): R[..., 0, 2] - R[..., 2, 0],
             (0, 3): R[..., 1, 0] - R[..., 0, 1], (1, 2): R[..., 0, 1] + R[..., 1, 0],
             (1, 3): R[..., 0, 2] + R[..., 2, 0], (2, 3): R[..., 1, 2] + R[..., 2, 1]}  # fmt: skip
    rows = [
        torch.stack([squares[i] if i == j else mixed[min(i, j), max(i, j)] for j in range(4)], dim=-1) for i in range(4)
    ]
    table = torch.stack(rows, dim=-2)  # 4 q q^T: any row is a multiple of q, the one of the largest entry the best
    best = table.detach().diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = table.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    row = row / row.norm(dim=-1, keepdim=True)
    row = torch.where(row[..., :1] < 0, -row, row)
    return row[..., 0], row[..., 1:]


def refuse_half_turns(R: Float[Tensor, "*batch n n"]) -> None:
    """Raise `CutLocusError` where an angle is pi."""
    if not R.numel():
        return
    largest = float(angles(R.detach().double()).amax())
    if not math.pi - largest > 16 * torch.finfo(R.dtype).eps ** 0.5:
        raise CutLocusError(
            f"a rotation by {largest:.8g} has two logarithms, or none that rounding lets one tell from the other",
            "distances are still defined there; for a mean or a tangent space take points less than a half turn apart",
        )


def _axes() -> Tensor:
    """``[3, 3, 3]``: the skew matrix of the cross product with each axis."""
    axes = torch.zeros(3, 3, 3, dtype=torch.float64)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        axes[i, k, j], axes[i, j, k] = 1, -1
    return axes


def _twice_arcsine_ratio(vector: Tensor, scalar: Tensor) -> Tensor:
    """``angle / |vector|``, 2 at the identity, with a finite gradient there."""
    square = vector.square().sum(-1, keepdim=True)
    small = square < 1e-6
    size = torch.where(small, torch.ones_like(square), square).sqrt()
    exact = 2 * torch.atan2(size, scalar[..., None]) / size
    return torch.where(small, 2 + square / 3 + 3 * square.square() / 20, exact)


class Rotations(Manifold):
    """SO(n)."""

    name: ClassVar[str] = "so"
    sees: ClassVar[str] = (
        "SO(n) is compact: a homomorphism of steps that scale and translate sends every translation to 1 and is a "
        "function of log a alone"
    )

    @property
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """`skew_basis`."""
        return skew_basis(self.n)

    @property
    def tangents(self) -> Float[Tensor, "dim size size"]:
        """`skew_basis`: a turn by w has length w."""
        return self.algebra

    def _exp(self, X: Tensor) -> Tensor:
        return rotation_exp(X)

    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """`rotation_log`."""
        return rotation_log(A)

    def inverse(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The transpose."""
        return A.mT

    def length(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """Root of the sum of squared angles; defined at the cut locus too."""
        found: Tensor = angles(A).norm(dim=-1)
        return found

    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """``max |A^T A - 1|``, and what the determinant lacks of 1 where it is negative."""
        return orthogonality_defect(A)

    def reference_distance(self, A: Float[Tensor, "k s s"], B: Float[Tensor, "k s s"]) -> Float[Tensor, " k"] | None:
        """The bi-invariant metric of geomstats."""
        with library.double():
            found: Tensor = library.space("so", self.n).metric.dist(A, B)
        return found


def orthogonality_defect(A: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch"]:
    """``max |A^T A - 1|``, or 2 where the determinant is negative: a reflection is no rotation."""
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    off = (A.mT @ A - eye).abs().amax((-2, -1))
    return torch.where(torch.linalg.det(A) > 0, off, torch.full_like(off, 2.0))
