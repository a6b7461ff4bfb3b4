"""``GL(k) x| R^k``, the group of linearised steps: its laws, and when it stands in for the scalar one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.errors import ConfigError, GroupElementError
from symdiff.groups import GroupFamily
from symdiff_affine.family import AffineFamily
from symdiff_affine.jacobian import JacobianFamily
from symdiff_affine.options import AffineOptions

SHAPE = (1, 2, 3)
FAMILY = JacobianFamily(SHAPE)


def elements(seed: int, n: int = 3) -> list[torch.Tensor]:
    return list(FAMILY.sample(n, torch.Generator().manual_seed(seed)).double())


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_it_is_a_group_that_acts_from_the_left(seed: int) -> None:
    g1, g2, g3 = elements(seed)
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unit = FAMILY.identity().double()
    close = torch.testing.assert_close
    close(FAMILY.compose(g3, FAMILY.compose(g2, g1)), FAMILY.compose(FAMILY.compose(g3, g2), g1))
    close(FAMILY.compose(g1, FAMILY.inverse(g1)), unit)
    close(FAMILY.compose(unit, g1), g1)
    close(FAMILY.act(FAMILY.compose(g2, g1), x), FAMILY.act(g2, FAMILY.act(g1, x)))


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_its_distance_is_symmetric_and_left_invariant(seed: int) -> None:
    g1, g2, h = elements(seed)
    here = FAMILY.distance(g1, g2)
    torch.testing.assert_close(here, FAMILY.distance(g2, g1))
    torch.testing.assert_close(here, FAMILY.distance(FAMILY.compose(h, g1), FAMILY.compose(h, g2)))
    assert float(FAMILY.distance(g1, g1)) < 1e-12 < float(here)


def test_the_option_chooses_the_group() -> None:
    assert isinstance(AffineFamily.of(SHAPE, AffineOptions(linear="jacobian")), JacobianFamily)
    scalar: GroupFamily = AffineFamily.of(SHAPE, AffineOptions())
    assert isinstance(scalar, AffineFamily)
    assert scalar.linearisation() is None


def test_singular_linear_parts_are_refused() -> None:
    with pytest.raises(GroupElementError, match="linear part of 1 of 1 elements is singular"):
        FAMILY.inverse(torch.zeros(1, 6, 7))


def test_on_large_images_elements_act_in_a_subspace_only() -> None:
    large = JacobianFamily((1, 28, 28))
    assert large.element_shape == (64, 65)
    with pytest.raises(ConfigError, match="subspace of images of 784"):
        large.act(large.identity(), torch.zeros(1, 28, 28))


def test_options_of_scalar_steps_are_said_to_have_no_effect() -> None:
    from symdiff.diffusion import DDPM, load_denoiser
    from symdiff.trajectories import record

    recording = record(load_denoiser("gaussian"), DDPM(), 3, 4, device="cpu", clip=True)
    family = JacobianFamily((1, 8, 8), AffineOptions(linear="jacobian", gauge="x0", block="4"))
    first, second = family.caveats(recording)
    assert first == "with linear=jacobian gauge, block has no effect"
    assert "x0hat was limited" in second
