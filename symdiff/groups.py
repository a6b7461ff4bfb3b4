"""The group family: the one class a plugin author subclasses.

An element of a group is a tensor of coordinates ``[..., *element_shape]``; there are no element classes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from symdiff.closed_form import fit_linear_decoder, principal_components
from symdiff.errors import ConfigError
from symdiff.hae import HAE, Decoder, Encoder, LossNorm
from symdiff.objective import Objective, Recipe, Weight, published_objective
from symdiff.representations import LieRepresentation, MLPRepresentation, Representation
from symdiff.trajectories import Sequences, Trajectories

PLUGIN_API = 1
"""Version of the plugin contract. A plugin built for another version is refused as incompatible."""

START_SEQUENCES = 16384
"""Sequences a closed-form start is computed from."""


class FamilyOptions(BaseModel):
    """Options every family has; a family's own ``Options`` derive from it. Frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = Field(64, ge=1, le=8192, description="Width of the hidden layers of encoder and decoder.")
    loss_norm: LossNorm = Field("squared", description="Norms of the two losses: squared, or l2 as published.")
    gamma: float = Field(3.0, gt=0, description="Weight of the latent prediction loss.")
    penalty: float = Field(0.4, ge=0, description="Final weight of the homomorphism penalty, annealed from 0.")
    learning_rate: float = Field(5e-4, gt=0, description="Peak learning rate.")
    batch: int = Field(128, ge=1, description="Sequences in a batch.")
    start: Literal["closed-form", "random"] = Field("closed-form", description="Where training starts.")


@dataclass(frozen=True)
class Linearisation:
    """Where reverse steps are linearised.

    Attributes
    ----------
    levels, states
        Steps spread over the run, and trajectories at each.
    subspace
        Dimension of the common subspace that large images are seen through.
    at_mean
        At the mean state of every step instead of at recorded ones.
    """

    levels: int
    states: int
    subspace: int
    at_mean: bool


class Description(NamedTuple):
    """What a family says of a run beyond the diagnostics.

    Attributes
    ----------
    document
        Entries of ``process`` in ``result.json``, plain data by name.
    arrays
        What the report draws of it, by name.
    """

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class GroupFamily(ABC):
    """A group acting on observations, and the models that represent it.

    Subclasses give the class attributes `name` and `summary`, `element_shape`, the group (`identity`, `compose`,
    `inverse`, `sample`, `distance`) and the action (`act`); all else has a default. A Lie group also gives `log`,
    `exp` and `bracket`, and is then represented through its algebra.

    Parameters
    ----------
    observation_shape
        ``(C, H, W)`` of the states the group acts on.
    options
        An instance of the family's `Options`; its defaults if ``None``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[FamilyOptions]] = FamilyOptions
    actions_are_steps: ClassVar[bool] = False
    """Whether `sequences` takes the recorded reverse steps as actions, instead of letting elements act on states."""
    actions_are_observed: ClassVar[bool] = False
    """Whether `sequences` takes actions that were observed: the family then learns from ``sequences:FILE`` alone."""
    law_known: ClassVar[bool] = True
    """Whether `compose`, `inverse` and `identity` are known; without them only what was observed is judged."""
    free_form: ClassVar[str] = ""
    """The options, if there are any, with which rho is one block whose structure has to be found, as on the command
    line."""
    example_shape: ClassVar[tuple[int, int, int]] = (1, 8, 8)
    """``(C, H, W)`` of small images the group acts on: what `symdiff plugins check` tests it on."""
    example_options: ClassVar[Mapping[str, Any]] = {}
    """Options, other than the defaults, with which `symdiff plugins check` makes the family."""

    def __init__(self, observation_shape: tuple[int, int, int], options: Any = None) -> None:
        self.observation_shape = observation_shape
        self.options = options if options is not None else self.Options()

    @classmethod
    def of(cls, observation_shape: tuple[int, int, int], options: Any = None) -> GroupFamily:
        """The family for these options: `cls` itself, unless an option asks for another group of the same family."""
        return cls(observation_shape, options)

    def for_recording(self, recording: Trajectories) -> GroupFamily:
        """The family as it is on this recording: `self` by default.

        It is asked once, before anything else, when a run has its recording. A family that cannot know the shape of its
        elements before it sees data takes it from here.
        """
        del recording
        return self

    @property
    def title(self) -> str:
        """What the group is called in a sentence, by default by its name; a family of several groups says which."""
        return f"the {self.name} group"

    def descriptions(self) -> dict[str, str]:
        """A few words on forms of rho, by name, where they are not what the general ones say."""
        return {}

    def __repr__(self) -> str:
        """A form that can be read back."""
        return f"{type(self).__name__}({self.observation_shape}, {self.options!r})"

    # --- the group ----------------------------------------------------------------------------

    @property
    @abstractmethod
    def element_shape(self) -> tuple[int, ...]:
        """Shape of the coordinates of one element."""

    @abstractmethod
    def identity(self) -> Tensor:
        """The identity, one element without batch dimensions."""

    @abstractmethod
    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The product ``g2 g1``: g2 after g1."""

    @abstractmethod
    def inverse(self, g: Tensor) -> Tensor:
        """The inverse of every element."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` random elements ``[n, *element_shape]``."""

    @abstractmethod
    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """A distance between elements, zero only at equality; broadcasts over leading dimensions."""

    # --- the Lie algebra, if there is one -------------------------------------------------------

    @property
    def is_lie(self) -> bool:
        """Whether the family gives `log`, `exp` and `bracket`."""
        return type(self).log is not GroupFamily.log

    def log(self, g: Tensor) -> Tensor:
        """Coordinates ``[..., n]`` of the logarithm; only for Lie groups."""
        raise ConfigError(f"group {self.name!r} has no logarithm", "use the representation form `mlp`")

    def exp(self, X: Tensor) -> Tensor:
        """The element with logarithm X ``[..., n]``; only for Lie groups."""
        raise ConfigError(f"group {self.name!r} has no exponential", "use the representation form `mlp`")

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """The Lie bracket of coordinates ``[..., n]``; only for Lie groups."""
        raise ConfigError(f"group {self.name!r} has no Lie algebra", "use the representation form `mlp`")

    # --- the action ---------------------------------------------------------------------------

    @abstractmethod
    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """The observations ``g . x``, x being ``[..., C, H, W]``: linear in x, on its device and in its dtype."""

    def haar_elements(self) -> Tensor | None:
        """Elements ``[n, *element_shape]`` whose uniform average is the Haar average on observations.

        All elements of a finite group, enough equally spaced ones of a compact Lie group; ``None``, the default, where
        they are not known or the group is not compact. A family that has them can average a model over the group
        (`symdiff.symmetrize`), and its elements are then all looked at instead of a sample.
        """
        return None

    def observed(self, x: Tensor) -> Tensor:
        """The part of observations ``[..., C, H, W]`` that the group moves faithfully; by default all of it.

        A linear projection that commutes with the action. For rotations by angles that are no multiples of 90 degrees
        it is the band-limited part on a disc; errors of equivariance are measured on it. The action may leave the rest
        in place, or drop it.
        """
        return x

    def interpolation_error(self, x: Tensor) -> Tensor | None:
        """Share ``[...]`` of the energy of observations outside `observed`; ``None``, or 0: the action is exact."""
        del x
        return None

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        """The isotypic components of observations, by name of the irrep; empty, the default, where they are not known.

        Each is of the shape of `x`, ``[..., C, H, W]``, and they sum to ``observed(x)``. They are orthogonal to each
        other where the action is.
        """
        del x
        return {}

    def element_name(self, g: Tensor) -> str:
        """How one element is called in a report; by default by its coordinates."""
        # Adding 0 turns a negative zero into a positive one.
        return f"({', '.join(f'{float(c) + 0.0:.3g}' for c in g.flatten())})"

    def factors(self) -> dict[str, Tensor]:
        """The commuting circles or cyclic groups this group is the product of, by name; none known by default.

        Each is given by its elements ``[n, *element_shape]`` at the angles ``2 pi j/n``: all of a cyclic group of order
        n, or as many as one likes of a circle. A family that knows them gets ``d_lsbd`` among its diagnostics.
        """
        return {}

    # --- the data -----------------------------------------------------------------------------

    def linearisation(self) -> Linearisation | None:
        """How the recorded steps are linearised, for a family whose elements are their derivatives; ``None`` if not.

        A run of such a family trains no autoencoder: it decomposes the linear parts themselves.
        """
        return None

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        """`n` observation-action sequences of `length` actions.

        By default random elements act on random recorded states, on that part of them that the group moves faithfully
        (`observed`); a family whose actions are the recorded steps themselves overrides it.
        """
        which = torch.randint(len(trajectories), (n,), generator=generator)
        when = torch.randint(trajectories.steps + 1, (n,), generator=generator)
        actions = self.sample(n * length, generator).unflatten(0, (n, length)).to(trajectories.states.dtype)
        observations = [self.observed(trajectories.states[which, when])]
        for t in range(length):
            observations.append(self.act(actions[:, t], observations[-1]))
        times = when[:, None].expand(n, length + 1)
        return Sequences(torch.stack(observations, dim=1), actions, times, which)

    # --- the model ----------------------------------------------------------------------------

    def features(self, g: Tensor) -> Tensor:
        """What a learned rho sees of an element: ``[..., n]``, by default its coordinates."""
        return g.flatten(-len(self.element_shape)) if self.element_shape else g.unsqueeze(-1)

    def latent_dimension(self, requested: int | None) -> int:
        """The latent dimension m: the one asked for, or the family's own default (32).

        Raises
        ------
        ConfigError
            The one asked for does not fit the family.
        """
        return 32 if requested is None else requested

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        """Sizes of the blocks of rho: 2 each by default, and one of 1 where m is odd."""
        return (2,) * (latent // 2) + (1,) * (latent % 2)

    def representation(self, latent: int) -> Representation:
        """A fresh rho: through the Lie algebra where there is one, else a network with a homomorphism penalty."""
        if self.is_lie:
            n = self.log(self.identity()).shape[-1]
            rho: Representation = LieRepresentation(self.log, self.bracket, n, self.block_sizes(latent))
            rho.form = "lie-projected"  # what training will make of it
            return rho
        one = self.identity() if self.law_known else torch.zeros(self.element_shape)
        compose = self.compose if self.law_known else None
        return MLPRepresentation(self.features, self.features(one).shape[-1], self.block_sizes(latent), compose=compose)

    def encoder(self, latent: int) -> nn.Module:
        """A fresh h."""
        return Encoder(self.observation_shape, latent, self.options.hidden)

    def decoder(self, latent: int) -> nn.Module:
        """A fresh d."""
        return Decoder(latent, self.observation_shape, self.options.hidden)

    def model(self, latent: int, seed: int = 0) -> HAE:
        """A fresh autoencoder of latent dimension m; the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return HAE(self.encoder(latent), self.representation(latent), self.decoder(latent))

    def recipe(self) -> Recipe:
        """How models are trained."""
        return Recipe()

    def objective(self, model: HAE, data: Sequences, penalty: Weight, decoding: bool = True) -> Objective:
        """``L_rec + gamma L_pred + penalty * (homomorphism penalty)`` (Keurti et al. 2023, Eq. 4, and the penalty).

        Where `decoding` is False, which only a recipe asks for, L_rec is left out. On a GPU `penalty` is a tensor, and
        a step is repeated without being computed in Python: no value of a tensor may be looked at
        (`symdiff.objective.is_present` asks whether a term is there).
        """
        return published_objective(self.options, model, data, penalty, decoding)

    def for_evaluation(self, model: HAE) -> HAE:
        """The same function in the form in which it is fastest to evaluate; `model` itself unless there is another."""
        return model

    @property
    def initialises(self) -> bool:
        """Whether a fresh model goes through `initialise`: where the option ``start`` is ``closed-form``."""
        return self.options.start == "closed-form"

    def initialise(self, model: HAE, sequences: Sequences) -> None:
        """Set a fresh model to a closed-form start, by default principal components and a least-squares decoder.

        Parameters
        ----------
        sequences
            A sample of the training sequences.
        """
        rho, encoder = model.representation, model.encoder
        if isinstance(rho, MLPRepresentation):
            rho.standardise(sequences.actions.flatten(0, 1))
        if not isinstance(encoder, Encoder) or not isinstance(model.decoder, Decoder):
            return  # a family with its own networks brings its own start
        states = sequences.observations.flatten(0, 1).flatten(1)
        m = min(rho.dimension, math.prod(self.observation_shape))
        parts = principal_components(states, m)
        scale = parts.variances[0].sqrt().clamp_min(1e-6)
        with torch.no_grad():
            encoder.linear.weight[:m] = parts.directions / scale
            encoder.linear.bias[:m] = -(parts.directions @ parts.mean) / scale
        fit_linear_decoder(model, sequences)

    def references(self, latent: int, sequences: Sequences) -> dict[str, HAE]:
        """Closed-form models that learned ones are printed beside, by name of their form; none by default."""
        return {}

    def other_forms(self) -> dict[str, GroupFamily]:
        """Families of the same group with another form of rho, by form: what ``--compare-forms`` also trains."""
        return {}

    def describe(self, evaluation: Any) -> Description:
        """What else is to be said of a trained model; nothing by default.

        Parameters
        ----------
        evaluation
            The `Evaluation` that diagnostics are computed from: `model`, `representation`, `trajectories`,
            `sequences`, `elements` and `gauge`, all held-out and in float64.
        """
        return Description({}, {})

    def obstruction(self, elements: Tensor) -> str | None:
        """Why no homomorphism of the kind this family trains can tell elements apart; ``None`` if nothing forbids it.

        It decides the claim *law*: a small homomorphism error is then that of a rho which hardly does anything, or
        which sees part of an element only.

        Parameters
        ----------
        elements
            Held-out elements ``[K, *element_shape]``.
        """
        return None

    def caveats(self, trajectories: Trajectories) -> list[str]:
        """What the reader of a result on this recording must know; printed among its warnings."""
        return []
