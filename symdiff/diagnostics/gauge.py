"""The gauge in which representations are compared: latents restricted to their span and whitened there.

Frobenius norms change under a change of basis of the latent space, so that a figure in the network's own basis can be
made as small as one likes. Bringing the latents to ``E[h h^T] = I`` fixes the basis up to a rotation, which Frobenius
norms do not see. The second moment is used and not the covariance, so that homogeneous coordinates (a constant 1)
keep their weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Basis = Literal["whitened", "weighted", "own"]

RELATIVE_TOLERANCE = 1e-5
"""A direction belongs to the support if its root mean square is above this share of the largest one."""


@dataclass(frozen=True)
class Gauge:
    """Whitening of the latents on their support ``V0 = span h``.

    Attributes
    ----------
    whiten
        ``[support, m]``: brings a latent to coordinates with second moment I, dropping what lies outside V0.
    unwhiten
        ``[m, support]``: its right inverse.
    singular_values
        ``[m]``: root mean squares of the latents along their principal directions, largest first.
    """

    whiten: Float[Tensor, "support m"]
    unwhiten: Float[Tensor, "m support"]
    singular_values: Float[Tensor, " m"]

    @property
    def dimension(self) -> int:
        """Dimension of the support V0."""
        return self.whiten.shape[0]

    @property
    def condition(self) -> float:
        """Condition number of the whitening on V0: largest over smallest singular value of the latents."""
        return float(self.singular_values[0] / self.singular_values[self.dimension - 1])

    def restrict(self, matrix: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch support support"]:
        """Matrices of the latent space as matrices of V0 in whitened coordinates."""
        return self.whiten @ (matrix @ self.unwhiten)

    def energy(self, matrix: Float[Tensor, "*batch m m"], basis: Basis = "whitened") -> Float[Tensor, "*batch"]:
        """Squared Frobenius norms.

        `whitened` on V0 in this gauge; `weighted` the mean of ``|matrix h|^2`` over the latents, in the network's own
        norm; `own` in the network's own basis.
        """
        if basis == "whitened":
            return self.restrict(matrix).square().sum((-2, -1))
        weighted = matrix @ self.unwhiten if basis == "weighted" else matrix
        return weighted.square().sum((-2, -1))

    def leakage(self, matrix: Float[Tensor, "k m m"]) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
        """``E|(I - P) matrix h|^2`` and ``E|matrix h|^2``: what leaves V0, P being the projection onto V0."""
        moved = matrix @ self.unwhiten
        outside = moved - self.unwhiten @ (self.whiten @ moved)
        return outside.square().sum((-2, -1)), moved.square().sum((-2, -1))


def gauge_of(latents: Float[Tensor, "n m"], tolerance: float = RELATIVE_TOLERANCE) -> Gauge:
    """The gauge of a sample of latents, from the eigen-decomposition of their second moment.

    Latents that are all zero get a support of one (arbitrary) direction, so that every figure stays defined.
    """
    moment = latents.T @ latents / latents.shape[0]
    eigenvalues, vectors = torch.linalg.eigh(moment)
    singular = eigenvalues.clamp(min=0).sqrt().flip(0)
    vectors = vectors.flip(1)
    dimension = max(int((singular > tolerance * singular[0]).sum()), 1)
    scale = singular[:dimension].clamp(min=torch.finfo(latents.dtype).tiny)
    basis = vectors[:, :dimension]
    return Gauge(whiten=(basis / scale).T, unwhiten=basis * scale, singular_values=singular)
