"""The held-out images of the data sets the embedded models are made from, and draws from known laws."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import datasets
from symdiff.diffusion.denoisers.base import HeldOut

HALF_BINS = {"digits": 1 / 16, "mnist": 1 / 255}
"""Half the spacing of the grey levels of a data set, a function of this name in `symdiff.diffusion.datasets`."""

DRAWN = 256
"""Images drawn from a law that is known."""

SEED = 2**31 - 1
"""Of the draw: not one that anybody trains with by default."""


def of_dataset(name: str, shape: tuple[int, int, int]) -> HeldOut | None:
    """The held-out part of the data set `name`; ``None`` if there is none of this name with images of this shape.

    Raises
    ------
    MissingExtraError
        The data set comes with a package that is not installed.
    """
    split = vars(datasets).get(name) if name in HALF_BINS else None
    if split is None:
        return None
    images = split()[1]
    if images.shape[1:] != shape:
        return None
    return HeldOut(images, HALF_BINS[name], f"the {len(images)} held-out images of {name}")


def of_gaussian(
    mean: Float[Tensor, "c h w"], eigenvalues: Float[Tensor, " d"], eigenvectors: Float[Tensor, "d d"]
) -> HeldOut:
    """Images drawn from ``N(mean, U diag(eigenvalues) U^T)``."""
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randn(DRAWN, len(eigenvalues), generator=generator, dtype=torch.float64)
    images = mean + (drawn * eigenvalues.sqrt() @ eigenvectors.T).reshape(-1, *mean.shape)
    return HeldOut(images.float(), None, f"{DRAWN} images drawn from the Gaussian law itself")
