"""Schedulers of diffusers, and models that answer what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from symdiff.diffusion import Denoiser, Schedule
from symdiff.diffusion.denoisers.base import Prediction

SHAPE = (1, 4, 4)


class Answering(Denoiser):
    """A model that returns `answer(x, t)`, of the kind it is told to predict."""

    def __init__(
        self, answer: Callable[[Tensor, float], Tensor], schedule: Schedule, prediction: Prediction = "sample"
    ) -> None:
        super().__init__("answering", SHAPE, schedule, "answering")
        self.answer, self.prediction = answer, prediction
        self.asked: list[tuple[Tensor, float]] = []

    def predict(self, x: Tensor, t: float) -> Tensor:
        self.asked.append((x, t))
        return self.answer(x, t)

    def denoise(self, x: Tensor, t: float) -> Tensor:
        if self.prediction != "sample":
            raise AssertionError("this model was to be given to the scheduler unconverted")
        return self.predict(x, t)


class Seeded:
    """Noise of a batch: `first` as the initial state, then one generator a trajectory."""

    def __init__(self, batch: int, seed: int = 0) -> None:
        self.batch, self.seed = batch, seed

    def generators(self) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(100 * self.seed + j) for j in range(self.batch)]

    def normal(self, i: int) -> Tensor:
        generator = torch.Generator().manual_seed(10_000 + 100 * self.seed + i)
        return torch.randn(self.batch, *SHAPE, generator=generator)


@pytest.fixture(scope="session")
def answering() -> type[Answering]:
    return Answering


@pytest.fixture(scope="session")
def seeded() -> type[Seeded]:
    return Seeded


@pytest.fixture(scope="session")
def library() -> Any:
    return diffusers
