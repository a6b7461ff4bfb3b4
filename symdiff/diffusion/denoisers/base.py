"""The one thing symdiff asks of a diffusion model: the mean of the clean image given a noisy one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ConfigError

if TYPE_CHECKING:
    from symdiff.diffusion.samplers import Sampler

Prediction = Literal["epsilon", "sample", "v_prediction", "flow"]
"""What a network returns: the noise, the clean image, the velocity ``A eps - sigma x_0``, or that of the straight path
``(1-s) x_0 + s eps`` between image and noise, ``eps - x_0``."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images of the law a model was made for, which it was not made from.

    Attributes
    ----------
    images
        ``[n, C, H, W]`` float32 in [-1, 1], or of unbounded range where the law is.
    half_bin
        Half the spacing of the grey levels; ``None`` for continuous data.
    origin
        Where they are from, in a few words.
    """

    images: Float[Tensor, "n c h w"]
    half_bin: float | None
    origin: str


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
    prediction
        What `predict` returns.
    label, guidance
        The class and the scale of classifier-free guidance that `conditioned` was given.
    caveats
        What a reader of results has to know of how the model was made; every result repeats it.
    found_at
        The MODEL it can be loaded as again where its name is not enough, without running code of the user's.
    has_pullback
        Whether `pullback` is written out; other models are differentiated automatically.
    """

    prediction: Prediction = "sample"
    label: int | None = None
    guidance: float | None = None
    caveats: tuple[str, ...] = ()
    found_at: str | None = None
    has_pullback: bool = False

    def __init__(self, name: str, shape: tuple[int, int, int], schedule: Schedule, digest: str) -> None:
        self.name = name
        self.shape = shape
        self.schedule = schedule
        self.digest = digest

    @abstractmethod
    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """The estimate x0hat of the clean images behind the states `x` at time `t`.

        Parameters
        ----------
        x
            States ``A x_0 + sigma eps`` in float32 or float64; the result has the same dtype and device.
        t
            Training time, from 0 (clean: the state itself is returned) to ``schedule.T``; it need not be whole.

        Notes
        -----
        Differentiable in `x`, in reverse and forward mode, and never clipped.
        """

    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """What the network itself returns, of the kind `prediction`: a library's sampler is given this, unconverted."""
        return self.denoise(x, t)

    def pullback(self, x: Float[Tensor, "batch c h w"], t: Time) -> Callable[[Tensor], Tensor]:
        """``J^T`` of `denoise` at states `x` and time `t`, of a model that `has_pullback`.

        Returns
        -------
        callable
            From directions ``[k, n, c, h, w]``, k for each of the n states, to products of the same shape.
        """
        raise NotImplementedError

    def held_out(self) -> HeldOut | None:
        """Images to judge the model by; ``None`` where it knows none.

        Raises
        ------
        MissingExtraError
            They come with a package that is not installed.
        """
        return None

    def own_sampler(self) -> Sampler | None:
        """The sampler the model came with; ``None`` means the general default."""
        return None

    def conditioned(self, label: int | None, guidance: float | None) -> Denoiser:
        """The model of one class.

        Parameters
        ----------
        label
            The class; ``None`` for none.
        guidance
            Scale w of classifier-free guidance, ``eps(x) + w (eps(x | label) - eps(x))``; ``None`` for the plain
            conditional model.

        Raises
        ------
        ConfigError
            The model has no classes, or not this one.
        """
        if label is None and guidance is None:
            return self
        given = "label" if label is not None else "guidance"
        raise ConfigError(
            f"model {self.name!r} is not conditional: it takes no {given}", "leave out --label and --guidance"
        )

    def decode(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures of clean states, in [-1, 1]: the states themselves unless the model works in a latent space."""
        return x

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
