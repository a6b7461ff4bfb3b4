"""The embedded network of 28x28 digits: the file that ships, its derivatives, and the images it makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Sampler, datasets, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser, NetworkDenoiser
from symdiff.diffusion.denoisers.network import MNIST_WEIGHTS
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.generate import generate
from symdiff.diffusion.quality import nearest_distance
from symdiff.diffusion.reader import Reader

CARD = Path(__file__).parents[2] / "docs" / "mnist-model-card.md"


@pytest.fixture(scope="module")
def embedded() -> NetworkDenoiser:
    denoiser = load_denoiser("mnist")
    assert isinstance(denoiser, NetworkDenoiser)
    return denoiser


@pytest.fixture(scope="module")
def linear() -> GaussianDenoiser:
    """The best denoiser that is affine in x_t: the exact one of the Gaussian with the moments of the digits."""
    flat = datasets.mnist()[0].flatten(1).to(torch.float64)
    ridge = 1e-3 * torch.eye(flat.shape[1], dtype=torch.float64)
    return GaussianDenoiser(flat.mean(dim=0).reshape(1, 28, 28), torch.cov(flat.T) + ridge)


def test_the_model_card_names_the_file_that_ships(embedded: NetworkDenoiser) -> None:
    card = CARD.read_text()
    digest = re.search(r"\b[0-9a-f]{64}\b", card)
    assert digest is not None
    assert digest.group() == embedded.digest
    size = MNIST_WEIGHTS.stat().st_size
    assert f"{size:,} bytes" in card
    assert size <= 500_000
    parameters = sum(parameter.numel() for parameter in embedded.network.parameters())
    assert f"{parameters:,} parameters" in card
    assert parameters <= 250_000


@pytest.mark.parametrize(("t", "share"), [(500, 0.95), (300, 0.6), (100, 0.4), (30, 0.4), (5, 0.4)])
def test_unseen_digits_are_denoised_better_than_by_any_affine_map(
    embedded: NetworkDenoiser, linear: GaussianDenoiser, t: int, share: float
) -> None:
    """The mean squared error of x0hat, as a share of that of the best affine denoiser."""
    held_out = datasets.mnist()[1][:200]
    schedule = embedded.schedule
    noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(t))
    x = schedule.signal(t) * held_out + schedule.sigma(t) * noise
    error, affine = (float((model.denoise(x, t) - held_out).square().mean()) for model in (embedded, linear))
    assert error < share * affine


@pytest.mark.parametrize("sampler", [DDPM(), DDIM()], ids=repr)
def test_a_few_unclipped_steps_make_digits_that_are_no_copies(embedded: NetworkDenoiser, sampler: Sampler) -> None:
    training, held_out = datasets.mnist()
    images = generate(embedded, sampler, 25, 40, seed=0)
    assert float(images.abs().max()) < 1.5
    assert float(images.std()) == pytest.approx(float(training.std()), rel=0.1)
    unseen = nearest_distance(held_out, training)
    assert float(nearest_distance(images, training).mean()) == pytest.approx(float(unseen.mean()), rel=0.2)
    reader = Reader.fit(training, datasets.mnist_labels()[0])
    assert float(reader.unreadable(images, held_out).double().mean()) < 0.6


# torch's own forward-mode rules are compiled with the torch.jit.script it deprecates.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_and_reverse_derivatives_are_those_of_the_function(
    embedded: NetworkDenoiser, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, u, w = (torch.randn(2, 1, 28, 28, generator=generator, dtype=dtype) for _ in range(3))
    value, forward = torch.func.jvp(lambda y: embedded.denoise(y, 300), (x,), (u,))
    _, pullback = torch.func.vjp(lambda y: embedded.denoise(y, 300), x)
    assert float((w * forward).sum()) == pytest.approx(float((pullback(w)[0] * u).sum()), rel=1e-3)
    assert torch.equal(value, embedded.denoise(x, 300))
    if dtype == torch.float64:
        h = 1e-5
        difference = (embedded.denoise(x + h * u, 300) - embedded.denoise(x - h * u, 300)) / (2 * h)
        torch.testing.assert_close(forward, difference, rtol=1e-5, atol=1e-7)


def test_both_precisions_agree(embedded: NetworkDenoiser) -> None:
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for t in (1, 100, 1000):
        torch.testing.assert_close(
            embedded.denoise(x, t), embedded.denoise(x.double(), t).float(), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("settings", [{}, {"patch": 2}, {"depth": 3}, {"size": 28, "patch": 2, "depth": 2}])
def test_sizes_read_back_as_they_were_written(settings: dict[str, int]) -> None:
    config = UNetConfig(**settings)
    written = config.to_json()
    assert UNetConfig.from_json(json.loads(json.dumps(written))) == config
    # Only what is used is written, so that the digest of the 8x8 network is not changed by settings of the 28x28 one.
    assert {"patch", "depth"} & set(written) == {"patch", "depth"} & set(settings)


def test_patches_come_back_to_their_places() -> None:
    """A network whose blocks do nothing and whose convolutions copy the pixels gives the image back."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(size=8, patch=2, channels=(8, 16)))
    x = torch.rand(2, 1, 8, 8) + 0.1
    with torch.no_grad():
        network.conv_in.weight.zero_()
        network.conv_in.bias.zero_()
        network.conv_out.weight.zero_()
        for i in range(4):
            network.conv_in.weight[i, i, 1, 1] = 1.0
            network.conv_out.weight[i, i, 1, 1] = 1.0
        network.up1.skip.weight.zero_()
        network.up1.skip.bias.zero_()
        for i in range(8):
            network.up1.skip.weight[i, 16 + i] = 1.0
        network.norm_out = torch.nn.Identity()
        out = network(x, torch.zeros(2))
    torch.testing.assert_close(out, torch.nn.functional.silu(x))
