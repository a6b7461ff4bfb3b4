"""Options of the family of observed actions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from symdiff.groups import FamilyOptions
from symdiff.hae import LossNorm


class ActionsOptions(FamilyOptions):
    """What ``-o key=value`` sets."""

    law: Literal["unknown", "additive", "rotation"] = Field(
        "unknown", description="How actions compose: unknown, as vectors, or as rotations given by axis times angle."
    )
    rho: Literal["lie", "skew", "mlp", "mlp-skew"] = Field(
        "skew", description="Form of rho: exp of a map linear in the action or of a network, with skew values or any."
    )
    block: Literal["free", "2"] = Field("free", description="Blocks of rho: free, one dense block, or 2 each.")
    network: Literal["plain", "conv"] = Field("plain", description="Encoder and decoder: perceptrons or convolutions.")
    likelihood: Literal["gaussian", "bernoulli"] = Field(
        "gaussian", description="Of the decoder: half the squared error, or the cross-entropy of images in [0, 1]."
    )
    features: Literal["plain", "standardised"] = Field(
        "plain", description="What the encoder's dense layers see; standardised needs network=conv."
    )
    channels: int = Field(16, ge=1, le=512, description="Channels of the convolutions.")
    hidden: int = Field(512, ge=1, le=8192, description="Width of the hidden layers of encoder and decoder.")
    loss_norm: LossNorm = Field("squared", description="Norm of the prediction loss: squared, or l2 as published.")
    gamma: float = Field(100.0, gt=0, description="Weight of the latent prediction loss, summed over the latents.")
    spread: float = Field(100.0, ge=0, description="Weight of the term that keeps the latents from collapsing.")
    faithful: float = Field(0.0, ge=0, description="Weight of a term, before decoding, that lets no action do nothing.")
    search: int = Field(0, ge=0, description="Steps in which rho is found with an encoder that is then thrown away.")
    penalty: float = Field(100.0, ge=0, description="Final weight of the homomorphism penalty, annealed from 0.")
    scale_of_rho: float = Field(0.2, gt=0, description="Standard deviation of the entries of skew d rho at the start.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak learning rate.")
    rate_of_rho: float = Field(2.0, gt=0, description="Learning rate of rho, times that of the networks.")
    alone: float = Field(
        0.075,
        ge=0,
        lt=1,
        description="Share of the steps, the first, in which encoder and rho learn without the decoder.",
    )
    batch: int = Field(50, ge=1, description="Sequences in a batch.")
    start: Literal["closed-form", "random"] = Field("random", description="Where training starts.")

    @model_validator(mode="after")
    def _fit_together(self) -> ActionsOptions:
        if self.features == "standardised" and self.network != "conv":
            raise ValueError("features=standardised are those of convolutions: give network=conv as well")
        if self.faithful and self.rho == "mlp":
            raise ValueError("faithful keeps exponents independent, of which rho=mlp has none at hand")
        return self

    @field_validator("block", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
