"""A model under watch: what it returns is checked, and what it raises is told with the step it happened at."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import Denoiser, Schedule
from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.schedule import Time
from symdiff.errors import ModelError, NonFiniteError, RunError, SymdiffError

LOOK_EVERY = 32
"""Tensors between two looks at their sums, each of which is a copy from the device."""


class _Noted(NamedTuple):
    sums: Tensor
    subject: str
    t: Time


class _Sent(NamedTuple):
    """What was wrong in tensors noted earlier, on its way to the CPU."""

    noted: list[_Noted]
    wrong: Tensor
    there: torch.cuda.Event | None


class FiniteWatch:
    """Finds the first tensor of a run that is NaN or infinite, without waiting for the device at every one.

    One reduction a tensor: any NaN or infinity makes the sum over a trajectory so, and a sum that overflows is no
    better. The sums are looked at every now and then, and named by where they came from. On CUDA they are looked at
    when the next ones are sent, so that a run waits for nothing.
    """

    def __init__(self) -> None:
        self._noted: list[_Noted] = []
        self._sent: _Sent | None = None

    def note(self, tensor: Float[Tensor, "batch c h w"], subject: str, t: Time) -> None:
        """Take a tensor into account.

        Raises
        ------
        NonFiniteError
            This or an earlier one is NaN or infinite; it may come some tensors late.
        """
        self._noted.append(_Noted(tensor.flatten(1).sum(1), subject, t))
        if len(self._noted) >= LOOK_EVERY:
            self._look_at_sent()
            self._send()
            if self._sent is not None and self._sent.there is None:
                self._look_at_sent()

    def look(self) -> None:
        """Raise `NonFiniteError`, naming the first tensor, if one noted since the last look is NaN or infinite."""
        self._look_at_sent()
        self._send()
        self._look_at_sent()

    def _send(self) -> None:
        """Begin to copy what is wrong in the tensors noted."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        wrong = (~torch.stack([tensor.sums for tensor in noted]).isfinite()).sum(1)
        there = None
        if wrong.is_cuda:
            on_cpu = torch.empty(wrong.shape, dtype=wrong.dtype, pin_memory=True)
            wrong, there = on_cpu.copy_(wrong, non_blocking=True), torch.cuda.Event()
            there.record(torch.cuda.current_stream(noted[0].sums.device))
        self._sent = _Sent(noted, wrong, there)

    def _look_at_sent(self) -> None:
        sent, self._sent = self._sent, None
        if sent is None:
            return
        if sent.there is not None:
            sent.there.synchronize()
        for (sums, subject, t), count in zip(sent.noted, sent.wrong.tolist(), strict=True):
            if count:
                raise NonFiniteError(
                    f"{subject} (timestep {t}) is NaN or infinite in {count} of {len(sums)} trajectories",
                    "check the model's weights and precision; where sampling diverges, clip x0hat or take more steps",
                )

    def forget(self) -> None:
        """Begin anew, whatever was noted."""
        self._noted.clear()
        self._sent = None


class Watched:
    """Asks a denoiser, and raises a named error where the answer is not an image of finite numbers.

    Parameters
    ----------
    denoiser
        The model; a user's own, perhaps.
    steps
        Reverse steps of the run.

    Attributes
    ----------
    step
        The step under way, from 0; whoever steps keeps it up to date.
    finite
        Watches over the answers, and over whatever else is noted there.
    """

    def __init__(self, denoiser: Denoiser, steps: int) -> None:
        self.denoiser = denoiser
        self.steps = steps
        self.step = 0
        self.finite = FiniteWatch()

    @property
    def prediction(self) -> Prediction:
        """What the model returns."""
        return self.denoiser.prediction

    @property
    def schedule(self) -> Schedule:
        """The noise schedule the model was trained on."""
        return self.denoiser.schedule

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """``x0hat``, in the dtype of `x`.

        Raises
        ------
        ModelError
            It is no tensor of the shape of `x`.
        NonFiniteError
            It is NaN or infinite.
        RunError
            The model failed.
        """
        return self._checked(x, t, self.denoiser.denoise, "denoise(x, t) must return x0hat in the shape of x")

    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """What the network returns, checked as in `denoise`."""
        return self._checked(x, t, self.denoiser.predict, "predict(x, t) must return a tensor in the shape of x")

    def _checked(self, x: Tensor, t: Time, ask: Callable[[Tensor, Time], object], hint: str) -> Tensor:
        answer = self._ask(x, t, ask)
        if not isinstance(answer, Tensor) or answer.shape != x.shape:
            got = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
            raise ModelError(
                f"model {self.denoiser.name!r} was given states of shape {tuple(x.shape)} and returned {got}", hint
            )
        answer = answer.to(x.dtype)
        self.finite.note(
            answer, f"what model {self.denoiser.name!r} returned at step {self.step + 1} of {self.steps}", t
        )
        return answer

    def _ask(self, x: Tensor, t: Time, ask: Callable[[Tensor, Time], object]) -> object:
        try:
            return ask(x, t)
        except (SymdiffError, torch.cuda.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            self.finite.look()  # what it failed at may be what an earlier step made NaN
            raise RunError(
                f"model {self.denoiser.name!r} failed at step {self.step + 1} of {self.steps} (timestep {t}): "
                f"{type(error).__name__}: {error}",
                "--debug shows where",
            ) from error
