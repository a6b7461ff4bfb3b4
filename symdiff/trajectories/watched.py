"""A model under watch: what it returns is checked, and what it raises is told with the step it happened at."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import Denoiser, Schedule
from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.schedule import Time
from symdiff.errors import ModelError, NonFiniteError, RunError, SymdiffError


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
    """

    def __init__(self, denoiser: Denoiser, steps: int) -> None:
        self.denoiser = denoiser
        self.steps = steps
        self.step = 0

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
        subject = f"what model {self.denoiser.name!r} returned at step {self.step + 1} of {self.steps}"
        require_finite(answer, subject, t)
        return answer.to(x.dtype)

    def _ask(self, x: Tensor, t: Time, ask: Callable[[Tensor, Time], object]) -> object:
        try:
            return ask(x, t)
        except (SymdiffError, torch.cuda.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise RunError(
                f"model {self.denoiser.name!r} failed at step {self.step + 1} of {self.steps} (timestep {t}): "
                f"{type(error).__name__}: {error}",
                "--debug shows where",
            ) from error


def require_finite(tensor: Float[Tensor, "batch c h w"], subject: str, t: Time) -> None:
    """Raise `NonFiniteError` if a state or an estimate is NaN or infinite.

    One reduction: any NaN or infinity makes the sum of absolute values so, and a sum that overflows is no better.
    """
    if bool(tensor.abs().sum().isfinite()):
        return
    wrong = int((~tensor.isfinite().flatten(1).all(dim=1)).sum())
    raise NonFiniteError(
        f"{subject} (timestep {t}) is NaN or infinite in {wrong} of {len(tensor)} trajectories",
        "check the model's weights and precision; where sampling diverges, clip x0hat or take more steps",
    )
