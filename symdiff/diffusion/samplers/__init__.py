"""Samplers: the rules by which a reverse process steps from noise to data."""

from symdiff.diffusion.samplers.base import GAUGES, Model, Noise, Sampler, Stepper, StepTable, posterior_coefficients
from symdiff.diffusion.samplers.ddim import DDIM
from symdiff.diffusion.samplers.ddpm import DDPM
from symdiff.diffusion.samplers.scheduler import schedule_of, scheduler_sampler

SAMPLERS: dict[str, type[Sampler]] = {DDPM.name: DDPM, DDIM.name: DDIM}
"""Sampler classes by name."""

__all__ = [
    "DDIM",
    "DDPM",
    "GAUGES",
    "SAMPLERS",
    "Model",
    "Noise",
    "Sampler",
    "StepTable",
    "Stepper",
    "posterior_coefficients",
    "schedule_of",
    "scheduler_sampler",
]
