"""The embedded network of 8x8 digits: the file that ships, the images it makes, and how networks are stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Sampler, Schedule, datasets, load_denoiser
from symdiff.diffusion.denoisers import NetworkDenoiser
from symdiff.diffusion.denoisers.network import DIGITS_WEIGHTS, load_network, save_network
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.generate import generate
from symdiff.diffusion.quality import PrincipalComponents, frechet_distance, nearest_distance
from symdiff.errors import ModelError

CARD = Path(__file__).parents[2] / "docs" / "digits-model-card.md"
DIGEST = "05b0df75323f2f151db44a454f6aa687cae53e17b672ab458e661a13aa8dbb0e"


@pytest.fixture(scope="module")
def embedded() -> NetworkDenoiser:
    denoiser = load_denoiser("digits")
    assert isinstance(denoiser, NetworkDenoiser)
    return denoiser


def test_the_model_card_names_the_file_that_ships(embedded: NetworkDenoiser) -> None:
    assert embedded.digest == DIGEST
    card = CARD.read_text()
    digest = re.search(r"\b[0-9a-f]{64}\b", card)
    assert digest is not None
    assert digest.group() == embedded.digest
    size = DIGITS_WEIGHTS.stat().st_size
    assert f"{size:,} bytes" in card
    assert size <= 400_000
    parameters = sum(parameter.numel() for parameter in embedded.network.parameters())
    assert f"{parameters:,} parameters" in card


@pytest.mark.parametrize("sampler", [DDPM(), DDIM()], ids=repr)
def test_unclipped_samples_are_digits_and_not_copies(embedded: NetworkDenoiser, sampler: Sampler) -> None:
    """100 images: within an eighth of the distance of noise, and as far from the training set as unseen digits."""
    training, held_out = datasets.digits()
    components = PrincipalComponents.fit(training)
    target = components(held_out)
    images = generate(embedded, sampler, 50, 100, seed=0)
    noise = torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    of_noise = frechet_distance(components(noise), target)
    assert frechet_distance(components(images), target) < of_noise / 8
    unseen = float(nearest_distance(held_out, training).mean())
    assert 0.9 * unseen < float(nearest_distance(images, training).mean()) < 1.4 * unseen
    assert float(images.std()) == pytest.approx(float(training.std()), rel=0.05)


@pytest.mark.parametrize(("t", "of_gaussian", "of_memory"), [(1000, 1.01, 1.01), (300, 0.8, 1.02), (100, 0.6, 0.5)])
def test_the_network_denoises_unseen_digits_better_than_the_closed_forms(
    embedded: NetworkDenoiser, t: int, of_gaussian: float, of_memory: float
) -> None:
    """Squared error against the Gaussian of the same moments, which blurs, and the kernel mixture, which memorises."""
    held_out = datasets.digits()[1]
    schedule = embedded.schedule
    noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(t))
    x = schedule.signal(t) * held_out + schedule.sigma(t) * noise
    models = [load_denoiser(name) for name in ("digits", "gaussian", "mixture")]
    error = {model.name: float(model.denoise(x, t).sub(held_out).square().mean()) for model in models}
    assert error["digits"] < of_gaussian * error["gaussian"]
    assert error["digits"] < of_memory * error["mixture"]


def test_the_prediction_is_read_as_a_velocity(embedded: NetworkDenoiser) -> None:
    t = 400
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    A, sigma = embedded.schedule.signal(t), embedded.schedule.sigma(t)
    velocity = embedded.network(x, torch.tensor([2 * torch.log(torch.tensor(A / sigma))]))
    x0hat = embedded.denoise(x, t)
    eps = (x - A * x0hat) / sigma
    torch.testing.assert_close(A * eps - sigma * x0hat, velocity, rtol=1e-4, atol=1e-4)


def test_a_network_is_read_back_as_it_was_written_in_half_precision(tmp_path: Path) -> None:
    network = UNet(UNetConfig(channels=(8, 16), embedding=16, groups=4))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) / 8
    metadata = {"schedule": {"kind": "cosine", "T": 50}}
    paths = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for path in paths:
        save_network(path, network, metadata)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    read = load_network(paths[0], "small")
    torch.testing.assert_close(read.schedule.alpha_bar, Schedule.cosine(50).alpha_bar)
    for one, other in zip(read.network.parameters(), network.parameters(), strict=True):
        assert torch.equal(one, other.half().float())


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "other-architecture"])
def test_an_unreadable_weights_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "weights.safetensors"
    content = DIGITS_WEIGHTS.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "foreign":
        path.write_text("not a safetensors file")
    elif damage == "other-architecture":
        altered = content.replace(b"[32, 64]", b"[32, 32]", 1)
        assert altered != content
        path.write_bytes(altered)
    with pytest.raises(ModelError, match=r"cannot read a network from .*weights\.safetensors"):
        load_network(path, "digits")
