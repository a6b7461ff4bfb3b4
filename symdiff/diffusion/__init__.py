"""Diffusion: schedules, forward process, samplers, the affine elements of their steps, and denoisers."""

from symdiff.diffusion.denoisers import SOURCES, Denoiser, HeldOut, load_denoiser
from symdiff.diffusion.samplers import DDIM, DDPM, GAUGES, SAMPLERS, Sampler, StepTable
from symdiff.diffusion.schedule import Schedule

__all__ = [
    "DDIM",
    "DDPM",
    "GAUGES",
    "SAMPLERS",
    "SOURCES",
    "Denoiser",
    "HeldOut",
    "Sampler",
    "Schedule",
    "StepTable",
    "load_denoiser",
]
