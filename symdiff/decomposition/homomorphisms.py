"""Homomorphisms between constituents of noisy matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.cuts import REJECT
from symdiff.decomposition.fitting import EntryNoise, sylvester_gram
from symdiff.decomposition.sylvester import commutators

_LARGEST_SPACE = 3000  # unknowns of a homomorphism
_ACCEPT = 3.0  # of a homomorphism, which is fitted to the noise and where one too many would hide a weak extension


class Unresolved(Exception):
    """Noise could explain what a decision rests on; the message says which."""


@dataclass(frozen=True)
class Leaf:
    """A constituent: matrices [K, p, p] that are irreducible, or multiples of the identity."""

    matrices: Tensor
    noise: EntryNoise
    scalar: bool

    def irreducible(self) -> Leaf:
        """One copy: of multiples of the identity, the 1 x 1 matrices."""
        if not self.scalar:
            return self
        p = self.matrices.shape[-1]
        mean = self.matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        axis = torch.full((p, 1), p**-0.5).to(mean)
        return Leaf(mean, self.noise.restricted(axis, 0.0), True)


def homomorphisms(source: Leaf, target: Leaf) -> tuple[Tensor, float]:
    """Orthonormal X [n, q, p] with ``X source_k = target_k X`` up to noise, and their squared error.

    Raises `Unresolved` where noise leaves open whether there is one more.
    """
    a, b = target.matrices, source.matrices
    q, p = a.shape[-1], b.shape[-1]
    if q * p > _LARGEST_SPACE:
        raise Unresolved(f"homomorphisms from dimension {p} to {q} are too many to search")
    values, vectors = torch.linalg.eigh(sylvester_gram(a, b))
    # Of the smallest singular values the normal equations know the space; their sizes come from the operator.
    low = vectors[:, values <= 1e-6 * values[-1]].T.reshape(-1, q, p)
    high = vectors[:, values > 1e-6 * values[-1]].T.reshape(-1, q, p)
    if len(low):
        images = commutators(a, b, low[:, None]).flatten(1)
        turn = torch.linalg.svd(images.T @ torch.eye(len(low)).to(a), full_matrices=False)[2]
        low = torch.einsum("mn,nqp->mqp", turn, low)
    space = torch.cat([low, high])
    residual = torch.cat([commutators(a, b, x[None]).square().sum()[None] for x in space]) if len(space) else values
    noise = target.noise.of_maps(source.noise, space)
    ratio = residual / noise
    if bool(((ratio > _ACCEPT) & (ratio < REJECT)).any()):
        raise Unresolved(f"a homomorphism from dimension {p} to {q} may or may not be noise")
    found = ratio <= _ACCEPT
    return space[found], 0.0 if bool(found.all()) else float(noise.max() / residual[~found].min())
