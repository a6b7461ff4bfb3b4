"""How many generators there are, which, and whether they close under brackets: each against a null."""

from dataclasses import dataclass
from itertools import combinations

import torch

from symdiff_learned_lie.steps import Coordinates, logarithms, read

NULLS = 99
"""Random directions and subspaces that the real ones are held against: p is 0.01 at least."""

LEAST = 0.005
"""A generator that explains a smaller share of the motion than this is not counted, however significant it is."""

RESAMPLES = 40


@dataclass(frozen=True)
class Learned:
    """A learned Lie algebra of matrices.

    Attributes
    ----------
    coordinates
        Where they act.
    generators
        ``[K, r, r]``, traceless, orthonormal for ``tr X^T Y``; those that explain most come first.
    explained
        ``[K+1]``: shares of the held-out motion beyond a common scale that the first 0, 1, ... K explain.
    chance
        ``[K+1]``: what the next generator adds at most where it is a random direction (99 of them).
    linear
        Share of the held-out motion that any linear maps, one a step, would explain: no algebra explains more.
    closure, closure_interval, closure_null
        `bracket_defect`; its bootstrap interval over trajectories; and of random subspaces, ``[99]``.
    steps
        Steps with a logarithm, and all of them.
    trajectories
        How many were looked at.
    """

    coordinates: Coordinates
    generators: torch.Tensor
    explained: list[float]
    chance: list[float]
    linear: float
    closure: float | None
    closure_interval: tuple[float, float] | None
    closure_null: torch.Tensor
    steps: tuple[int, int]
    trajectories: int

    @property
    def in_pixels(self):
        """``V X W``, ``[K, d, d]``: the generators as they act on flattened images."""
        return self.coordinates.up @ self.generators @ self.coordinates.down


def traceless(matrices):
    """``X - tr(X)/r`` and the scales ``tr(X)/r``."""
    r = matrices.shape[-1]
    scale = matrices.diagonal(dim1=-2, dim2=-1).mean(-1)
    return matrices - scale[..., None, None] * torch.eye(r, dtype=matrices.dtype), scale


def bracket_defect(generators):
    """Root of the mean of ``|(1 - P) [X_i, X_j]|^2`` over pairs, P on the span of orthonormal generators; 0 if closed.

    Brackets of unit generators have norms up to sqrt(2). ``None`` for fewer than two generators.
    """
    k = len(generators)
    if k < 2:
        return None
    i, j = zip(*combinations(range(k), 2), strict=True)
    x, y = generators[list(i)], generators[list(j)]
    brackets, span = (x @ y - y @ x).flatten(1), generators.flatten(1)
    return float((brackets - brackets @ span.mT @ span).square().sum(1).mean().sqrt())


def learn(trajectories, r, seed=0):
    """Learn generators from a recording: see the README for the formulas.

    Raises
    ------
    TooFewError
        There are too few trajectories.
    """
    coordinates, steps = read(trajectories, r)
    fitted, held_out = steps.halves()
    generator = torch.Generator().manual_seed(seed)
    moments = held_out.moments()
    (logs, usable), (_, others) = logarithms(fitted.moments()), logarithms(moments)
    usable &= others
    motion = Motion(logs[usable], tuple(part[usable] for part in moments))
    directions = motion.directions()
    explained, chance = [0.0], []
    while len(explained) <= len(directions):
        k = len(explained)
        gain = motion.explained(directions[:k]) - explained[-1]
        chance.append(max(motion.explained(d) for d in random_next(directions[: k - 1], r, generator)) - explained[-1])
        if not gain > max(chance[-1], LEAST):
            break
        explained.append(explained[-1] + gain)
    count = len(explained) - 1
    generators = _top(logarithms(steps.moments()), count, r)  # of all trajectories, now that their number is known
    null = torch.tensor(
        [bracket_defect(random_span(count, r, generator)) or 0.0 for _ in range(NULLS if count > 1 else 0)]
    )
    return Learned(
        coordinates,
        generators,
        explained,
        chance,
        motion.linear(),
        bracket_defect(generators),
        _interval(steps, count, r, generator),
        null,
        (int(usable.sum()), len(usable)),
        len(steps.before),
    )


class Motion:
    """Held-out motion, and how much of it maps made of fitted logarithms explain.

    Parameters
    ----------
    logs
        ``[T, r, r]`` of one half of the trajectories.
    moments
        ``C_yy, C_y'y, C_y'y'`` of the other.
    """

    def __init__(self, logs, moments):
        self.parts, self.scales = traceless(logs)
        self.moments = moments
        self.start = float(self._left(torch.zeros_like(self.parts)))

    def directions(self):
        """Right singular vectors ``[r^2 - 1, r, r]`` of the traceless logarithms, as many as there are."""
        r = self.parts.shape[-1]
        _, singular, right = torch.linalg.svd(self.parts.flatten(1), full_matrices=False)
        return right[singular > 1e-9 * singular.max()].unflatten(1, (r, r))[: r * r - 1]

    def explained(self, span):
        """Share of the motion explained by ``exp(s_t + sum_k <X_k, L_t> X_k)`` for orthonormal ``[k, r, r]``."""
        flat = span.flatten(1)
        projected = (self.parts.flatten(1) @ flat.mT @ flat).view_as(self.parts)
        return 1 - float(self._left(projected)) / self.start if self.start > 0 else 0.0

    def linear(self):
        """Share explained by the best linear maps of the held-out half itself."""
        yy, zy, zz = self.moments
        left = (zz - zy @ torch.linalg.solve(yy, zy.mT)).diagonal(dim1=-2, dim2=-1).sum()
        return 1 - float(left) / self.start if self.start > 0 else 0.0

    def _left(self, parts):
        """``sum_t E |y' - exp(s_t + parts_t) y|^2``."""
        yy, zy, zz = self.moments
        maps = self.scales.exp()[:, None, None] * torch.linalg.matrix_exp(parts)
        return (zz - 2 * maps @ zy.mT + maps @ yy @ maps.mT).diagonal(dim1=-2, dim2=-1).sum()


def random_next(span, r, generator):
    """`span` with one more random traceless direction orthogonal to it, `NULLS` times."""
    for _ in range(NULLS):
        new = traceless(torch.randn(r, r, generator=generator, dtype=torch.float64))[0].flatten()
        flat = span.flatten(1)
        new = new - flat.mT @ (flat @ new)
        yield torch.cat([span, (new / new.norm()).view(1, r, r)])


def random_span(k, r, generator):
    """K orthonormal traceless matrices, uniformly distributed."""
    normal = traceless(torch.randn(k, r, r, generator=generator, dtype=torch.float64))[0].flatten(1)
    return torch.linalg.qr(normal.mT).Q.mT.unflatten(1, (r, r))


def _top(found, count, r):
    logs, usable = found
    _, _, right = torch.linalg.svd(traceless(logs[usable])[0].flatten(1), full_matrices=False)
    return right[:count].unflatten(1, (r, r))


def _interval(steps, count, r, generator):
    """Percentiles of the bracket defect over resampled trajectories, at the same number of generators."""
    if count < 2:
        return None
    n = len(steps.before)
    found = []
    for _ in range(RESAMPLES):
        weights = torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n).double()
        found.append(bracket_defect(_top(logarithms(steps.moments(weights)), count, r)))
    low, high = torch.tensor(found).double().quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return low, high


def principal_angles(one, other):
    """Angles in degrees, smallest first, between the spans of matrices ``[K, d, d]``; as many as the smaller has."""
    bases = [torch.linalg.qr(matrices.flatten(1).mT).Q for matrices in (one, other)]
    return torch.linalg.svdvals(bases[0].mT @ bases[1]).clamp(max=1).acos().rad2deg()
