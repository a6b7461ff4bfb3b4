"""What the diagnostics of one model are computed from, and what they return."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics.compositions import Compositions, compositions
from symdiff.diagnostics.gauge import Gauge, gauge_of
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.result import Estimate
from symdiff.trajectories import Sequences, Trajectories

Curve = npt.NDArray[Any]
"""What a figure of the report draws."""

ENTRIES = 2**23
"""Numbers held at once: work is cut into pieces of about this size (64 MiB in float64)."""


@dataclass(frozen=True)
class Diagnosis:
    """All figures of one model: estimates by name, and the curves the report draws."""

    estimates: dict[str, Estimate]
    curves: dict[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """A model and the held-out data it is judged on.

    Attributes
    ----------
    family
        The group.
    model
        The autoencoder, in float64 and eval mode.
    trajectories
        Held-out recording.
    sequences
        Held-out sequences, of length 10 or more, float64.
    elements
        ``[K, *element_shape]``: held-out elements drawn one by one, the independent units of every interval over
        pairs.
    untrained
        The same architecture with fresh weights.
    reference_energy
        `action_energy` of the exact form, if known.
    seed, bootstrap
        Seed and number of resamples of every interval and permutation.
    reference
        The closed-form linear model of the same m, if there is one: the ``pca`` entry of every null.
    substitute
        A representation to judge in place of the model's own: how nulls are made.
    """

    family: GroupFamily
    model: HAE
    trajectories: Trajectories
    sequences: Sequences
    elements: Shaped[Tensor, "k *element"]
    untrained: HAE
    reference_energy: float | None = None
    seed: int = 0
    bootstrap: int = 400
    reference: HAE | None = None
    substitute: Representation | None = None

    @property
    def representation(self) -> Representation:
        """The representation judged: the model's own, or the null put in its place."""
        return self.substitute if self.substitute is not None else self.model.representation

    @cached_property
    def latents(self) -> Float[Tensor, "n obs m"]:
        """``h(o)`` of every observation of the sequences."""
        return self.encode(self.sequences.observations)

    @cached_property
    def gauge(self) -> Gauge:
        """The gauge ``E[h h^T] = I`` of the held-out latents."""
        return gauge_of(self.latents.flatten(0, 1))

    @cached_property
    def compositions(self) -> Compositions:
        """Products that were observed among the held-out sequences; none in a recording."""
        return compositions(self.trajectories)

    @cached_property
    def matrices(self) -> Float[Tensor, "k m m"]:
        """``rho`` of the held-out elements."""
        matrices: Tensor = self.representation(self.elements)
        return matrices

    def encode(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """``h(o)``, piece by piece."""
        flat = observations.flatten(0, -4)
        parts = [self.model.encode(piece) for piece in torch.split(flat, pieces(flat[0].numel()))]
        return torch.cat(parts).reshape(*observations.shape[:-3], -1)

    def decode(self, latents: Float[Tensor, "n m"]) -> Float[Tensor, "n c h w"]:
        """``d(z)``, piece by piece."""
        size = pieces(self.sequences.observations[0, 0].numel())
        return torch.cat([self.model.decode(piece) for piece in torch.split(latents, size)])

    def rollout(
        self, actions: Shaped[Tensor, "n act *element"], latents: Float[Tensor, "n m"]
    ) -> Float[Tensor, "n obs m"]:
        """``z_{t+1} = rho(g_t) z_t`` from given first latents, piece by piece."""
        size = pieces(latents.shape[1] ** 2 * actions.shape[1])
        parts = zip(torch.split(actions, size), torch.split(latents, size), strict=True)
        return torch.cat([self.representation.rollout(action, z) for action, z in parts])

    def step(self, actions: Shaped[Tensor, "n *element"], latents: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
        """``rho(g) z``."""
        return self.rollout(actions[:, None], latents)[:, 1]

    def with_model(self, model: HAE) -> Evaluation:
        """The same data, another model."""
        other = replace(self, model=model, substitute=None)
        if not self.family.law_known:
            other.__dict__["compositions"] = self.compositions
        return other

    def with_representation(self, representation: Representation) -> Evaluation:
        """The same data, encoder and decoder, another rho; latents and gauge are not computed again."""
        other = replace(self, substitute=representation)
        other.__dict__.update(latents=self.latents, gauge=self.gauge)
        if not self.family.law_known:
            other.__dict__["compositions"] = self.compositions
        return other


def pieces(entries: int) -> int:
    """How many rows of `entries` numbers to handle at once."""
    return max(ENTRIES // max(entries, 1), 1)
