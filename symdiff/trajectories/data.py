"""What a recording holds, and the observation-action sequences a model is trained on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

GAUGES = ("v", "eps", "x0")


@dataclass(frozen=True)
class Trajectories:
    """Recorded reverse processes of one model under one sampler.

    Time runs in the order of sampling: index 0 is pure noise, index -1 the finished image. A recorded step has the
    form ``x' = P x + Q x0hat + noise_std z``; the gauges follow from it.

    Attributes
    ----------
    states
        ``[traj, time, C, H, W]`` float32, ``time = steps + 1``.
    denoised
        ``[traj, steps, C, H, W]`` float32: the x0-prediction the model made at ``states[:, i]``.
    timesteps
        ``[time]``: the training time of each state (``T ... 0``), whole or between two training steps.
    alpha_bar
        ``[time]`` float64: the cumulative product at each state.
    scale
        ``[time]`` float64: how many times larger the state is than ``sqrt(alpha_bar) x_0 + sqrt(1-alpha_bar) eps``,
        the coordinates in which models are asked; 1 unless the sampler uses others.
    state_coefficient, denoised_coefficient, noise_std
        ``[steps]`` float64: P, Q and the standard deviation of the injected noise.
    gauges
        ``{"v" | "eps" | "x0": a [steps]}`` float64; 0 or infinite where the step is not in GL(d+1), NaN where the
        sampler has no such gauge.
    one_step
        Whether P, Q and noise_std say all of a step. If not, the sampler also uses earlier estimates or a second call
        of the model, and P and Q are those of its first-order form.
    info
        Plain data: model name and digest, sampler, seed, whether x0hat was clipped (``clip``) and how (``clipping``).
    """

    states: Float[Tensor, "traj time c h w"]
    denoised: Float[Tensor, "traj steps c h w"]
    timesteps: Real[Tensor, " time"]
    alpha_bar: Float[Tensor, " time"]
    scale: Float[Tensor, " time"]
    state_coefficient: Float[Tensor, " steps"]
    denoised_coefficient: Float[Tensor, " steps"]
    noise_std: Float[Tensor, " steps"]
    gauges: dict[str, Float[Tensor, " steps"]]
    one_step: bool = True
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.states.shape[0]

    @property
    def steps(self) -> int:
        """Number of reverse steps of one trajectory."""
        return self.denoised.shape[1]

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        c, h, w = self.states.shape[2:]
        return c, h, w

    def time(self, i: int) -> int | float:
        """The training time of state i as a plain number, whole where it is whole."""
        time = float(self.timesteps[i])
        return int(time) if time.is_integer() else time

    def select(self, index: Int[Tensor, " n"] | slice) -> Trajectories:
        """The trajectories at `index`, as a new recording."""
        return replace(self, states=self.states[index], denoised=self.denoised[index])

    def double(self) -> Trajectories:
        """The same in float64."""
        return replace(self, states=self.states.double(), denoised=self.denoised.double())

    def split(self, fractions: tuple[float, ...] = (0.7, 0.1, 0.2), seed: int = 0) -> tuple[Trajectories, ...]:
        """Disjoint parts in a seeded random order; every part has at least one trajectory if there are enough."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self), generator=generator)
        parts = len(fractions)
        ends = [round(len(self) * sum(fractions[: i + 1]) / sum(fractions)) for i in range(parts)]
        if len(self) >= parts:  # room for one in every part before and after
            ends = [min(max(end, i + 1), len(self) - parts + i + 1) for i, end in enumerate(ends)]
        starts = [0, *ends[:-1]]
        return tuple(self.select(order[a:b]) for a, b in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class Sequences:
    """Observation-action sequences ``(o_1, g_1, o_2, ..., g_N, o_{N+1})`` with ``o_{t+1} = g_t . o_t``.

    Attributes
    ----------
    observations
        ``[n, N+1, C, H, W]``.
    actions
        ``[n, N, *element_shape]``.
    times
        ``[n, N+1]``: index of each observation in its trajectory.
    trajectory
        ``[n]``: which trajectory each sequence comes from (the unit of resampling).
    """

    observations: Float[Tensor, "n obs c h w"]
    actions: Float[Tensor, "n act *element"]
    times: Int[Tensor, "n obs"]
    trajectory: Int[Tensor, " n"]

    def __len__(self) -> int:
        return self.observations.shape[0]

    @property
    def length(self) -> int:
        """Number of actions N."""
        return self.actions.shape[1]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Sequences:
        """The same sequences on another device and, if given, in another floating dtype."""
        return replace(
            self,
            observations=self.observations.to(device, dtype),
            actions=self.actions.to(device, dtype),
            times=self.times.to(device),
            trajectory=self.trajectory.to(device),
        )
