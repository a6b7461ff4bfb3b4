"""The local linear part of the reverse steps: spectra, symmetry, commutators, and one basis for all.

A step ``x' = P x + Q x0hat(x / scale) + noise`` has the linear part ``A_t = P I + (Q / scale) J`` with
``J = d x0hat / d x``. All that is not a multiple of the identity is in J, so J is what is looked at, at states of
held-out trajectories.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.diffusion import Denoiser
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.jacobian import jacobian
from symdiff.diffusion.schedule import Time
from symdiff.errors import ConfigError
from symdiff.process.by_level import between_levels, level_figures
from symdiff.process.common_basis import common_basis, level_weights, nothing
from symdiff.process.effort import Effort, chosen_levels, chosen_trajectories
from symdiff.process.exact_route import ExactRoute
from symdiff.process.probed_route import OnLevel, ProbedRoute
from symdiff.progress import Progress
from symdiff.trajectories import Trajectories, resolve_device

ROUNDING = 64
"""Rounding of an entry of J in units of the last place."""


def linear_part(
    denoiser: Denoiser,
    trajectories: Trajectories,
    *,
    seed: int = 0,
    thorough: bool = False,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    dtype: torch.dtype | None = None,
    effort: Effort | None = None,
) -> dict[str, Any]:
    """Measure J and A_t at states of some trajectories.

    Parameters
    ----------
    denoiser
        The model the recording is of.
    trajectories
        Recorded reverse processes that the model was not trained on.
    seed
        Of the choice of trajectories and of random directions.
    thorough
        More states, levels and directions.
    device
        Where the model runs.
    progress
        Told after every level.
    dtype
        Of the states the model is asked at: by default float64 for closed forms on the CPU, float32 otherwise.
    effort
        What is spent; by default what suits the number of pixels.

    Returns
    -------
    dict
        Plain data. A figure is ``{"value", "interval"}``, over trajectories: Student's t for means, the delete-one
        jackknife for ratios of sums, with the error of random directions inside, since they are independent between
        trajectories. ``None`` where there is nothing to divide by, or fewer than three trajectories. With
        ``S = (J + J^T)/2``, ``X = J - (tr J / d) I`` and Frobenius norms:

        ``dimension``, ``states``, ``note``
            d, the number of trajectories, and what has to be known to read the rest.
        ``levels``
            One entry a noise level, in the order of sampling. ``timestep``, ``alpha_bar``; ``eigenvalues``, the largest
            of S in descending order, means over states, with the 5% and 95% quantiles ``eigenvalues_low`` and
            ``eigenvalues_high``; ``step_eigenvalues = P + (Q / scale) eigenvalues``, those of A_t on the same
            eigenvectors; ``effective_rank``, the participation ratio ``(tr S)^2 / |S|^2``; ``trace``, tr J;
            ``symmetry_defect``, ``sqrt(sum |J - J^T|^2 / sum |J|^2)``, at most 2 and 0 for the optimal denoiser;
            ``commutator_states``, c of J at two states of the level; ``commutator_neighbour``, c with the next level of
            the same trajectory (none for the last); ``commutator_all``, the mean of c with all other levels of the same
            trajectory; ``commutator_null``, c for independent bases; ``caution``, when not to trust an entry. What c is
            says `symdiff.process.commuting`.
        ``commutators``
            ``timesteps`` and ``matrix``, c between all pairs of levels along a trajectory.
        ``common_basis``
            As in `symdiff.process.common_basis`.

    Raises
    ------
    ConfigError
        The recording is of images of another shape.
    RunError
        The model has no derivative in forward or reverse mode.
    """
    if tuple(trajectories.observation_shape) != tuple(denoiser.shape):
        raise ConfigError(
            f"the recording has images of shape {trajectories.observation_shape}, model {denoiser.name!r} "
            f"of {denoiser.shape}",
            "give the recording and the model it is of",
        )
    place = resolve_device(device)
    denoiser = denoiser.to(place)
    d = trajectories.states[0, 0].numel()
    effort = effort or Effort.for_pixels(d, thorough)
    if dtype is None:
        exact = place.type == "cpu" and isinstance(denoiser, ClosedFormDenoiser)
        dtype = torch.float64 if exact else torch.float32
    levels = chosen_levels(trajectories, effort.levels)
    chosen = chosen_trajectories(trajectories, effort.trajectories, seed)
    states = trajectories.states[chosen][:, levels].to(place, dtype)
    states = states / trajectories.scale[levels].to(states)[:, None, None, None]
    times = [trajectories.time(i) for i in levels]
    told = None if progress is None else progress.update
    route = (
        _exact(denoiser, states, times, effort, told)
        if effort.dense
        else ProbedRoute(denoiser, states, times, effort, seed, rounding(dtype), told)
    )
    moments = route.moments()
    n = len(chosen)
    fitted, judged = list(range(n // 2)), list(range(n // 2, n))
    basis = nothing("there is one trajectory only: a basis fitted to it has nothing to be judged on")
    if fitted:
        weights = level_weights(moments, fitted)
        compressed = route.compressed(fitted, judged, weights, effort.subspace)
        others = sorted(set(range(len(trajectories))) - {chosen[s] for s in judged})
        images = (trajectories.states[others, -1] / float(trajectories.scale[-1])).flatten(1)
        basis = common_basis(compressed, weights, moments.traceless[judged], images)
    return {
        "dimension": d,
        "states": n,
        "note": _note(trajectories, n),
        "levels": [level_figures(moments, trajectories, levels, level) for level in range(len(levels))],
        "commutators": {"timesteps": times, "matrix": between_levels(moments)},
        "common_basis": basis,
    }


def rounding(dtype: torch.dtype) -> float:
    """Relative error of an entry of J: a network adds up many terms."""
    return ROUNDING * torch.finfo(dtype).eps


def _exact(denoiser: Denoiser, states: Tensor, times: list[Time], effort: Effort, told: OnLevel | None) -> ExactRoute:
    """The matrices, level by level."""
    matrices = []
    for level, t in enumerate(times):
        matrices.append(jacobian(denoiser, states[:, level], t, most=states[0, 0].numel()))
        if told is not None:
            told(level + 1, len(times))
    return ExactRoute(torch.stack(matrices, dim=1), effort.shown, rounding(states.dtype))


def _note(trajectories: Trajectories, n: int) -> str | None:
    """What has to be known to read the figures."""
    return cautions(
        None
        if trajectories.one_step
        else "the sampler also uses earlier estimates or further calls of the model: A_t is the linear part of the "
        "first-order form of its step",
        "x0hat was clipped in the recording: the Jacobian is that of the estimate before clipping"
        if trajectories.info.get("clip")
        else None,
        few_units(n, "trajectories"),
    )
