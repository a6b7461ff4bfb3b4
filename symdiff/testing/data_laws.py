"""The laws of what a family draws: elements and sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.failure import require, require_close
from symdiff.trajectories import Sequences, Trajectories

SINGLE = 1e-4
"""What is rounding in float32, in which states are recorded."""


def assert_sample(family: GroupFamily, seed: int, n: int = 64) -> None:
    """`sample` draws ``[n, *element_shape]``, finite, from the generator it is given and from nothing else.

    Raises
    ------
    LawError
        It does not.
    """
    look_at = ("sample", "element_shape")

    def drawn(generator_seed: int, global_seed: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            return family.sample(n, torch.Generator().manual_seed(generator_seed))

    first = drawn(seed, 0)
    shape = (n, *family.element_shape)
    require(first.shape == shape, f"sample({n}) has shape {shape}", family, look_at, f"found {tuple(first.shape)}")
    require(bool(first.isfinite().all()), "sampled elements are finite", family, look_at)
    law = "sample(n, generator) depends on the generator alone"
    require(torch.equal(first, drawn(seed, 1)), law, family, look_at, "two calls with equal generators differ")
    if bool((family.distance(first, family.identity().to(first)) > 0).any()):  # else the group may be trivial
        differs = not torch.equal(first, drawn(seed + 1, 0))
        require(differs, law, family, look_at, "generators of two seeds give the same elements")
    require(family.sample(2).shape[0] == 2, "sample(n) needs no generator", family, look_at)


def assert_sequences(family: GroupFamily, sequences: Sequences, trajectories: Trajectories, length: int) -> None:
    """``o_{t+1} = g_t o_t``, beginning with the observed part of a recorded state.

    Parameters
    ----------
    sequences
        What the family made of `trajectories`.
    length
        The number of actions that was asked for.

    Raises
    ------
    LawError
        The sequences are not consistent.
    """
    look_at, n = ("sequences",), len(sequences)
    shapes = {
        "observations": (sequences.observations, (n, length + 1, *family.observation_shape)),
        "actions": (sequences.actions, (n, length, *family.element_shape)),
        "times": (sequences.times, (n, length + 1)),
        "trajectory": (sequences.trajectory, (n,)),
    }
    for name, (found, shape) in shapes.items():
        details = f"found {tuple(found.shape)}"
        require(tuple(found.shape) == shape, f"{name} of sequences has shape {shape}", family, look_at, details)
    times, which = sequences.times, sequences.trajectory
    inside = bool(((times >= 0) & (times <= trajectories.steps)).all() and (which < len(trajectories)).all())
    require(inside, "times and trajectory of sequences are places in the recording", family, look_at)
    x = sequences.observations
    reached = family.act(sequences.actions, x[:, :-1])
    given = {"g_t": sequences.actions}
    require_close(reached, x[:, 1:], "o_{t+1} = g_t o_t", family, ("sequences", "act"), given, SINGLE)
    states = family.observed(trajectories.states[which, times[:, 0]])
    law = "sequences begin with the observed part of a recorded state"
    require_close(x[:, 0], states, law, family, ("sequences", "observed"), None, SINGLE)


def assert_sequences_by_generator(family: GroupFamily, trajectories: Trajectories, seed: int) -> None:
    """`sequences` depends on the generator it is given and on nothing else.

    Raises
    ------
    LawError
        It does not.
    """
    drawn = []
    for global_seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            drawn.append(family.sequences(trajectories, 2, 5, torch.Generator().manual_seed(seed)))
    same = torch.equal(drawn[0].actions, drawn[1].actions) and torch.equal(drawn[0].times, drawn[1].times)
    law = "sequences(..., generator) depends on the generator alone"
    require(same, law, family, ("sequences", "sample"), "two calls with equal generators differ")
