"""A network of diffusers trained in seconds: what symdiff says of it is what is true of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from torch.nn import functional

from symdiff.diffusion import datasets, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.models import find_denoiser, find_sampler
from symdiff.trajectories import record
from symdiff.trajectories.noise import BatchNoise
from tests.adapters import models

RATE, UPDATES, BATCH = 1e-2, 350, 64


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of 40,000 parameters that predicts the velocity, after 350 updates on 8x8 digits."""
    network = models.unet(attention=False).train()
    scheduler = DDPMScheduler(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2", clip_sample=False)
    images = datasets.digits()[0]
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0)
    for update in range(UPDATES):
        x0 = images[torch.randint(len(images), (BATCH,))]
        timestep, noise = torch.randint(0, 1000, (BATCH,)), torch.randn_like(x0)
        predicted = network(scheduler.add_noise(x0, noise, timestep), timestep).sample
        loss = functional.mse_loss(predicted, scheduler.get_velocity(x0, noise, timestep))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate = min(1, update / 30) * (1 + math.cos(math.pi * update / UPDATES)) / 2
        optimizer.param_groups[0]["lr"] = RATE * rate
    folder = tmp_path_factory.mktemp("trained") / "digits"
    DDPMPipeline(unet=network.eval(), scheduler=scheduler).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("t", [200, 300, 400])
def test_where_the_image_shows_through_the_noise_it_denoises_held_out_digits_better_than_any_affine_map(
    trained, t: int
) -> None:
    """The Gaussian with the mean and covariance of the digits has the best affine denoiser of them all."""
    denoiser = find_denoiser(f"diffusers:{trained}")
    gaussian = load_denoiser("gaussian")
    assert isinstance(gaussian, GaussianDenoiser)
    affine = GaussianDenoiser(gaussian.mean, gaussian.covariance, denoiser.schedule)
    images = datasets.digits()[1]
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    x = denoiser.schedule.signal(t) * images + denoiser.schedule.sigma(t) * noise
    with torch.no_grad():
        error, best = (float((model.denoise(x, t) - images).square().mean()) for model in (denoiser, affine))
    mean = float((images - datasets.digits()[0].mean(dim=0)).square().mean())
    assert error < 0.95 * best < 0.5 * mean


def test_its_recorded_trajectories_are_those_of_its_pipeline(trained) -> None:
    denoiser = find_denoiser(f"diffusers:{trained}")
    found = record(denoiser, find_sampler(None, denoiser), steps=20, trajectories=5, seed=3, device="cpu")
    pipeline = DDPMPipeline.from_pretrained(trained)
    noise = BatchNoise(3, range(5), denoiser.shape)
    x, generators = noise.normal(-1), noise.generators()
    pipeline.scheduler.set_timesteps(20)
    for i, timestep in enumerate(pipeline.scheduler.timesteps):
        assert torch.equal(found.states[:, i], x)
        with torch.no_grad():
            predicted = pipeline.unet(x, timestep).sample
        x = pipeline.scheduler.step(predicted, timestep, x, generator=generators).prev_sample
    assert torch.equal(found.states[:, -1], x)
    assert 0.2 < float(x.std()) < 1.5
