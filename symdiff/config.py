"""The configuration of one run: every setting that determines its result, checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from symdiff import __version__


def _no_boolean(value: Any) -> Any:
    """Refuse true and false where a number is meant; pydantic would read them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Integer = Annotated[int, BeforeValidator(_no_boolean)]


class RunFlags(BaseModel):
    """The flags of `symdiff analyze` that mean the same for every group."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    model: str = Field(
        "digits", min_length=1, description="The diffusion model: embedded, a recording, your own; or sequences."
    )
    label: Integer | None = Field(None, ge=0, description="The class, of a class-conditional model.")
    guidance: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Scale of classifier-free guidance to the class; default: none."
    )
    sampler: str | None = Field(None, min_length=1, description="How to sample; default: the model's own.")
    steps: Integer = Field(50, ge=2, le=100_000, description="Reverse steps of a trajectory.")
    trajectories: Integer = Field(512, ge=10, le=10_000_000, description="Trajectories to record.")
    length: Integer = Field(4, ge=1, le=1000, description="Number of actions N of a training sequence.")
    latent: Integer | None = Field(
        None, ge=1, le=65_536, description="Latent dimension m; default: the group family's own."
    )
    train_steps: Integer | None = Field(None, ge=1, description="Optimiser steps; default: the group family's own.")
    compare_forms: bool = Field(False, description="Also train the other forms of the representation.")
    thorough: bool = Field(False, description="Train longer and resample more.")
    plain: bool = Field(
        False, description="Train by the algorithm as it is published: slower, the same up to rounding."
    )
    data: str | None = Field(
        None, min_length=1, description="File of held-out images for the bound; default: the model's own."
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    seed: Integer = Field(0, ge=0, lt=2**32, description="Seed of everything random.")

    @field_validator("device")
    @classmethod
    def _is_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError("must be auto, cpu, cuda, cuda:N or mps")
        return value


def complaint(detail: Mapping[str, Any]) -> str:
    """Return what pydantic has against a value, in the words of our own messages."""
    text = str(detail["msg"]).removeprefix("Value error, ")
    return text.replace("Input should be", "must be", 1)


class RunConfig(RunFlags):
    """What one run is asked to do.

    Attributes
    ----------
    group
        Name of the group family.
    options
        The family's options; `symdiff.plugins.resolve` checks them and fills in their defaults.
    recording, images
        Checksums of the recording, where `model` is a recorded directory, and of the file `data`;
        `symdiff.plugins.resolve` fills them in.
    model_digest
        Digest of the model, where `model` is a user's own or a plugin's; `symdiff.plugins.resolve` fills it in. A run
        is refused if the model is another one by then.
    """

    group: str = Field("affine", min_length=1, description="The group family.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the group family.")
    recording: str | None = Field(None, description="Checksum of the recording, where the model is one.")
    images: str | None = Field(None, description="Checksum of the file of held-out images.")
    model_digest: str | None = Field(None, description="Digest of the model, where it is not embedded.")

    def config_hash(self) -> str:
        """SHA-256 over what determines the result; where it is computed and written does not."""
        # Left out where it is not asked for, so that runs from before it was there are still recognised.
        content = self.model_dump(mode="json", exclude={"device"} if self.plain else {"device", "plain"})
        text = json.dumps({"symdiff": __version__, **content}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """Name of the run and of its default directory, such as ``digits-affine-0f3a91c2b7``."""
        model = re.sub(r"[^A-Za-z0-9]+", "-", self.model.rstrip("/").rsplit("/", 1)[-1]).strip("-") or "model"
        return f"{model[:40]}-{self.group}-{self.config_hash()[:10]}"
