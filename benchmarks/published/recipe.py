"""The recipe of the family `actions` on the world: actions that add, dense skew rho, convolutions, 2000 steps.

See docs/actions.md for its loss, and for what the term that spreads the latents is for.
"""

from __future__ import annotations

import torch

from symdiff.checkpoint import Checkpoint
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.training import Data, Stage, train_stage
from symdiff.trajectories import ObservedSequences
from symdiff.worlds import Episodes
from symdiff_actions.family import ActionsFamily
from symdiff_actions.options import ActionsOptions

STEPS = 2000
LENGTH = 2
VALIDATION = 64
"""Episodes that weights are chosen by."""


def observed(episodes: Episodes) -> ObservedSequences:
    """The episodes as a file of sequences is read: images in [0, 1]."""
    return ObservedSequences.of(
        torch.from_numpy(episodes.observations).float() / 255, torch.from_numpy(episodes.actions).float()
    )


def family(recording: ObservedSequences, **options: float) -> GroupFamily:
    """The family for actions that compose by addition, rho dense ``m x m``."""
    chosen = ActionsOptions(law="additive", rho="skew", network="conv", likelihood="bernoulli")
    return ActionsFamily.of(recording.observation_shape, chosen.model_copy(update=options)).for_recording(recording)


def train(model: HAE, chosen: GroupFamily, recording: ObservedSequences, seed: int, steps: int = STEPS) -> None:
    """Train `model` in place on random windows of the recording."""
    validation, train_part = recording.select(slice(VALIDATION)), recording.select(slice(VALIDATION, None))
    data = Data(chosen, train_part, validation, LENGTH, seed, torch.device("cpu"))
    options = chosen.options
    train_stage(model, data, Stage("lie", steps, options.learning_rate, options.penalty), Checkpoint(None))
