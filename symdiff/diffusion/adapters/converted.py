"""From what a network predicts to the clean image, in whichever coordinates it was trained."""

from __future__ import annotations

from abc import abstractmethod
from typing import get_args

from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Denoiser, Prediction
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ModelError
from symdiff.nearest import did_you_mean

PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)


class ConvertedDenoiser(Denoiser):
    """A denoiser whose x0hat follows from the prediction of its network.

    With ``x = A x_0 + sigma eps`` and ``s = sigma / (A + sigma)``, the noise level of the straight path:

    ============== =================================== ==========================================
    prediction     the network returns                 x0hat
    ============== =================================== ==========================================
    epsilon        ``eps``                             ``(x - sigma eps) / A``
    sample         ``x_0``                             itself
    v_prediction   ``A eps - sigma x_0``               ``A x - sigma v``
    flow           ``eps - x_0``                       ``x / (A + sigma) - s u``
    ============== =================================== ==========================================

    (Ho et al. 2020, Eq. 15; Salimans and Ho 2022; Lipman et al. 2023, "Flow matching for generative modeling".)
    The coefficients are computed in double precision and applied in that of `x`.
    """

    @abstractmethod
    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """What the network returns for states ``A x_0 + sigma eps``, in the dtype of `x`."""

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """``x0hat``, by the table above.

        Raises
        ------
        ModelError
            The network predicts the noise and nothing of the image is left at `t`: it says nothing of the image.
        """
        if t == 0:
            return x
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        if self.prediction == "epsilon" and signal == 0:
            raise ModelError(
                f"model {self.name!r} predicts the noise, and at time {t} its schedule leaves nothing but noise "
                "(alpha_bar = 0): the image does not follow from it",
                "such a schedule needs a network that predicts the image or the velocity; "
                "or choose a sampler that starts below the last time",
            )
        predicted = self.predict(x, t)
        if self.prediction == "sample":
            return predicted
        if self.prediction == "epsilon":
            return (x - sigma * predicted) / signal
        if self.prediction == "v_prediction":
            return signal * x - sigma * predicted
        return (x - sigma * predicted) / (signal + sigma)


def as_prediction(name: object, whose: str) -> Prediction:
    """The prediction of this name; raises `ModelError`, which says `whose` it is, if there is none."""
    for known in PREDICTIONS:
        if name == known:
            return known
    hint = f"{did_you_mean(str(name), PREDICTIONS)} it must be one of: {', '.join(PREDICTIONS)}".strip()
    raise ModelError(f"{whose} is {name!r}", hint)


def flow_level(schedule: Schedule, t: Time) -> float:
    """``s = sigma / (A + sigma)``: where the straight path ``(1-s) x_0 + s eps`` has the noise of time t."""
    signal, sigma = schedule.signal(t), schedule.sigma(t)
    return sigma / (signal + sigma)
