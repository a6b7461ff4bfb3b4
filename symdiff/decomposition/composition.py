"""The irreducible constituents of noisy matrices, and the radical filtration they determine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.cuts import ACCEPT, REJECT
from symdiff.decomposition.invariant import (
    EntryNoise,
    completed,
    polish,
    search,
    sylvester_gram,
)
from symdiff.decomposition.sylvester import commutators

_LARGEST_SPACE = 3000  # unknowns of a homomorphism
_ACCEPT = 2.0  # of a homomorphism, which is fitted to the noise and where one too many would hide a weak extension


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


@dataclass(frozen=True)
class Series:
    """A basis in which matrices are block triangular with the leaves, from the smallest subspace up, on the diagonal."""

    basis: Tensor
    leaves: tuple[Leaf, ...]
    evidence: str


def composition_series(matrices: Tensor, noise: EntryNoise, limit: float, generator: torch.Generator) -> Series:
    """Constituents of `matrices` [K, d, d]; raises `Unresolved`, also where the noise of an entry exceeds `limit`.

    The limit is on the energy summed over the matrices. Noise grows with the errors of the subspaces that separate a
    constituent, and where it is as large as the matrices everything is noise.
    """
    d = matrices.shape[-1]
    identity = torch.eye(d).to(matrices)
    if noise.energy(identity, identity) > d * d * limit:
        raise Unresolved(f"a constituent of dimension {d} cannot be told from noise")
    if d == 1:
        return Series(identity, (Leaf(matrices, noise, True),), "of dimension 1")
    mean = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * identity
    if float((matrices - mean).square().sum()) <= ACCEPT * noise.energy(identity, identity):
        return Series(identity, (Leaf(matrices, noise, True),), "multiples of the identity up to noise")
    found = search(matrices, noise, generator)
    if found.irreducible:
        evidence = f"every subspace leaves at least {found.ratio:.3g} times the residual of noise"
        return Series(identity, (Leaf(matrices, noise, False),), evidence)
    if found.basis is None:
        raise Unresolved(
            f"of dimension {d}: the best subspace leaves {found.ratio:.3g} times the residual of noise, more than "
            f"{ACCEPT:g}, and nothing shows that all leave more than {REJECT:g}"
        )
    p, basis = found.rank, found.basis
    turned = basis.T @ matrices @ basis
    below, above = _errors(turned, p, noise, basis)
    lower = composition_series(turned[:, :p, :p], noise.restricted(basis[:, :p], below), limit, generator)
    upper = composition_series(turned[:, p:, p:], noise.restricted(basis[:, p:], above), limit, generator)
    basis = torch.cat([basis[:, :p] @ lower.basis, basis[:, p:] @ upper.basis], 1)
    return Series(
        basis, lower.leaves + upper.leaves, f"a subspace leaves {found.ratio:.3g} times the residual of noise"
    )


def _errors(turned: Tensor, p: int, noise: EntryNoise, basis: Tensor) -> tuple[float, float]:
    """What the error of a subspace adds to its block and to that of the quotient, in squares summed over the matrices.

    An error Z of the subspace adds C Z to the one and -Z C to the other. The fit of Z has the variance of least
    squares; where it is loose (Z is a homomorphism up to noise) Z is held by the second order Z C Z of the residual
    only, and where that vanishes too there is a family of invariant subspaces, of which one is as good as another.
    """
    inside, outside = basis[:, :p], basis[:, p:]
    b, c, d = turned[:, :p, :p], turned[:, :p, p:], turned[:, p:, p:]
    values, vectors = torch.linalg.eigh(sylvester_gram(d, b))
    maps = vectors.T.reshape(-1, *c.shape[:0:-1])
    energy = noise.energy(outside, inside)
    below = torch.einsum("nqp,qr,nrp->n", maps, torch.einsum("kpq,kpr->qr", c, c), maps)
    above = torch.einsum("nqp,pr,nqr->n", maps, torch.einsum("kpq,krq->pr", c, c), maps)
    variance = energy / (noise.count * maps[0].numel() * values.clamp_min(torch.finfo(values.dtype).tiny))
    for n in torch.nonzero(values <= REJECT * noise.ridge(outside, inside)).flatten().tolist():
        second = float((maps[n] @ c @ maps[n]).square().sum())
        variance[n] = (REJECT * energy / second) ** 0.5 if second > REJECT * energy else 0.0
        # Exactly zero along many families, which the sums of squares above would miss by rounding.
        below[n], above[n] = (c @ maps[n]).square().sum(), (maps[n] @ c).square().sum()
    return float(below.clamp_min(0) @ variance), float(above.clamp_min(0) @ variance)


def radical_flag(matrices: Tensor, noise: EntryNoise, series: Series) -> tuple[tuple[int, ...], Tensor]:
    """Dimensions of the radical filtration and an orthogonal basis that shows it; raises `Unresolved`."""
    d = matrices.shape[-1]
    if len(series.leaves) == 2:
        # What is below is not a summand, and so all of it is in the radical.
        p = series.leaves[0].matrices.shape[-1]
        return (p, d), series.basis
    constituents = _distinct([leaf.irreducible() for leaf in series.leaves])
    spaces, module = [torch.eye(d).to(matrices)], Leaf(matrices, noise, False)
    while True:
        kernel = _radical(module, constituents)
        p = kernel.shape[1]
        if len(spaces) == 1:
            _refuse_summands(module, constituents, kernel)
        if p == 0:
            break
        basis, ratio = polish(matrices, spaces[-1] @ kernel, noise)
        if ratio > ACCEPT:
            raise Unresolved(f"the radical leaves {ratio:.3g} times the residual of noise, more than {ACCEPT:g}")
        turned = basis.T @ matrices @ basis
        below, _ = _errors(turned, p, noise, basis)
        spaces.append(basis[:, :p])
        module = Leaf(turned[:, :p, :p], noise.restricted(basis[:, :p], below), False)
    dims = tuple(axes.shape[1] for axes in reversed(spaces))
    basis = spaces.pop()
    for axes in reversed(spaces):
        rest = axes - basis @ (basis.T @ axes)
        basis = torch.cat([basis, torch.linalg.svd(rest)[0][:, : axes.shape[1] - basis.shape[1]]], 1)
    return dims, completed(basis)


def _distinct(leaves: list[Leaf]) -> list[tuple[Leaf, int]]:
    """One leaf of each isomorphism class, with the dimension of its endomorphisms."""
    distinct: list[tuple[Leaf, int]] = []
    for leaf in leaves:
        same = (one for one, _ in distinct if one.matrices.shape == leaf.matrices.shape)
        if not any(len(homomorphisms(one, leaf)) for one in same):
            distinct.append((leaf, len(homomorphisms(leaf, leaf))))
    return distinct


def _radical(module: Leaf, constituents: list[tuple[Leaf, int]]) -> Tensor:
    """Orthonormal ``[d, r]``: the intersection of the kernels of all homomorphisms to irreducible constituents."""
    d = module.matrices.shape[-1]
    energy, head = torch.zeros(d, d).to(module.matrices), 0
    for leaf, endomorphisms in constituents:
        if leaf.matrices.shape[-1] > d:
            continue
        maps = homomorphisms(module, leaf)
        energy = energy + torch.einsum("nsi,nsj->ij", maps, maps)
        head += len(maps) * leaf.matrices.shape[-1] // endomorphisms
    values, vectors = torch.linalg.eigh(energy)
    if not 0 < head <= d or (head < d and values[d - head] < 1e3 * values[d - head - 1].abs()):
        raise Unresolved(f"the homomorphisms to the constituents do not show a head of dimension {head} of {d}")
    return vectors[:, : d - head]


def _refuse_summands(module: Leaf, constituents: list[tuple[Leaf, int]], radical: Tensor) -> None:
    """Raise `Unresolved` where an irreducible subspace is outside the radical: then it is a summand."""
    for leaf, _ in constituents:
        images = homomorphisms(leaf, module)
        inside = radical @ (radical.T @ images)
        if len(images) and float(torch.linalg.matrix_norm(images - inside).max()) > 0.5:
            raise Unresolved(f"up to noise a constituent of dimension {leaf.matrices.shape[-1]} is a summand")


def homomorphisms(source: Leaf, target: Leaf) -> Tensor:
    """Orthonormal X [n, q, p] with ``X source_k = target_k X`` up to noise; raises `Unresolved`."""
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
    ratio = residual / target.noise.of_maps(source.noise, space)
    if bool(((ratio > _ACCEPT) & (ratio < REJECT)).any()):
        raise Unresolved(f"a homomorphism from dimension {p} to {q} may or may not be noise")
    return space[ratio <= _ACCEPT]
