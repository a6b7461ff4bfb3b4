"""A network of one's own as a denoiser, by saying what it takes and what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.diffusion.adapters.converted import ConvertedDenoiser, as_prediction, flow_level
from symdiff.diffusion.adapters.precision import Precisions
from symdiff.diffusion.adapters.weights import load_weights
from symdiff.diffusion.denoisers.base import Denoiser, fingerprint
from symdiff.diffusion.samplers import Sampler
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ConfigError, ModelError
from symdiff.nearest import did_you_mean

TimeKind = Literal["index", "fraction", "log_snr", "sigma"]
TIMES: tuple[TimeKind, ...] = get_args(TimeKind)

Network = Callable[[Tensor, Tensor], Tensor]


def from_network(
    network: Network,
    shape: tuple[int, int, int],
    prediction: str = "epsilon",
    *,
    schedule: Schedule | None = None,
    betas: Tensor | Sequence[float] | None = None,
    alpha_bar: Tensor | Sequence[float] | None = None,
    time: str = "index",
    weights: str | Path | None = None,
    name: str | None = None,
    digest: str | None = None,
    sampler: Sampler | None = None,
) -> Denoiser:
    """A denoiser made of a network ``network(x, t)``.

    Parameters
    ----------
    network
        A module, or any function, that takes states x ``[batch, C, H, W]`` and times t ``[batch]`` and returns a
        tensor of the shape of x. x is ``A x_0 + sigma eps`` with ``A = sqrt(alpha_bar)``, ``A^2 + sigma^2 = 1``; for
        ``prediction="flow"`` it is ``(1-s) x_0 + s eps`` with the same ratio of noise to signal,
        ``s = sigma / (A + sigma)``. A module is put in evaluation mode and its parameters are frozen; asked in double
        precision, a copy in double precision answers. A function has to answer in both.
    shape
        ``(C, H, W)`` of x.
    prediction
        What it returns: ``"epsilon"`` the noise eps, ``"sample"`` the clean image x_0, ``"v_prediction"`` the velocity
        ``A eps - sigma x_0``, ``"flow"`` the velocity ``eps - x_0``.
    schedule, betas, alpha_bar
        The noise schedule it was trained on, one of them: a `Schedule`; the variances ``beta_1 ... beta_T``; the
        products ``alpha_bar_1 ... alpha_bar_T``. For ``"flow"`` none is needed: s = 1/1000 ... 1.
    time
        What t is: ``"index"`` counts training steps from 0 ... T-1 (integers at training steps, real between them),
        ``"fraction"`` is (index + 1)/T, ``"log_snr"`` is ``log(alpha_bar / (1 - alpha_bar))``, ``"sigma"`` is the
        coefficient of the noise in x: sigma, and s for ``"flow"``. No network is asked below the least noise it was
        trained on.
    weights
        A file for `load_weights`, loaded into the network.
    name
        Shown in reports; the name of the network's class if ``None``.
    digest
        Any text that changes when the network changes. If ``None`` it is made of the class, its source and the
        weights, which a function does not have: it needs one.
    sampler
        What it is sampled with by default; the general default if ``None``.

    Raises
    ------
    ModelError
        A name is unknown, the schedule is missing or given twice, the weights cannot be had or do not fit, or a
        function has no digest.
    ConfigError
        The schedule is none.
    """
    if time not in TIMES:
        hint = f"{did_you_mean(time, TIMES)} it must be one of: {', '.join(TIMES)}".strip()
        raise ModelError(f"time of from_network is {time!r}", hint)
    kind = as_prediction(prediction, "prediction of from_network")
    model = NetworkModel(network, shape, _schedule(schedule, betas, alpha_bar, kind), _title(network, name), "")
    model.prediction = kind
    model.time = next(known for known in TIMES if known == time)
    model.sampler = sampler
    if weights is not None:
        _load(network, Path(weights))
    model.digest = _digest(model, digest)
    return model


class NetworkModel(ConvertedDenoiser):
    """What `from_network` makes."""

    time: TimeKind = "index"
    sampler: Sampler | None = None

    def __init__(
        self, network: Network, shape: tuple[int, int, int], schedule: Schedule, name: str, digest: str
    ) -> None:
        super().__init__(name, shape, schedule, digest)
        self.network = network
        self._networks = Precisions(network) if isinstance(network, nn.Module) else None

    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """What the network returns.

        Raises
        ------
        ModelError
            It is no tensor of the shape of `x`.
        """
        scale = self.schedule.signal(t) + self.schedule.sigma(t) if self.prediction == "flow" else 1.0
        network = self.network if self._networks is None else self._networks.like(x)
        answer = network(x if scale == 1 else x / scale, self.network_time(x, t))
        if not isinstance(answer, Tensor) or answer.shape != x.shape:
            got = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
            raise ModelError(
                f"the network of model {self.name!r} was given states of shape {tuple(x.shape)} and returned {got}",
                "it must return a tensor in the shape of x; of an object or a tuple, return the tensor itself",
            )
        return answer.to(x.dtype)

    def network_time(self, x: Float[Tensor, "batch c h w"], t: Time) -> Tensor:
        """The times ``[batch]`` the network is given for states `x` at training time t."""
        t = max(t, 1)
        if self.time == "index":
            index = t - 1
            kind = torch.int64 if float(index).is_integer() else x.dtype
            return torch.full((len(x),), index, dtype=kind, device=x.device)
        if self.time == "fraction":
            value = t / self.schedule.T
        elif self.time == "log_snr":
            levels = self.schedule.log_snr[self.schedule.log_snr.isfinite()]
            here = torch.tensor(self.schedule.alpha_bar_at(t), dtype=torch.float64).logit()
            value = float(here.clamp(float(levels.min()), float(levels.max())))
        else:
            value = flow_level(self.schedule, t) if self.prediction == "flow" else self.schedule.sigma(t)
        return torch.full((len(x),), value, dtype=x.dtype, device=x.device)

    def own_sampler(self) -> Sampler | None:
        """The sampler given to `from_network`."""
        return self.sampler

    def to(self, device: torch.device | str) -> Denoiser:
        """Moves the network to `device`, if it is a module, and returns the denoiser itself."""
        if self._networks is not None:
            self._networks.to(device)
        return self


def _schedule(schedule: Schedule | None, betas: Any, alpha_bar: Any, prediction: str) -> Schedule:
    given = [
        name
        for name, value in (("schedule", schedule), ("betas", betas), ("alpha_bar", alpha_bar))
        if value is not None
    ]
    if len(given) > 1 or (not given and prediction != "flow"):
        raise ModelError(
            f"from_network was given {' and '.join(given) or 'no noise schedule'}",
            "give one of schedule, betas and alpha_bar, as the network was trained",
        )
    if schedule is not None:
        return schedule
    if betas is not None:
        return Schedule.from_betas(_numbers(betas, "betas"))
    if alpha_bar is not None:
        products = _numbers(alpha_bar, "alpha_bar")
        clean = torch.ones(0 if products[0] == 1 else 1, dtype=torch.float64)
        return Schedule(torch.cat([clean, products]))
    s = torch.arange(1001, dtype=torch.float64) / 1000
    return Schedule((1 - s) ** 2 / ((1 - s) ** 2 + s**2))


def _numbers(values: Any, name: str) -> Tensor:
    try:
        numbers = torch.as_tensor(values).detach().to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name} of from_network is no list of numbers: {error}", "give T numbers") from error
    if numbers.ndim != 1 or not len(numbers):
        raise ConfigError(f"{name} of from_network has shape {tuple(numbers.shape)}", "give a list of T numbers")
    return numbers


def _title(network: Network, name: str | None) -> str:
    named = type(network) if isinstance(network, nn.Module) else network
    return name or str(getattr(named, "__name__", "network"))


def _load(network: Network, file: Path) -> None:
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"weights {file} were given for {type(network).__name__}, which is no torch.nn.Module",
            "load them in the factory, with symdiff.load_weights",
        )
    try:
        network.load_state_dict(load_weights(file))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"the weights {file} do not fit the network: {reason}", "they are of another network"
        ) from error


def _digest(model: NetworkModel, given: str | None) -> str:
    network = model.network
    what = [model.prediction, model.time, str(model.shape)]
    if given is not None:
        return fingerprint("|".join([*what, given]), model.schedule.alpha_bar)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"nothing tells one {type(network).__name__} given to from_network from another",
            'give digest="...", any text that changes when the network changes; or a torch.nn.Module',
        )
    state = network.state_dict()
    what += [type(network).__qualname__, _source(type(network)), *sorted(state)]
    return fingerprint("|".join(what), model.schedule.alpha_bar, *(state[key] for key in sorted(state)))


def _source(kind: type) -> str:
    """The text of the file a class is from; empty for compiled ones, which have none."""
    try:
        file = inspect.getsourcefile(kind)
        return "" if file is None else Path(file).read_text(encoding="utf-8")
    except (TypeError, OSError, UnicodeDecodeError):
        return ""
