"""One step of a sampler: its noise, its mean, what it refuses."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, SAMPLERS, Sampler, Schedule
from symdiff.diffusion.process import posterior_mean, posterior_variance
from symdiff.errors import ConfigError

SCHEDULE = Schedule.linear()


def images(seed: int) -> torch.Tensor:
    return torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("i", [0, 20, 49])
def test_a_ddpm_step_without_noise_is_the_posterior_mean(i: int) -> None:
    sampler = DDPM()
    table = sampler.coefficients(SCHEDULE, 50)
    now, after = int(table.timesteps[i]), int(table.timesteps[i + 1])
    step = sampler.step(images(0), images(1), table, i, torch.zeros(3, 1, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(step, posterior_mean(SCHEDULE, images(0), images(1), now, after))


def test_fixed_small_injects_the_posterior_variance_and_fixed_large_the_forward_one() -> None:
    small, large = (DDPM(variance).coefficients(SCHEDULE, 50) for variance in ("fixed_small", "fixed_large"))
    now, after = int(small.timesteps[10]), int(small.timesteps[11])
    assert float(small.noise_std[10]) ** 2 == pytest.approx(posterior_variance(SCHEDULE, now, after))
    beta = 1 - float(SCHEDULE.alpha_bar[now] / SCHEDULE.alpha_bar[after])
    assert float(large.noise_std[10]) ** 2 == pytest.approx(beta)


def test_the_reverse_variance_of_ddpm_leaves_every_gauge_unchanged() -> None:
    small, large = (DDPM(variance).coefficients(SCHEDULE, 50) for variance in ("fixed_small", "fixed_large"))
    for name, gauge in small.gauges().items():
        torch.testing.assert_close(gauge, large.gauge(name), rtol=0, atol=0)


def test_a_step_adds_its_noise_scaled() -> None:
    sampler = DDIM(0.5)
    table = sampler.coefficients(SCHEDULE, 50)
    zero = torch.zeros(3, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(sampler.step(zero, zero, table, 7, images(2)), table.noise_std[7] * images(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_keeps_the_dtype_of_the_state(dtype: torch.dtype) -> None:
    sampler = DDIM()
    table = sampler.coefficients(SCHEDULE, 5)
    assert sampler.step(images(0).to(dtype), images(1).to(dtype), table, 0).dtype == dtype


def test_a_noisy_step_without_noise_is_refused() -> None:
    table = DDPM().coefficients(SCHEDULE, 50)
    with pytest.raises(ConfigError, match="none was given"):
        DDPM().step(images(0), images(1), table, 0)


@pytest.mark.parametrize("eta", [-0.1, 1.5])
def test_an_eta_out_of_range_is_refused(eta: float) -> None:
    with pytest.raises(ConfigError, match="eta of DDIM"):
        DDIM(eta)


def test_an_unknown_variance_is_refused() -> None:
    with pytest.raises(ConfigError, match="no variance 'learned'"):
        DDPM("learned")


@pytest.mark.parametrize("sampler", [DDPM("fixed_large"), DDIM(0.25)], ids=repr)
def test_a_sampler_can_be_made_again_from_its_settings_and_its_repr(sampler: Sampler) -> None:
    settings = sampler.settings()
    again = SAMPLERS[settings.pop("name")](**settings)
    assert again.settings() == sampler.settings()
    assert eval(repr(sampler), {"DDPM": DDPM, "DDIM": DDIM}).settings() == sampler.settings()
