"""From the MODEL and ``--sampler`` of the command line to a denoiser and a sampler."""

from __future__ import annotations

import inspect
from typing import Any

from symdiff.diffusion import SAMPLERS, SOURCES, Denoiser, Sampler
from symdiff.errors import ConfigError, ModelError, SymdiffError
from symdiff.nearest import did_you_mean
from symdiff.plugins import load_plugins

DEFAULT_SAMPLER = "ddpm"


def find_denoiser(model: str) -> Denoiser:
    """Return the diffusion model called `model`, embedded or brought by a plugin.

    Raises
    ------
    ModelError
        There is no such model, its plugin fails to load it, or what its plugin returns is none.
    """
    check_model(model)
    if model in SOURCES:
        return SOURCES[model]()
    try:
        denoiser = load_plugins().sources[model]()
    except SymdiffError:
        raise
    except Exception as error:
        raise ModelError(
            f"the source of model {model!r} failed: {type(error).__name__}: {error}", "--debug shows where"
        ) from error
    if not isinstance(denoiser, Denoiser):
        raise ModelError(
            f"the source of model {model!r} returned {denoiser!r:.80}, not a Denoiser",
            "its function must return a subclass of symdiff.diffusion.Denoiser",
        )
    return denoiser


def check_model(model: str) -> None:
    """Refuse a name no model has, without loading one.

    Raises
    ------
    ModelError
        There is no such model.
    """
    sources = load_plugins().sources
    if model in SOURCES or model in sources:
        return
    known = sorted([*SOURCES, *sources])
    hint = f"{did_you_mean(model, known)} available: {', '.join(known)}, or a directory written by `symdiff record`"
    raise ModelError(f"there is no model {model!r}", hint.strip())


def find_sampler(name: str | None) -> Sampler:
    """Return the sampler `name`, such as ``ddpm`` or ``dpmsolver++:order=3,karras=true``; ``None`` is the default.

    Raises
    ------
    ConfigError
        There is no such sampler, or it has no such setting.
    """
    kind, _, settings = (name or DEFAULT_SAMPLER).partition(":")
    if kind not in SAMPLERS:
        hint = f"{did_you_mean(kind, SAMPLERS)} available: {', '.join(sorted(SAMPLERS))}".strip()
        raise ConfigError(f"there is no sampler {kind!r}", hint)
    defaults = {key: item.default for key, item in inspect.signature(SAMPLERS[kind]).parameters.items()}
    given: dict[str, Any] = {}
    for pair in filter(None, settings.split(",")):
        key, _, value = pair.partition("=")
        if key not in defaults:
            raise ConfigError(f"sampler {kind} has no setting {key!r}", f"it has: {', '.join(defaults) or 'none'}")
        try:
            given[key] = _parsed(value, type(defaults[key]))
        except ValueError:
            expected = EXPECTED[type(defaults[key])]
            raise ConfigError(f"{key} of sampler {kind} is {value!r}", f"must be {expected}") from None
    return SAMPLERS[kind](**given)


EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
"""Types of the settings of samplers, as a user knows them."""


def _parsed(value: str, kind: type) -> object:
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise ValueError(value)
        return value.lower() == "true"
    return kind(value)
