"""SE(n): rigid motions ``[[R, t], [0, 1]]``, with the left-invariant metric ``|log R|_F^2 + |t|^2``.

It is geomstats' canonical left metric. Its geodesics turn and move at the same time, each as if the other were not
there; one-parameter subgroups are screw motions and are geodesics only where the two do not mix.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.representations import matrix_exponential
from symdiff_geomstats import library
from symdiff_geomstats.manifolds import skew
from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.rotations import (
    angles,
    determined,
    orthogonalised,
    orthogonality_defect,
    rotation_exp,
    rotation_log,
    skew_basis,
)


class RigidMotions(Manifold):
    """SE(n), as matrices of size n + 1."""

    name: ClassVar[str] = "se"
    constants: ClassVar[int] = 1
    sees: ClassVar[str] = (
        "SE(n) has translations but no element that scales one: a homomorphism of steps that scale and translate sends "
        "every translation to 1; only steps with a = 1 could be followed"
    )

    @property
    def size(self) -> int:
        """Rows of a matrix: n + 1."""
        return self.n + 1

    @property
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """Turns, then translations."""
        turns = torch.nn.functional.pad(skew_basis(self.n), (0, 1, 0, 1))
        moves = torch.zeros(self.n, self.size, self.size, dtype=torch.float64)
        moves[torch.arange(self.n), torch.arange(self.n), self.n] = 1
        return torch.cat([turns, moves])

    def _exp(self, X: Tensor) -> Tensor:
        turn, move = X[..., : self.n, : self.n], X[..., : self.n, self.n :]
        if self.n <= 3:
            return _rigid(skew.rotation(turn), skew.mean_rotation(turn) @ move)
        A = matrix_exponential(_algebra(determined(turn), move))
        return _rigid(orthogonalised(A[..., : self.n, : self.n]), A[..., : self.n, self.n :])

    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``(log R, V^-1 t)``."""
        turn = rotation_log(A[..., : self.n, : self.n])
        t = A[..., : self.n, self.n :]
        if self.n <= 3:
            move = skew.inverse_mean_rotation(turn) @ t
        else:
            move = torch.linalg.solve(_mean_rotation(turn), t)
        return _algebra(turn, move)

    def inverse(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``(R^T, -R^T t)``."""
        R = A[..., : self.n, : self.n].mT
        return _rigid(R, -R @ A[..., : self.n, self.n :])

    def geodesic_exp(self, X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``(exp of the turn, the move itself)``."""
        return _rigid(rotation_exp(X[..., : self.n, : self.n]), X[..., : self.n, self.n :])

    def geodesic_log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``(log R, t)``."""
        return _algebra(rotation_log(A[..., : self.n, : self.n]), A[..., : self.n, self.n :])

    def length(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """``(|log R|_F^2 + |t|^2)^(1/2)``; defined at the cut locus too."""
        turned = math.sqrt(2) * angles(A[..., : self.n, : self.n])
        found: Tensor = torch.cat([turned, A[..., : self.n, self.n]], dim=-1).norm(dim=-1)
        return found

    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """That of R, and of the last row from ``(0, 1)``."""
        row = (A[..., self.n, :] - self.identity().to(A)[self.n]).abs().amax(-1)
        return torch.maximum(orthogonality_defect(A[..., : self.n, : self.n]), row)

    def reference_distance(self, A: Float[Tensor, "k s s"], B: Float[Tensor, "k s s"]) -> Float[Tensor, " k"] | None:
        """The canonical left metric of geomstats."""
        with library.double():
            found: Tensor = library.space("se", self.n).metric.dist(A, B)
        return found


def _mean_rotation(turn: Tensor) -> Tensor:
    """``V = int_0^1 exp(s turn) ds``, by the exponential of ``[[turn, 1], [0, 0]]``."""
    n = turn.shape[-1]
    eye = torch.eye(n, dtype=turn.dtype, device=turn.device).expand_as(turn)
    wide = torch.cat([turn, eye], dim=-1)
    return matrix_exponential(torch.cat([wide, torch.zeros_like(wide)], dim=-2))[..., :n, n:]


def _rigid(R: Tensor, t: Tensor) -> Tensor:
    top = torch.cat([R, t], dim=-1)
    row = torch.zeros_like(top[..., :1, :])
    row[..., -1] = 1
    return torch.cat([top, row], dim=-2)


def _algebra(turn: Tensor, move: Tensor) -> Tensor:
    top = torch.cat([turn, move], dim=-1)
    return torch.cat([top, torch.zeros_like(top[..., :1, :])], dim=-2)
