"""Samplers: the rules by which a reverse process steps from noise to data."""

from symdiff.diffusion.samplers.base import GAUGES, Model, Noise, Sampler, Stepper, StepTable, posterior_coefficients
from symdiff.diffusion.samplers.ddim import DDIM
from symdiff.diffusion.samplers.ddpm import DDPM
from symdiff.diffusion.samplers.kinds import KINDS
from symdiff.diffusion.samplers.named import EDM, DPMSolver, Euler, EulerAncestral, FlowEuler, Heun, SDEDPMSolver
from symdiff.diffusion.samplers.own import schedule_of, scheduler_sampler, scheduler_timestep

SAMPLERS: dict[str, type[Sampler]] = {
    sampler.name: sampler
    for sampler in (DDPM, DDIM, Euler, EulerAncestral, Heun, DPMSolver, SDEDPMSolver, EDM, FlowEuler)
}
"""Sampler classes by name."""

__all__ = [
    "DDIM",
    "DDPM",
    "EDM",
    "GAUGES",
    "KINDS",
    "SAMPLERS",
    "DPMSolver",
    "Euler",
    "EulerAncestral",
    "FlowEuler",
    "Heun",
    "Model",
    "Noise",
    "SDEDPMSolver",
    "Sampler",
    "StepTable",
    "Stepper",
    "posterior_coefficients",
    "schedule_of",
    "scheduler_sampler",
    "scheduler_timestep",
]
