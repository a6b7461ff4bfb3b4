"""What every run does, whatever it makes of the steps: record, split, describe the process, name what it used."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file as save_arrays

from symdiff.affine_steps import AffineSteps
from symdiff.beside import Beside, Later, beside, room_for_two
from symdiff.config import RunConfig
from symdiff.diffusion import Denoiser, HeldOut
from symdiff.diffusion.denoisers import NetworkDenoiser
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.groups import GroupFamily
from symdiff.illustrations import Pictures, seen_of, show
from symdiff.models import find_denoiser, find_sampler
from symdiff.process import describe, equivariance, model_of, refuse_other_shape, warn_of_settings_without_effect
from symdiff.progress import Progress
from symdiff.result import Result
from symdiff.rundir import RunDirectory
from symdiff.trajectories import (
    NO_PROCESS,
    ObservedSequences,
    Trajectories,
    is_recording,
    is_sequences,
    load_store,
    read_sequences,
    recorded,
    refuse_longer,
)
from symdiff.trajectories.memory import is_on_disk
from symdiff.trajectories.parts import parts

log = logging.getLogger(__name__)

T = TypeVar("T")

MADE_BY = ("sampler", "label", "guidance", "steps", "trajectories")
"""Settings that a recording or observed sequences were made by, and that do not change them."""

RESAMPLES = 20
"""Bootstrap resamples behind the stability of the decomposition."""

THOROUGH = 4
"""How many times more optimiser steps and resamples `--thorough` takes."""


@dataclass
class Run(ABC):
    """The state a run builds up, phase by phase."""

    config: RunConfig
    directory: RunDirectory
    device: torch.device
    progress: Progress
    data: HeldOut | None = None
    memory: int | None = None
    timing: dict[str, float] = field(default_factory=dict)

    recording: Trajectories = field(init=False)
    denoiser: Denoiser | None = field(init=False)
    model_absent: str = ""
    model_caveats: list[str] = field(default_factory=list)
    family: GroupFamily = field(init=False)
    _second: Beside | None = field(default=None, init=False)
    _described: Later[dict[str, Any]] | None = field(default=None, init=False)

    @abstractmethod
    def answer(self, caught: Callable[[], list[str]], earlier: Result | None) -> Result:
        """Everything after the recording, up to the result.

        Parameters
        ----------
        caught
            What was warned of so far.
        earlier
            The result of a finished run that is only to be scored again.
        """

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce a phase and time it."""
        self.progress.phase(name)
        start = time.perf_counter()
        yield
        self.timing[name] = round(time.perf_counter() - start, 3)
        log.info("%s took %.1f s", name, self.timing[name])

    def record(self) -> None:
        """The trajectories: of a recorded directory, of the cache, or of the model."""
        with self.phase("record"):
            if is_sequences(self.config.model):
                self._read_sequences()
                return
            if is_recording(self.config.model):
                self.recording = load_store(self.config.model, self.memory)
                self.model_caveats = self.recording.info.get("caveats", [])
                asked = self.config.model_dump(include={*MADE_BY})
                warn_of_settings_without_effect(self.config.model, self.recording, asked)
                self.denoiser, self.model_absent = model_of(self.recording)
                self._check_data()
                return
            config = self.config
            denoiser = find_denoiser(config.model, config.label, config.guidance, config.model_digest).to(self.device)
            self.denoiser, self.model_caveats = denoiser, list(denoiser.caveats)
            self._check_data()
            sampler = find_sampler(config.sampler, denoiser)
            numbers = (config.steps, config.trajectories, config.seed)
            self.recording, cached = recorded(
                denoiser, sampler, *numbers, self.device, memory=self.memory, on_progress=self.progress.update
            )
            log.info("%d trajectories %s", len(self.recording), "from the cache" if cached else "recorded")

    def _read_sequences(self) -> None:
        """The file is the data: nothing is recorded, and no copy is kept."""
        config = self.config
        self.recording = read_sequences(config.model, config.model_digest, self.memory)
        self.denoiser, self.model_absent = None, NO_PROCESS
        self.model_caveats = list(self.recording.info["caveats"])
        refuse_longer(self.recording, config.length, config.model)
        warn_of_settings_without_effect(config.model, self.recording, config.model_dump(include={*MADE_BY}))

    def _check_data(self) -> None:
        if self.data is not None and self.denoiser is not None:
            refuse_other_shape(self.data, self.denoiser)

    def open(self, family: GroupFamily) -> None:
        """Fix the family and split the recording: 70% to train on, 10% to choose by, 20% to judge by."""
        self.family = family
        self.train_part, self.validation_part, self.train_sample, self.test_part = parts(
            self.recording, self.config.seed, self.memory
        )

    @property
    def pictures_of(self) -> Pictures:
        """How states are looked at."""
        if isinstance(self.recording, ObservedSequences):
            return seen_of(self.recording)
        return show if self.denoiser is None else self.denoiser.decode

    @property
    def resamples(self) -> int:
        """Bootstrap resamples of the decomposition."""
        return RESAMPLES * (THOROUGH if self.config.thorough else 1)

    @contextmanager
    def described_beside(self) -> Iterator[None]:
        """Describe the process in a second thread from here on; `describe` then only waits for what is left of it.

        Not on an accelerator, which has one queue, nor from disk. Nor with a model of the user's: it may draw from the
        generator that networks are initialised with, or not bear a second thread.
        """
        ours = isinstance(self.denoiser, NetworkDenoiser | ClosedFormDenoiser)
        if not ours or self.device.type != "cpu" or is_on_disk(self.recording) or not room_for_two():
            yield
            return
        with beside() as self._second:
            self._described = self._second.begin(self._describe_steps)
            yield
        self._second = None

    def later(self, work: Callable[[], T]) -> Later[T]:
        """What is asked for later, and done beside until then where there is a second thread.

        Not with a group of the user's own: it may not bear to be asked by two threads.
        """

        def untold(progress: Progress) -> T:
            del progress
            return work()

        if self._second is None or not isinstance(self.family, AffineSteps):
            return Later(untold)
        return self._second.begin(untold)

    def describe(self) -> dict[str, Any]:
        """What the steps are as group elements, and whether the model commutes with a family that acts on images."""
        if isinstance(self.recording, ObservedSequences):
            return {"absent": NO_PROCESS}
        with self.phase("process"):
            described = self._described
            process = self._describe_steps(self.progress) if described is None else described.result(self.progress)
        if not self.family.actions_are_steps:
            with self.phase("equivariance"):
                process["equivariance"] = equivariance(
                    self.family,
                    self.denoiser,
                    self.test_part,
                    seed=self.config.seed,
                    thorough=self.config.thorough,
                    data=self.data,
                    device=self.device,
                    absent=self.model_absent,
                    progress=self.progress,
                )
        return process

    def _describe_steps(self, progress: Progress) -> dict[str, Any]:
        return describe(
            self.recording,
            self.denoiser,
            train=self.train_sample,
            test=self.test_part,
            seed=self.config.seed,
            thorough=self.config.thorough,
            data=self.data,
            device=self.device,
            absent=self.model_absent,
            progress=progress,
        )

    def configuration(self, **used: Any) -> dict[str, Any]:
        """The configuration as the result shows it: flat, keys are flags, with the numbers really in use."""
        found = {"steps": self.recording.steps, "trajectories": len(self.recording), **used}
        named = {"sampler_used": self.recording.info.get("sampler"), "run_id": self.config.run_id}
        return {**self.config.model_dump(mode="json"), **found, **named}

    def write_figures(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Write what the report draws."""
        with self.directory.file("figures.safetensors") as temporary:
            save_arrays({name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}, temporary)
