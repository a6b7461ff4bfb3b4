"""The figure is what it says on matrices whose answer is known."""

from types import SimpleNamespace

import pytest
import torch
from symdiff_diagnostic_example.commutators import commutators


def rotations_about(axis, angles):
    x, y, z = axis
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0.0]]).double()
    return torch.matrix_exp(angles[:, None, None] * cross)


ANGLES = torch.linspace(0.3, 2.8, 20).double()


def test_it_is_0_for_rotations_about_one_axis_and_far_from_the_null():
    found = commutators(SimpleNamespace(matrices=rotations_about((0, 0.6, 0.8), ANGLES), seed=0))
    assert found.value == pytest.approx(0, abs=1e-7)
    assert found.null["haar"] > 0.3
    assert (found.n, found.caution) == (20, None)


def test_it_is_large_for_rotations_about_two_axes_and_its_interval_holds_it():
    matrices = torch.cat([rotations_about((0, 0, 1), ANGLES[::2]), rotations_about((1, 0, 0), ANGLES[::2])])
    found = commutators(SimpleNamespace(matrices=matrices, seed=0))
    low, high = found.interval
    assert 0.2 < low < found.value < high < 1.5


def test_it_does_not_depend_on_how_far_small_rotations_turn():
    axes = torch.nn.functional.normalize(torch.randn(16, 3, generator=torch.Generator().manual_seed(1)).double(), dim=1)

    def value(angle):
        matrices = torch.cat([rotations_about(axis.tolist(), torch.tensor([angle]).double()) for axis in axes])
        return commutators(SimpleNamespace(matrices=matrices, seed=0)).value

    assert value(1e-3) == pytest.approx(value(1e-2), rel=1e-2)
    assert value(1e-3) > 0.3


def test_a_rho_that_does_nothing_has_no_value_and_says_why():
    found = commutators(SimpleNamespace(matrices=torch.eye(3).expand(20, 3, 3), seed=0))
    assert (found.value, found.caution) == (None, "rho is the identity: 0/0")
