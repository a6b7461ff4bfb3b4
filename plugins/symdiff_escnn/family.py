"""The escnn family: rotations and reflections acting on images."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symdiff.closed_form import fit_linear_decoder
from symdiff.errors import ConfigError
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE, Encoder
from symdiff.representations import MLPRepresentation, Representation
from symdiff.trajectories import ObservedSequences, Sequences, Trajectories
from symdiff_escnn import closed_form, latent
from symdiff_escnn.action import Action
from symdiff_escnn.convolution import convolutional, refuse_unfit
from symdiff_escnn.elements import PlaneGroup, rotation
from symdiff_escnn.export import PlainDecoder, PlainEncoder
from symdiff_escnn.fields import Fields
from symdiff_escnn.irreps import Irrep, irreps
from symdiff_escnn.layers import perceptron
from symdiff_escnn.networks import EquivariantDecoder, EquivariantEncoder
from symdiff_escnn.options import EscnnOptions
from symdiff_escnn.representations import IrrepRepresentation, PeriodicRepresentation

SAMPLE = 256
"""States that the share outside the observed part, and the error of rotation, are measured on."""

LEARNED_BLOCK = 4
"""Size of the blocks of a learned rho: two copies of any irrep."""

ANGLES = 64
"""Angles of SO(2) as a factor."""


class EscnnFamily(GroupFamily):
    """C_N, D_N, SO(2) or O(2), acting on square images.

    An element is an orthogonal 2 x 2 matrix on the plane, x to the right and y up, counter-clockwise; see
    `symdiff_escnn.elements` and, for the action, `symdiff_escnn.action`.
    """

    name = "escnn"
    summary = "C_N, D_N, SO(2), O(2): rotations and reflections of images, with equivariant networks"
    Options: ClassVar[type[FamilyOptions]] = EscnnOptions
    options: EscnnOptions

    @classmethod
    def of(cls, observation_shape: tuple[int, int, int], options: Any = None) -> GroupFamily:
        """With a logarithm for SO(2)."""
        if options is not None and options.group == "SO2":
            return RotationFamily(observation_shape, options)
        return cls(observation_shape, options)

    @cached_property
    def group(self) -> PlaneGroup:
        """The group of the option ``group``."""
        return PlaneGroup.named(self.options.group)

    @cached_property
    def action(self) -> Action:
        """Its action on images of this shape.

        Raises
        ------
        ConfigError
            The images are not square, too small or too large.
        """
        _, height, width = self.observation_shape
        if height != width:
            raise ConfigError(
                f"images of {height} x {width} pixels are not square, so a quarter turn leads out of them",
                "record images of a square shape, or choose another group",
            )
        return Action(self.group, height, self.options.band)

    # --- the group ----------------------------------------------------------------------------

    @property
    def element_shape(self) -> tuple[int, ...]:
        """``(2, 2)``."""
        return (2, 2)

    def identity(self) -> Tensor:
        """The matrix 1."""
        return torch.eye(2)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The product of matrices, exact in finite groups."""
        return self.group.compose(g2, g1)

    def inverse(self, g: Tensor) -> Tensor:
        """The transpose."""
        return self.group.snapped(g.mT)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Uniform under the Haar measure."""
        return self.group.sample(n, generator).to(torch.get_default_dtype())

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """The Frobenius norm of the difference."""
        return (g1 - g2).square().sum((-2, -1)).sqrt()

    def haar_elements(self) -> Tensor | None:
        """All elements; of SO(2) and O(2) as many as average exactly whatever is of twice the band limit."""
        return self.averaged.to(torch.get_default_dtype())

    @property
    def averaged(self) -> Tensor:
        """`haar_elements` in float64."""
        return self.group.elements if self.group.finite else self.group.spaced(2 * self._frequencies + 1)

    def factors(self) -> dict[str, Tensor]:
        """The rotations, where there is nothing else."""
        if self.group.reflects or self.group.order in (1, 2):
            return {}
        elements = self.group.elements if self.group.finite else self.group.spaced(ANGLES)
        return {"rotation": elements.to(torch.get_default_dtype())}

    @property
    def title(self) -> str:
        """``C_N``, ``D_N``, ``SO(2)`` or ``O(2)``."""
        return {"SO2": "SO(2)", "O2": "O(2)"}.get(self.group.name, self.group.name)

    def element_name(self, g: Tensor) -> str:
        """``rotation by 90°``, and ``mirror`` before it where there is one."""
        angle, flipped = self.group.polar(g.double())
        degrees = math.degrees(float(angle)) % 360
        turn = "" if min(degrees, 360 - degrees) < 1e-3 else f"rotation by {degrees:.4g}°"
        if not bool(flipped):
            return turn or "identity"
        return f"mirror, then {turn}" if turn else "mirror"

    def descriptions(self) -> dict[str, str]:
        """Nothing of the exact rho is learned; the closed form beside it is made of principal components."""
        plain = self.options.rho == "exact" and self.options.encoder == "plain"
        follows = "which a plain encoder has to follow" if plain else "with networks equivariant by construction"
        return {
            "exact": f"a sum of irreps, {follows}",
            "exact (closed form)": "a sum of irreps, with equivariant principal components",
            "mlp": "free network under an exponential, with plain networks",
            "lie": "exponential of a learned generator, with plain networks",
        }

    # --- the action ---------------------------------------------------------------------------

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """Turned and mirrored images; exact, see `symdiff_escnn.action`."""
        return self.action.act(g, x)

    def observed(self, x: Tensor) -> Tensor:
        """The part of images that the group turns."""
        return self.action.observed(x)

    def interpolation_error(self, x: Tensor) -> Tensor | None:
        """Share of the energy of each image that is not turned; 0 for subgroups of D4."""
        return self.action.outside(x)

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        """The parts of images by irrep, by escnn's names; they sum to `observed`."""
        return self.action.components(x)

    # --- the data -----------------------------------------------------------------------------

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        """Uniform elements acting on the observed part of recorded states at the levels of the option ``levels``.

        Observations that no process made have no level, and all of them are taken.
        """
        low, high = self.options.signal
        level = trajectories.alpha_bar
        if isinstance(trajectories, ObservedSequences):
            if (low, high) != (0.0, 1.0):
                raise ConfigError(
                    f"levels is {self.options.levels}, and observed sequences have no noise level", "leave levels out"
                )
            level = torch.ones_like(level)
        usable = ((level >= low - 1e-12) & (level <= high + 1e-12)).nonzero()[:, 0]
        if not len(usable):
            raise ConfigError(
                f"no recorded state has a signal share within {low:g} and {high:g}",
                f"they run from {float(level.min()):.3g} to {float(level.max()):.3g}",
            )
        which = torch.randint(len(trajectories), (n,), generator=generator)
        when = usable.cpu()[torch.randint(len(usable), (n,), generator=generator)]
        first = self.observed(trajectories.states[which, when])
        actions = self.sample(n * length, generator).unflatten(0, (n, length)).to(first.dtype)
        if self.group.finite:  # rounded to float32 and back they would be off by 1e-8
            actions = self.group.snapped(actions)
        so_far = [self.identity().to(actions).expand(n, 2, 2)]
        for t in range(length):
            so_far.append(self.compose(actions[:, t], so_far[-1]))
        observations = self.act(torch.stack(so_far, dim=1), first[:, None])
        return Sequences(observations, actions, when[:, None].expand(n, length + 1), which)

    # --- the model ----------------------------------------------------------------------------

    @property
    def _frequencies(self) -> int:
        return max(irrep.frequency for irrep, _ in self.action.coordinates.fields.parts)

    @cached_property
    def known(self) -> tuple[Irrep, ...]:
        """All irreps; those within the band limit of a continuous group."""
        return irreps(self.group, 0 if self.group.finite else self._frequencies)

    def latent_dimension(self, requested: int | None) -> int:
        """32 by default, the sum where irreps are listed.

        Raises
        ------
        ConfigError
            The irreps do not fill the latent space.
        """
        if self.options.layers == "conv":
            refuse_unfit(self.action, self.options.kernel)
        text = self.options.irreps
        if text in (latent.AUTOMATIC, latent.REGULAR):
            m = 32 if requested is None else requested
            return self.latent_fields(m).dimension
        m = latent.chosen(text, self.group, self.known).dimension
        if requested is not None and requested != m:
            raise ConfigError(f"-o irreps has dimension {m}, --latent is {requested}", "leave one of them out")
        return m

    def latent_fields(self, m: int) -> Fields:
        """The irreps of a latent space of dimension m."""
        text = self.options.irreps
        if text == latent.REGULAR:
            return latent.regular(self.group, self.known, m)
        if text == latent.AUTOMATIC:
            channels = self.observation_shape[0]
            smooth = [irrep for irrep in self.action.coordinates.smooth for _ in range(channels)]
            return latent.filled(smooth, self.group, self.known, m)
        return latent.chosen(text, self.group, self.known)

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        """Dimensions of the irreps; blocks of 4 where rho is an exponential and irreps are not.

        An exponential has positive determinant: ``-1`` in one dimension is none, nor is a mirror of the plane, but two
        of them side by side are.
        """
        if self.options.rho == "mlp" and not self._connected:
            return (LEARNED_BLOCK,) * (latent // LEARNED_BLOCK) + (
                (latent % LEARNED_BLOCK,) * (latent % LEARNED_BLOCK > 0)
            )
        return self.latent_fields(latent).block_sizes

    @property
    def _connected(self) -> bool:
        """Whether every irrep of every element is an exponential: of all groups here, SO(2) and C_N with odd N."""
        return not self.group.reflects and (not self.group.finite or self.group.order % 2 == 1)

    def representation(self, latent: int) -> Representation:
        """Rho in the form of the option ``rho``."""
        if self.options.rho == "mlp":
            return MLPRepresentation(self.features, 4, self.block_sizes(latent), compose=self.compose)
        if self.options.rho == "lie":
            return PeriodicRepresentation(self.log, self.bracket, self.block_sizes(latent))
        return IrrepRepresentation(self.latent_fields(latent))

    def encoder(self, latent: int) -> nn.Module:
        """Equivariant by construction, unless the option ``encoder`` is plain."""
        if self.options.encoder == "plain":
            return super().encoder(latent)
        channels, fields, hidden = self.observation_shape[0], self.latent_fields(latent), self.options.hidden
        if self.options.layers == "conv":
            network = convolutional(self.action, channels, fields, hidden // 2, self.options.kernel)
        else:
            network = perceptron(self.action.coordinates.fields.times(channels), hidden, fields)
        return EquivariantEncoder(self.action, channels, fields, network)

    def decoder(self, latent: int) -> nn.Module:
        """Equivariant by construction, unless the option ``encoder`` is plain."""
        if self.options.encoder == "plain":
            return super().decoder(latent)
        channels, fields = self.observation_shape[0], self.latent_fields(latent)
        network = perceptron(fields, self.options.hidden, self.action.coordinates.fields.times(channels))
        return EquivariantDecoder(self.action, channels, fields, network)

    def initialise(self, model: HAE, sequences: Sequences) -> None:
        """Equivariant principal components; ordinary ones for plain networks whose rho is a learned network."""
        rho, encoder, decoder = model.representation, model.encoder, model.decoder
        if isinstance(rho, MLPRepresentation):
            rho.standardise(sequences.actions.flatten(0, 1))
        if isinstance(encoder, EquivariantEncoder) and isinstance(decoder, EquivariantDecoder):
            closed_form.start(encoder, decoder, sequences.observations.flatten(0, 1))
        elif isinstance(rho, IrrepRepresentation | PeriodicRepresentation) and isinstance(encoder, Encoder):
            if isinstance(rho, PeriodicRepresentation):
                rho.turn_by([irrep.frequency for irrep, n in self.latent_fields(rho.dimension).parts for _ in range(n)])
            weight, bias = closed_form.flattened(self._reference(rho.dimension, sequences))
            with torch.no_grad():
                encoder.linear.weight.copy_(weight)
                encoder.linear.bias.copy_(bias)
            fit_linear_decoder(model, sequences)
        else:
            super().initialise(model, sequences)

    def for_evaluation(self, model: HAE) -> HAE:
        """Equivariant networks as plain PyTorch; see `symdiff_escnn.export`."""
        encoder, decoder = model.encoder, model.decoder
        if not isinstance(encoder, EquivariantEncoder) or not isinstance(decoder, EquivariantDecoder):
            return model
        return HAE(PlainEncoder(encoder), model.representation, PlainDecoder(decoder)).eval()

    def references(self, latent: int, sequences: Sequences) -> dict[str, HAE]:
        """Equivariant principal components, with the exact rho."""
        return {"exact": self._reference(latent, sequences)}

    def _reference(self, latent: int, sequences: Sequences) -> HAE:
        fields = self.latent_fields(latent)
        channels = self.observation_shape[0]
        encoder = EquivariantEncoder(self.action, channels, fields, None)
        decoder = EquivariantDecoder(self.action, channels, fields, None)
        model = HAE(encoder, IrrepRepresentation(fields), decoder).to(sequences.observations.device)
        closed_form.start(encoder, decoder, sequences.observations.flatten(0, 1))
        return model

    def other_forms(self) -> dict[str, GroupFamily]:
        """Plain networks with a learned rho, and the exact form with equivariant ones."""
        forms = {"exact": "equivariant", "mlp": "plain"} | ({"lie": "plain"} if self.group.kind == "SO2" else {})
        return {
            form: self.of(self.observation_shape, self.options.model_copy(update={"rho": form, "encoder": encoder}))
            for form, encoder in forms.items()
            if form != self.options.rho
        }

    def caveats(self, trajectories: Trajectories) -> list[str]:
        """How much of the recorded states is not turned, and what a learned rho cannot be."""
        found = []
        if self.options.rho == "mlp" and not self._connected:
            found.append(
                "rho = exp(phi) has positive determinant in every block: irreps of negative determinant are reached in "
                "pairs only, so that this form can stay above the exact one however long it is trained"
            )
        return found if self.action.complete else [*found, self._share_outside(trajectories)]

    def _share_outside(self, trajectories: Trajectories) -> str:
        every = max(1, len(trajectories) // SAMPLE)
        shares, last = [], trajectories.steps
        for i in (0, last // 2, last):
            states = trajectories.states[::every, i][:SAMPLE]
            shares.append(f"{float(self.action.outside(states).mean()):.1%} (timestep {trajectories.time(i)})")
        states = trajectories.states[::every, last][:SAMPLE]
        error = float(self.action.rotation_error(self._tested(), states).mean())
        return (
            f"{self.group.name} turns the band-limited part of an image within its inscribed disc; the rest is left "
            f"out of training and diagnostics: {', '.join(shares)} of the energy of the recorded states. What "
            f"is turned is turned exactly, without interpolation; it differs from the rotation of the functions "
            f"sampled by {error:.2g} of the energy (0 at quarter turns)"
        )

    def _tested(self) -> Tensor:
        if self.group.finite:
            return self.group.elements
        return rotation(2 * math.pi * (torch.arange(8, dtype=torch.float64) + 0.5) / 16)


class RotationFamily(EscnnFamily):
    """SO(2), the one group here with a logarithm that is a number."""

    def log(self, g: Tensor) -> Tensor:
        """The angle ``[..., 1]`` in (-pi, pi]."""
        return self.group.polar(g).angle[..., None]

    def exp(self, X: Tensor) -> Tensor:
        """The rotation by an angle ``[..., 1]``."""
        return rotation(X[..., 0])

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """0."""
        return torch.zeros_like(X + Y)
