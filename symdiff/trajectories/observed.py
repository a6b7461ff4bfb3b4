"""Sequences that somebody observed, in the place of a recording: there is no model and no reverse process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.errors import ConfigError
from symdiff.trajectories.data import Sequences, Trajectories
from symdiff.trajectories.sequences import cut

NO_PROCESS = "there is no reverse process: the data are observed sequences, and no denoiser made them"
"""Why nothing is said of a process."""


@dataclass(frozen=True)
class ObservedSequences(Trajectories):
    """Observations and the actions between them.

    The observations are the `states`. What belongs to a reverse process is not a number: `denoised`, `alpha_bar` and
    the coefficients are NaN, and there are no gauges.

    Attributes
    ----------
    actions
        ``[traj, steps, A]`` float32: the action that leads from ``states[:, i]`` to ``states[:, i + 1]``.
    factors
        ``[traj, time, F]`` float32: what is known of the world behind each observation; ``None`` if nothing is.
    """

    actions: Float[Tensor, "traj steps a"] = field(kw_only=True)
    factors: Float[Tensor, "traj time f"] | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls,
        observations: Float[Tensor, "traj time c h w"],
        actions: Float[Tensor, "traj steps a"],
        factors: Float[Tensor, "traj time f"] | None = None,
        info: dict[str, Any] | None = None,
    ) -> ObservedSequences:
        """The recording of these arrays; everything about a process is NaN."""
        steps = actions.shape[1]
        unknown = torch.full((steps + 1,), torch.nan, dtype=torch.float64)
        return cls(
            states=observations,
            denoised=_unknown(observations),
            timesteps=torch.arange(steps + 1),
            alpha_bar=unknown,
            scale=unknown,
            state_coefficient=unknown[1:],
            denoised_coefficient=unknown[1:],
            noise_std=unknown[1:],
            gauges={},
            info=info or {},
            actions=actions,
            factors=factors,
        )

    def select(self, index: Int[Tensor, " n"] | slice) -> ObservedSequences:
        """The sequences at `index`."""
        states = self.states[index]
        return replace(
            self,
            states=states,
            denoised=_unknown(states),
            actions=self.actions[index],
            factors=None if self.factors is None else self.factors[index],
        )

    def double(self) -> ObservedSequences:
        """The same in float64; `windows` gives actions in the dtype of the states."""
        states = self.states.double()
        return replace(self, states=states, denoised=_unknown(states))

    def windows(self, length: int, n: int, generator: torch.Generator | None = None) -> Sequences:
        """`n` windows of `length` consecutive actions with the observations around them, drawn as by `cut`.

        Raises
        ------
        ConfigError
            The sequences are shorter.
        """
        found = cut(self, length, n, generator)
        actions = self.actions[found.trajectory[:, None], found.times[:, :-1]].to(self.states.dtype)
        return Sequences(found.observations, actions, found.times, found.trajectory)


def refuse_longer(sequences: ObservedSequences, length: int, name: str) -> None:
    """Refuse training sequences of more actions than were observed in a row.

    Raises
    ------
    ConfigError
        `length` is larger than the number of actions of a sequence.
    """
    if length > sequences.steps:
        raise ConfigError(
            f"--length is {length}, but {name} has sequences of {sequences.steps} "
            f"action{'s' if sequences.steps > 1 else ''}",
            f"choose --length from 1 to {sequences.steps}" if sequences.steps > 1 else "choose --length 1",
        )


def _unknown(states: Float[Tensor, "traj time c h w"]) -> Float[Tensor, "traj steps c h w"]:
    """NaN in the place of estimates that no model made; one number in memory."""
    count, time, *shape = states.shape
    return torch.tensor(torch.nan, dtype=states.dtype).expand(count, time - 1, *shape)
