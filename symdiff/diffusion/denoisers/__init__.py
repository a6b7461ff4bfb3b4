"""Diffusion models as denoisers: the embedded ones by name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from symdiff.diffusion.denoisers.base import Denoiser, HeldOut
from symdiff.diffusion.denoisers.gaussian import GaussianDenoiser
from symdiff.diffusion.denoisers.mixture import GaussianMixtureDenoiser, KernelMixtureDenoiser
from symdiff.diffusion.denoisers.network import DIGITS_WEIGHTS, MNIST_WEIGHTS, NetworkDenoiser, load_network
from symdiff.diffusion.denoisers.sphere import SphereDenoiser
from symdiff.errors import ModelError


def embedded_digits() -> NetworkDenoiser:
    """The network trained on 8x8 digits that ships with symdiff."""
    return load_network(DIGITS_WEIGHTS, "digits")


def embedded_mnist() -> NetworkDenoiser:
    """The network trained on 28x28 MNIST digits that ships with symdiff."""
    return load_network(MNIST_WEIGHTS, "mnist")


SOURCES: dict[str, Callable[[], Denoiser]] = {
    "digits": embedded_digits,
    "gaussian": GaussianDenoiser.of_digits,
    "mnist": embedded_mnist,
    "mixture": KernelMixtureDenoiser.of_digits,
}
"""The embedded models by name."""


def load_denoiser(model: str) -> Denoiser:
    """The embedded model of this name.

    Parameters
    ----------
    model
        A key of `SOURCES`.

    Raises
    ------
    ModelError
        If there is no such model; the nearest name is suggested.
    """
    if model not in SOURCES:
        near = get_close_matches(model, SOURCES, n=1, cutoff=0.4)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise ModelError(f"there is no embedded model {model!r}", f"{guess}available: {', '.join(sorted(SOURCES))}")
    return SOURCES[model]()


__all__ = [
    "SOURCES",
    "Denoiser",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "HeldOut",
    "KernelMixtureDenoiser",
    "NetworkDenoiser",
    "SphereDenoiser",
    "embedded_digits",
    "embedded_mnist",
    "load_denoiser",
]
