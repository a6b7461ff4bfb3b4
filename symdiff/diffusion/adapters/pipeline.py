"""Models of the diffusers library as denoisers: unconditional and class-conditional U-Nets, DiT, latent diffusion."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.diffusion.adapters.classes import Classes, conditioned_digest
from symdiff.diffusion.adapters.converted import ConvertedDenoiser, as_prediction, flow_level
from symdiff.diffusion.adapters.folder import ModelFolder, Part
from symdiff.diffusion.adapters.library import make_network, make_scheduler
from symdiff.diffusion.adapters.precision import Precisions
from symdiff.diffusion.denoisers.base import Denoiser, Prediction
from symdiff.diffusion.samplers import Sampler, schedule_of, scheduler_sampler
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ModelError

DECODED_NUMBERS = 2**20
"""Numbers of the pictures decoded at once."""


@dataclass(frozen=True)
class Decoder:
    """From latent states to pictures, as the pipelines do it: ``decode(z / scaling_factor + shift_factor)``."""

    network: nn.Module
    scaling: float
    shift: float

    def __call__(self, z: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures in [-1, 1], in the dtype and on the device of `z`."""
        weight = next(self.network.parameters())
        latents = z.to(weight.device, weight.dtype) / self.scaling + self.shift
        # A decoder enlarges 8 times each way, as a rule, to 3 channels.
        at_once = max(1, DECODED_NUMBERS // (192 * z.shape[-2] * z.shape[-1]))
        with torch.no_grad():
            parts = [self.network.decode(part).sample for part in latents.split(at_once)]  # type: ignore[operator]
        return torch.cat(parts).clamp(-1, 1).to(z)


class PipelineDenoiser(ConvertedDenoiser):
    """A network of diffusers, asked as its pipeline asks it.

    Training step t is the pipeline's timestep t - 1; between steps the network is given the real number, before the
    first one the timestep 0. A network of flow matching is asked at the timestep ``T s``, with s the noise level.

    Parameters
    ----------
    folder
        Where the model is; see `load_pipeline`.
    network
        A ``UNet2DModel`` or ``DiTTransformer2DModel``. Of an output with twice the channels of the states, which holds
        learned variances, the first half is used.
    scheduler
        The pipeline's; ``None`` for a network alone, which is taken to predict the noise on the linear schedule with
        T = 1000 (Ho et al. 2020).
    decoder
        Of latent states.

    Raises
    ------
    ModelError
        Network, scheduler and decoder do not fit each other.
    ConfigError
        symdiff does not know the noise schedule of the scheduler.
    """

    def __init__(
        self, folder: ModelFolder, network: nn.Module, scheduler: Any = None, decoder: Decoder | None = None
    ) -> None:
        config: Any = network.config
        shape = _shape(folder, config)
        schedule = Schedule.linear() if scheduler is None else schedule_of(scheduler)
        super().__init__(folder.path.resolve().name, shape, schedule, folder.digest)
        self.found_at = f"diffusers:{folder.path.resolve()}"
        self.prediction = "epsilon" if scheduler is None else _prediction(folder, scheduler)
        self.classes = _classes(folder, config)
        self._transformer = not hasattr(network, "time_proj")
        self._timesteps = schedule.T if scheduler is None else int(scheduler.config.num_train_timesteps)
        self._check_times(folder, config)
        self._networks = Precisions(network)
        self._scheduler = scheduler
        self._decoder = decoder
        if scheduler is None:
            self.caveats += (
                f"{folder.path} has no scheduler: the network is taken to predict the noise on the linear schedule "
                "with 1000 steps",
            )
        if config.out_channels == 2 * config.in_channels:
            self.caveats += ("the variances the network learned are not used, only its prediction",)

    def _check_times(self, folder: ModelFolder, config: Any) -> None:
        known = getattr(config, "num_train_timesteps", None)
        if known is not None and known != self._timesteps:
            raise ModelError(
                f"the network of {folder.path} was made for {known} timesteps, its scheduler has {self._timesteps}",
                "network and scheduler are from different models: set num_train_timesteps in scheduler_config.json",
            )

    def predict(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """What the pipeline hands to its scheduler: with guidance, ``eps + w (eps_label - eps)``."""
        if self.prediction == "flow":
            x = x / (self.schedule.signal(t) + self.schedule.sigma(t))
        null = None if self.classes is None else self.classes.null
        if self.guidance is None or self.guidance == 1:
            return self._ask(x, t, [self.label if self.label is not None else null] * len(x))
        both = self._ask(torch.cat([x, x]), t, [self.label] * len(x) + [null] * len(x))
        conditional, unconditional = both.chunk(2)
        return unconditional + self.guidance * (conditional - unconditional)

    def _ask(self, x: Tensor, t: Time, labels: list[int | None]) -> Tensor:
        if self.classes is not None:
            self.classes.check(self.name, self.label, self.guidance)
        network = self._networks.like(x)
        asked: dict[str, Tensor] = (
            {} if self.classes is None else {"class_labels": torch.tensor(labels, device=x.device)}
        )
        timestep = self._timestep(t, x.device)
        answer: Tensor = network(x, timestep.expand(len(x)) if self._transformer else timestep, **asked).sample
        return answer[:, : x.shape[1]]

    def _timestep(self, t: Time, device: torch.device) -> Tensor:
        timestep = self._timesteps * flow_level(self.schedule, t) if self.prediction == "flow" else max(t - 1, 0)
        whole = float(timestep).is_integer()
        # Whole ones as integers: some networks look them up in a table.
        return torch.tensor(int(timestep) if whole else timestep, device=device)

    def own_sampler(self) -> Sampler | None:
        """The scheduler of the pipeline.

        Raises
        ------
        ConfigError
            Its class or a setting is not supported: the model can be sampled by another only.
        """
        return None if self._scheduler is None else scheduler_sampler(copy.deepcopy(self._scheduler))

    def conditioned(self, label: int | None, guidance: float | None) -> Denoiser:
        """The model of one class; of the class that stands for none if `label` is ``None`` and there is such a class.

        Raises
        ------
        ConfigError
            The model has no classes, not this one, or needs one; or guidance is asked for and cannot be had.
        """
        if self.classes is None:
            return super().conditioned(label, guidance)
        self.classes.check(self.name, label, guidance)
        model = copy.copy(self)
        model.label, model.guidance = label, guidance
        model.digest = conditioned_digest(self.digest, label, guidance)
        if label is None:
            model.caveats += (
                f"no --label was given: the model is asked for its class {self.classes.null}, which stands for none",
            )
        return model

    def decode(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures in [-1, 1]: of latent models what their decoder makes of `x`."""
        return x if self._decoder is None else self._decoder(x)

    def to(self, device: torch.device | str) -> Denoiser:
        """Moves network and decoder to `device` and returns the denoiser itself."""
        self._networks.to(device)
        if self._decoder is not None:
            self._decoder.network.to(device)
        return self


def load_pipeline(folder: ModelFolder) -> PipelineDenoiser:
    """Load what `read_folder` found.

    Raises
    ------
    MissingExtraError
        diffusers is not installed.
    ModelError
        Weights or configurations are damaged, or do not fit each other.
    ConfigError
        symdiff does not know the noise schedule of the scheduler.
    """
    scheduler = None if folder.scheduler is None else make_scheduler(folder.scheduler)
    decoder = None if folder.decoder is None else _decoder(folder.decoder)
    return PipelineDenoiser(folder, make_network(folder.denoiser), scheduler, decoder)


def _decoder(part: Part) -> Decoder:
    network = make_network(part).eval().requires_grad_(False)
    config: Any = network.config
    return Decoder(network, float(config.scaling_factor), float(getattr(config, "shift_factor", None) or 0))


def _shape(folder: ModelFolder, config: Any) -> tuple[int, int, int]:
    """``(C, H, W)`` of the states."""
    size = config.sample_size
    if size is None:
        raise ModelError(
            f"the configuration of the network in {folder.denoiser.folder} does not say how large its images are",
            'set "sample_size" in its config.json',
        )
    height, width = (size, size) if isinstance(size, int) else size
    given, returned = config.in_channels, config.out_channels
    if returned not in (None, given, 2 * given):
        raise ModelError(
            f"the network in {folder.denoiser.folder} takes {given} channels and returns {returned}",
            "a denoiser returns as many as it takes, or twice as many with learned variances; one that takes "
            "an image to start from is not supported",
        )
    if folder.decoder is not None and folder.decoder.config.get("latent_channels", given) != given:
        raise ModelError(
            f"the denoiser of {folder.path} has states of {given} channels, "
            f"its decoder takes {folder.decoder.config['latent_channels']}",
            "denoiser and decoder are from different models",
        )
    return given, height, width


def _prediction(folder: ModelFolder, scheduler: Any) -> Prediction:
    kind = type(scheduler).__name__
    if hasattr(scheduler, "precondition_inputs"):
        raise ModelError(
            f"{folder.path} has the scheduler {kind}, which scales what its network takes and returns (EDM)",
            "such models are not supported as folders: bring one in as FILE.py:FACTORY, with a network that takes and "
            "returns what symdiff.from_network says",
        )
    if kind.startswith("FlowMatch"):
        return "flow"
    found = scheduler.config.get("prediction_type", "epsilon")
    whose = f"prediction_type of {kind} in {folder.path}"
    return as_prediction("flow" if found == "flow_prediction" else found, whose)


def _classes(folder: ModelFolder, config: Any) -> Classes | None:
    embedded = getattr(config, "num_embeds_ada_norm", None)
    if embedded is not None:
        return Classes(embedded, null=embedded)  # its table has one row more, for what is trained without a class
    kind = getattr(config, "class_embed_type", None)
    if kind == "identity":
        raise ModelError(
            f"the network in {folder.denoiser.folder} takes vectors in place of classes",
            "bring it in as FILE.py:FACTORY, with a network that holds the vector",
        )
    if kind == "timestep":
        return Classes(None)
    count = getattr(config, "num_class_embeds", None)
    return None if count is None else Classes(count)
