"""A denoiser averaged over a compact group: equivariant whatever the denoiser."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Denoiser, HeldOut, fingerprint
from symdiff.diffusion.samplers import Sampler
from symdiff.diffusion.schedule import Time
from symdiff.errors import ConfigError


@runtime_checkable
class Acting(Protocol):
    """What is asked of a group: a `symdiff.GroupFamily` has it."""

    observation_shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def title(self) -> str:
        """What it is called in a report."""

    def haar_elements(self) -> Tensor | None:
        """Elements whose uniform average is the Haar average on observations."""

    def inverse(self, g: Tensor) -> Tensor:
        """The inverse of every element."""

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """The observations ``g . x``."""


class Symmetrized(Denoiser):
    """``x0hat_G(x) = mean_g g^-1 x0hat(g x)`` over the Haar elements of a group.

    The orthogonal projection of a denoiser on the equivariant ones (the Reynolds operator, or twirl). For data whose
    law is invariant it is never worse in mean squared error: the error is a convex function of the denoiser, and the
    same for every ``g^-1 x0hat(g x)`` (Elesedy and Zaidi, "Provably strict generalisation benefit for equivariant
    models", ICML 2021). For other data it can be much worse, and how much is a measure of their asymmetry. It takes as
    many calls of the model as there are elements.

    Parameters
    ----------
    denoiser
        The model.
    family
        The group; where its action interpolates, the average also blurs.

    Raises
    ------
    ConfigError
        The family knows no Haar elements, or acts on images of another shape.
    """

    def __init__(self, denoiser: Denoiser, family: Acting) -> None:
        elements = family.haar_elements()
        if elements is None:
            raise ConfigError(
                f"group {family.name!r} knows no elements to average over",
                "a compact group can give them: GroupFamily.haar_elements",
            )
        if tuple(family.observation_shape) != tuple(denoiser.shape):
            raise ConfigError(
                f"group {family.name!r} acts on images of shape {tuple(family.observation_shape)}, "
                f"model {denoiser.name!r} has {tuple(denoiser.shape)}",
                "make the family for the shape of the model",
            )
        self.inner, self.family = denoiser, family
        self.elements = elements
        # What the elements do is the family's own code: its name and the elements are what can be told of it.
        digest = fingerprint(f"symmetrized|{family!r}|{denoiser.digest}", elements)
        super().__init__(f"{denoiser.name} averaged over {family.title}", denoiser.shape, denoiser.schedule, digest)
        self.label, self.guidance = denoiser.label, denoiser.guidance
        self.caveats = (
            *denoiser.caveats,
            f"the model is {denoiser.name}, averaged over {len(elements)} elements of {family.title}",
        )

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """The average; one element at a time, so that memory does not grow with the group."""
        if t == 0:
            return x
        elements = self.elements.to(x)
        total = torch.zeros_like(x)
        for g, back in zip(elements, self.family.inverse(elements), strict=True):
            total = total + self.family.act(back[None], self.inner.denoise(self.family.act(g[None], x), t))
        return total / len(elements)

    def held_out(self) -> HeldOut | None:
        """The images the model itself is judged by."""
        return self.inner.held_out()

    def own_sampler(self) -> Sampler | None:
        """The sampler of the model itself."""
        return self.inner.own_sampler()

    def conditioned(self, label: int | None, guidance: float | None) -> Denoiser:
        """The average of the model of one class."""
        if label is None and guidance is None:
            return self
        return Symmetrized(self.inner.conditioned(label, guidance), self.family)

    def decode(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch channels height width"]:
        """As the model decodes."""
        return self.inner.decode(x)

    def to(self, device: torch.device | str) -> Denoiser:
        """Moves the model and returns the average itself; elements follow the states."""
        self.inner.to(device)
        return self


def symmetrize(denoiser: Denoiser, family: Acting) -> Symmetrized:
    """The denoiser averaged over the group of `family`: ``mean_g g^-1 x0hat(g x)``.

    Parameters
    ----------
    denoiser
        Any denoiser.
    family
        A `symdiff.GroupFamily` with `haar_elements`, made for the shape of the model.

    Raises
    ------
    ConfigError
        The family knows no Haar elements, or acts on images of another shape.
    """
    return Symmetrized(denoiser, family)
