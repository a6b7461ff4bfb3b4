"""The linear parts ``A_t(x)`` of reverse steps as matrices: the set a diffusion model's own symmetry would show in.

The scalar steps ``x' = a_t x + v_t`` commute with every rotation and can show none. Linearised at its state, a step is
``x' = A_t(x) x + c`` with ``A_t(x) = P I + (Q/scale) J_t(x)`` and c whatever leads to the recorded next state: an
element of ``GL(d) x| R^d``. What commutes with all the A_t commutes with the process to first order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.diffusion import Denoiser
from symdiff.diffusion.jacobian import MAX_DENSE, jacobian_products, step_matrix
from symdiff.errors import ConfigError
from symdiff.groups import Linearisation
from symdiff.trajectories import Trajectories

SINGULAR = 1e-6
"""A linear part whose smallest singular value is below this share of its largest is not counted as in GL(d)."""

PROBES = 4
"""Random directions a state that the common subspace is found from."""


@dataclass(frozen=True)
class LinearParts:
    """Linearised steps of several trajectories at several times, in one basis.

    Attributes
    ----------
    matrices
        ``[n, k, k]`` float64, ``U^T A_t(x) U``.
    offsets
        ``[n, k]`` float64: c, so that ``u' = A u + c`` for the recorded ``u = U^T x`` and ``u' = U^T x'``.
    step, trajectory
        ``[n]``: which step of which trajectory.
    basis
        ``[d, k]``, U with orthonormal columns: the identity where all of the image is kept.
    captured
        Share of ``|J|_F^2`` that the subspace keeps, estimated on the directions it was found from; 1 for all of it.
    left_out
        Steps whose linear part is singular: no elements of GL(d).
    """

    matrices: Float[Tensor, "n k k"]
    offsets: Float[Tensor, "n k"]
    step: Int[Tensor, " n"]
    trajectory: Int[Tensor, " n"]
    basis: Float[Tensor, "d k"]
    captured: float
    left_out: tuple[int, ...]

    @property
    def elements(self) -> Float[Tensor, "n k e"]:
        """``(A | c)``, ``[n, k, k+1]``: the coordinates of the group elements."""
        return torch.cat([self.matrices, self.offsets[..., None]], dim=-1)


@torch.no_grad()
def linear_parts(
    denoiser: Denoiser,
    trajectories: Trajectories,
    at: Linearisation,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> LinearParts:
    """Linearise recorded steps at their states.

    Parameters
    ----------
    denoiser
        The model that was recorded.
    trajectories
        The recording.
    at
        Where to linearise. The common subspace of images of more than `MAX_DENSE` numbers is that of the leading left
        singular vectors of ``J_t(x) W`` over all states, W random (Halko, Martinsson and Tropp 2011). The mean state
        of a step is left fixed by every symmetry of the process, up to the error of the mean.
    seed
        Of the choice of trajectories and of the random directions.
    device
        Where the model is asked and differentiated, in float64; what comes of it is on the CPU.
    progress
        Called with the linear parts done and to do.

    Raises
    ------
    ConfigError
        No step has an invertible linear part.
    RunError
        The model cannot be differentiated.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = trajectories.states[0, 0].numel()
    chosen = torch.randperm(len(trajectories), generator=generator)[: 1 if at.at_mean else at.states].sort().values
    steps = torch.linspace(0, trajectories.steps - 1, min(at.levels, trajectories.steps)).round().long().tolist()
    points = {i: _points(trajectories, i, chosen, at.at_mean, device) for i in steps}
    denoiser = denoiser.to(device)
    dense = pixels <= MAX_DENSE
    basis = torch.eye(pixels, dtype=torch.float64, device=device)
    captured = 1.0
    if not dense:
        basis, captured = _common_subspace(denoiser, trajectories, points, at.subspace, generator)
    kept, left_out = [], []
    for done, i in enumerate(steps):
        x, after = points[i]
        directions = basis.T.expand(len(x), -1, -1)
        J = jacobian_products(denoiser, x / float(trajectories.scale[i]), trajectories.time(i), directions) @ basis
        P, Q = float(trajectories.state_coefficient[i]), float(trajectories.denoised_coefficient[i])
        A = step_matrix(J.mT, P, Q, float(trajectories.scale[i]))
        singular = torch.linalg.svdvals(A)
        if bool((singular[:, -1] > SINGULAR * singular[:, 0]).all()):
            u, moved = x.flatten(1) @ basis, after.flatten(1) @ basis
            kept.append((A, moved - (A @ u[..., None])[..., 0], torch.full((len(x),), i), chosen))
        else:
            left_out.append(i)
        if progress is not None:
            progress((done + 1) * len(x), len(steps) * len(x))
    if not kept:
        raise ConfigError(
            "no step has an invertible linear part: none is in GL(d)",
            "take more --steps: the shorter a step, the nearer its linear part is to the identity",
        )
    matrices, offsets, step, trajectory = (torch.cat(parts).cpu() for parts in zip(*kept, strict=True))
    return LinearParts(matrices, offsets, step, trajectory, basis.cpu(), captured, tuple(left_out))


def _points(
    trajectories: Trajectories, i: int, chosen: Tensor, at_mean: bool, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """States before and after step i, ``[n, C, H, W]`` float64."""
    if at_mean:
        pair = [trajectories.states[:, j].double().mean(0, keepdim=True) for j in (i, i + 1)]
    else:
        pair = [trajectories.states[chosen, torch.full_like(chosen, j)].double() for j in (i, i + 1)]
    return pair[0].to(device), pair[1].to(device)


def _common_subspace(
    denoiser: Denoiser,
    trajectories: Trajectories,
    points: dict[int, tuple[Tensor, Tensor]],
    k: int,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    images = []
    for i, (x, _) in points.items():
        probes = torch.randn(len(x), PROBES, x[0].numel(), generator=generator, dtype=torch.float64).to(x)
        images.append(jacobian_products(denoiser, x / float(trajectories.scale[i]), trajectories.time(i), probes))
    stacked = torch.cat([image.flatten(0, 1) for image in images]).T
    left, singular, _ = torch.linalg.svd(stacked, full_matrices=False)
    energy = singular.square()
    return left[:, :k], float(energy[:k].sum() / energy.sum())
