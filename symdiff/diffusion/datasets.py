"""The 8x8 handwritten digits that the embedded models are made from."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SHAPE = (1, 8, 8)
LEVELS = 17
"""Grey levels of a pixel: 0 ... 16, stored here as ``level / 8 - 1``."""

HELD_OUT = 180


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
    from sklearn.datasets import load_digits  # slow to import, and needed only by those who ask for the data

    images = torch.from_numpy(load_digits().images).to(torch.float32).reshape(-1, *SHAPE) / 8 - 1
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[:-HELD_OUT]], images[order[-HELD_OUT:]]
