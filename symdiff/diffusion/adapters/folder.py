"""What a model folder of the diffusers library holds, read without loading it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from symdiff.errors import ModelError
from symdiff.nearest import did_you_mean

DENOISERS = ("UNet2DModel", "DiTTransformer2DModel", "Transformer2DModel")
DECODERS = ("AutoencoderKL", "VQModel")

ROLES = {"unet": "denoiser", "transformer": "denoiser", "vae": "decoder", "vqvae": "decoder", "scheduler": "scheduler"}
"""What the parts of a pipeline are for, by their names in ``model_index.json``."""

TEXT = ("text_encoder", "tokenizer", "bert", "prior", "image_encoder")
"""Beginnings of the names of parts that only conditional pipelines have."""

STEM = "diffusion_pytorch_model"
SUPPORTED = (
    "supported are pipelines of a UNet2DModel (also with a VQModel) and of a DiT with its AutoencoderKL, such as "
    "DDPMPipeline, DDIMPipeline, LDMPipeline, DiTPipeline; any other model comes in as FILE.py:FACTORY"
)
SAVE = "give a folder that save_pretrained wrote, complete"


@dataclass(frozen=True)
class Part:
    """One part of a pipeline, or a model alone.

    Attributes
    ----------
    folder
        Where its files are.
    kind
        Its class in diffusers.
    config
        Its configuration file.
    """

    folder: Path
    kind: str
    config: Mapping[str, Any]

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The files of its weights, safetensors where there are any.

        Raises
        ------
        ModelError
            There are none, or a part of them is missing.
        """
        for ending in ("safetensors", "bin"):
            index = self.folder / f"{STEM}.{ending}.index.json"
            if index.exists():
                shards = sorted(set(_read(index).get("weight_map", {}).values()))
                return tuple(self._existing(name) for name in shards)
            whole = self.folder / f"{STEM}.{ending}"
            variants = sorted(self.folder.glob(f"{STEM}.*.{ending}"))
            if whole.exists() or variants:
                return (whole if whole.exists() else variants[0],)
        raise ModelError(f"{self.folder} has no weights: no {STEM}.safetensors, no {STEM}.bin", SAVE)

    def _existing(self, name: str) -> Path:
        file = self.folder / name
        if not file.is_file():
            raise ModelError(f"the weights in {self.folder} are incomplete: {name} is missing", SAVE)
        return file

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without what says only where and when it was written."""
        return {key: value for key, value in self.config.items() if not key.startswith("_")}


@dataclass(frozen=True)
class ModelFolder:
    """A pipeline, or a model without a scheduler.

    Attributes
    ----------
    path
        The folder.
    denoiser
        The network.
    scheduler
        ``None`` where there is the network alone.
    decoder
        Of latent states; ``None`` for models of pictures.
    """

    path: Path
    denoiser: Part
    scheduler: Part | None = None
    decoder: Part | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the configurations and the exact bytes of the weights."""
        sha = hashlib.sha256()
        for part in (self.denoiser, self.scheduler, self.decoder):
            description = None if part is None else [part.kind, part.settings]
            sha.update(json.dumps(description, sort_keys=True).encode())
            for file in part.weights if part is not None and part is not self.scheduler else ():
                state = file.stat()
                sha.update(_sha256(file, state.st_size, state.st_mtime_ns).encode())
        return sha.hexdigest()


def read_folder(path: Path) -> ModelFolder:
    """Find out what a folder holds.

    Raises
    ------
    ModelError
        A file is missing or unreadable, or the folder holds another kind of model.
    """
    if (path / "model_index.json").exists():
        return _pipeline(path, _read(path / "model_index.json"))
    if (path / "config.json").exists():
        part = _part(path, "config.json")
        if part.kind not in DENOISERS:
            raise ModelError(f"{path} holds a {part.kind}, which is no denoiser symdiff knows", SUPPORTED)
        return ModelFolder(path, part)
    raise ModelError(f"{path} is no model of diffusers: it has neither model_index.json nor config.json", SAVE)


def _pipeline(path: Path, index: Mapping[str, Any]) -> ModelFolder:
    what = index.get("_class_name", "a pipeline")
    found: dict[str, Part] = {}
    named = {name: entry for name, entry in index.items() if isinstance(entry, list) and any(entry)}
    for name, entry in named.items():
        library, kind = [*entry, "", ""][:2]
        if name.startswith(TEXT) or library == "transformers" or str(kind).endswith("ConditionModel"):
            raise ModelError(
                f"{path} is a {what} conditioned on text or images ({name}: {kind}), which is not supported", SUPPORTED
            )
    for name, entry in named.items():
        role = ROLES.get(name)
        if role is None or role in found or entry[0] != "diffusers":
            raise ModelError(f"{path} is a {what} with a part symdiff does not know, {name}: {entry}", SUPPORTED)
        file = "scheduler_config.json" if role == "scheduler" else "config.json"
        # Early pipelines of one network keep all their files in one folder.
        within = path / name if (path / name).is_dir() or not (path / file).exists() else path
        found[role] = _part(within, file, entry[1])
    for role, kinds in (("denoiser", DENOISERS), ("decoder", DECODERS)):
        if role in found and found[role].kind not in kinds:
            guess = did_you_mean(found[role].kind, kinds)
            raise ModelError(
                f"the {role} of {path} is a {found[role].kind}, which is not supported", f"{guess} {SUPPORTED}".strip()
            )
    if "denoiser" not in found:
        raise ModelError(f"{path} is a {what} without a denoiser: its model_index.json names no unet", SAVE)
    return ModelFolder(path, found["denoiser"], found.get("scheduler"), found.get("decoder"))


def _part(folder: Path, name: str, kind: str | None = None) -> Part:
    config = _read(folder / name)
    return Part(folder, str(kind or config.get("_class_name")), config)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file} is missing", SAVE) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} is unreadable: {error}", SAVE) from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} is no configuration but a {type(content).__name__}", SAVE)
    return content


@lru_cache(maxsize=256)
def _sha256(file: Path, size: int, modified: int) -> str:
    """SHA-256 of a file, read once while it stays as it is."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
