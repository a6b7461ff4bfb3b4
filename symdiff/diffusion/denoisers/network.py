"""A trained network as a denoiser, and its file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.autograd import forward_ad

from symdiff.diffusion.denoisers import held_out
from symdiff.diffusion.denoisers.base import Denoiser, HeldOut, Prediction, fingerprint
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.denoisers.unet_inference import AT_LEAST, evaluate
from symdiff.diffusion.denoisers.unet_pullback import pullback
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ModelError

METADATA_KEY = "symdiff"
DIGITS_WEIGHTS = Path(__file__).parents[1] / "weights" / "digits.safetensors"
MNIST_WEIGHTS = Path(__file__).parents[1] / "weights" / "mnist.safetensors"


class NetworkDenoiser(Denoiser):
    """A `UNet` that predicts the velocity ``v = A eps - sigma x_0``, read as ``x0hat = A x - sigma v``.

    Predicting v keeps the reverse process bounded without clipping at every noise level (Salimans and Ho 2022).

    Parameters
    ----------
    network
        The network; it is put in evaluation mode and its parameters are frozen.
    schedule
        The schedule it was trained on.
    name
        Short name.
    """

    prediction: Prediction = "v_prediction"
    has_pullback = True

    def __init__(self, network: UNet, schedule: Schedule, name: str) -> None:
        self.network = network.eval().requires_grad_(False)
        state = self.network.state_dict()
        description = json.dumps(network.config.to_json(), sort_keys=True)
        digest = fingerprint(description, schedule.alpha_bar, *(state[key] for key in sorted(state)))
        size = network.config.size
        super().__init__(name, (1, size, size), schedule, digest)
        self._trained = float(schedule.log_snr[1]), float(schedule.log_snr[-1])
        # Made here and not on first use: parameters cannot be cast inside a torch.func transform.
        self._double = copy.deepcopy(self.network).double()

    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """The velocity. Between training steps 0 and 1 the network is asked for step 1, the least noise it knows."""
        network, log_snr = self._asked(x, t)
        if x.device.type == "cpu" and len(x) >= AT_LEAST and not differentiated(x):
            return evaluate(network, x, log_snr)
        velocity: Tensor = network(x, log_snr)
        return velocity

    def _asked(self, x: Tensor, t: Time) -> tuple[UNet, Tensor]:
        """The network of the dtype of `x`, and the log signal-to-noise ratio at `t`."""
        network = self._double if x.dtype == torch.float64 else self.network
        cleanest, noisiest = self._trained
        alpha_bar = torch.tensor(self.schedule.alpha_bar_at(t), dtype=torch.float64)
        return network, alpha_bar.logit().clamp(noisiest, cleanest).float()[None].to(x)

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """``x0hat = A x - sigma v(x, t)``."""
        if t == 0:
            return x
        return self.schedule.signal(t) * x - self.schedule.sigma(t) * self.predict(x, t)

    def pullback(self, x: Float[Tensor, "batch c h w"], t: Time) -> Callable[[Tensor], Tensor]:
        """``J^T u = A u - sigma (dv/dx)^T u``, all directions in one pass."""
        if t == 0:
            return torch.Tensor.clone
        network, log_snr = self._asked(x, t)
        pull = pullback(network, x, log_snr)
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        return lambda u: signal * u - sigma * pull(u)

    def held_out(self) -> HeldOut | None:
        """The held-out part of the data set of the model's name."""
        return held_out.of_dataset(self.name, self.shape)

    def to(self, device: torch.device | str) -> Denoiser:
        """Moves the network to `device` and returns the denoiser itself."""
        self.network.to(device)
        self._double.to(device)
        return self


def differentiated(x: Tensor) -> bool:
    """Whether derivatives with respect to `x` may be asked for: in reverse mode, or now in forward mode."""
    return torch.is_grad_enabled() or forward_ad.unpack_dual(x).tangent is not None


def log_snr(schedule: Schedule, t: Tensor) -> Float[Tensor, " times"]:
    """``log(alpha_bar / (1 - alpha_bar))`` at the times t > 0, float32."""
    return schedule.alpha_bar[t].logit().to(torch.float32)


def save_network(path: Path, network: UNet, metadata: dict[str, Any]) -> None:
    """Write a network in half precision, with what is needed to read it back.

    Parameters
    ----------
    path
        Of the safetensors file.
    network
        The network.
    metadata
        Plain data kept in the header; ``"schedule"`` must be ``{"kind": "linear" | "cosine", "T": int}``.
    """
    tensors = {key: value.to(torch.float16).contiguous() for key, value in network.state_dict().items()}
    header = {"architecture": network.config.to_json(), **metadata}
    # One entry, since the order of several is not fixed and the file should be a function of its content.
    path.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header, sort_keys=True)}))


def load_network(path: Path, name: str) -> NetworkDenoiser:
    """Read a network written by `save_network`.

    Raises
    ------
    ModelError
        If the file is missing, is not a safetensors file, or does not hold such a network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[METADATA_KEY])
            tensors = {key: file.get_tensor(key).to(torch.float32) for key in file.keys()}
        network = UNet(UNetConfig.from_json(header["architecture"]))
        network.load_state_dict(tensors)
        schedule = SCHEDULES[header["schedule"]["kind"]](header["schedule"]["T"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"cannot read a network from {path}: {type(error).__name__}: {error}",
            "reinstall symdiff, or train it again with: python -m symdiff.diffusion.train digits (or mnist)",
        ) from error
    return NetworkDenoiser(network, schedule, name)


SCHEDULES = {"linear": Schedule.linear, "cosine": Schedule.cosine}
