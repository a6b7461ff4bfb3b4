"""The irreducible constituents of noisy matrices, and the radical filtration they determine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.cuts import ACCEPT, REJECT
from symdiff.decomposition.fitting import EntryNoise, sylvester_gram
from symdiff.decomposition.homomorphisms import Leaf, Unresolved, homomorphisms
from symdiff.decomposition.invariant import acceptable, completed, polish, search


@dataclass(frozen=True)
class Series:
    """A basis that makes matrices block triangular, and the leaves on the diagonal, smallest subspace first."""

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
    if d == 1:
        return Series(identity, (Leaf(matrices, noise, True),), "of dimension 1")
    _refuse_noise(noise, limit)
    mean = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * identity
    if float((matrices - mean).square().sum()) <= ACCEPT * noise.energy(identity, identity):
        return Series(identity, (Leaf(matrices, noise, True),), "multiples of the identity up to noise")
    found = search(matrices, noise, generator)
    if found.irreducible:
        evidence = f"every subspace leaves at least {found.ratio:.3g} times the residual of noise"
        return Series(identity, (Leaf(matrices, noise, False),), evidence)
    if found.basis is None:
        raise Unresolved(
            f"of dimension {d}: the best subspace leaves {found.ratio:.3g} times the residual of noise, and nothing "
            f"shows that all leave more than {REJECT:g}"
        )
    p, basis = found.rank, found.basis
    turned = basis.T @ matrices @ basis
    below, above = errors_of(turned, p, noise, basis, found.error)
    lower = composition_series(turned[:, :p, :p], noise.restricted(basis[:, :p], below), limit, generator)
    upper = composition_series(turned[:, p:, p:], noise.restricted(basis[:, p:], above), limit, generator)
    basis = torch.cat([basis[:, :p] @ lower.basis, basis[:, p:] @ upper.basis], 1)
    return Series(
        basis, lower.leaves + upper.leaves, f"a subspace leaves {found.ratio:.3g} times the residual of noise"
    )


def _refuse_noise(noise: EntryNoise, limit: float) -> None:
    """Raise `Unresolved` for a constituent whose noise is about as large as what is to be seen in it."""
    d = len(noise.rows)
    strict = REJECT if noise.inflation > ACCEPT else 1.0  # an error may hide structure that noise alone would not
    identity = torch.eye(d).to(noise.rows)
    if strict * noise.energy(identity, identity) > d * d * limit:
        raise Unresolved(f"a constituent of dimension {d} cannot be told from noise")


def errors_of(turned: Tensor, p: int, noise: EntryNoise, basis: Tensor, held: float) -> tuple[float, float]:
    """What the error of a subspace adds to its block and to that of the quotient, in squares summed over the matrices.

    An error Z of the subspace adds C Z to the one and -Z C to the other. The fit of Z has the variance of least
    squares; where it is loose (Z is a homomorphism up to noise) Z is held by the second order Z C Z of the residual
    only, or by the bound `held` on ‖Z‖², and where the second order vanishes too there is a family of invariant
    subspaces, of which one is as good as another.
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
        variance[n] = min(held, (ACCEPT * energy / second) ** 0.5) if second > REJECT * energy else 0.0
        # Exactly zero along many families, which the sums of squares above would miss by rounding.
        below[n], above[n] = (c @ maps[n]).square().sum(), (maps[n] @ c).square().sum()
    return float(below.clamp_min(0) @ variance), float(above.clamp_min(0) @ variance)


def radical_flag(matrices: Tensor, noise: EntryNoise, series: Series, limit: float) -> tuple[tuple[int, ...], Tensor]:
    """Dimensions of the radical filtration and an orthogonal basis that shows it; raises `Unresolved`."""
    d = matrices.shape[-1]
    if len(series.leaves) == 2:
        # What is below is not a summand, and so all of it is in the radical.
        p = series.leaves[0].matrices.shape[-1]
        return (p, d), series.basis
    for leaf in series.leaves:
        _refuse_noise(leaf.noise, limit)
    constituents = _distinct([leaf.irreducible() for leaf in series.leaves])
    spaces, module = [torch.eye(d).to(matrices)], Leaf(matrices, noise, False)
    while True:
        kernel, error = _radical(module, constituents)
        p = kernel.shape[1]
        if len(spaces) == 1:
            _refuse_summands(module, constituents, kernel)
        if p == 0:
            break
        basis, ratio = polish(matrices, spaces[-1] @ kernel, noise)
        if ratio > acceptable(noise.count, basis[:, :p]):
            raise Unresolved(f"the radical leaves {ratio:.3g} times the residual of noise")
        turned = basis.T @ matrices @ basis
        below, _ = errors_of(turned, p, noise, basis, error)
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
        if not any(len(homomorphisms(one, leaf)[0]) for one in same):
            distinct.append((leaf, len(homomorphisms(leaf, leaf)[0])))
    return distinct


def _radical(module: Leaf, constituents: list[tuple[Leaf, int]]) -> tuple[Tensor, float]:
    """Orthonormal ``[d, r]``: the intersection of the kernels of all homomorphisms to irreducible constituents.

    Also returned is a bound on the squared error of that space.
    """
    d = module.matrices.shape[-1]
    energy, head, error = torch.zeros(d, d).to(module.matrices), 0, 0.0
    for leaf, endomorphisms in constituents:
        if leaf.matrices.shape[-1] > d:
            continue
        maps, own = homomorphisms(module, leaf)
        error = max(error, own) if len(maps) else error
        energy = energy + torch.einsum("nsi,nsj->ij", maps, maps)
        head += len(maps) * leaf.matrices.shape[-1] // endomorphisms
    values, vectors = torch.linalg.eigh(energy)
    if not 0 < head <= d or (head < d and values[d - head] < 1e3 * values[d - head - 1].abs()):
        raise Unresolved(f"the homomorphisms to the constituents do not show a head of dimension {head} of {d}")
    return vectors[:, : d - head], REJECT * error / float(values[d - head])


def _refuse_summands(module: Leaf, constituents: list[tuple[Leaf, int]], radical: Tensor) -> None:
    """Raise `Unresolved` where an irreducible subspace is outside the radical: then it is a summand."""
    for leaf, _ in constituents:
        images, _ = homomorphisms(leaf, module)
        inside = radical @ (radical.T @ images)
        if len(images) and float(torch.linalg.matrix_norm(images - inside).max()) > 0.5:
            raise Unresolved(f"up to noise a constituent of dimension {leaf.matrices.shape[-1]} is a summand")
