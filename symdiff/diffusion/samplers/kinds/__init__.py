"""The scheduler classes of diffusers that symdiff reads, one kind a class."""

from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.samplers.kinds.discrete import DDIMKind, DDPMKind
from symdiff.diffusion.samplers.kinds.dpmsolver import DPMSolverKind, FlowDPMSolverKind
from symdiff.diffusion.samplers.kinds.edm import EDMEulerKind, EDMSolverKind
from symdiff.diffusion.samplers.kinds.exploding import EulerAncestralKind, EulerKind, HeunKind
from symdiff.diffusion.samplers.kinds.flow import FlowEulerKind
from symdiff.errors import ConfigError

KINDS: dict[str, type[SchedulerKind]] = {
    kind.class_name: kind
    for kind in (
        DDPMKind,
        DDIMKind,
        EulerKind,
        EulerAncestralKind,
        HeunKind,
        DPMSolverKind,
        EDMEulerKind,
        EDMSolverKind,
        FlowEulerKind,
    )
}
"""Kinds by the class they read."""


def kind_of(scheduler: Scheduler) -> SchedulerKind:
    """How a scheduler is read.

    Raises
    ------
    ConfigError
        Its class, or a setting of it, is not supported; the supported classes are named.
    """
    name, known = type(scheduler).__name__, f"supported: {', '.join(KINDS)}"
    if name not in KINDS:
        raise ConfigError(f"the scheduler {name} is not supported", f"choose another, such as --sampler ddim; {known}")
    kind = KINDS[name]()
    if isinstance(kind, DPMSolverKind) and scheduler.config.use_flow_sigmas:
        kind = FlowDPMSolverKind()
    reason = kind.refusal(scheduler.config)
    if reason is not None:
        raise ConfigError(
            f"{name} is not supported with {reason}",
            f"change that setting, or choose another, such as --sampler ddim; {known}",
        )
    return kind


__all__ = [
    "KINDS",
    "DDIMKind",
    "DDPMKind",
    "DPMSolverKind",
    "EDMEulerKind",
    "EDMSolverKind",
    "EulerAncestralKind",
    "EulerKind",
    "FlowDPMSolverKind",
    "FlowEulerKind",
    "HeunKind",
    "Levels",
    "Scheduler",
    "SchedulerKind",
    "kind_of",
]
