"""The Lie derivative of a denoiser: 0 where it is equivariant, a commutator where it is linear."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from symdiff.diffusion import Denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser, SphereDenoiser
from symdiff.errors import ConfigError
from symdiff.process import equivariance
from symdiff.process.acting import Budget
from symdiff.process.lie_derivative import lie_derivative
from tests.process.acting import Circle, Turns
from tests.process.subjects import Linear, draw, recording

SHAPE = (2, 2, 2)


def generator() -> Tensor:
    """Of the circle, on flat images: channel 0 to channel 1."""
    eye, zero = torch.eye(4, dtype=torch.float64), torch.zeros(4, 4, dtype=torch.float64)
    return torch.cat([torch.cat([zero, -eye], 1), torch.cat([eye, zero], 1)])


def test_it_vanishes_for_a_law_that_no_rotation_changes() -> None:
    found, exact = lie_derivative(Circle(SHAPE), SphereDenoiser(SHAPE, 2.0), draw(5, *SHAPE), 300)
    assert exact
    assert found.shape == (1, 5, *SHAPE)
    assert float(found.abs().max()) < 1e-14


@pytest.mark.parametrize("forward", [True, False])
def test_for_a_linear_model_it_is_the_commutator_with_the_generator(forward: bool) -> None:
    matrix, x = draw(1, 8, 8), draw(5, *SHAPE, seed=1)
    found, exact = lie_derivative(Circle(SHAPE), Linear(matrix, SHAPE), x, 1, forward=forward)
    assert exact is forward
    X = generator()
    expected = x.flatten(1) @ (matrix[0] @ X - X @ matrix[0]).T
    torch.testing.assert_close(found[0].flatten(1), expected, rtol=0, atol=1e-12 if forward else 1e-6)


def test_a_model_that_refuses_forward_mode_is_differenced() -> None:
    class Refusing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return 2 * gradient

    class Opaque(Denoiser):
        def __init__(self) -> None:
            sphere = SphereDenoiser(SHAPE, 2.0)
            super().__init__("opaque", SHAPE, sphere.schedule, "opaque")

        def denoise(self, x: Tensor, t: float) -> Tensor:
            return torch.as_tensor(Refusing.apply(x)) * torch.tensor([1.0, 3.0], dtype=x.dtype)[:, None, None]

    x = draw(3, *SHAPE)
    found, exact = lie_derivative(Circle(SHAPE), Opaque(), x, 10)
    assert not exact
    D, X = torch.diag(torch.tensor([2.0] * 4 + [6.0] * 4, dtype=torch.float64)), generator()
    torch.testing.assert_close(found[0].flatten(1), x.flatten(1) @ (D @ X - X @ D).T, rtol=0, atol=1e-6)


def test_a_group_without_an_algebra_is_refused() -> None:
    with pytest.raises(ConfigError, match="no Lie algebra"):
        lie_derivative(Turns((1, 4, 4)), SphereDenoiser((1, 4, 4), 1.0), draw(1, 1, 4, 4), 5)


def test_it_is_told_relative_to_the_spread_and_agrees_with_small_elements() -> None:
    covariance = draw(8, 8)
    denoiser = GaussianDenoiser(draw(*SHAPE, seed=2), covariance @ covariance.T / 8)
    trajectories = recording(denoiser, 20, 8)
    family = Circle(SHAPE)
    found = equivariance(family, denoiser, trajectories, budget=Budget(levels=3, replicates=50))
    assert found["lie"]["method"] == "forward-mode derivative"
    [figure] = found["lie"]["levels"][1]["generators"]
    i = [trajectories.time(i) for i in range(8)].index(found["levels"][1]["timestep"])
    x, t, angle = trajectories.states[:, i].double(), trajectories.time(i), 1e-4
    g = torch.tensor([angle], dtype=torch.float64)
    x0hat = denoiser.denoise(x, t)
    missed = (denoiser.denoise(family.act(g, x), t) - family.act(g, x0hat)).flatten(1).square().sum(1).mean()
    spread = x0hat.flatten(1).var(0).sum()
    assert figure["value"] == pytest.approx(float(missed / spread) / angle**2, rel=1e-3)
    assert math.isfinite(figure["interval"][0])
    assert "Lie derivative" in " ".join(found["words"])
