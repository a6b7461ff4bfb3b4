"""The derivative of denoisers and of reverse steps against closed forms."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Denoiser, Sampler, load_denoiser
from symdiff.diffusion.denoisers import unet_inference, unet_pullback
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.denoisers.network import NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.jacobian import jacobian, jacobian_products, step_matrix, transposed_products
from symdiff.diffusion.linear_steps import step_eigenvalues
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import RefusedError, RunError


def states(n: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
@pytest.mark.parametrize("t", [30, 400.5, 999])
def test_the_jacobian_of_an_optimal_denoiser_is_its_posterior_covariance(name: str, t: float) -> None:
    denoiser = load_denoiser(name)
    assert isinstance(denoiser, ClosedFormDenoiser)
    gain = denoiser.schedule.signal(t) / denoiser.schedule.sigma(t) ** 2
    expected = gain * denoiser.posterior_covariance(states(), t)
    torch.testing.assert_close(jacobian(denoiser, states(), t), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["digits", "mixture"])
def test_products_agree_with_the_matrix_in_both_modes(name: str) -> None:
    denoiser, x = load_denoiser(name), states()
    directions = torch.randn(3, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    J = jacobian(denoiser, x, 300)
    torch.testing.assert_close(jacobian_products(denoiser, x, 300, directions), directions @ J.mT)
    torch.testing.assert_close(transposed_products(denoiser, x, 300, directions), directions @ J)


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), DDIM(0.5)], ids=repr)
def test_steps_on_gaussian_data_have_the_eigenvalues_of_theory(sampler: Sampler) -> None:
    denoiser = load_denoiser("gaussian")
    table = sampler.coefficients(denoiser.schedule, 20)
    expected = step_eigenvalues(table, denoiser.eigenvalues)
    for i in (0, 10, 19):
        A = step_matrix(jacobian(denoiser, states(1), table.time(i)), float(table.P[i]), float(table.Q[i]))
        found = torch.linalg.eigvalsh(A[0])
        torch.testing.assert_close(found, expected[i].sort().values, rtol=1e-10, atol=1e-10)


class _Opaque(Denoiser):
    """A model made of an operation without a derivative."""

    def __init__(self, pixels: int = 8) -> None:
        super().__init__("opaque", (1, pixels, pixels), Schedule.linear(), "opaque")

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.from_numpy(x.numpy() / 2)


def test_a_model_without_derivatives_is_named() -> None:
    with pytest.raises(RunError, match="'opaque' has no reverse-mode derivative"):
        jacobian(_Opaque(), states(), 3)
    with pytest.raises(RunError, match="'opaque' has no forward-mode derivative"):
        jacobian_products(_Opaque(), states(), 3, torch.ones(3, 1, 64, dtype=torch.float64))


class _Branching(Denoiser):
    """Asks for the value of its input, which no vectorised call can answer."""

    def __init__(self) -> None:
        super().__init__("branching", (1, 8, 8), Schedule.linear(), "branching")

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return x**2 if float(x.detach().abs().max()) > 0 else x


def test_models_that_cannot_be_vectorised_are_asked_once_for_each_direction() -> None:
    directions = torch.randn(3, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = 2 * states().flatten(1)[:, None] * directions
    torch.testing.assert_close(jacobian_products(_Branching(), states(), 3, directions), expected)
    torch.testing.assert_close(transposed_products(_Branching(), states(), 3, directions), expected)


@pytest.mark.parametrize("at_once", [1, 64, 200, 64 * 7])
def test_products_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    denoiser, x = load_denoiser("mixture"), states()
    directions = torch.randn(3, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = jacobian_products(denoiser, x, 300, directions), transposed_products(denoiser, x, 300, directions)
    monkeypatch.setattr("symdiff.diffusion.jacobian.AT_ONCE", at_once)
    torch.testing.assert_close(jacobian_products(denoiser, x, 300, directions), expected[0])
    torch.testing.assert_close(transposed_products(denoiser, x, 300, directions), expected[1])


class _Normalised(Denoiser):
    """Group normalisation in a memory layout in which torch has no forward-mode derivative of it."""

    def __init__(self) -> None:
        super().__init__("normalised", (4, 4, 4), Schedule.linear(), "normalised")

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.nn.functional.group_norm(x.to(memory_format=torch.channels_last), 2)


def test_operations_without_a_forward_mode_derivative_are_differentiated_twice_in_reverse() -> None:
    denoiser = _Normalised()
    x, u = torch.randn(2, 3, 4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with pytest.raises(RuntimeError, match="view"):
        torch.func.jvp(lambda y: denoiser.denoise(y, 3), (x,), (u,))
    step = 1e-6 * u
    expected = (denoiser.denoise(x + step, 3) - denoiser.denoise(x - step, 3)) / 2e-6
    found = jacobian_products(denoiser, x, 3, u.flatten(1)[:, None])
    torch.testing.assert_close(found[:, 0], expected.flatten(1), rtol=1e-6, atol=1e-8)


class _Rectified(Denoiser):
    """Linear layers without biases and rectifiers between them: positively homogeneous."""

    def __init__(self) -> None:
        super().__init__("rectified", (1, 8, 8), Schedule.linear(), "rectified")
        generator = torch.Generator().manual_seed(2)
        self.weights = [
            torch.randn(shape, generator=generator, dtype=torch.float64) / 8 for shape in ((64, 96), (96, 96), (96, 64))
        ]

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        hidden = (x.flatten(1) @ self.weights[0]).relu()
        return ((hidden @ self.weights[1]).relu() @ self.weights[2]).reshape(x.shape)


def test_a_network_of_rectifiers_without_biases_is_its_own_linear_part() -> None:
    denoiser, x = _Rectified(), states()
    output = denoiser.denoise(x, 3).flatten(1)
    torch.testing.assert_close((jacobian(denoiser, x, 3) @ x.flatten(1)[..., None])[..., 0], output)
    torch.testing.assert_close(jacobian_products(denoiser, x, 3, x.flatten(1)[:, None])[:, 0], output)
    assert float(output.norm()) > 0.1


def test_matrices_of_large_images_are_refused() -> None:
    with pytest.raises(RefusedError, match="images of 1024 numbers"):
        jacobian(_Opaque(32), torch.zeros(1, 1, 32, 32), 3)


def test_the_limit_can_be_raised_knowingly() -> None:
    denoiser = _Branching()
    assert jacobian(denoiser, states(), 3, most=64).shape == (3, 64, 64)
    with pytest.raises(RefusedError, match="limit 63"):
        jacobian(denoiser, states(), 3, most=63)


@pytest.mark.parametrize("config", [UNetConfig(), UNetConfig(channels=(8, 16), groups=4, patch=2, depth=3)], ids=str)
@pytest.mark.parametrize("t", [0, 0.5, 300])
def test_the_derivative_of_the_network_that_is_written_out_is_the_one_of_autograd(
    config: UNetConfig, t: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(config)
        for parameter in network.parameters():  # those that start at zero would hide what is behind them
            torch.nn.init.normal_(parameter, std=0.3)
    denoiser = NetworkDenoiser(network, Schedule.linear(), "random")
    directions = torch.randn(3, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = transposed_products(denoiser, states(), t, directions)
    monkeypatch.setattr(NetworkDenoiser, "has_pullback", False)
    expected = transposed_products(denoiser, states(), t, directions)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("processors", [1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 7, 256])
def test_cotangents_are_pulled_back_the_same_however_they_are_shared_out(
    processors: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = load_denoiser("digits")
    assert isinstance(denoiser, NetworkDenoiser)
    x = states(2).float()
    cotangents = torch.randn(7, 2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([denoiser.pullback(x, 300)(cotangent[None])[0] for cotangent in cotangents])
    monkeypatch.setattr(unet_pullback, "AT_ONCE", at_once)
    monkeypatch.setattr(unet_inference, "AT_LEAST", 2)
    torch.set_num_threads(processors)
    try:
        found = denoiser.pullback(x, 300)(cotangents)
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
