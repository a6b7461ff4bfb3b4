"""Models of the Hugging Face hub, downloaded where no folder of their name is here."""

from __future__ import annotations

import logging
import re
from importlib import import_module
from pathlib import Path

from symdiff.diffusion.adapters.folder import ROLES, read_folder
from symdiff.errors import ModelError

log = logging.getLogger(__name__)

HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"


def model_folder(name: str) -> Path:
    """The folder `name`; if there is none and it can be one, the model of this id of the hub, downloaded.

    Raises
    ------
    ModelError
        There is neither.
    """
    if not name:
        raise ModelError("diffusers: names no folder", "write diffusers:PATH")
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise ModelError(f"{path} is a file", "give the folder that save_pretrained wrote")
    looked = f"there is no folder {name!r} in {Path.cwd()}"
    if not re.fullmatch(HUB_ID, name):
        raise ModelError(looked, "give the folder that save_pretrained wrote, as diffusers:PATH")
    return _downloaded(name, looked)


def _downloaded(name: str, looked: str) -> Path:
    # It comes with diffusers; without diffusers nothing could be done with the model.
    try:
        download = import_module("huggingface_hub").snapshot_download
    except ModuleNotFoundError:
        raise ModelError(looked, "to download it, pip install 'symdiff-toolkit[diffusers]'") from None
    log.warning("%s: downloads the model of this name from the Hugging Face hub, or takes what was downloaded", looked)
    try:
        folder = Path(download(name, allow_patterns=["*.json"]))
        read_folder(folder)  # refuses what is not supported before its weights are downloaded
        patterns = [f"{role}/*.safetensors" for role in ROLES] + ["diffusion_pytorch_model*.safetensors"]
        folder = Path(download(name, allow_patterns=["*.json", *patterns]))
        if not any(folder.rglob("*.safetensors")):
            folder = Path(
                download(name, allow_patterns=["*.json", *(p.replace("safetensors", "bin") for p in patterns)])
            )
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(
            f"{looked}, and the Hugging Face hub did not give a model of this name: {reason}",
            "check the path; or, with access to the hub, the name",
        ) from error
    return folder
