"""References that are linear but no representation: one map for all elements, and a map of its own for each.

The common map is dynamic mode decomposition (Schmid, "Dynamic mode decomposition of numerical and experimental data",
Journal of Fluid Mechanics 656, 2010): what is gained by looking at the element at all is the distance to it. The best
map of each element is what no rho can beat on these latents.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.gauge import Gauge
from symdiff.groups import GroupFamily
from symdiff.representations import Representation

POOL = 64
"""Random matrices a Haar-random rho draws from: making one for every element would cost more than all else."""


class ConstantRepresentation(Representation):
    """The same matrix for every element; the identity is the representation ``rho = 1``."""

    form = "exact"

    def __init__(self, family: GroupFamily, matrix: Float[Tensor, "m m"]) -> None:
        super().__init__()
        self.family, self.matrix = family, matrix
        self.block_sizes = (len(matrix),)

    def blocks(self, g: Tensor) -> list[Tensor]:
        """The matrix, once for every element."""
        return [self.matrix.expand(*_batch(self.family, g), 1, *self.matrix.shape)]


class HaarRepresentation(Representation):
    """An independent Haar-random orthogonal matrix (in the whitened gauge) for every element at every call."""

    form = "exact"

    def __init__(self, family: GroupFamily, gauge: Gauge, seed: int) -> None:
        super().__init__()
        self.family, self.random = family, torch.Generator().manual_seed(seed)
        self.block_sizes = (gauge.whiten.shape[1],)
        normal = torch.randn(POOL, gauge.dimension, gauge.dimension, dtype=torch.float64, generator=self.random)
        q, r = torch.linalg.qr(normal)
        # The signs of R's diagonal make Q uniform: Mezzadri, Notices of the AMS 54(5), 2007.
        haar = (q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]).to(gauge.whiten)
        self.pool = gauge.unwhiten @ haar @ gauge.whiten

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Members of the pool, drawn anew."""
        drawn = torch.randint(POOL, tuple(_batch(self.family, g)), generator=self.random)
        return [self.pool[drawn.to(self.pool.device)].unsqueeze(-3)]


def common_linear_map(evaluation: Evaluation) -> Float[Tensor, "m m"]:
    """The least-squares A of ``h(o_{t+1}) = A h(o_t)``, one for all elements, on the support of the latents."""
    gauge, latents = evaluation.gauge, evaluation.latents
    before = latents[:, :-1].flatten(0, 1) @ gauge.whiten.T
    return least_squares(before, latents[:, 1:].flatten(0, 1)).T @ gauge.whiten


def least_squares(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"]) -> Float[Tensor, "p q"]:
    """The A of least norm that minimises ``|x A - y|``, whatever the rank of x."""
    if x.device.type == "cpu":
        solution: Tensor = torch.linalg.lstsq(x, y, driver="gelsd").solution
    else:  # where this driver is not to be had
        solution = torch.linalg.pinv(x) @ y
    return solution


def least_squares_residual(latents: Float[Tensor, "x g_and_1 m"], gauge: Gauge) -> Float[Tensor, "x g"]:
    """Leave-one-out ``|h(g x) - A_g h(x)|^2`` of the best linear map A_g of each element.

    Parameters
    ----------
    latents
        ``[x, 1 + g, m]``: ``h(x)``, then ``h(g x)`` for every element. All elements share the observations, hence one
        hat matrix, and the leave-one-out residual is the residual over one minus its leverage.
    gauge
        The gauge of the latents: the fit is on its support.
    """
    before, after = latents[:, 0] @ gauge.whiten.T, latents[:, 1:]
    left, singular, _ = torch.linalg.svd(before, full_matrices=False)
    left = left[:, singular > 1e-10 * singular[0]]
    fitted = (left @ (left.T @ after.flatten(1))).view_as(after)
    leverage = left.square().sum(1).clamp(max=1 - 1e-9)
    left_out: Tensor = (after - fitted) / (1 - leverage)[:, None, None]
    return left_out.square().sum(-1)


def _batch(family: GroupFamily, g: Tensor) -> torch.Size:
    return g.shape[: g.ndim - len(family.element_shape)]
