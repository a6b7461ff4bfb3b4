"""The one place that imports geomstats.

Four of its habits are dealt with here and nowhere else:

* it takes its backend from the variable ``GEOMSTATS_BACKEND`` when it is first imported, for good;
* with the PyTorch backend it makes float64 the default dtype of torch: it is set back, and `double` sets it for the
  time of a call;
* it gives the root logger a handler and lets it show every message of every library: both are undone;
* its importer has no ``exec_module``, of which Python warns.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from symdiff.errors import BackendError, MissingExtraError

BACKEND = "pytorch"
VARIABLE = "GEOMSTATS_BACKEND"
COMMAND = "pip install 'symdiff-toolkit[geomstats]'"


def refuse_if_missing() -> None:
    """Say that geomstats is missing, without importing it.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    if "geomstats" not in sys.modules and find_spec("geomstats") is None:
        raise MissingExtraError("geomstats is not installed", COMMAND)


def refuse_other_backend() -> None:
    """Say that geomstats was imported before, with a backend whose arrays are no torch tensors.

    Raises
    ------
    BackendError
        It was.
    """
    backend = sys.modules.get("geomstats.backend")
    if backend is None:
        return
    found = str(backend.__name__).removeprefix("geomstats.")
    if found != BACKEND:
        raise BackendError(
            f"geomstats was imported before symdiff with the backend {found!r}; symdiff needs {BACKEND!r}",
            f"set {VARIABLE}={BACKEND} in the environment, or import geomstats only after the run",
        )


@lru_cache(maxsize=1)
def geomstats() -> ModuleType:
    """The library with the PyTorch backend; torch's default dtype and the loggers are as they were.

    Raises
    ------
    MissingExtraError
        It is not installed.
    BackendError
        It was imported earlier with another backend.
    """
    refuse_if_missing()
    refuse_other_backend()
    os.environ[VARIABLE] = BACKEND
    root, dtype = logging.getLogger(), torch.get_default_dtype()
    handlers, level = list(root.handlers), root.level
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="BackendImporter", category=ImportWarning)
            library = import_module("geomstats")
            import_module("geomstats.backend")
    finally:
        torch.set_default_dtype(dtype)
        root.handlers[:] = handlers
        root.setLevel(level)
    return library


@contextmanager
def double() -> Iterator[None]:
    """Float64 as torch's default dtype, which geomstats relies on, for as long as the context is open."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@lru_cache(maxsize=32)
def space(kind: str, n: int) -> Any:
    """The manifold of geomstats whose metric ours is held against.

    Parameters
    ----------
    kind
        ``so``, ``se``, ``gl+``, ``triangular``, ``rotations-scales``, or ``spd``: the symmetric positive definite
        matrices that the triangular ones are the Cholesky factors of.
    n
        As in the name of the group.
    """
    geomstats()
    with double():
        if kind == "so":
            from geomstats.geometry.special_orthogonal import SpecialOrthogonal

            return SpecialOrthogonal(n)
        if kind == "se":
            from geomstats.geometry.special_euclidean import SpecialEuclidean

            return SpecialEuclidean(n)
        if kind == "gl+":
            from geomstats.geometry.general_linear import GeneralLinear

            return GeneralLinear(n, positive_det=True)
        if kind == "triangular":
            from geomstats.geometry.positive_lower_triangular_matrices import PositiveLowerTriangularMatrices

            return PositiveLowerTriangularMatrices(n)
        if kind == "rotations-scales":
            from geomstats.geometry.positive_reals import PositiveReals

            return (space("so", n), PositiveReals())
        from geomstats.geometry.spd_matrices import SPDAffineMetric, SPDMatrices

        cone = SPDMatrices(n, equip=False)
        cone.equip_with_metric(SPDAffineMetric)
        return cone
