"""The one thing symdiff asks of a diffusion model: the mean of the clean image given a noisy one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.schedule import Schedule


class Denoiser(ABC):
    """An estimate of ``E[x_0 | x_t]`` on a noise schedule.

    Whatever a network predicts (noise, velocity, the image itself) is converted to x0hat here, so that samplers and
    diagnostics see one convention.

    Attributes
    ----------
    name
        Short name shown in reports.
    shape
        ``(C, H, W)``.
    schedule
        The noise schedule.
    digest
        SHA-256 of all that defines the function computed; equal digests mean equal models.
    """

    def __init__(self, name: str, shape: tuple[int, int, int], schedule: Schedule, digest: str) -> None:
        self.name = name
        self.shape = shape
        self.schedule = schedule
        self.digest = digest

    @abstractmethod
    def denoise(self, x: Float[Tensor, "batch c h w"], t: int) -> Float[Tensor, "batch c h w"]:
        """The estimate x0hat of the clean images behind the states `x` at time `t`.

        Parameters
        ----------
        x
            States in float32 or float64; the result has the same dtype and device.
        t
            Training time, from 0 (clean: the state itself is returned) to ``schedule.T``.

        Notes
        -----
        Differentiable in `x`, in reverse and forward mode, and never clipped.
        """

    def to(self, device: torch.device | str) -> Denoiser:
        """Moves the parameters to `device` and returns the denoiser itself."""
        del device  # closed forms follow the device of their input
        return self

    def __repr__(self) -> str:
        """Name, shape and the first digits of the digest."""
        return f"<{type(self).__name__} {self.name!r} shape={self.shape} T={self.schedule.T} digest={self.digest[:12]}>"


def fingerprint(kind: str, *tensors: Tensor) -> str:
    """SHA-256 over a description and the exact bytes of the tensors that define a model."""
    sha = hashlib.sha256(kind.encode())
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous()
        sha.update(f"|{array.dtype}{tuple(array.shape)}".encode())
        sha.update(array.numpy().tobytes())
    return sha.hexdigest()
