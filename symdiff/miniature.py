"""A miniature analysis with an installed plugin: whether a run with it goes through, not what it finds.

It is done in a process of its own, in which only that plugin is loaded, and `affine` where another family is needed.
Nothing is left behind, neither a run nor a recording in the cache.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import Denoiser, Schedule
from symdiff.diffusion.schedule import Time
from symdiff.errors import SymdiffError
from symdiff.plugins import load_plugins
from symdiff.testing.checking import families

SETTINGS: Mapping[str, Any] = {"steps": 6, "trajectories": 24, "length": 2, "train_steps": 10, "device": "cpu"}
"""Of every miniature analysis: a few seconds for small images."""

OTHER_FAMILY = "affine"
"""The family that the models and diagnostics of a plugin are tried with."""

WIDTH = 1.5
"""Correlation length of the images of the small model, in pixels."""

VARIANCE = 0.5

MODEL_FILE = """\
from symdiff.miniature import SmoothImages


def model():
    return SmoothImages({shape!r})
"""


class SmoothImages(Denoiser):
    """The optimal denoiser of smooth normal images on a torus, of any shape.

    Their covariance is invariant under translations, so that it is one gain a frequency,
    ``A l_k / (A^2 l_k + sigma^2)`` with the spectrum ``l_k`` of the covariance.

    Parameters
    ----------
    shape
        ``(C, H, W)``; channels are independent.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        digest = sha256(f"smooth images {shape} {WIDTH} {VARIANCE}".encode()).hexdigest()
        super().__init__("smooth-images", shape, Schedule.linear(), digest)
        rows, columns = (torch.fft.fftfreq(side, dtype=torch.float64) for side in shape[1:])
        spectrum = torch.exp(-2 * (math.pi * WIDTH) ** 2 * (rows[:, None] ** 2 + columns**2)) + 1e-3
        self.spectrum = VARIANCE * spectrum / spectrum.mean()

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """``E[x_0 | x_t]``."""
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        spectrum = self.spectrum.to(x)
        gain = signal * spectrum / (signal**2 * spectrum + sigma**2)
        estimate: Tensor = torch.fft.ifft2(gain * torch.fft.fft2(x)).real
        return estimate


@dataclass(frozen=True)
class Miniature:
    """How a miniature analysis went.

    Attributes
    ----------
    group, model
        What was analysed: a family, and a model of the plugin or ``smooth-images``.
    outcome
        Whether the run went through, and every hook of the plugin that is asked in a run with it.
    message
        Why not.
    structured
        The verdict, of a run that is too short to mean anything.
    diagnostics
        Figures by name.
    """

    group: str
    model: str
    outcome: Literal["passed", "failed"]
    message: str = ""
    structured: str | None = None
    diagnostics: dict[str, float | None] = field(default_factory=dict)


def analyze_in_miniature(
    name: str,
    shape: tuple[int, int, int] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    latent: int | None = None,
) -> tuple[Miniature, ...]:
    """A miniature analysis with every family of a plugin; if it has none, of its smallest model; else of any model.

    Parameters
    ----------
    name, shape, options, latent
        As for `symdiff.testing.checking.check_plugin`.

    Raises
    ------
    PluginError
        There is no such plugin, or it is not usable.
    """
    plugin = load_plugins().plugin(name)
    found = families(name)
    if found:
        given = options or {}
        return tuple(
            _analyzed(
                plugin.status.name,
                {"group": cls.name, "options": {**cls.example_options, **given.get(cls.name, {})}, "latent": latent},
                shape or cls.example_shape,
            )
            for cls in found
        )
    if plugin.sources:
        return _of_sources(plugin.status.name, list(plugin.sources))
    hooks = plugin.manager.get_hookcallers(plugin.manager.get_plugin(plugin.status.name)) if plugin.manager else None
    asked = plugin.diagnostics or any(caller.name == "symdiff_run_finished" for caller in hooks or ())
    return (_analyzed(plugin.status.name, {"group": OTHER_FAMILY}),) if asked else ()


def _of_sources(plugin: str, models: list[str]) -> tuple[Miniature, ...]:
    """Load every model; analyse the one with the fewest pixels if all can be loaded."""
    pixels, failed = {}, []
    for model in models:
        try:
            pixels[model] = math.prod(load_plugins().denoiser(model).shape)
        except SymdiffError as error:
            failed.append(Miniature(OTHER_FAMILY, model, "failed", error.message))
    if failed:
        return tuple(failed)
    smallest = min(pixels, key=pixels.__getitem__)
    return (_analyzed(plugin, {"group": OTHER_FAMILY, "model": smallest}),)


def _analyzed(plugin: str, wanted: Mapping[str, Any], shape: tuple[int, int, int] = (1, 8, 8)) -> Miniature:
    """Run one analysis in a process of its own."""
    with TemporaryDirectory(prefix="symdiff-miniature-") as folder:
        model = Path(folder) / "smooth_images.py"
        model.write_text(MODEL_FILE.format(shape=shape), encoding="utf-8")
        config = {**SETTINGS, "model": f"{model}:model", **wanted}
        loaded = f"{plugin},{OTHER_FAMILY}" if wanted["group"] == OTHER_FAMILY else plugin
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SYMDIFF_")},
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SYMDIFF_LOAD_PLUGINS": loaded,
            "SYMDIFF_CACHE": str(Path(folder) / "cache"),
        }
        ran = subprocess.run(
            [sys.executable, "-c", "from symdiff.miniature import main; main()", str(Path(folder) / "run")],
            input=json.dumps(config), env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        names = wanted["group"], wanted.get("model", "smooth-images")
        try:
            said = json.loads(ran.stdout)
        except ValueError:
            last = " ".join((ran.stderr.strip() or "it said nothing").splitlines()[-1:])
            return Miniature(*names, "failed", f"the process ended with code {ran.returncode}: {last}")
        return Miniature(*names, **said)


def main() -> None:
    """Analyse the configuration on stdin into the folder that is the argument; print what came of it as JSON."""
    import logging
    from contextlib import redirect_stdout

    from symdiff.analyze import analyze
    from symdiff.config import RunConfig

    kept: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    logging.getLogger("symdiff").addHandler(Keep(logging.WARNING))
    said: dict[str, Any]
    try:
        with redirect_stdout(sys.stderr):
            result = analyze(RunConfig.model_validate_json(sys.stdin.read()), Path(sys.argv[1]))
    except SymdiffError as error:
        said = {"outcome": "failed", "message": error.message}
    except Exception as error:  # whatever a plugin does is what is asked for here
        said = {"outcome": "failed", "message": f"{type(error).__name__}: {error}"}
    else:
        failed = [line for line in [*result.warnings, *kept] if "of a plugin failed" in line or " failed in " in line]
        said = {
            "outcome": "failed" if failed else "passed",
            "message": "; ".join(dict.fromkeys(failed)),
            "structured": result.verdict.structured,
            "diagnostics": {name: estimate.value for name, estimate in result.diagnostics.items()},
        }
    sys.stdout.write(json.dumps(said))
