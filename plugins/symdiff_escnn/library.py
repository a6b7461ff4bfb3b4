"""The one place that imports escnn.

Two of its habits are dealt with here and nowhere else:

* at import it warns that py3nj is missing. py3nj needs a Fortran compiler and serves SO(3) only, which is not used;
* its bases call scikit-learn's ``randomized_svd`` with an ``np.matrix``, which every current scikit-learn refuses. With
  the name set to ``None`` it takes scipy's SVD instead, as it does where scikit-learn is not installed.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from symdiff.errors import MissingExtraError

COMMAND = "pip install 'symdiff-toolkit[escnn]' && pip install --no-deps escnn==1.0.11"
"""Installs escnn without py3nj."""

NEEDED = ("escnn", "lie_learn", "pymanopt", "autograd", "joblib")


def refuse_if_missing() -> None:
    """Say what is missing without importing any of it.

    Raises
    ------
    MissingExtraError
        escnn, or something it needs, is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        command = COMMAND.rpartition(" && ")[2] if missing == ["escnn"] else COMMAND
        raise MissingExtraError(f"{', '.join(missing)} is not installed", command)


@lru_cache(maxsize=1)
def escnn() -> ModuleType:
    """The library, ready for use.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    refuse_if_missing()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*py3nj.*", category=UserWarning)
        import escnn.gspaces
        import escnn.nn
    import escnn.group._numerical as numerical

    numerical.randomized_svd = None
    library: ModuleType = escnn
    return library


@lru_cache(maxsize=64)
def plane_group(kind: str, order: int, frequencies: int) -> Any:
    """The group object of escnn.

    Parameters
    ----------
    kind
        ``C``, ``D``, ``SO2`` or ``O2``.
    order
        Number of rotations N of a finite group.
    frequencies
        Largest frequency whose irreps a continuous group is built with.
    """
    library = escnn().group
    if kind == "C":
        return library.cyclic_group(order)
    if kind == "D":
        return library.dihedral_group(order)
    return library.so2_group(frequencies) if kind == "SO2" else library.o2_group(frequencies)
