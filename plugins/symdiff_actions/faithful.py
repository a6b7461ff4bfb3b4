"""A barrier against rho that are not faithful: no direction of the algebra is to do nothing, no two the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import ConfigError


def unlikeness(images: Sequence[Float[Tensor, "_ n _"]]) -> Float[Tensor, ""]:
    """``-log det (G / mean of its diagonal)`` of the Gram matrix ``G_ij = tr(X_i^T X_j)`` of the generators.

    0 where they are orthogonal and of one length, at most; infinite where one is a combination of others. A prediction
    loss alone is content with a rho that turns three planes with two of three directions, such as x, y and x + y.

    Parameters
    ----------
    images
        d rho by runs of blocks of one size: k blocks, n basis elements, c entries.

    Raises
    ------
    ConfigError
        There are more generators than entries.
    """
    rows = torch.cat([run.transpose(0, 1).flatten(1) for run in images], dim=1)
    if rows.shape[0] > rows.shape[1]:
        raise ConfigError(
            f"{rows.shape[0]} generators cannot be independent matrices of {rows.shape[1]} entries",
            "give a larger --latent, or -o faithful=0",
        )
    gram = rows @ rows.T
    volume: Tensor = torch.linalg.slogdet(gram / gram.diagonal().mean()).logabsdet
    return -volume


def unlikeness_of_values(values: Sequence[Float[Tensor, "n _ b b"]], directions: int) -> Float[Tensor, ""]:
    """The same for exponents that are no linear map: that of their largest `directions` principal directions.

    Parameters
    ----------
    values
        Exponents at n elements, by runs of blocks of one size.
    directions
        A, of which the values are to vary in as many.

    Raises
    ------
    ConfigError
        There are more directions than entries.
    """
    rows = torch.cat([run.flatten(1) for run in values], dim=1)
    if directions > rows.shape[1]:
        raise ConfigError(
            f"{directions} directions cannot be independent matrices of {rows.shape[1]} entries",
            "give a larger --latent, or -o faithful=0",
        )
    largest = torch.linalg.eigvalsh(rows.T @ rows / len(rows))[-directions:]
    volume: Tensor = (largest / largest.mean()).log().sum()
    return -volume
