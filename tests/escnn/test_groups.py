"""The laws of the groups and of their action on images."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff_escnn.elements import PlaneGroup, parse_group
from tests.escnn.makers import GROUPS, SHAPE, family

seeds = st.integers(0, 2**31)
groups = st.sampled_from(GROUPS)


@given(seed=seeds, group=groups)
def test_the_laws_of_a_group_and_of_an_action(seed: int, group: str) -> None:
    f = family(group)
    generator = torch.Generator().manual_seed(seed)
    a, b, c = f.group.sample(3, generator)
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    e = f.identity().double()
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(f.compose(a, f.compose(b, c)), f.compose(f.compose(a, b), c), **close)
    torch.testing.assert_close(f.compose(a, e), a, **close)
    torch.testing.assert_close(f.compose(f.inverse(a), a), e, **close)
    torch.testing.assert_close(f.act(f.compose(a, b), x), f.act(a, f.act(b, x)), **close)
    torch.testing.assert_close(f.act(e, x), x, **close)
    torch.testing.assert_close(f.act(a, x).norm(), x.norm(), **close)
    assert float(f.distance(a, a)) == 0
    assert float(f.distance(a, b)) > 0 or torch.equal(a, b)


@given(seed=seeds, group=groups)
def test_the_laws_hold_in_float32(seed: int, group: str) -> None:
    f = family(group)
    generator = torch.Generator().manual_seed(seed)
    a, b = f.sample(2, generator)
    x = torch.randn(SHAPE, generator=generator)
    torch.testing.assert_close(f.act(f.compose(a, b), x), f.act(a, f.act(b, x)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("group", ["C5", "D8", "C64", "D3"])
def test_long_products_in_a_finite_group_do_not_drift(group: str) -> None:
    f = family(group)
    g = f.identity()
    for a in f.sample(500, torch.Generator().manual_seed(1)):
        g = f.compose(a, g)
    assert bool((f.group.elements.float() == g).flatten(1).all(1).any())


@given(seed=seeds)
def test_so2_has_a_logarithm_and_it_is_abelian(seed: int) -> None:
    f = family("SO2")
    assert f.is_lie
    a, b = f.group.sample(2, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(f.exp(f.log(a)), a)
    assert -math.pi < float(f.log(a)) <= math.pi
    assert float(f.bracket(f.log(a), f.log(b))) == 0
    half = PlaneGroup.named("C2").elements[1]
    assert float(f.log(half)) == float(f.log(f.inverse(half))) == math.pi


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "SO2"])
def test_the_others_have_none(group: str) -> None:
    assert not family(group).is_lie


@pytest.mark.parametrize("group", ["C5", "D3", "SO2", "O2"])
def test_elements_are_drawn_uniformly(group: str) -> None:
    drawn = PlaneGroup.named(group).sample(4000, torch.Generator().manual_seed(0))
    assert drawn.mean(0).abs().max() < 0.05
    reflections = float((torch.linalg.det(drawn) < 0).double().mean())
    assert reflections == pytest.approx(0.5 if group in ("D3", "O2") else 0, abs=0.05)


@pytest.mark.parametrize(
    ("text", "name"),
    [("c4", "C4"), ("C_4", "C4"), ("D4", "D4"), ("SO2", "SO2"), ("SO(2)", "SO2"), ("O2", "O2"), ("o(2)", "O2")],
)
def test_a_group_is_known_by_its_usual_spellings(text: str, name: str) -> None:
    assert parse_group(text) == name
    assert PlaneGroup.named(name).name == name


def test_haar_elements_average_products_of_functions_of_the_band_limit_exactly() -> None:
    for group in ("SO2", "O2"):
        f = family(group)
        elements = f.haar_elements()
        assert elements is not None
        x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
        turned = f.act(elements, x)
        second = f.act(f.group.sample(1, torch.Generator().manual_seed(2)).float(), turned)
        mean, other = (torch.einsum("nchw,ncij->hwij", y, y) / len(y) for y in (turned, second))
        torch.testing.assert_close(mean, other, rtol=0, atol=1e-5)
