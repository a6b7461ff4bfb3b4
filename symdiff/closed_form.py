"""Closed forms that need no training: principal components and least-squares decoders.

They are where training starts and what its result is held against.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.hae import HAE, Decoder
from symdiff.trajectories import Sequences

_DENSE_PIXELS = 4096
_NUMBERS = 2**27
_RIDGE = 1e-3


class PrincipalComponents(NamedTuple):
    """Leading principal components.

    Attributes
    ----------
    mean
        ``[d]``.
    directions
        ``[k, d]``, orthonormal rows, the largest variance first.
    variances
        ``[k]``.
    """

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "k d"]
    variances: Float[Tensor, " k"]


def principal_components(states: Float[Tensor, "n d"], k: int, seed: int = 0) -> PrincipalComponents:
    """The `k` leading principal components of `states`.

    Exact up to d = 4096; by a randomised SVD (Halko, Martinsson, Tropp 2011) beyond, where the covariance would not
    fit; of evenly spaced rows where all would not fit in memory. Directions beyond the rank of the data have
    variance 0.
    """
    states = states[:: -(-states.numel() // _NUMBERS)]
    mean = states.mean(0)
    centred = states - mean
    if centred.shape[1] <= _DENSE_PIXELS:
        covariance = (centred.T @ centred).double() / len(centred)
        values, vectors = torch.linalg.eigh(covariance)
        directions = vectors.flip(1).T[:k].to(states)
        return PrincipalComponents(mean, directions, values.flip(0)[:k].clamp_min(0).to(states))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, singular, right = torch.svd_lowrank(centred, q=min(k + 8, *centred.shape), niter=4)
    return PrincipalComponents(mean, right.T[:k], singular[:k].square() / len(centred))


@torch.no_grad()
def fit_linear_decoder(model: HAE, sequences: Sequences) -> None:
    """Solve the decoder's linear part by least squares, all else in the model being as it is.

    The decoder sees what it will be asked to decode, the latents predicted along `sequences`, not only ``h(o)``.

    Raises
    ------
    TypeError
        The decoder is not a `Decoder`.
    """
    decoder = model.decoder
    if not isinstance(decoder, Decoder):
        raise TypeError(f"a linear part is known for Decoder, not for {type(decoder).__name__}")
    latents = model.predict(sequences.observations[:, 0], sequences.actions).flatten(0, 1)
    decoder.standardise(latents)
    z = (latents - decoder.center) / decoder.spread
    target = sequences.observations.flatten(0, 1).flatten(1) - decoder.network(z)
    center = z.mean(0)
    z, mean = z - center, target.mean(0)
    gram = (z.T @ z).double()
    # Constant latents carry nothing: the ridge keeps their weights at 0 and costs the others 0.1% of their variance.
    gram += _RIDGE * len(z) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, (z.T @ (target - mean)).double()).to(z)
    decoder.linear.weight.copy_(weight.T)
    decoder.linear.bias.copy_(mean - center @ weight)
