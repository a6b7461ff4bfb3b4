"""The model is the optimal denoiser it says, and commutes with translations."""

import pytest
import symdiff_source_example
import torch
from symdiff_source_example.blobs import KERNEL, Blobs

from symdiff import Denoiser


def states(n=4):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def test_the_sources_load_denoisers_of_their_names_and_sizes():
    for name, load in symdiff_source_example.symdiff_sources().items():
        denoiser = load()
        assert isinstance(denoiser, Denoiser)
        assert (denoiser.name, denoiser.shape[1]) == (name, int(name.partition(":")[2]))


@pytest.mark.parametrize("t", [30, 300, 700])
def test_the_estimate_is_the_posterior_mean_written_out(t):
    blobs, x = Blobs(8), states()
    signal, sigma = blobs.schedule.signal(t), blobs.schedule.sigma(t)
    images, spread = blobs.images().flatten(1), (signal * KERNEL) ** 2 + sigma**2
    weights = (-torch.cdist(x.flatten(1), signal * images).square() / (2 * spread)).softmax(1)
    gain = signal * KERNEL**2 / spread
    each = images + gain * (x.flatten(1)[:, None] - signal * images)  # E[x_0 | x_t, image]
    torch.testing.assert_close(blobs.denoise(x, t).flatten(1), (weights[..., None] * each).sum(1))


def test_it_commutes_with_translations():
    blobs, x = Blobs(8), states()
    moved = blobs.denoise(x.roll((3, 5), (-2, -1)), 200)
    torch.testing.assert_close(moved, blobs.denoise(x, 200).roll((3, 5), (-2, -1)))


def test_a_clean_state_is_its_own_estimate_and_pure_noise_gives_the_mean():
    blobs = Blobs(8)
    torch.testing.assert_close(blobs.denoise(states(), 0), states())
    far = blobs.denoise(states(), blobs.schedule.T) - blobs.images().mean(0)
    assert float(far.abs().max()) < 0.1
