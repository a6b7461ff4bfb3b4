"""The affine family ``GL(d+1)``: its actions are the recorded steps themselves."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symdiff.affine_steps import AffineSteps, ExactRepresentation
from symdiff.closed_form import fit_linear_decoder
from symdiff.errors import ConfigError
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE, Encoder
from symdiff.representations import LieRepresentation, MLPRepresentation, Representation
from symdiff.trajectories import Sequences
from symdiff_affine import closed_form
from symdiff_affine.exact import MonomialEncoder, SymmetricPower
from symdiff_affine.jacobian import JacobianFamily
from symdiff_affine.options import AffineOptions

LARGEST_POWER = 4096
"""Largest dimension of the tensor power that a symmetric power is cut from."""


class AffineFamily(AffineSteps):
    """``R_{>0} x| R^d``, one element a reverse step: ``x' = a x + v`` with a from the sampler and v from the states.

    The element is the tensor ``(a, v_1, ..., v_d)``; see `symdiff.diffusion.affine`.
    """

    name = "affine"
    summary = "GL(d+1): each reverse step x' = a x + v is one affine element (a, v)"
    Options: ClassVar[type[FamilyOptions]] = AffineOptions
    free_form: ClassVar[str] = "-o block=free"
    options: AffineOptions

    @classmethod
    def of(cls, observation_shape: tuple[int, int, int], options: Any = None) -> GroupFamily:
        """``GL(k) x| R^k`` where the linear part of a step is to be its Jacobian."""
        if options is not None and options.linear == "jacobian":
            return JacobianFamily(observation_shape, options)
        return cls(observation_shape, options)

    # --- the model ----------------------------------------------------------------------------

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        """Sizes from the option ``block``."""
        sizes: tuple[int, ...] | None = self.options.block_sizes(latent)
        if sizes is None:
            raise ConfigError(
                f"blocks of {self.options.block} do not fill a latent space of dimension {latent}",
                "change --latent, or give the sizes in full: -o block=2,2,3",
            )
        return sizes

    def latent_dimension(self, requested: int | None) -> int:
        """32 by default, the sum where block sizes are listed; a symmetric power takes the largest that fits."""
        sizes = self.options.block.split(",")
        latent = requested or (sum(map(int, sizes)) if len(sizes) > 1 else 32)
        if self.options.rho == "exact" and self.options.exact == "symmetric":
            power, pixels = self.options.power, math.prod(self.observation_shape)
            k = closed_form.power_base(latent, power, pixels)
            if k == 0:
                raise ConfigError(
                    f"a latent dimension of {latent} holds no symmetric power of degree {power}",
                    f"at least {math.comb(1 + power, power)} + 1 are needed: raise --latent or lower -o power",
                )
            if (k + 1) ** power > LARGEST_POWER:
                raise ConfigError(
                    f"a symmetric power of degree {power} of {k + 1} coordinates is cut from {(k + 1) ** power}",
                    f"lower --latent or -o power; up to {LARGEST_POWER} are handled",
                )
            return math.comb(k + power, power)
        if self.options.rho != "exact" or self.options.exact == "blocks":
            self.block_sizes(latent)
        return latent

    def representation(self, latent: int) -> Representation:
        """Rho in the form of the option ``rho``."""
        d = self.element_shape[0] - 1
        if self.options.rho == "mlp":
            return MLPRepresentation(self.features, d + 1, self.block_sizes(latent))
        if self.options.rho == "exact":
            return self._exact(latent)
        rho = LieRepresentation(self.log, self.bracket, d + 1, self.block_sizes(latent), closed_form.sufficient_basis)
        rho.form = self.options.rho
        return rho

    def encoder(self, latent: int) -> nn.Module:
        """Linear plus perceptron; monomials plus perceptron for a symmetric power."""
        if self.options.rho == "exact" and self.options.exact == "symmetric":
            return MonomialEncoder(
                self._random_rows(self._base(latent)), self.options.power, self.observation_shape, self.options.hidden
            )
        return super().encoder(latent)

    def initialise(self, model: HAE, sequences: Sequences) -> None:
        """Principal components, each block's rho following them."""
        rho, encoder = model.representation, model.encoder
        if isinstance(rho, ExactRepresentation | SymmetricPower):
            reference = self._reference(rho, sequences)
            network = {k: v for k, v in model.state_dict().items() if ".network." in k}
            model.load_state_dict({**reference.state_dict(), **network})
            fit_linear_decoder(model, sequences)
            return
        if not isinstance(encoder, Encoder):
            raise TypeError(f"no closed-form start for {type(encoder).__name__}")
        if isinstance(rho, MLPRepresentation):
            rho.standardise(sequences.actions.flatten(0, 1))
        parts = closed_form.components(sequences, rho.dimension)
        lie = rho if isinstance(rho, LieRepresentation) else None
        closed_form.start(encoder, lie, parts, rho.block_sizes)
        fit_linear_decoder(model, sequences)

    def other_forms(self) -> dict[str, GroupFamily]:
        """The published form, ``mlp``, and the default one."""
        return {
            form: AffineFamily(self.observation_shape, self.options.model_copy(update={"rho": form}))
            for form in ("mlp", "lie-projected")
            if form != self.options.rho
        }

    def _exact(self, latent: int) -> Representation:
        if self.options.exact == "symmetric":
            return SymmetricPower(self._random_rows(self._base(latent)), self.options.power)
        sizes = (latent,) if self.options.exact == "joint" else self.block_sizes(latent)
        return ExactRepresentation(self._random_rows(sum(sizes) - len(sizes)), sizes)

    def _reference(self, rho: ExactRepresentation | SymmetricPower, sequences: Sequences) -> HAE:
        shape, hidden = self.observation_shape, self.options.hidden
        if isinstance(rho, SymmetricPower):
            k = len(rho.base.projection)
            return closed_form.symmetric_model(sequences, k, rho.power, shape, hidden)
        return closed_form.exact_model(sequences, rho.block_sizes, shape, hidden)

    def _base(self, latent: int) -> int:
        return closed_form.power_base(latent, self.options.power, math.prod(self.observation_shape))

    def _random_rows(self, k: int) -> Tensor:
        d = self.element_shape[0] - 1
        return torch.randn(k, d) / d**0.5
