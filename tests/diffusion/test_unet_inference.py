"""What is written out for evaluations alone is the network itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diffusion import Denoiser, load_denoiser
from symdiff.diffusion.denoisers import unet_inference
from symdiff.diffusion.denoisers.network import NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.denoisers.unet_inference import AT_LEAST, evaluate

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def images(n: int, size: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def of_random_weights(config: UNetConfig, seed: int) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = UNet(config).eval()
        for name, parameter in network.named_parameters():  # those that start at zero would hide what is behind them
            fan_in = parameter[0].numel() if parameter.ndim > 1 and name != "position" else 1
            torch.nn.init.normal_(parameter, std=fan_in**-0.5)
    return network


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", ["digits", "mnist"])
@pytest.mark.parametrize("log_snr", [-9.0, 0.0, 8.0])
@torch.no_grad()
def test_embedded_networks_are_evaluated_as_their_modules_do(name: str, dtype: torch.dtype, log_snr: float) -> None:
    denoiser = load_denoiser(name)
    assert isinstance(denoiser, NetworkDenoiser)
    network = denoiser._double if dtype == torch.float64 else denoiser.network
    x, time = images(3, denoiser.shape[-1], dtype), torch.tensor([log_snr], dtype=dtype)
    expected = network(x, time)
    scale = float(expected.abs().max())
    torch.testing.assert_close(evaluate(network, x, time), expected, rtol=0, atol=TOLERANCE[dtype] * scale)


@settings(max_examples=25, deadline=None)
@given(
    patch=st.sampled_from([1, 2]),
    places=st.sampled_from([2, 4, 6]),
    depth=st.integers(1, 3),
    channels=st.sampled_from([(4, 4), (4, 8), (8, 4), (12, 20)]),
    groups=st.sampled_from([1, 2, 4]),
    batch=st.integers(1, 4),
    dtype=st.sampled_from(list(TOLERANCE)),
    log_snr=st.floats(-10, 10),
    seed=st.integers(0, 2**16),
)
@torch.no_grad()
def test_networks_of_all_sizes_are_evaluated_as_their_modules_do(
    patch: int, places: int, depth: int, channels: tuple[int, int], groups: int, batch: int, dtype: torch.dtype,
    log_snr: float, seed: int,
) -> None:  # fmt: skip
    config = UNetConfig(patch * places, channels, embedding=8, groups=groups, patch=patch, depth=depth)
    network = of_random_weights(config, seed).to(dtype)
    x, time = images(batch, config.size, dtype, seed), torch.tensor([log_snr], dtype=dtype)
    expected = network(x, time)
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(evaluate(network, x, time), expected, rtol=0, atol=10 * TOLERANCE[dtype] * scale)


@pytest.fixture(scope="module")
def digits() -> Denoiser:
    return load_denoiser("digits")


def test_it_is_how_states_are_denoised_where_nothing_is_differentiated(
    digits: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def told(network: UNet, x: torch.Tensor, log_snr: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return evaluate(network, x, log_snr)

    monkeypatch.setattr("symdiff.diffusion.denoisers.network.evaluate", told)
    x = images(AT_LEAST, 8)
    by_modules = digits.denoise(x, 300)
    assert asked == []
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(digits.denoise(x, 300), by_modules, rtol=0, atol=1e-4)
    assert asked == [AT_LEAST] * 2
    with torch.no_grad():
        digits.denoise(x[1:], 300)
    assert asked == [AT_LEAST] * 2  # of few images the modules are faster


def test_the_same_states_give_the_same_bits_whether_in_one_pass_or_several(
    digits: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = images(2 * AT_LEAST, 8)
    monkeypatch.setattr(unet_inference, "AT_ONCE", AT_LEAST)
    with torch.no_grad():
        whole, again = digits.denoise(x, 300), digits.denoise(x, 300)
        parts = torch.cat([digits.denoise(part, 300) for part in x.split(AT_LEAST)])
    assert torch.equal(whole, again)
    assert torch.equal(whole, parts)


def test_forward_derivatives_exist_where_gradients_are_off(digits: Denoiser) -> None:
    x, u = images(2 * AT_LEAST, 8).split(AT_LEAST)

    def push(y: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.func.jvp(lambda z: digits.denoise(z, 300), (y,), (v,))[1]
        return product

    expected = push(x, u)
    with torch.no_grad():
        torch.testing.assert_close(push(x, u), expected)
        torch.testing.assert_close(torch.func.vmap(lambda v: push(x, v))(u[None])[0], expected, rtol=1e-4, atol=1e-4)


def test_states_may_be_mapped_over(digits: Denoiser) -> None:
    x = images(2 * AT_LEAST, 8).unflatten(0, (2, AT_LEAST))
    with torch.no_grad():
        found = torch.func.vmap(lambda y: digits.denoise(y, 300))(x)
        expected = torch.stack([digits.denoise(part, 300) for part in x])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("processors", [2, 3, 5])
def test_processors_evaluate_their_shares_of_the_images(
    digits: Denoiser, monkeypatch: pytest.MonkeyPatch, processors: int, mode: type[torch.no_grad]
) -> None:
    shares: list[tuple[int, int]] = []
    one_pass = unet_inference._evaluate

    def told(network: UNet, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        shares.append((len(x), torch.get_num_threads()))
        return one_pass(network, x, embedding)

    x = images(4 * AT_LEAST + 1, 8)
    with mode():
        alone = digits.denoise(x, 300)
    monkeypatch.setattr(unet_inference, "_evaluate", told)
    torch.set_num_threads(processors)
    try:
        with mode():
            found = digits.denoise(x, 300)
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-5)
    several = min(processors, 4)  # a share is no smaller than what is worth being evaluated so
    assert sorted(len(part) for part in x.tensor_split(several)) == sorted(size for size, _ in shares)
    assert {threads for _, threads in shares} == {1}


def test_states_are_mapped_over_in_the_thread_that_maps_them(digits: Denoiser) -> None:
    x = images(4 * AT_LEAST, 8).unflatten(0, (2, 2 * AT_LEAST))
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            found = torch.func.vmap(lambda y: digits.denoise(y, 300))(x)
            expected = torch.stack([digits.denoise(part, 300) for part in x])
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
