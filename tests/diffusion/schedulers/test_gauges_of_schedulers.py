"""The scalar of a step's element for samplers in other coordinates: closed forms, products, what is undefined."""

from __future__ import annotations

import diffusers
import pytest
import torch
from torch import Tensor

from symdiff.diffusion import SAMPLERS, Schedule, StepTable
from symdiff.diffusion.samplers import (
    EDM,
    DPMSolver,
    Euler,
    EulerAncestral,
    FlowEuler,
    Heun,
    SDEDPMSolver,
    scheduler_sampler,
)

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def noise_levels(table: StepTable) -> tuple[Tensor, Tensor]:
    """S and S' of states ``x_0 + S eps``."""
    noise = ((1 - table.alpha_bar) / table.alpha_bar).sqrt()
    return noise[:-1], noise[1:]


def signal_and_sigma(table: StepTable) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A, A', sigma, sigma'."""
    signal, sigma = table.alpha_bar.sqrt(), (1 - table.alpha_bar).sqrt()
    return signal[:-1], signal[1:], sigma[:-1], sigma[1:]


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-12)


@every_schedule
@pytest.mark.parametrize("sampler", [Euler(), EDM()], ids=repr)
def test_eulers_rule(schedule: Schedule, sampler: Euler) -> None:
    table = sampler.coefficients(schedule, 20)
    now, after = noise_levels(table)
    close(table.gauge("eps"), torch.ones(20, dtype=torch.float64))
    close(table.gauge("x0"), after / now)
    close(table.gauge("v"), (1 + now * after) / (1 + now**2))
    assert table.coordinates == "ve"


@every_schedule
def test_eulers_ancestral_rule(schedule: Schedule) -> None:
    table = EulerAncestral().coefficients(schedule, 20)
    now, after = noise_levels(table)
    close(table.gauge("eps"), torch.ones(20, dtype=torch.float64))
    close(table.gauge("x0"), (after / now) ** 2)
    close(table.gauge("v"), (1 + after**2) / (1 + now**2))


@every_schedule
def test_heuns_rule_has_eulers_gauges_by_convention_and_none_that_holds_x0hat(schedule: Schedule) -> None:
    heun, euler = Heun().coefficients(schedule, 20), Euler().coefficients(schedule, 20)
    assert not heun.one_step
    assert bool(heun.gauge("x0").isnan().all())
    for name in ("v", "eps"):
        torch.testing.assert_close(heun.gauge(name), euler.gauge(name), rtol=0, atol=0)


@every_schedule
@pytest.mark.parametrize("order", [1, 2, 3])
def test_dpmsolver_of_any_order_has_the_gauges_of_its_first(schedule: Schedule, order: int) -> None:
    table = DPMSolver(order).coefficients(schedule, 20)
    signal, signal_after, sigma, sigma_after = signal_and_sigma(table)
    close(table.gauge("eps"), signal_after / signal)
    close(table.gauge("x0"), sigma_after / sigma)
    close(table.gauge("v"), signal * signal_after + sigma_after * sigma)  # kappa = sigma'
    assert table.one_step is (order == 1)
    assert table.coordinates == "vp"


@every_schedule
@pytest.mark.parametrize("order", [1, 2])
def test_stochastic_dpmsolver(schedule: Schedule, order: int) -> None:
    table = SDEDPMSolver(order).coefficients(schedule, 20)
    signal, signal_after, sigma, sigma_after = signal_and_sigma(table)
    h = (signal_after[:-1] / sigma_after[:-1]).log() - (signal[:-1] / sigma[:-1]).log()  # infinite at the last step
    decay = torch.cat([(-h).exp(), torch.zeros(1, dtype=torch.float64)])
    close(table.gauge("eps"), signal_after / signal)
    close(table.gauge("x0"), sigma_after / sigma * decay)
    close(table.gauge("v"), signal * signal_after + sigma_after * decay * sigma)
    assert table.one_step is (order == 1)


@every_schedule
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching(schedule: Schedule, shift: float) -> None:
    table = FlowEuler(shift).coefficients(schedule, 20)
    s = 1 / (1 + (table.alpha_bar / (1 - table.alpha_bar)).sqrt())
    assert float(s[0]) == 1
    assert float(table.alpha_bar[0]) == 0
    close(table.gauge("v"), torch.ones(20, dtype=torch.float64))
    close(table.gauge("x0"), s[1:] / s[:-1])
    assert float(table.gauge("x0")[-1]) == 0
    assert bool(table.gauge("eps")[0].isinf())
    close(table.gauge("eps")[1:], (1 - s[2:]) / (1 - s[1:-1]))


@every_schedule
def test_products_telescope(schedule: Schedule) -> None:
    """To the state before the last step, as gauge x0 is 0 on the step to clean data."""
    euler, ancestral = (sampler.coefficients(schedule, 50) for sampler in (Euler(), EulerAncestral()))
    noise, _ = noise_levels(euler)
    close(euler.gauge("eps").prod(), torch.tensor(1.0, dtype=torch.float64))
    close(euler.gauge("x0")[:-1].prod(), noise[-1] / noise[0])
    close(ancestral.gauge("x0")[:-1].prod(), (noise[-1] / noise[0]) ** 2)
    close(ancestral.gauge("v").prod(), 1 / (1 + noise[0] ** 2))
    flow = FlowEuler().coefficients(schedule, 50)
    s = 1 / (1 + (flow.alpha_bar / (1 - flow.alpha_bar)).sqrt())
    close(flow.gauge("v").prod(), torch.tensor(1.0, dtype=torch.float64))
    close(flow.gauge("eps")[1:].prod(), 1 / (1 - s[1]))
    for table in (DPMSolver(2).coefficients(schedule, 50), SDEDPMSolver(1).coefficients(schedule, 50)):
        close(table.gauge("eps").prod(), 1 / table.alpha_bar[0].sqrt())
    close(table.gauge("v").prod(), table.alpha_bar[0].sqrt())  # the stochastic one: it is DDPM


def test_a_run_that_does_not_end_at_clean_data_telescopes_to_where_it_ends() -> None:
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    table = scheduler_sampler(scheduler).coefficients(SCHEDULES["linear"], 50)
    last = scheduler.alphas_cumprod[0].double()
    assert float(table.alpha_bar[-1]) == pytest.approx(float(last), rel=1e-15)
    assert table.timesteps.tolist() == [*(20 * i + 2 for i in reversed(range(50))), 1]
    close(table.gauge("eps").prod(), (last / table.alpha_bar[0]).sqrt())
    assert float(table.gauge("x0")[-1]) > 0


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_small_log", "fixed_large"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_gauges_of_ddpm_follow_the_posterior_whatever_noise_is_injected(variance: str, spacing: str) -> None:
    scheduler = diffusers.DDPMScheduler(variance_type=variance, timestep_spacing=spacing)
    table = scheduler_sampler(scheduler).coefficients(SCHEDULES["linear"], 50)
    alpha = table.alpha_bar[:-1] / table.alpha_bar[1:]
    close(table.gauge("eps"), 1 / alpha.sqrt())
    close(table.gauge("v"), alpha.sqrt())
    close(table.gauge("v").prod(), table.alpha_bar[0].sqrt())
    # No noise after timestep 0; with trailing spacing the last step begins above it and injects some.
    assert bool(table.noise_std[-1] == 0) is (spacing != "trailing")


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_gauge_v_is_defined_and_in_the_group_at_every_step(name: str) -> None:
    table = SAMPLERS[name]().coefficients(SCHEDULES["linear"], 20)
    a = table.gauge("v")
    assert bool((a.isfinite() & (a > 0)).all())
