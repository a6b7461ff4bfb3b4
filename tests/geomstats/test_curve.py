"""Means, principal directions and straightness of curves whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from symdiff.errors import CutLocusError
from symdiff_geomstats import library
from symdiff_geomstats.curve import Straightness, about_mean, off_subgroup, products, subgroup_of
from symdiff_geomstats.manifolds import KINDS, Manifold, Rotations, manifold
from symdiff_geomstats.mean import frechet_mean

NAMES = tuple(KINDS)
every = pytest.mark.parametrize("name", NAMES)


def velocity(m: Manifold, count: int, blocks: int, length: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    c = torch.randn(count, blocks, m.dimension, generator=generator, dtype=torch.float64)
    return m.velocity(length * c / c.flatten(1).norm(dim=1)[:, None, None])


def from_subgroup(m: Manifold, steps: Tensor) -> tuple[Straightness, Straightness]:
    found = subgroup_of(m, steps)
    wound = off_subgroup(m, products(steps), found, found.steps.cumsum(-1))
    return off_subgroup(m, steps, found, found.steps), wound


def relative(defect: Tensor, total: Tensor) -> Tensor:
    return (defect / total).sqrt()


@every
@pytest.mark.parametrize("n", [2, 3])
def test_a_geodesic_is_found_to_be_one_and_a_bent_curve_is_not(name: str, n: int) -> None:
    m = manifold(name, n)
    X, Y, start = (velocity(m, 3, 2, length, seed) for seed, length in enumerate((1.0, 0.3, 0.8)))
    base = m.geodesic_exp(start)[:, None]
    t = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None, None, None]
    straight = base @ m.geodesic_exp(t * X[:, None])
    found = about_mean(m, straight)
    assert bool(found.mean.converged.all())
    assert float(relative(found.geodesic.defect, found.geodesic.total).max()) <= 1e-5
    torch.testing.assert_close(found.mean.point, base[:, 0], rtol=0, atol=1e-8)
    torch.testing.assert_close(found.variance, (t.flatten() ** 2).mean().expand(3), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.shares[:, 0], torch.ones(3, dtype=torch.float64))
    bent = straight @ m.geodesic_exp((t**2 - 0.5) * Y[:, None])
    found = about_mean(m, bent)
    assert float(relative(found.geodesic.defect, found.geodesic.total).min()) > 0.02


@every
@pytest.mark.parametrize("n", [2, 3])
def test_steps_of_a_one_parameter_subgroup_and_their_products_lie_in_it(name: str, n: int) -> None:
    m = manifold(name, n)
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(2, 1, 2, m.dimension, generator=generator, dtype=torch.float64)
    s = 0.3 * torch.randn(2, 40, generator=generator, dtype=torch.float64) + 0.1
    X = 0.5 * torch.tensordot(c, m.algebra, dims=1)
    steps = m.exp(s[..., None, None, None] * X)
    for found in from_subgroup(m, steps):
        assert float(relative(found.defect, found.total).max()) <= 1e-5
    other = m.exp(0.1 * torch.tensordot(torch.randn(2, 40, 2, m.dimension, generator=generator).double(), m.algebra, 1))
    for found in from_subgroup(m, (steps @ other)[:, :6]):
        assert float(relative(found.defect, found.total).min()) > 0.02


def test_products_may_wind_round_the_group_more_than_once() -> None:
    m = Rotations(2)
    steps = m.exp(torch.full((1, 60, 1, 1, 1), 0.5, dtype=torch.float64) * m.algebra[0])
    straight, wound = from_subgroup(m, steps)
    assert float(straight.defect.sum()) < 1e-20
    assert float(relative(wound.defect, wound.total)) < 1e-6
    torch.testing.assert_close(products(steps)[:, -1], m.exp(torch.full((1, 1, 1, 1), 30.0).double() * m.algebra[0]))


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_of_commuting_matrices_is_the_exponential_of_the_mean_logarithm(name: str) -> None:
    m = manifold(name, 3)
    X = velocity(m, 1, 1, 1.0)
    s = torch.tensor([-0.8, 0.1, 0.3, 0.7, 1.0], dtype=torch.float64)[:, None, None, None]
    found = frechet_mean(m, m.geodesic_exp(s * X))
    assert bool(found.converged)
    torch.testing.assert_close(found.point, m.geodesic_exp(0.26 * X[0]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["so", "se", "triangular"])
def test_means_are_those_of_geomstats(name: str) -> None:
    library.geomstats()
    from geomstats.learning.frechet_mean import FrechetMean

    m = manifold(name, 3)
    points = m.geodesic_exp(velocity(m, 12, 1, 0.9, seed=3))[:, 0]
    ours = frechet_mean(m, points[:, None])
    assert bool(ours.converged)
    assert float(ours.residual) < 1e-10
    space = library.space("spd" if name == "triangular" else name, 3)
    theirs = FrechetMean(space)
    theirs.set(init_step_size=1.0, max_iter=200, epsilon=1e-12)
    with library.double():
        theirs.fit(points @ points.mT if name == "triangular" else points)
    expected = theirs.estimate_
    found = ours.point[0] @ ours.point[0].mT if name == "triangular" else ours.point[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_mean_of_many_sets_is_that_of_each() -> None:
    m = Rotations(3)
    points = m.geodesic_exp(velocity(m, 24, 2, 1.0)).unflatten(0, (4, 6))
    together = frechet_mean(m, points)
    for i in range(4):
        torch.testing.assert_close(together.point[i], frechet_mean(m, points[i]).point, rtol=0, atol=1e-10)


def test_points_half_a_turn_apart_have_no_mean_and_it_is_said() -> None:
    m = Rotations(3)
    points = m.exp(torch.tensor([0.0, math.pi], dtype=torch.float64)[:, None, None, None] * m.algebra[:1])
    with pytest.raises(CutLocusError):
        frechet_mean(m, points)
