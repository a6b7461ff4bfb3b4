"""DPM-Solver++ as a multistep method, deterministic and stochastic (Lu et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Coordinates
from symdiff.diffusion.samplers.first_order import Coefficients, first_order
from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.samplers.kinds.discrete import PREDICTIONS
from symdiff.diffusion.samplers.kinds.flow import flow_schedule
from symdiff.diffusion.samplers.limiting import THRESHOLD
from symdiff.diffusion.schedule import Schedule

STOCHASTIC = "sde-dpmsolver++"
ALGORITHMS = ("dpmsolver++", STOCHASTIC)


class DPMSolverKind(SchedulerKind):
    """``DPMSolverMultistepScheduler``; beyond order 1 it also uses earlier estimates, here held fixed."""

    class_name = "DPMSolverMultistepScheduler"
    limits = (THRESHOLD,)

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Solvers for the noise instead of the image, learned variances, and shifts chosen per image."""
        if config["algorithm_type"] not in ALGORITHMS:
            return f"algorithm_type {config['algorithm_type']!r}, only {' and '.join(ALGORITHMS)}"
        if config.get("variance_type") in ("learned", "learned_range"):
            return f"variance_type {config['variance_type']!r}: learned variances are not read"
        return "use_dynamic_shifting" if config.get("use_dynamic_shifting") else None

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """Noise, image and velocity; on the straight path its own velocity instead."""
        if not config.get("use_flow_sigmas"):
            return PREDICTIONS
        return {"sample": "sample", "epsilon": "epsilon", "flow": "flow_prediction"}

    def levels(self, scheduler: Scheduler) -> Levels:
        """``A = 1/sqrt(1 + S^2)`` times (1, S); on the straight path (1 - S, S)."""
        noise = scheduler.sigmas.double()
        if scheduler.config.use_flow_sigmas:
            return 1 - noise, noise
        signal = (1 + noise.square()).rsqrt()
        return signal, noise * signal

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """Those of order 1."""
        return first_order(*levels, stochastic=scheduler.config.algorithm_type == STOCHASTIC)

    def one_step(self, config: Mapping[str, Any]) -> bool:
        """Order 1 alone has no memory."""
        return bool(config["solver_order"] == 1)

    def schedule(self, scheduler: Scheduler) -> Schedule:
        """The table, or the straight path."""
        if scheduler.config.use_flow_sigmas:
            return flow_schedule(scheduler.config.num_train_timesteps)
        return super().schedule(scheduler)


class FlowDPMSolverKind(DPMSolverKind):
    """`DPMSolverKind` on the straight path between image and noise."""

    offset = 0
    coordinates: Coordinates = "flow"
