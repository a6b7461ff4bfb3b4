"""Does one affine map explain a step for all trajectories: the shared R^2 of every step, on held-out trajectories.

A reverse step is ``x' = P x + Q x0hat(x) + s z``. Its only part that is not a multiple of x by construction is x0hat,
and its only part that is not a function of x is the injected noise z. So a single regression of x0hat on x gives all
three figures: a misfit r of x0hat is ``Q r`` in the step's mean, and ``Q r + s z`` in the sampled state. Regressing x'
itself would estimate the same map (z is independent of x) with the noise as an estimation error on top.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, complement, few_units, trajectory_bootstrap
from symdiff.trajectories import Trajectories

RIDGES = torch.logspace(-10, 1, 23, dtype=torch.float64)
"""Candidate penalties, relative to the largest squared singular value of the states."""

CONSTANT = 1e-10
"""A target whose variance is below this share of its mean square is constant up to the rounding of float32."""

WORK = 2e12
"""Multiplications spent on the fits: for large images the steps are thinned evenly to keep to it."""

Levels = list[dict[str, Any]]


class AffineMap(NamedTuple):
    """``x -> centre_y + (x - centre_x) B``, with B kept as a product so that no d x d matrix is ever formed."""

    centre_x: Float[Tensor, " d"]
    centre_y: Float[Tensor, " e"]
    left: Float[Tensor, "d r"]
    right: Float[Tensor, "r e"]

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The image of every row."""
        return self.centre_y + ((x - self.centre_x) @ self.left) @ self.right


def fit_affine(x: Float[Tensor, "n d"], y: Float[Tensor, "n e"]) -> AffineMap:
    """Ridge-regularised least-squares affine map, the penalty chosen by generalised cross-validation.

    With more rows than columns an exactly affine y is recovered exactly: the smallest penalty is then the best.
    Reference: Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
    Technometrics 21(2), 1979.
    """
    n = x.shape[0]
    centre_x, centre_y = x.mean(0), y.mean(0)
    x, y = x - centre_x, y - centre_y
    left, singular, right = _svd(x)
    # For every penalty: the shrinkage of each direction, the residual sum of squares, the degrees of freedom.
    projected = left.T @ y
    energy = projected.square().sum(1)
    outside = (y.square().sum() - energy.sum()).clamp(min=0)
    squared = singular.square()
    penalty = RIDGES.to(squared) * squared[0].clamp(min=torch.finfo(squared.dtype).tiny)
    kept = squared / (squared + penalty[:, None])
    residual = ((1 - kept).square() * energy).sum(1) + outside
    freedom = n - 1 - kept.sum(1)
    score = torch.where(freedom > 0.5, residual / freedom.clamp(min=0.5).square(), torch.inf)
    best = kept[int(score.argmin())]
    return AffineMap(centre_x, centre_y, right.T, (best / singular)[:, None] * projected)


def shared_affine_r2(
    train: Trajectories, test: Trajectories, *, seed: int = 0, replicates: int = 400
) -> dict[str, Levels]:
    """The held-out R^2 of one affine map for all trajectories, at every step.

    Parameters
    ----------
    train, test
        Disjoint recordings of the same process: the map is fitted on the first and judged on the second.
    seed, replicates
        Of the bootstrap over the trajectories of `test`.

    Returns
    -------
    dict
        ``shared_affine_r2`` of the step's mean, ``shared_affine_r2_sampled`` of the next state with
        ``ceiling_sampled``, what the injected noise leaves to be explained (``1 - s^2 d / tr Var x'``), and
        ``shared_affine_r2_denoised`` of x0hat. Each a list with one
        ``{"value", "interval", "timestep", "inflation", "caution"}`` a step, in the order of sampling; value ``None``
        where the target is constant. Fitting d + 1 numbers an output to n trajectories makes ``1 - R^2`` larger than
        that of the best map by about ``inflation = d/(n - d - 1)`` of it (``None`` where n <= d + 1).
    """
    names = ("shared_affine_r2", "shared_affine_r2_sampled", "shared_affine_r2_denoised", "ceiling_sampled")
    found: dict[str, Levels] = {name: [] for name in names}
    pixels = test.states[0, 0].numel()
    few = cautions(
        few_units(len(test), "held-out trajectories"),
        f"only {len(train)} training trajectories for {pixels} pixels: the map cannot be determined, a low value says "
        "nothing"
        if len(train) < pixels + 2
        else None,
    )
    partial = (
        None
        if test.one_step
        else "the sampler also uses earlier estimates or a second call of the model: this is about its first-order form"
    )
    unit = torch.arange(len(test))
    for step in _steps(train):
        x, y = _flat(test.states[:, step]), _flat(test.denoised[:, step])
        fitted = fit_affine(_flat(train.states[:, step]), _flat(train.denoised[:, step]))
        p, q, s = (float(row[step]) for row in (test.state_coefficient, test.denoised_coefficient, test.noise_std))
        missed = y - fitted(x)
        after, mean = _flat(test.states[:, step + 1]), p * x + q * y
        constants = p * fitted.centre_x + q * fitted.centre_y
        noise = s * s * pixels * torch.ones(len(test), dtype=x.dtype)
        targets = {
            "shared_affine_r2": (q * missed, mean, constants),
            "shared_affine_r2_sampled": (q * missed + (after - mean), after, constants),
            "shared_affine_r2_denoised": (missed, y, fitted.centre_y),
        }
        terms = {name: (_norms(r), _norms(t - c), _norms(t)) for name, (r, t, c) in targets.items()}
        terms["ceiling_sampled"] = (noise, *terms["shared_affine_r2_sampled"][1:])
        for name, (residual, variance, square) in terms.items():
            level: dict[str, Any] = {"value": None, "interval": None, "timestep": test.time(step)}
            level["inflation"] = pixels / (len(train) - pixels - 1) if len(train) > pixels + 1 else None
            if float(variance.sum()) > CONSTANT * float(square.sum()):
                interval = complement(trajectory_bootstrap(residual, variance, unit, seed=seed, replicates=replicates))
                level["value"] = 1 - float(residual.sum() / variance.sum())
                level["interval"] = None if interval is None else list(interval)
            constant = "the target is constant" if level["value"] is None else None
            level["caution"] = cautions(constant, few, None if name.endswith("denoised") else partial)
            found[name].append(level)
    return found


def _svd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Thin singular value decomposition; of the small Gram matrix where there are far more columns than rows."""
    n, d = x.shape
    if d <= 2 * n:
        left, singular, right = torch.linalg.svd(x, full_matrices=False)
    else:
        values, left = torch.linalg.eigh(x @ x.T)
        singular, left = values.clamp(min=0).sqrt().flip(0), left.flip(1)
        right = (left.T @ x) / singular.clamp(min=torch.finfo(x.dtype).tiny)[:, None]
    # Centring makes one direction vanish where d >= n; what is left of it is rounding.
    kept = singular > 1e-7 * singular[0]
    kept[0] = True
    return left[:, kept], singular[kept].clamp(min=torch.finfo(x.dtype).tiny), right[kept]


def _steps(train: Trajectories) -> list[int]:
    """All steps, or evenly spread ones (the first and the last among them) where all would cost too much."""
    n, pixels = len(train), train.states[0, 0].numel()
    affordable = max(int(WORK / (4 * n * pixels * min(n, pixels) + 1)), 3)
    if train.steps <= affordable:
        return list(range(train.steps))
    return sorted({round(i * (train.steps - 1) / (affordable - 1)) for i in range(affordable)})


def _flat(x: Tensor) -> Float[Tensor, "n d"]:
    return x.flatten(1).double()


def _norms(x: Tensor) -> Float[Tensor, " n"]:
    return x.square().sum(1)
