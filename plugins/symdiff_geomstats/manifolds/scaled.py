"""R_{>0} x SO(n): rotations times scales, the product of the two metrics."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import CutLocusError
from symdiff_geomstats import library
from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.rotations import (
    angles,
    orthogonality_defect,
    rotation_exp,
    rotation_log,
    skew_basis,
)


class ScaledRotations(Manifold):
    """Matrices ``s R`` with s > 0 and R in SO(n)."""

    name: ClassVar[str] = "rotations-scales"
    sees: ClassVar[str] = (
        "R_{>0} x SO(n) is reductive: a homomorphism of steps that scale and translate sends every translation to 1 "
        "and is a function of log a alone, such as a^s"
    )

    @property
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """The identity, then `skew_basis`."""
        return torch.cat([torch.eye(self.n, dtype=torch.float64)[None], skew_basis(self.n)])

    @property
    def tangents(self) -> Float[Tensor, "dim size size"]:
        """The same: the length of a scale is its logarithm, that of a turn its angle."""
        return self.algebra

    def _exp(self, X: Tensor) -> Tensor:
        scale = X.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        return scale.exp() * rotation_exp((X - X.mT) / 2)

    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``log s + log R``."""
        scale, R = _parts(A)
        eye = torch.eye(self.n, dtype=A.dtype, device=A.device)
        return scale.log() * eye + rotation_log(R)

    def inverse(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """``R^T / s``."""
        scale, R = _parts(A)
        return R.mT / scale

    def length(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """``(log(s)^2 + sum of squared angles)^(1/2)``; defined at the cut locus too."""
        scale, R = _parts(A)
        found: Tensor = torch.cat([scale.squeeze(-1).log(), angles(R)], dim=-1).norm(dim=-1)
        return found

    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """That of R."""
        determinant = torch.linalg.det(A).abs().clamp_min(torch.finfo(A.dtype).tiny)
        return orthogonality_defect(A / (determinant ** (1 / self.n))[..., None, None])

    def reference_distance(self, A: Float[Tensor, "k s s"], B: Float[Tensor, "k s s"]) -> Float[Tensor, " k"] | None:
        """The two metrics of geomstats, added as those of a product."""
        (s1, R1), (s2, R2) = _parts(A), _parts(B)
        rotations, scales = library.space("rotations-scales", self.n)
        with library.double():
            turned = rotations.metric.dist(R1, R2)
            grown = scales.metric.dist(s1[..., 0], s2[..., 0])
        found: Tensor = (turned.square() + grown.reshape(turned.shape).square()).sqrt()
        return found


def _parts(A: Tensor) -> tuple[Tensor, Tensor]:
    """The scale ``[..., 1, 1]`` and the rotation."""
    determinant = torch.linalg.det(A)
    if not bool((determinant > 0).all()):
        raise CutLocusError(
            f"a matrix of determinant {float(determinant.min()):.3g} is no rotation times a scale",
            "its scale overflowed or vanished: shorten --length or lower -o learning_rate",
        )
    scale = (determinant ** (1 / A.shape[-1]))[..., None, None]
    return scale, A / scale
