"""The scalar of a step's element in the three gauges: closed forms, products, conditioning, singular cases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symdiff.diffusion import DDIM, DDPM, GAUGES, SAMPLERS, Sampler, Schedule, StepTable, affine, load_denoiser
from symdiff.errors import ConfigError

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}
STEPS = (10, 50, 333, 1000)
ETAS = (0.0, 0.3, 1.0)

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
every_steps = pytest.mark.parametrize("steps", STEPS)


def levels(table: StepTable) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A, A', sigma, sigma' of every step."""
    now, after = table.alpha_bar[:-1], table.alpha_bar[1:]
    return now.sqrt(), after.sqrt(), (1 - now).sqrt(), (1 - after).sqrt()


def ddim_kappa(table: StepTable, eta: float) -> Tensor:
    now, after = table.alpha_bar[:-1], table.alpha_bar[1:]
    s_squared = eta**2 * (1 - after) / (1 - now) * (1 - now / after)
    return (1 - after - s_squared).clamp(min=0).sqrt()


def close(actual: Tensor, expected: Tensor, rtol: float = 1e-13) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=1e-15)


@every_schedule
@every_steps
def test_ddpm_gauges_have_their_closed_forms(schedule: Schedule, steps: int) -> None:
    table = DDPM().coefficients(schedule, steps)
    alpha = table.alpha_bar[:-1] / table.alpha_bar[1:]
    close(table.gauge("eps"), 1 / alpha.sqrt())
    close(table.gauge("x0"), alpha.sqrt() * (1 - table.alpha_bar[1:]) / (1 - table.alpha_bar[:-1]))
    close(table.gauge("v"), alpha.sqrt())


@every_schedule
@every_steps
@pytest.mark.parametrize("eta", ETAS)
def test_ddim_gauges_have_their_closed_forms(schedule: Schedule, steps: int, eta: float) -> None:
    table = DDIM(eta).coefficients(schedule, steps)
    signal, signal_after, sigma, _ = levels(table)
    kappa = ddim_kappa(table, eta)
    close(table.gauge("eps"), signal_after / signal)
    # The reference, not the table, subtracts nearly equal numbers at eta = 1: hence an absolute tolerance there.
    atol = 1e-12 if eta == 1 else 1e-15
    torch.testing.assert_close(table.gauge("x0"), kappa / sigma, rtol=1e-11, atol=atol)
    torch.testing.assert_close(table.gauge("v"), signal * signal_after + kappa * sigma, rtol=1e-11, atol=atol)


@every_schedule
@every_steps
def test_ddim_with_eta_1_is_ddpm_with_the_posterior_variance(schedule: Schedule, steps: int) -> None:
    ddim, ddpm = DDIM(1.0).coefficients(schedule, steps), DDPM("fixed_small").coefficients(schedule, steps)
    for name in ("P", "Q", "noise_std"):
        torch.testing.assert_close(getattr(ddim, name), getattr(ddpm, name), rtol=1e-10, atol=1e-12)


@every_schedule
@every_steps
def test_products_of_gauges_telescope(schedule: Schedule, steps: int) -> None:
    """The products run from T to the state before the last step, since gauge x0 is 0 on a step onto clean data."""
    ddpm, ddim = DDPM().coefficients(schedule, steps), DDIM(0.4).coefficients(schedule, steps)
    first, last = ddpm.alpha_bar[0], ddpm.alpha_bar[-2]
    for table in (ddpm, ddim):
        close(table.gauge("eps")[:-1].prod(), (last / first).sqrt(), rtol=1e-12)
    close(ddpm.gauge("v")[:-1].prod(), (first / last).sqrt(), rtol=1e-12)
    close(ddpm.gauge("x0")[:-1].prod(), (first / last).sqrt() * (1 - last) / (1 - first), rtol=1e-11)


@pytest.mark.parametrize("name", SAMPLERS)
def test_any_gauge_moves_the_same_state_to_the_same_state(name: str) -> None:
    """x' = a x + (held prediction's part): in each gauge, the mean of the step rewritten in what is held fixed."""
    table = SAMPLERS[name]().coefficients(SCHEDULES["cosine"], 20)
    generator = torch.Generator().manual_seed(1)
    x, x0 = torch.randn(2, 20, 5, generator=generator, dtype=torch.float64)
    A, _, S, _ = (level[:, None] for level in levels(table))
    A, S = A * table.scale[:-1, None], S * table.scale[:-1, None]
    P, Q = table.P[:, None], table.Q[:, None]
    mean = P * x + Q * x0
    eps = (x - A * x0) / S
    flow = table.coordinates == "flow"
    # What is left of x0hat when the state's share of it is taken out, in coordinates x = A x_0 + S eps.
    held = {
        "x0": x0,
        "eps": -S / A * eps,
        "v": -S * (eps - x0) if flow else -S / (A**2 + S**2) * (A * eps - S * x0),
    }
    for gauge in GAUGES:
        if gauge not in table.undefined:
            by_gauge = table.gauge(gauge)[:, None] * x + Q * held[gauge]
            usable = by_gauge.isfinite().all(dim=1)  # gauge eps is infinite at alpha_bar = 0
            assert int(usable.sum()) >= 19
            torch.testing.assert_close(by_gauge[usable], mean[usable], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", [DDPM(), DDPM("fixed_large"), DDIM(), DDIM(1.0)], ids=repr)
@every_schedule
def test_the_step_onto_clean_data_is_not_invertible_in_gauge_x0(sampler: Sampler, schedule: Schedule) -> None:
    table = sampler.coefficients(schedule, 50)
    gauge = table.gauge("x0")
    assert float(gauge[-1]) == 0.0
    assert bool((gauge[:-1] > 0).all())
    assert float(table.Q[-1]) == pytest.approx(1, abs=1e-12)
    assert float(table.noise_std[-1]) == 0.0


@pytest.mark.parametrize("eta", ETAS)
def test_zero_terminal_snr_is_infinite_in_gauge_eps_and_finite_in_gauge_v(eta: float) -> None:
    alpha_bar = SCHEDULES["linear"].alpha_bar
    schedule = Schedule((alpha_bar - alpha_bar[-1]) / (1 - alpha_bar[-1]))
    table = DDIM(eta).coefficients(schedule, 50)
    sigma_after = float((1 - table.alpha_bar[1]).sqrt())
    assert torch.isinf(table.gauge("eps")[0])
    assert bool(table.gauge("eps")[1:].isfinite().all())
    assert float(table.gauge("v")[0]) == pytest.approx(sigma_after * (1 - eta**2) ** 0.5, rel=1e-13)
    ddpm = DDPM().coefficients(schedule, 50)
    assert float(ddpm.gauge("v")[0]) == 0.0
    assert torch.isinf(ddpm.gauge("eps")[0])


def test_conditioning_on_the_cosine_schedule() -> None:
    ddpm, ddim = DDPM().coefficients(SCHEDULES["cosine"], 1000), DDIM().coefficients(SCHEDULES["cosine"], 50)
    assert float(ddpm.gauge("eps").max()) == pytest.approx(31.6, abs=0.05)
    assert float(ddpm.gauge("eps").prod()) == pytest.approx(2e4, rel=0.05)
    assert float(ddpm.gauge("v").min()) == pytest.approx(0.0316, abs=1e-3)
    assert float(ddim.gauge("v").min()) == pytest.approx(0.9991, abs=1e-4)


def test_conditioning_on_the_linear_schedule() -> None:
    ddpm, ddim = DDPM().coefficients(SCHEDULES["linear"], 1000), DDIM().coefficients(SCHEDULES["linear"], 50)
    assert float(ddpm.gauge("eps").max()) == pytest.approx(1.010, abs=2e-4)
    assert float(ddpm.gauge("eps").prod()) == pytest.approx(157, abs=0.5)
    assert float(ddpm.gauge("v").min()) == pytest.approx(0.9899, abs=1e-4)
    assert float(ddim.gauge("v").min()) == pytest.approx(0.9971, abs=1e-4)


def test_rebuilding_the_image_in_float32_loses_digits_in_gauge_eps_but_not_in_gauge_v() -> None:
    """The composite of 1000 elements, applied to x_T, against the x_0 it was derived from."""
    schedule = SCHEDULES["cosine"]
    table = DDPM().coefficients(schedule, 1000)
    denoiser = load_denoiser("gaussian")
    denoiser.schedule = schedule
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(4, 1, 8, 8, generator=generator)]
    for i in range(1000):
        x0hat = denoiser.denoise(states[-1], int(table.timesteps[i]))
        noise = torch.randn(4, 1, 8, 8, generator=generator)
        states.append(DDPM().step(states[-1], x0hat, table, i, noise))
    worst = {}
    for gauge in ("eps", "v"):
        composite = affine.identity(64)
        for i, a in enumerate(table.gauge(gauge).tolist()):
            composite = affine.compose(affine.from_step(states[i], states[i + 1], a), composite)
        worst[gauge] = float((affine.act(composite, states[0]) - states[-1]).abs().max())
    assert worst["v"] < 5e-6
    assert worst["eps"] > 100 * worst["v"]


def test_an_unknown_gauge_is_refused() -> None:
    with pytest.raises(ConfigError, match="no gauge 'epsilon'"):
        DDPM().coefficients(SCHEDULES["linear"], 5).gauge("epsilon")
