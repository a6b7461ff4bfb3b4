"""The family of observed actions: what is known of its elements is what sequences show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symdiff.errors import ConfigError, SequencesError, UnknownLawError
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE, Decoder, Encoder
from symdiff.objective import Objective, Recipe, Weight, cross_entropy, is_present, latent_spread
from symdiff.representations import LieRepresentation, MLPRepresentation, Representation, SkewLieRepresentation
from symdiff.trajectories import ObservedSequences, Sequences, Trajectories
from symdiff_actions.faithful import unlikeness, unlikeness_of_values
from symdiff_actions.networks import ConvDecoder, ConvEncoder, OnSphere, Probabilities, halvings
from symdiff_actions.options import ActionsOptions
from symdiff_actions.representations import SkewMLPRepresentation
from symdiff_actions.search import find_rho
from symdiff_actions.standardised import StandardisedEncoder

SAMPLE = 512
"""Observations that features are standardised on."""

WARM_UP = 100
CLIP_NORM = 100.0
FINAL_SHARE = 0.01


class ActionsFamily(GroupFamily):
    """Actions as they were observed: vectors of A numbers, whose law is not known.

    A is that of the recording (`for_recording`); before one is seen it is `size`. Elements are drawn from the observed
    ones, or from a normal distribution where there are none.
    """

    name = "actions"
    summary = "observed actions: rho is learned from sequences of observations and the actions between them"
    Options: ClassVar[type[FamilyOptions]] = ActionsOptions
    actions_are_observed: ClassVar[bool] = True
    law_known: ClassVar[bool] = False
    free_form: ClassVar[str] = "-o block=free"
    options: ActionsOptions
    size: int = 2
    observed_actions: Tensor | None = None
    sample_of_observations: Tensor | None = None

    @classmethod
    def of(cls, observation_shape: tuple[int, int, int], options: Any = None) -> GroupFamily:
        """The family of the law that the options state."""
        from symdiff_actions.laws import AdditiveActions, RotationActions

        laws = {"additive": AdditiveActions, "rotation": RotationActions}
        return laws.get(options.law if options is not None else "unknown", ActionsFamily)(observation_shape, options)

    def for_recording(self, recording: Trajectories) -> GroupFamily:
        """The same for actions of the recording's size.

        Raises
        ------
        SequencesError
            The recording is none of observed sequences.
        ConfigError
            The likelihood is bernoulli, and an observation is not in [0, 1].
        """
        if not isinstance(recording, ObservedSequences):
            raise SequencesError(
                f"group {self.name!r} learns from observed sequences, and this is the recording of a diffusion model",
                "give sequences:FILE, a file of observations and the actions between them",
            )
        low, high = float(recording.states.min()), float(recording.states.max())
        if self.options.likelihood == "bernoulli" and not 0 <= low <= high <= 1:
            raise ConfigError(
                f"likelihood bernoulli is of images in [0, 1], the observations are from {low:.3g} to {high:.3g}",
                "give -o likelihood=gaussian, or scale the observations",
            )
        family = self._with_actions(recording.actions.flatten(0, 1))
        count, time = recording.states.shape[:2]
        rows = torch.linspace(0, count * time - 1, min(SAMPLE, count * time)).round().long()
        family.sample_of_observations = recording.states[rows // time, rows % time]
        return family

    def _with_actions(self, actions: Tensor, **changed: Any) -> ActionsFamily:
        family = type(self)(self.observation_shape, self.options.model_copy(update=changed))
        family.observed_actions, family.size = actions, actions.shape[-1]
        family.sample_of_observations = self.sample_of_observations
        return family

    @property
    def title(self) -> str:
        """With what is known of the law."""
        return "the observed actions, whose law is not known"

    # --- the group ----------------------------------------------------------------------------

    @property
    def element_shape(self) -> tuple[int, ...]:
        """``(A,)``."""
        return (self.size,)

    def identity(self) -> Tensor:
        """Not known."""
        raise self._unknown("the identity")

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """Not known."""
        del g2, g1
        raise self._unknown("the product of two actions")

    def inverse(self, g: Tensor) -> Tensor:
        """Not known."""
        del g
        raise self._unknown("the inverse of an action")

    def _unknown(self, what: str) -> UnknownLawError:
        hint = "say how actions compose, if you know it: -o law=additive or -o law=rotation"
        return UnknownLawError(f"{what} is not known: the law of these actions is not", hint)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Observed actions, drawn with replacement."""
        if self.observed_actions is None:
            return torch.randn(n, self.size, generator=generator)
        return self.observed_actions[torch.randint(len(self.observed_actions), (n,), generator=generator)]

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """Of the vectors."""
        distance: Tensor = (g1 - g2).norm(dim=-1)
        return distance

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """Not known, but for what was observed."""
        del g, x
        raise UnknownLawError(
            "how an action changes an observation is not known but for the observed ones",
            "use a family that acts on images, such as escnn",
        )

    # --- the data -----------------------------------------------------------------------------

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        """Windows of the observed sequences."""
        if not isinstance(trajectories, ObservedSequences):
            raise UnknownLawError(
                "how actions change the states of a diffusion model was not observed", "give sequences:FILE"
            )
        return trajectories.windows(length, n, generator)

    # --- the model ----------------------------------------------------------------------------

    def latent_dimension(self, requested: int | None) -> int:
        """4 by default, two planes."""
        if self.options.network == "conv":
            halvings(self.observation_shape)
        return 4 if requested is None else requested

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        """One dense block, or blocks of 2."""
        return (latent,) if self.options.block == "free" else super().block_sizes(latent)

    def representation(self, latent: int) -> Representation:
        """Rho in the form of the option ``rho``."""
        sizes = self.block_sizes(latent)
        compose = self.compose if self.law_known else None
        if self.options.rho == "mlp":
            return MLPRepresentation(self.features, self.size, sizes, compose=compose)
        if self.options.rho == "mlp-skew":
            return SkewMLPRepresentation(self.features, self.size, sizes, compose)
        coordinates: Callable[[Tensor], Tensor] = self.log if self.law_known else self.features
        bracket = self.bracket if self.law_known else None
        if self.options.rho == "skew":
            rho: LieRepresentation = SkewLieRepresentation(
                coordinates, bracket, self.size, sizes, self.options.scale_of_rho
            )
        else:
            rho = LieRepresentation(coordinates, bracket, self.size, sizes)
        if self.law_known:
            rho.form = "lie-projected"  # what training will make of it
        return rho

    @property
    def _orthogonal(self) -> bool:
        return self.options.rho in ("skew", "mlp-skew")

    def encoder(self, latent: int) -> nn.Module:
        """A fresh h; its latents have norm 1 where rho is orthogonal."""
        network = self._encoder(latent)
        return OnSphere(network) if self._orthogonal else network

    def _encoder(self, latent: int) -> nn.Module:
        if self.options.network != "conv":
            return super().encoder(latent)
        sizes = (self.observation_shape, latent, self.options.channels, self.options.hidden)
        if self.options.features == "plain":
            return ConvEncoder(*sizes)
        network = StandardisedEncoder(*sizes)
        if self.sample_of_observations is not None:
            network.standardise(self.sample_of_observations)
        return network

    def decoder(self, latent: int) -> nn.Module:
        """A fresh d."""
        network = (
            ConvDecoder(latent, self.observation_shape, self.options.channels, self.options.hidden)
            if self.options.network == "conv"
            else super().decoder(latent)
        )
        return Probabilities(network) if self.options.likelihood == "bernoulli" else network

    @property
    def initialises(self) -> bool:
        """Where there is a closed form, or rho is to be found first."""
        return super().initialises or self.options.search > 0

    def initialise(self, model: HAE, sequences: Sequences) -> None:
        """A closed form where both networks are perceptrons of plain values, and a rho that is found first."""
        if super().initialises:
            self._in_closed_form(model, sequences)
        if self.options.search:
            find_rho(self, model, sequences, self.options.search, self.options.batch, self.options.learning_rate)

    def _in_closed_form(self, model: HAE, sequences: Sequences) -> None:
        if isinstance(model.encoder, Encoder) and isinstance(model.decoder, Decoder):
            super().initialise(model, sequences)
        elif isinstance(model.representation, MLPRepresentation):
            model.representation.standardise(sequences.actions.flatten(0, 1))

    def for_evaluation(self, model: HAE) -> HAE:
        """With brackets that hold to the rounding of float64, where training projected rho in float32."""
        rho = model.representation
        if isinstance(rho, LieRepresentation) and rho.form == "lie-projected" and self.law_known:
            frozen = not any(parameter.requires_grad for parameter in rho.parameters())
            if frozen:  # projected by training, and not a fresh model of the same form
                model.representation, _ = rho.projected()
        return model

    def recipe(self) -> Recipe:
        """Adam, rho faster than the networks, the first steps without a decoder, and no tuning."""
        return Recipe(
            weight_decay=0.0,
            fan_in=None,
            rate_of_rho=self.options.rate_of_rho,
            warm_up=WARM_UP,
            final_share=FINAL_SHARE,
            clip_norm=CLIP_NORM,
            without_decoder=self.options.alone,
            tuning=0.0,
        )

    def objective(self, model: HAE, data: Sequences, penalty: Weight, decoding: bool = True) -> Objective:
        """``L_rec + gamma L_pred + spread |m E[h h^T] - I|^2 + penalty * (homomorphism penalty)``.

        While nothing is decoded the mean of the latents is kept at 0, too (`latent_spread`), and rho is kept faithful
        if the option `faithful` says so (`symdiff_actions.faithful`). Prediction and reconstruction are summed over
        latents and pixels (Keurti et al. 2023, Eqs. 2-4).
        """
        latents = model.encode(data.observations)
        paths = model.representation.rollout(data.actions, latents[:, 0])
        residual = (latents[:, 1:] - paths[:, 1:]).square().sum(-1)
        prediction = ((residual + 1e-12).sqrt() if self.options.loss_norm == "l2" else residual).mean()
        loss = self.options.gamma * prediction
        if self.options.spread:
            loss = loss + self.options.spread * latent_spread(latents.flatten(0, 1), centred=not decoding)
        if self.options.faithful and not decoding:
            loss = loss + self.options.faithful * self._unlikeness(model.representation, data.actions.flatten(0, 1))
        bent = (
            model.representation.penalty(data.actions.flatten(0, 1))
            if is_present(penalty)
            else prediction.new_zeros(())
        )
        loss = loss + penalty * bent
        reconstruction = prediction.new_zeros(())
        if decoding:
            reconstruction = self.reconstruction(model, paths, data.observations).mean()
            loss = loss + reconstruction
        return Objective(loss, prediction, reconstruction, bent)

    def _unlikeness(self, rho: Representation, actions: Tensor) -> Tensor:
        if isinstance(rho, SkewMLPRepresentation):
            return unlikeness_of_values(rho.exponents(actions), self.size)
        assert isinstance(rho, LieRepresentation)  # the options allow no other
        return unlikeness(rho.images())

    def reconstruction(self, model: HAE, latents: Tensor, observations: Tensor) -> Tensor:
        """The negative logarithm of the likelihood of observations ``[..., C, H, W]``, but for a constant."""
        if isinstance(model.decoder, Probabilities):
            return cross_entropy(model.decoder.logits(latents), observations)
        return (observations - model.decode(latents)).square().sum((-3, -2, -1)) / 2

    def other_forms(self) -> dict[str, GroupFamily]:
        """The published form, ``mlp``."""
        if self.options.rho == "mlp" or self.observed_actions is None:
            return {}
        return {"mlp": self._with_actions(self.observed_actions, rho="mlp")}
