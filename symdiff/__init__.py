"""Is a diffusion process group-structured, under which group, into which parts, and how sure are we?

The public names below are imported when first used, so that `import symdiff` does not import torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.analyze import analyze
    from symdiff.autoencoder import load_autoencoder
    from symdiff.config import RunConfig
    from symdiff.decomposition import Decomposition, decompose
    from symdiff.diffusion import Denoiser, Schedule
    from symdiff.diffusion.adapters.network import from_network
    from symdiff.diffusion.adapters.weights import load_weights
    from symdiff.diffusion.denoisers.symmetrized import symmetrize
    from symdiff.errors import (
        BackendError,
        ConfigError,
        CutLocusError,
        DeviceError,
        DiskError,
        DivergedError,
        GateError,
        GroupElementError,
        InterruptedRunError,
        MatricesError,
        MissingExtraError,
        ModelError,
        NonFiniteError,
        OutputError,
        PluginError,
        RefusedError,
        RunError,
        SequencesError,
        StoreError,
        SymdiffError,
        UnknownGroupError,
        UnknownLawError,
        UsageError,
    )
    from symdiff.groups import GroupFamily
    from symdiff.hae import HAE
    from symdiff.hookspecs import hookimpl
    from symdiff.representations import Representation
    from symdiff.result import Estimate, load_result
    from symdiff.trajectories import Sequences, Trajectories

__version__ = "0.1.0"

_HOME = {
    "GroupFamily": "symdiff.groups",
    "HAE": "symdiff.hae",
    "Representation": "symdiff.representations",
    "RunConfig": "symdiff.config",
    "analyze": "symdiff.analyze",
    "decompose": "symdiff.decomposition",
    "Decomposition": "symdiff.decomposition",
    "Denoiser": "symdiff.diffusion",
    "Schedule": "symdiff.diffusion",
    "from_network": "symdiff.diffusion.adapters.network",
    "load_weights": "symdiff.diffusion.adapters.weights",
    "symmetrize": "symdiff.diffusion.denoisers.symmetrized",
    "Sequences": "symdiff.trajectories",
    "Trajectories": "symdiff.trajectories",
    "Estimate": "symdiff.result",
    "load_autoencoder": "symdiff.autoencoder",
    "load_result": "symdiff.result",
    "hookimpl": "symdiff.hookspecs",
    "BackendError": "symdiff.errors",
    "ConfigError": "symdiff.errors",
    "CutLocusError": "symdiff.errors",
    "DeviceError": "symdiff.errors",
    "DiskError": "symdiff.errors",
    "DivergedError": "symdiff.errors",
    "GateError": "symdiff.errors",
    "GroupElementError": "symdiff.errors",
    "InterruptedRunError": "symdiff.errors",
    "MatricesError": "symdiff.errors",
    "MissingExtraError": "symdiff.errors",
    "ModelError": "symdiff.errors",
    "NonFiniteError": "symdiff.errors",
    "OutputError": "symdiff.errors",
    "PluginError": "symdiff.errors",
    "RefusedError": "symdiff.errors",
    "RunError": "symdiff.errors",
    "SequencesError": "symdiff.errors",
    "StoreError": "symdiff.errors",
    "SymdiffError": "symdiff.errors",
    "UnknownGroupError": "symdiff.errors",
    "UnknownLawError": "symdiff.errors",
    "UsageError": "symdiff.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'symdiff' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps `symdiff.analyze` the function: importing the module of that name would put itself there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "analyze" and isinstance(value, ModuleType):
            value = value.analyze
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


__all__ = [
    "HAE",
    "BackendError",
    "ConfigError",
    "CutLocusError",
    "Decomposition",
    "Denoiser",
    "DeviceError",
    "DiskError",
    "DivergedError",
    "Estimate",
    "GateError",
    "GroupElementError",
    "GroupFamily",
    "InterruptedRunError",
    "MatricesError",
    "MissingExtraError",
    "ModelError",
    "NonFiniteError",
    "OutputError",
    "PluginError",
    "RefusedError",
    "Representation",
    "RunConfig",
    "RunError",
    "Schedule",
    "Sequences",
    "SequencesError",
    "StoreError",
    "SymdiffError",
    "Trajectories",
    "UnknownGroupError",
    "UnknownLawError",
    "UsageError",
    "__version__",
    "analyze",
    "decompose",
    "from_network",
    "hookimpl",
    "load_autoencoder",
    "load_result",
    "load_weights",
    "symmetrize",
]
