"""From the MODEL and ``--sampler`` of the command line to a denoiser and a sampler."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from symdiff.diffusion import SAMPLERS, SOURCES, Denoiser, Sampler
from symdiff.diffusion.adapters import FORMS, is_own, load_own
from symdiff.errors import ConfigError, ModelError, SequencesError
from symdiff.nearest import did_you_mean
from symdiff.plugins import load_plugins
from symdiff.trajectories import is_sequences

DEFAULT_SAMPLER = "ddpm"


def find_denoiser(
    model: str, label: int | None = None, guidance: float | None = None, digest: str | None = None
) -> Denoiser:
    """Return the diffusion model called `model`, of one class if one is given.

    Parameters
    ----------
    model
        An embedded model, one of a plugin, or a user's own: see `symdiff.diffusion.adapters`.
    label, guidance
        See `Denoiser.conditioned`.
    digest
        What its digest has to be, before it is given a class; ``None`` for any.

    Raises
    ------
    ModelError
        There is no such model, it cannot be loaded, what its plugin or factory returns is none, or it is another one
        than `digest` says.
    ConfigError
        It has no classes, not this one, or needs one.
    """
    check_model(model)
    if model in SOURCES:
        denoiser = SOURCES[model]()
    else:
        denoiser = load_own(model) if is_own(model) else load_plugins().denoiser(model)
    if digest is not None and denoiser.digest != digest:
        raise ModelError(
            f"model {model!r} has changed: its digest is {denoiser.digest[:12]}…, not {digest[:12]}…",
            "the same command again takes the model as it is now",
        )
    return denoiser.conditioned(label, guidance)


def check_model(model: str) -> None:
    """Refuse a name no model has, without loading one.

    Raises
    ------
    ModelError
        There is no such model.
    SequencesError
        It is a file of observed sequences, which no model made.
    """
    if is_sequences(model):
        raise SequencesError(
            f"{model} is no diffusion model: observed sequences have no reverse process to record or to describe",
            f"`symdiff analyze {model}` learns from them as they are",
        )
    if is_own(model):
        return
    sources = load_plugins().sources
    if model in SOURCES:
        if model in sources:
            raise ModelError(
                f"a plugin claims the model {model!r}, which is symdiff's own",
                "`symdiff plugins list` says which; its author has to give it another name",
            )
        return
    if model in sources:
        return
    known = sorted({*SOURCES, *sources})
    guess = did_you_mean(model, known)
    if any((Path(model) / name).exists() for name in ("model_index.json", "config.json")):
        guess = f"did you mean diffusers:{model}?"
    hint = f"{guess} available: {', '.join(known)}, or a directory written by `symdiff record`; your own: {FORMS}"
    raise ModelError(f"there is no model {model!r}", hint.strip())


def find_sampler(name: str | None, denoiser: Denoiser | None = None) -> Sampler:
    """Return the sampler `name`, such as ``ddpm`` or ``dpmsolver++:order=3,karras=true``.

    Parameters
    ----------
    name
        ``None`` is the model's own, or DDPM if it has none.
    denoiser
        The model.

    Raises
    ------
    ConfigError
        There is no such sampler, or it has no such setting; or symdiff does not know the model's own.
    """
    own = denoiser.own_sampler() if name is None and denoiser is not None else None
    if own is not None:
        return own
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
