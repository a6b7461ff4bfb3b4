"""Samplers by name that run on any denoiser's schedule; their steps are those of diffusers."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from symdiff.diffusion.samplers.kinds import (
    DPMSolverKind,
    EDMEulerKind,
    EulerAncestralKind,
    EulerKind,
    FlowEulerKind,
    HeunKind,
    Scheduler,
    SchedulerKind,
)
from symdiff.diffusion.samplers.library import scheduler_class
from symdiff.diffusion.samplers.scheduler import SchedulerSampler
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError

SPACINGS = ("trailing", "leading", "linspace")


class NamedSampler(SchedulerSampler):
    """A scheduler made for the schedule at hand."""

    @abstractmethod
    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """Arguments of the scheduler's class."""

    def settings(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": self.name, **vars(self)}

    def scheduler(self, schedule: Schedule) -> Scheduler:
        """A new one."""
        make = scheduler_class(self.kind().class_name, self.name)
        return make(num_train_timesteps=schedule.T, **self.configuration(schedule))


class TrainedSampler(NamedSampler):
    """Steps at training times of the denoiser's schedule.

    Parameters
    ----------
    spacing
        Which times: ``"trailing"`` begins at the noisiest state, ``"leading"`` and ``"linspace"`` are the library's
        others (Lin et al. 2024, Table 2).
    """

    def __init__(self, spacing: str = "trailing") -> None:
        if spacing not in SPACINGS:
            raise ConfigError(f"sampler {self.name} has no spacing {spacing!r}", f"choose one of {', '.join(SPACINGS)}")
        self.spacing = spacing

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """The schedule's own betas; the last state is of finite noise where alpha_bar ends at 0."""
        alpha_bar = schedule.alpha_bar
        betas = 1 - alpha_bar[1:] / alpha_bar[:-1]
        found = {"trained_betas": betas.tolist(), "timestep_spacing": self.spacing}
        return found | {"rescale_betas_zero_snr": True} if float(alpha_bar[-1]) == 0 else found


class KarrasSampler(TrainedSampler):
    """A `TrainedSampler` whose levels may instead be those of Karras et al. 2022, Eq. 5.

    Parameters
    ----------
    spacing
        As for `TrainedSampler`.
    karras
        Levels evenly spaced in ``S^(1/7)`` between the first and the last of the run, at times between training steps.
    """

    def __init__(self, spacing: str = "trailing", karras: bool = False) -> None:
        super().__init__(spacing)
        self.karras = karras

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """With the choice of levels."""
        return super().configuration(schedule) | {"use_karras_sigmas": self.karras}


class Euler(KarrasSampler):
    """Euler's rule on ``x_0 + S eps`` (Karras et al. 2022): ``x' = x + (S' - S) epshat``."""

    name = "euler"

    def kind(self) -> SchedulerKind:
        """EulerDiscreteScheduler."""
        return EulerKind()


class EulerAncestral(TrainedSampler):
    """Euler's rule to the level ``S'^2/S`` and fresh noise from there to S'."""

    name = "euler-ancestral"

    def kind(self) -> SchedulerKind:
        """EulerAncestralDiscreteScheduler."""
        return EulerAncestralKind()


class Heun(KarrasSampler):
    """Heun's rule on ``x_0 + S eps`` (Karras et al. 2022, Algorithm 1): two calls of the model a step, one in the last.

    On a schedule that ends at very high noise, such as the cosine one, few steps at training times jump too far for it:
    ``karras=True`` spreads them.
    """

    name = "heun"

    def kind(self) -> SchedulerKind:
        """HeunDiscreteScheduler."""
        return HeunKind()

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """As for Euler, but the library has no finite first level for a schedule that ends at alpha_bar = 0."""
        if float(schedule.alpha_bar[-1]) == 0:
            raise ConfigError(
                "sampler heun begins at infinite noise on a schedule that ends at alpha_bar = 0",
                "choose another sampler, such as ddim",
            )
        return super().configuration(schedule)


class DPMSolver(KarrasSampler):
    """DPM-Solver++ as a multistep method (Lu et al. 2022).

    Parameters
    ----------
    order
        1 (the same as DDIM), 2 or 3.
    spacing, karras
        As for `KarrasSampler`.
    """

    name = "dpmsolver++"
    highest = 3

    def __init__(self, order: int = 2, spacing: str = "trailing", karras: bool = False) -> None:
        if not 1 <= order <= self.highest:
            raise ConfigError(f"order of sampler {self.name} is {order}", f"choose 1 to {self.highest}")
        super().__init__(spacing, karras)
        self.order = order

    def kind(self) -> SchedulerKind:
        """DPMSolverMultistepScheduler."""
        return DPMSolverKind()

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """With the algorithm and its order."""
        return super().configuration(schedule) | {"algorithm_type": self.name, "solver_order": self.order}


class SDEDPMSolver(DPMSolver):
    """The stochastic DPM-Solver++, of order 1 or 2."""

    name = "sde-dpmsolver++"
    highest = 2


class EDM(NamedSampler):
    """Euler's rule on the levels of Karras et al. 2022 (EDM), Eq. 5, whatever the schedule of the denoiser.

    Parameters
    ----------
    sigma_min, sigma_max
        The last level before clean data, and the first one. At noise beyond the denoiser's schedule it is asked for T.
    rho
        Levels are evenly spaced in ``S^(1/rho)``.
    s_churn, s_noise
        Noise added before each step, 0 for none, and the factor of its standard deviation.
    """

    name = "edm"

    def __init__(
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
        s_churn: float = 0.0,
        s_noise: float = 1.0,
    ) -> None:
        if not 0 < sigma_min < sigma_max < math.inf:
            raise ConfigError(
                f"the noise levels of sampler edm are {sigma_min:g} to {sigma_max:g}",
                "choose 0 < sigma_min < sigma_max",
            )
        if not (0 < rho < math.inf and 0 <= s_churn < math.inf and 0 <= s_noise < math.inf):
            raise ConfigError(
                f"sampler edm was given rho {rho:g}, s_churn {s_churn:g}, s_noise {s_noise:g}",
                "choose finite numbers: rho above 0, the others at least 0",
            )
        self.sigma_min, self.sigma_max, self.rho = float(sigma_min), float(sigma_max), float(rho)
        self.s_churn, self.s_noise = float(s_churn), float(s_noise)

    def kind(self) -> SchedulerKind:
        """EDMEulerScheduler."""
        return EDMEulerKind(self.s_churn, self.s_noise)

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """The levels."""
        return {"sigma_min": self.sigma_min, "sigma_max": self.sigma_max, "rho": self.rho}


class FlowEuler(NamedSampler):
    """Euler's rule on the straight path ``(1-s) x_0 + s eps``, from pure noise at s = 1.

    Parameters
    ----------
    shift
        Levels are moved to ``shift s / (1 + (shift-1) s)``: above 1, more steps at high noise (Esser et al. 2024).
    """

    name = "flow-euler"

    def __init__(self, shift: float = 1.0) -> None:
        if not 0 < shift < math.inf:
            raise ConfigError(f"shift of sampler flow-euler is {shift:g}", "choose a positive number")
        self.shift = float(shift)

    def kind(self) -> SchedulerKind:
        """FlowMatchEulerDiscreteScheduler."""
        return FlowEulerKind()

    def configuration(self, schedule: Schedule) -> dict[str, Any]:
        """The shift."""
        return {"shift": self.shift}
