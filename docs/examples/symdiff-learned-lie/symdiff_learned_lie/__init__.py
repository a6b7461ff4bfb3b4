"""Generators of a Lie algebra learned from trajectories, for symdiff."""

from functools import partial

from symdiff import hookimpl

PLUGIN_API = 1


@hookimpl
def symdiff_group_families():
    """The family whose generators are learned; imported here, so that `symdiff --help` does not import torch."""
    from symdiff_learned_lie.family import LearnedLie

    return [LearnedLie]


def _planted(algebra):
    from symdiff_learned_lie.planted import Planted

    return Planted(algebra)


@hookimpl
def symdiff_sources():
    """Processes with a known algebra, to see whether it is found."""
    return {f"planted-{algebra}": partial(_planted, algebra) for algebra in ("so2xso2", "so3")}


@hookimpl
def symdiff_diagnostics():
    """Figures of the learned algebra; ``None`` for other families."""
    from symdiff_learned_lie.diagnostics import bracket_closure, explained_motion

    return {"bracket_closure": bracket_closure, "explained_motion": explained_motion}
