"""Bugs an author of a family makes, planted one by one in families that keep every law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from symdiff.affine_steps import AffineSteps
from symdiff.diffusion import affine
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import Encoder
from symdiff.representations import Representation
from symdiff.testing.toys import Characters, CyclicTranslations, PixelRotations
from symdiff.trajectories import Sequences


class Steps(AffineSteps):
    """The affine steps, with all defaults."""

    name = "steps"
    summary = "x' = a x + v"

    def representation(self, latent: int) -> Representation:
        return GroupFamily.representation(self, latent)

    def references(self, latent: int, sequences: Sequences) -> dict[str, Any]:
        return {}


class Loose(FamilyOptions):
    model_config = ConfigDict(frozen=False, extra="allow")
    shift: int = 1


class HalfCharacters(Characters):
    def __init__(self, sides: tuple[int, int], latent: int) -> None:
        super().__init__(sides, latent)
        self.frequencies += 0.5


class HiddenScale(Encoder):
    """What decides its output is an attribute, not a tensor of the model."""

    scale = 1.0

    def forward(self, observations: Tensor) -> Tensor:
        return self.scale * super().forward(observations)


class Mutant(NamedTuple):
    """A bug in words, the family that has it, and the law that has to catch it."""

    bug: str
    base: type[GroupFamily]
    changed: dict[str, Any]
    law: str

    def make(self) -> GroupFamily:
        shapes: dict[type, tuple[int, int, int]] = {CyclicTranslations: (1, 4, 5), Steps: (1, 2, 2)}
        return type("Mutant", (self.base,), self.changed)(shapes.get(self.base, (2, 3, 3)))


T, R, S = CyclicTranslations, PixelRotations, Steps
sides: Callable[..., Tensor] = lambda self, g: g.new_tensor(self.sides)  # noqa: E731


def _in_place(self: Any, g2: Tensor, g1: Tensor) -> Tensor:
    g2 += g1
    return g2.remainder_(sides(self, g2))


def _one_at_a_time(self: Any, g: Tensor, x: Tensor) -> Tensor:
    shifts = g.reshape(-1, 2)[: len(x)].tolist()
    return torch.stack([torch.roll(o, (int(dy), int(dx)), (-2, -1)) for (dy, dx), o in zip(shifts, x, strict=False)])


def _half_hidden(self: Any, model: Any, sequences: Sequences) -> None:
    model.encoder.scale = 2.0


def _step_ahead(self: Any, trajectories: Any, length: int, n: int, generator: Any = None) -> Sequences:
    found = GroupFamily.sequences(self, trajectories, length, n, generator)
    return Sequences(found.observations, found.actions.roll(1, dims=1), found.times, found.trajectory)


def _unseeded_encoder(self: Any, latent: int) -> nn.Module:
    encoder = Encoder(self.observation_shape, latent)
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        encoder.linear.weight.normal_(generator=generator)
    return encoder


def _singular(self: Any, g: Tensor) -> list[Tensor]:
    return [torch.zeros(*g.shape[:-1], len(self.block_sizes), 2, 2)]


MUTANTS = (
    # --- composition, identity, inverse ---
    Mutant("the factors of a product in the wrong order", S,
           {"compose": lambda self, g2, g1: affine.compose(g1, g2)}, "left_action"),
    Mutant("a product that subtracts", T, {"compose": lambda self, g2, g1: (g2 - g1) % sides(self, g1)},
           "associativity"),
    Mutant("a product without modulo", T,
           {"compose": lambda self, g2, g1: g2 + g1, "features": lambda self, g: g}, "features"),
    Mutant("a product that changes its argument in place", T, {"compose": _in_place}, "purity"),
    Mutant("an identity that is a shift by one pixel", T, {"identity": lambda self: torch.tensor([0.0, 1.0])},
           "identity"),
    Mutant("an identity with a batch dimension", T, {"identity": lambda self: torch.zeros(1, 2)}, "identity"),
    Mutant("an inverse that returns the element", T, {"inverse": lambda self, g: g}, "inverse"),
    Mutant("an inverse of a translation that forgets the scale", S,
           {"inverse": lambda self, g: torch.cat([1 / g[..., :1], -g[..., 1:]], -1)}, "inverse"),
    Mutant("an inverse of the first coordinate only", T,
           {"inverse": lambda self, g: torch.stack([-g[..., 0], g[..., 1]], -1) % sides(self, g)}, "inverse"),
    Mutant("an inverse without modulo", T, {"inverse": lambda self, g: -g, "features": lambda self, g: g}, "features"),
    # --- distance ---
    Mutant("a distance that is not 0 at equality", T,
           {"distance": lambda self, g1, g2: T.distance(self, g1, g2) + 1e-3}, "distance"),
    Mutant("a distance that is 0 everywhere", T,
           {"distance": lambda self, g1, g2: 0 * T.distance(self, g1, g2)}, "distance"),
    Mutant("a distance along the first axis only", T,
           {"distance": lambda self, g1, g2: T.distance(self, g1, g2 * g2.new_tensor([1, 0])
                                                        + g1 * g1.new_tensor([0, 1]))}, "distance"),
    Mutant("a distance that is signed", R,
           {"distance": lambda self, g1, g2: g1[..., 1] - g2[..., 1]}, "distance"),
    Mutant("a squared distance", R,
           {"distance": lambda self, g1, g2: (g1 - g2).square().sum(-1)}, "distance"),
    Mutant("a distance of the whole batch", R,
           {"distance": lambda self, g1, g2: (g1 - g2).norm().expand(torch.broadcast_shapes(g1.shape, g2.shape)[:-1])},
           "batches"),
    # --- action ---
    Mutant("an action from the right", S,
           {"act": lambda self, g, x: affine.act(affine.inverse(g), x)}, "left_action"),
    Mutant("an action that shifts the axes the other way round", T,
           {"act": lambda self, g, x: T.act(self, g.flip(-1), x)}, "left_action"),
    Mutant("an action that shifts with zeros instead of wrapping", T,
           {"act": lambda self, g, x: T.act(self, g, x) * (torch.arange(5) >= g[..., 1:, None, None])}, "left_action"),
    Mutant("an action that adds noise", T,
           {"act": lambda self, g, x: T.act(self, g, x) + 1e-3 * torch.randn(x.shape[-3:]).to(x)}, "left_action"),
    Mutant("an action that clips", T, {"act": lambda self, g, x: T.act(self, g, x).clamp(-1, 1)}, "linear_action"),
    Mutant("an action that treats a batch of elements as one", T, {"act": _one_at_a_time}, "batches"),
    Mutant("an action that returns float32", T, {"act": lambda self, g, x: T.act(self, g, x).float()},
           "dtype_and_device"),
    # --- what is known of the group ---
    Mutant("a missing Haar element", T, {"haar_elements": lambda self: T.haar_elements(self)[1:]}, "haar_elements"),
    Mutant("Haar elements of a subgroup", T,
           {"haar_elements": lambda self: torch.stack([torch.zeros(5), torch.arange(5.0)], -1)}, "haar_elements"),
    Mutant("a Haar element twice", T,
           {"haar_elements": lambda self: torch.cat([T.haar_elements(self), torch.zeros(1, 2)])}, "haar_elements"),
    Mutant("isotypic components that leave something out", T,
           {"isotypic_components": lambda self, x: {"constant": T.isotypic_components(self, x)["constant"]}},
           "isotypic_components"),
    Mutant("isotypic components that are mixed by the group", R,
           {"isotypic_components": lambda self, x: {"left": x * (torch.arange(3) < 1),
                                                    "rest": x * (torch.arange(3) >= 1)}}, "isotypic_components"),
    Mutant("an observed part that the group moves out of", T,
           {"observed": lambda self, x: x * (torch.arange(5) < 3)}, "observed"),
    Mutant("factors in the wrong order of angles", T,
           {"factors": lambda self: {k: v.flip(0) for k, v in T.factors(self).items()}}, "factors"),
    # --- Lie groups ---
    Mutant("a logarithm in float32", R, {"log": lambda self, g: R.log(self, g.float()).to(g)}, "exponential"),
    Mutant("a logarithm with atan in place of atan2", R, {"log": lambda self, g: torch.atan(g[..., 1:] / g[..., :1])},
           "exponential"),
    Mutant("an exponential whose translation ignores the scale", S,
           {"exp": lambda self, X: torch.cat([X[..., :1].exp(), X[..., 1:]], -1)}, "exponential"),
    Mutant("a bracket of the wrong sign", S, {"bracket": lambda self, X, Y: affine.bracket(Y, X)}, "bracket"),
    Mutant("a bracket that is symmetric", S,
           {"bracket": lambda self, X, Y: X[..., :1] * Y + Y[..., :1] * X}, "bracket"),
    Mutant("a bracket left at 0", S, {"bracket": lambda self, X, Y: torch.zeros_like(X + Y)}, "bracket"),
    Mutant("a logarithm whose gradient at the identity is NaN", S,
           {"log": lambda self, g: torch.cat([g[..., :1].log(), g[..., 1:] * torch.where(
               g[..., :1] == 1, 1.0, g[..., :1].log() / (g[..., :1] - 1))], -1)}, "gradients"),
    # --- what is drawn ---
    Mutant("a sample that ignores its generator", T, {"sample": lambda self, n, generator=None: T.sample(self, n)},
           "sample"),
    Mutant("a sample that is always the same", T,
           {"sample": lambda self, n, generator=None: T.sample(self, n, torch.Generator().manual_seed(0))}, "sample"),
    Mutant("a sample of another shape", T,
           {"sample": lambda self, n, generator=None: T.sample(self, n, generator)[..., None]}, "sample"),
    Mutant("sequences whose actions are late by one", T, {"sequences": _step_ahead}, "sequences"),
    # --- models ---
    Mutant("characters of half frequencies", T,
           {"representation": lambda self, latent: HalfCharacters(self.sides, latent)}, "homomorphism"),
    Mutant("a rho of another dimension than the latent space", T,
           {"representation": lambda self, latent: Characters(self.sides, latent - 2)}, "representation"),
    Mutant("a rho that is not invertible", T,
           {"representation": lambda self, latent: type("Singular", (Characters,), {"blocks": _singular})(
               self.sides, latent)}, "representation"),
    Mutant("a model with a seed of its own", T, {"encoder": _unseeded_encoder}, "seed"),
    Mutant("a state of the model that is no tensor", T,
           {"encoder": lambda self, latent: HiddenScale(self.observation_shape, latent), "initialise": _half_hidden},
           "serialisation"),
    # --- options ---
    Mutant("options that can be changed and take anything", T, {"Options": Loose}, "options"),
    Mutant("a name with a blank", T, {"name": "cyclic translations"}, "names"),
)  # fmt: skip
