"""The diffusers library: its classes by name, and parts of pipelines made with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from symdiff.diffusion.adapters.folder import SAVE, Part
from symdiff.errors import MissingExtraError, ModelError
from symdiff.nearest import did_you_mean


def diffusers() -> Any:
    """The module, imported when it is first needed.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return import_module("diffusers")
    except ModuleNotFoundError as error:
        if error.name != "diffusers":
            raise
        raise MissingExtraError(
            "models of diffusers need the package diffusers, which is not installed",
            "pip install 'symdiff-toolkit[diffusers]'",
        ) from None


def make_scheduler(part: Part) -> Any:
    """The scheduler of a pipeline; raises `ModelError` if its class or its configuration is none."""
    library = diffusers()
    kind = getattr(library, part.kind, None) if part.kind.endswith("Scheduler") else None
    if kind is None:
        known = [name for name in dir(library) if name.endswith("Scheduler")]
        guess = did_you_mean(part.kind, known)
        raise ModelError(
            f"{part.folder} names the scheduler {part.kind}, which diffusers {library.__version__} does not have",
            guess or "it may need another version of diffusers",
        )
    try:
        with _quiet(library):
            return kind.from_config(dict(part.config))
    except Exception as error:
        raise ModelError(f"{part.folder} is no configuration of {part.kind}: {error}", SAVE) from error


def make_network(part: Part) -> nn.Module:
    """A network with its weights, in single precision on the CPU.

    Pickled weights are read with ``weights_only=True``, here and in diffusers: what would run code is refused.

    Raises
    ------
    ModelError
        The weights are damaged, do not fit the configuration, or are not all finite.
    """
    library = diffusers()
    first = part.weights[0]
    # diffusion_pytorch_model[-00001-of-00002].VARIANT.safetensors
    variant = first.name.split(".")[1] if first.name.count(".") > 1 else None
    try:
        with _quiet(library):
            network, found = getattr(library, part.kind).from_pretrained(
                str(part.folder),
                local_files_only=True,
                low_cpu_mem_usage=False,
                output_loading_info=True,
                torch_dtype=torch.float32,
                use_safetensors=first.suffix == ".safetensors",
                variant=variant,
            )
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(f"the {part.kind} in {part.folder} cannot be loaded: {reason}", SAVE) from error
    for what in ("missing", "unexpected", "mismatched"):
        if names := found[f"{what}_keys"]:
            raise ModelError(
                f"the weights in {part.folder} do not fit its config.json: {len(names)} {what}, such as {names[0]}",
                "weights and configuration are from different models, or of an incompatible version of diffusers",
            )
    for name, tensor in network.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise ModelError(
                f"the weights in {part.folder} are not all finite: {name} holds NaN or infinities",
                "the training diverged, or the file is damaged",
            )
    return network  # type: ignore[no-any-return]


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Let diffusers not tell on stderr what our own errors say."""
    logging = library.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
