"""Fitting the blind family to recorded steps: the best ``a^s`` and the best ``exp(M log a)``, in least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation

Scale = Callable[[Tensor], Tensor]
"""``g -> log a``: elements ``[..., *element_shape]`` to numbers ``[...]``, additive under products."""

LEVELS = 64
"""Distinct values of log a the fit distinguishes; more are grouped by quantile."""

ITERATIONS = 12


@dataclass(frozen=True)
class ScaleMoments:
    """Moments of the recorded steps ``h -> h'``, one set for every value of the scale, in whitened coordinates.

    Attributes
    ----------
    scale
        ``[levels]``: log a, divided by `unit`, its root mean square.
    before, across
        ``[levels, s, s]``: sums of ``h h^T`` and ``h' h^T``.
    after
        Sum of ``|h'|^2`` in the network's basis.
    weight
        ``[s]``: the network's norm in whitened coordinates.
    """

    scale: Float[Tensor, " levels"]
    unit: float
    before: Float[Tensor, "levels s s"]
    across: Float[Tensor, "levels s s"]
    after: float
    weight: Float[Tensor, " s"]

    def loss(self, matrices: Float[Tensor, "levels s s"]) -> Float[Tensor, ""]:
        """``sum |h' - A h|^2`` in the network's basis over ``sum |h'|^2``, A being the matrix of the step's scale."""
        weighted = self.weight[:, None] * matrices
        return 1 + (weighted * (matrices @ self.before - 2 * self.across)).sum() / self.after


def scale_moments(evaluation: Evaluation, log_scale: Scale) -> ScaleMoments | None:
    """The moments of the held-out steps; ``None`` if no element has a scale other than 1."""
    gauge, latents = evaluation.gauge, evaluation.latents
    scale = log_scale(evaluation.sequences.actions.flatten(0, 1)).to(latents)
    unit = float(scale.square().mean().sqrt())
    if not 0 < unit < float("inf"):
        return None
    before, after = latents[:, :-1].flatten(0, 1), latents[:, 1:].flatten(0, 1)
    values, level = torch.unique(scale, return_inverse=True)
    if len(values) > LEVELS:
        level = torch.argsort(torch.argsort(scale)) * LEVELS // len(scale)
        counts = torch.bincount(level, minlength=LEVELS)
        values = scale.new_zeros(LEVELS).index_add_(0, level, scale) / counts.clamp(min=1)
    groups = [torch.nonzero(level == i).flatten() for i in range(len(values))]
    h, moved = before @ gauge.whiten.T, after @ gauge.whiten.T
    return ScaleMoments(
        scale=values / unit,
        unit=unit,
        before=torch.stack([h[index].T @ h[index] for index in groups]),
        across=torch.stack([moved[index].T @ h[index] for index in groups]),
        after=float(after.square().sum()),
        weight=gauge.singular_values[: gauge.dimension].square(),
    )


def fit_scale(moments: ScaleMoments) -> float:
    """The best s of ``rho = a^s`` in units of ``1 / moments.unit``; 0 if none beats standing still."""
    before, across = (
        (moments.weight * table.diagonal(dim1=-2, dim2=-1)).sum(-1).cpu().numpy()
        for table in (moments.before, moments.across)
    )
    scale = moments.scale.cpu().numpy()

    def loss(s: float) -> float:
        factor = np.exp(np.clip(s * scale, -300, 300))
        return float((factor * factor * before - 2 * factor * across).sum())

    s = float(optimize.minimize_scalar(loss, bracket=(-0.1, 0.1)).x)
    return s if loss(s) < loss(0.0) else 0.0


def fit_blind(moments: ScaleMoments, scale: float) -> Float[Tensor, "s s"]:
    """The best M of ``exp(M log a)`` found, in whitened coordinates and units of ``1 / moments.unit``.

    Least squares on the linear part, then a few quasi-Newton steps; never worse than ``rho = a^scale``.
    """
    size = len(moments.weight)
    identity = torch.eye(size).to(moments.before)
    c = moments.scale[:, None, None]
    design = (c * c * moments.before).sum(0)
    target = (c * (moments.across - moments.before)).sum(0)
    ridge = 1e-10 * design.diagonal().mean() * identity
    linear = torch.linalg.solve(design + ridge, target, left=False)

    def loss(m: Tensor) -> Tensor:
        return moments.loss(torch.linalg.matrix_exp(c * m))

    start = min((scale * identity, linear), key=lambda m: _finite_or_worst(loss(m)))

    def slope(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        m = torch.from_numpy(flat).to(c).reshape(size, size).requires_grad_(True)
        with torch.enable_grad():
            value = loss(m)
        (gradient,) = torch.autograd.grad(value, m)
        return _finite_or_worst(value), gradient.flatten().cpu().numpy()

    found = optimize.minimize(
        slope, start.flatten().cpu().numpy(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    polished: Tensor = torch.from_numpy(found.x).to(c).reshape(size, size)
    return polished if _finite_or_worst(loss(polished)) < _finite_or_worst(loss(start)) else start


def _finite_or_worst(loss: Tensor) -> float:
    value = float(loss.detach())
    return value if np.isfinite(value) else 1e30
