"""Elements of the commutant of a part: found, or shown not to be there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.cuts import ACCEPT, REJECT, accepted
from symdiff.decomposition.gauge import drawn
from symdiff.decomposition.sylvester import Part, Spectrum, descend, noise_share, residual_share, spectrum

# Spaces of at most so many dimensions are searched whole, by a dense singular value decomposition.
DENSE = 160
# Sweeps over all elements before the descent takes over: it is the faster one where residuals are close together.
_ROUNDS = 40
# Largest angle by which noise may turn ``exp(i s A)`` in a sweep over symmetric matrices.
_PHASE = 0.1

Sweep = Callable[[Tensor, int], Tensor]
"""One average of X over the k-th element."""


@dataclass(frozen=True)
class Noise:
    """The noise level of the given ``[K, m, m]`` matrices.

    Attributes
    ----------
    level
        sigma in ``A_k + sigma * N(0, 1) / sqrt(m)``, never below rounding.
    guard
        Residuals below this share of the mean one are not taken for structure: 0 where the noise was given. An estimate
        from the orthogonality defect does not see noise that keeps the matrices orthogonal.
    """

    level: float
    guard: float = 0.0

    def expected(self, left: Part, right: Part, x: Tensor) -> Tensor:
        """Residual that noise alone leaves of true intertwiners ``[..., p, q]`` of unit norm."""
        return self.level**2 / left.columns.shape[0] * noise_share(left, right, x)


@dataclass(frozen=True)
class Search:
    """What a search of the commutant (or of the intertwiners) of a part found.

    Attributes
    ----------
    found
        ``[n, p, q]``, orthonormal where more than one: elements whose residual is that of noise.
    complete
        Whether `found` spans all there are.
    resolved
        Whether everything else is clearly not noise.
    rejected
        Smallest residual over noise among what was not found to be noise; ``None`` if nothing was left.
    """

    found: Tensor
    complete: bool
    resolved: bool
    rejected: float | None


def generic(left: Part, right: Part, found: Tensor, generator: torch.Generator) -> Tensor:
    """A random element of the span of orthonormal ``[n, p, q]``: a random matrix projected on it.

    Random weights would do as well, but of a null space the vectors are any basis, as rounding has it; the projection
    depends on the space alone.
    """
    weights = torch.einsum("nij,ij->n", found, drawn(left, right, generator))
    return torch.einsum("n,nij->ij", weights, found)


def child(generator: torch.Generator) -> torch.Generator:
    """A generator of its own for a part of the work, so that how much it draws changes nothing that comes after."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator().manual_seed(seed)


def symmetric_space(d: int, like: Tensor) -> Tensor:
    """Orthonormal basis ``[d (d + 1) / 2 - 1, d, d]`` of the symmetric matrices of trace 0."""
    units = torch.eye(d * d).to(like).reshape(d, d, d, d)
    i, j = torch.triu_indices(d, d, 1)
    off = (units[i, j] + units[j, i]) / 2**0.5
    # Helmert's contrasts: orthonormal diagonals of trace 0.
    contrasts = torch.tril(torch.ones(d, d), -1)[1:] - torch.diag(torch.arange(d, dtype=torch.float32))[1:]
    diagonals = torch.diag_embed(contrasts.to(like))
    diagonals = diagonals / diagonals.square().sum((1, 2), keepdim=True).sqrt()
    return torch.cat([diagonals, off])


def skew_space(d: int, like: Tensor) -> Tensor:
    """Orthonormal basis ``[d (d - 1) / 2, d, d]`` of the skew matrices."""
    units = torch.eye(d * d).to(like).reshape(d, d, d, d)
    i, j = torch.triu_indices(d, d, 1)
    return (units[i, j] - units[j, i]) / 2**0.5


def full_space(p: int, q: int, like: Tensor, *, traceless: bool = False) -> Tensor:
    """Orthonormal basis of the ``[p, q]`` matrices, or of those of trace 0."""
    if traceless:
        return torch.cat([symmetric_space(p, like), skew_space(p, like)])
    return torch.eye(p * q).to(like).reshape(p * q, p, q)


def search(left: Part, right: Part, space: Tensor, noise: Noise) -> Search:
    """Search a whole space ``[n, p, q]`` for intertwiners of two parts."""
    return judge(spectrum(left.matrices, right.matrices, space), left, right, noise)


def all_intertwiners(left: Part, right: Part, noise: Noise) -> Search:
    """Search for every Y with ``A_k Y = Y B_k``, of parts whose dimensions multiply to `DENSE` at most."""
    return search(left, right, full_space(left.dim, right.dim, left.matrices), noise)


def judge(found: Spectrum, left: Part, right: Part, noise: Noise) -> Search:
    """Tell noise from structure in a spectrum of residuals."""
    if not len(found.residuals):
        return Search(found.directions, True, True, None)
    ratio = found.residuals / noise.expected(left, right, found.directions)
    # A direction fitted to K p q numbers has used p q of them at most.
    threshold = accepted(max(1, (len(left.matrices) - 1) * left.dim * right.dim))
    near = ratio <= threshold
    rest = ratio[~near]
    guarded = found.residuals[~near] < noise.guard * found.residuals.mean()
    resolved = not bool((rest < max(REJECT, 2 * threshold)).any()) and not bool(guarded.any())
    return Search(found.directions[near], True, resolved, float(rest.min()) if len(rest) else None)


def symmetric_commutant(part: Part, noise: Noise, generator: torch.Generator) -> Search:
    """Search for symmetric matrices of trace 0 that commute with the (orthogonal) matrices of a part."""
    d = part.dim
    if d * (d + 1) // 2 - 1 <= DENSE:
        return search(part, part, symmetric_space(d, part.matrices), noise)
    x = drawn(part, part, generator)
    x = x + x.mT
    return by_descent(part, part, traceless(x), noise, generator, parity=1)


def by_descent(
    left: Part, right: Part, start: Tensor, noise: Noise, generator: torch.Generator | None, *, parity: int = 0
) -> Search:
    """Search with one random start instead of the whole space: one element if there is any.

    A generator asks for sweeps first: averaging over one element at a time halves on average the squared norm of what
    does not commute, for a few matrix products.
    """
    a, b = left.matrices, right.matrices
    target = 2 * float(noise.expected(left, right, start))
    # The share of a random start in a space of one dimension; what is left below a millionth of it is not there.
    give_up = 1e-6 / start.numel()
    x, energy = start, float(start.square().sum())
    if generator is not None:
        x = _swept(left, right, start, target, give_up, noise, generator)
        if float(x.square().sum()) > give_up * energy and float(residual_share(a, b, x)) <= target:
            return Search(x[None] / x.norm(), False, True, None)
    kept, smallest = float(x.square().sum()) / energy, 0.0
    if kept > give_up:
        descent = descend(a, b, x, target=target, give_up=give_up / kept, parity=parity)
        x, kept, smallest = descent.x, kept * descent.kept, descent.smallest
        if kept > give_up and descent.residual <= ACCEPT * float(noise.expected(left, right, x)):
            return Search(x[None] / x.norm(), False, True, None)
    # Nothing came down to noise; the smallest Ritz value says how far from it everything stays.
    if generator is not None:
        smallest = descend(a, b, start, target=0.0, give_up=give_up, parity=parity, iterations=60).smallest
    ratio = smallest / float(noise.expected(left, right, start))
    mean = float(residual_share(a, b, start))
    resolved = kept <= give_up and ratio >= REJECT and smallest >= noise.guard * mean
    return Search(start.new_zeros(0, *start.shape), True, resolved, ratio)


def collect(
    left: Part, right: Part, noise: Noise, generator: torch.Generator, *, limit: int, parity: int = 0, sweep: bool
) -> Search:
    """Search with one random start after another, each orthogonal to what was found, until nothing is left.

    `complete` in the result says that this happened before `limit` elements were found. Square parts are searched for
    matrices of trace 0, or for skew ones if `parity` is -1.
    """
    p, q = left.dim, right.dim
    found: list[Tensor] = []
    while True:
        x = drawn(left, right, generator)
        if left is right:
            x = traceless(x if parity == 0 else x + parity * x.mT)
        last = by_descent(
            left, right, _beside(x, found), noise, generator if sweep and not found else None, parity=parity
        )
        y = _beside(last.found[0], found) if len(last.found) else x.new_zeros(p, q)
        # What a start orthogonal to all elements comes down to is, if there is no further one, a mixture of them.
        if float(y.norm()) < 0.1:
            stacked = torch.stack(found) if found else x.new_zeros(0, p, q)
            return Search(stacked, True, last.resolved, last.rejected)
        found.append(y / y.norm())
        if len(found) == limit:
            return Search(torch.stack(found), False, True, None)


def _beside(x: Tensor, found: list[Tensor]) -> Tensor:
    for y in found:
        x = x - (x * y).sum() * y
    return x


def _swept(
    left: Part, right: Part, x: Tensor, target: float, give_up: float, noise: Noise, generator: torch.Generator
) -> Tensor:
    energy, count = float(x.square().sum()), len(left.matrices)
    order = torch.randperm(count, generator=generator).tolist()
    sweep = self_adjoint_sweep(left, right, noise, generator) if left.self_adjoint else orthogonal_sweep(left, right)

    def averaged(x: Tensor, steps: int) -> Tensor:
        for i in range(steps):
            x = sweep(x, order[i % count])
        # Noise mixes in the identity, which commutes with everything and would pass for what is looked for.
        return traceless(x) if left is right else x

    before, x = energy, averaged(x, 2 * count)
    # Until what does not commute no longer shows in the norm, then as many steps as it takes to halve it to the target.
    rounds = 0
    while give_up * energy < (after := float(x.square().sum())) < 0.99 * before and rounds < _ROUNDS:
        before, x, rounds = after, averaged(x, count), rounds + 1
    share = float(residual_share(left.matrices, right.matrices, x)) if after > 0 else 0.0
    if after > give_up * energy and share > target:
        # Half as many again, as some halve less: what is left mixes eigenvectors of close eigenvalues, and how they are
        # cut apart would hang on it.
        x = averaged(x, math.ceil(1.5 * math.log2(share / target)) + 4)
    return x


def orthogonal_sweep(left: Part, right: Part) -> Sweep:
    """``X <- (X + A_k X B_k^T) / 2``, for orthogonal matrices."""
    a, b = left.matrices, right.matrices
    return lambda x, k: (x + a[k] @ x @ b[k].mT) / 2


def self_adjoint_sweep(left: Part, right: Part, noise: Noise, generator: torch.Generator) -> Sweep:
    """The same over the unitary matrices ``exp(i s A_k)``, which commute with what symmetric A_k commute with.

    ``X <- Re(X + exp(i s A_k) X exp(-i s B_k)) / 2`` multiplies the entry of X between eigenvectors of A_k and B_k with
    eigenvalues l and l' by ``(1 + cos s (l - l')) / 2``. The s are drawn large, so that entries between close
    eigenvalues fall as fast as others, yet small enough for eigenvalues that noise alone parts to stay together.
    """
    (one, v), (other, w) = torch.linalg.eigh(left.matrices), torch.linalg.eigh(right.matrices)
    largest = _PHASE / noise.level

    def sweep(x: Tensor, k: int) -> Tensor:
        s = largest * float(torch.rand((), generator=generator, dtype=torch.float64))
        kept = (1 + torch.cos(s * (one[k][:, None] - other[k]))) / 2
        averaged: Tensor = v[k] @ (kept * (v[k].mT @ x @ w[k])) @ w[k].mT
        return averaged

    return sweep


def traceless(x: Tensor) -> Tensor:
    """``[d, d]`` without its multiple of the identity."""
    return x - torch.eye(len(x)).to(x) * (x.diagonal().sum() / len(x))
