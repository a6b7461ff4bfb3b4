"""P, Q and the noise of every one-step scheduler against its own step, and the one formula behind them."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diffusion import Schedule, StepTable
from symdiff.diffusion.samplers import (
    DDIM,
    EDM,
    DPMSolver,
    Euler,
    EulerAncestral,
    FlowEuler,
    SDEDPMSolver,
    posterior_coefficients,
    scheduler_sampler,
)
from symdiff.diffusion.samplers.first_order import first_order
from symdiff.diffusion.samplers.scheduler import SchedulerSampler, SchedulerStepper

LINEAR = Schedule.linear()
STEPS = 20


def own(name: str, **config: Any) -> SchedulerSampler:
    return scheduler_sampler(getattr(diffusers, name)(**config))


ONE_STEP: dict[str, SchedulerSampler] = {
    "euler": Euler(),
    "euler, Karras levels": Euler(karras=True),
    "euler, linspace": Euler("linspace"),
    "euler, ending at its last level": own("EulerDiscreteScheduler", final_sigmas_type="sigma_min"),
    "euler ancestral": EulerAncestral(),
    "dpmsolver++ 1": DPMSolver(1),
    "sde-dpmsolver++ 1": SDEDPMSolver(1),
    "edm": EDM(),
    "edm with churn": EDM(s_churn=5.0, s_noise=1.01),
    "edm dpmsolver++ 1": own("EDMDPMSolverMultistepScheduler", solver_order=1),
    "edm sde-dpmsolver++ 1": own("EDMDPMSolverMultistepScheduler", solver_order=1, algorithm_type="sde-dpmsolver++"),
    "flow": FlowEuler(),
    "flow, shifted": FlowEuler(3.0),
    "flow, stochastic": own("FlowMatchEulerDiscreteScheduler", stochastic_sampling=True),
    "flow dpmsolver++ 1": own("DPMSolverMultistepScheduler", solver_order=1, use_flow_sigmas=True),
    "ddpm": own("DDPMScheduler", clip_sample=False),
    "ddpm log": own("DDPMScheduler", clip_sample=False, variance_type="fixed_small_log"),
    "ddpm large, trailing": own(
        "DDPMScheduler", clip_sample=False, variance_type="fixed_large", timestep_spacing="trailing"
    ),
    "ddim": own("DDIMScheduler", clip_sample=False),
    "ddim, not to clean data": own("DDIMScheduler", clip_sample=False, set_alpha_to_one=False, steps_offset=1),
    "ddim, linspace": own("DDIMScheduler", clip_sample=False, timestep_spacing="linspace"),
    "ddim, trailing": own("DDIMScheduler", clip_sample=False, timestep_spacing="trailing"),
}


def probed(sampler: SchedulerSampler, table: StepTable, answering, noise, exact: bool = False) -> dict[str, Tensor]:
    """P, Q and the injected noise that the library's steps have, read off at states and estimates of zeros and ones."""
    estimate = torch.zeros(())
    model = answering(lambda x, t: estimate.expand_as(x).to(x), LINEAR)

    def run(state: float, x0hat: float) -> Tensor:
        estimate.fill_(x0hat)
        scheduler = sampler.ready(LINEAR, STEPS)
        if exact:
            for name in ("sigmas", "alphas_cumprod"):
                if hasattr(scheduler, name):
                    setattr(scheduler, name, getattr(scheduler, name).double())
        stepper = SchedulerStepper(sampler.kind(), scheduler, model, table, noise, clip=False)
        x = torch.full((noise.batch, 1, 4, 4), state, dtype=torch.float64)
        return torch.stack([stepper(x, i)[1] for i in range(STEPS)])

    alone = run(0, 0)
    image = (1, 2, 3, 4)
    return {"P": (run(1, 0) - alone).mean(image), "Q": (run(0, 1) - alone).mean(image), "noise": alone}


@pytest.mark.parametrize("name", ONE_STEP)
def test_every_step_of_a_scheduler_has_the_coefficients_of_its_table(name: str, answering, seeded) -> None:
    sampler = ONE_STEP[name]
    table = sampler.coefficients(LINEAR, STEPS)
    assert table.one_step
    found = probed(sampler, table, answering, seeded(2))
    size = torch.maximum(table.P, table.Q)
    for key in ("P", "Q"):
        assert float(((found[key] - getattr(table, key)).abs() / size).max()) < 1e-5
    # The injected noise is what each trajectory's generator draws, times the table's standard deviation.
    draws = [generator for generator in seeded(2).generators()]
    dtype = torch.float32 if "sde-dpmsolver++ 1" == name or "flow" in name else torch.float64
    for i in range(STEPS):
        z = torch.stack([torch.randn(1, 1, 4, 4, generator=g, dtype=dtype)[0] for g in draws]).double()
        expected = float(table.noise_std[i]) * z
        torch.testing.assert_close(found["noise"][i], expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", ["ddpm", "ddpm large, trailing", "ddim", "ddim, linspace", "edm dpmsolver++ 1"])
def test_in_double_precision_the_coefficients_are_exact(name: str, answering, seeded) -> None:
    """What is left of the other classes' error is their own conversion to float32."""
    sampler = ONE_STEP[name]
    table = sampler.coefficients(LINEAR, STEPS)
    found = probed(sampler, table, answering, seeded(1), exact=True)
    for key in ("P", "Q"):
        torch.testing.assert_close(found[key], getattr(table, key), rtol=1e-11, atol=1e-12)


levels = st.lists(st.floats(1e-3, 0.999), min_size=2, max_size=6, unique=True)


@given(levels)
def test_at_first_order_dpmsolver_is_ddim_and_its_stochastic_form_is_ddpm(found: list[float]) -> None:
    alpha_bar = torch.tensor(sorted(found), dtype=torch.float64)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    schedule = Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar.flip(0)]))
    ddim = DDIM().coefficients(schedule, len(found))
    plain = first_order(signal, noise, stochastic=False)
    torch.testing.assert_close(plain.P, ddim.P[:-1], rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(plain.Q, ddim.Q[:-1], rtol=1e-9, atol=1e-12)
    sde, (P, Q, variance, _) = first_order(signal, noise, stochastic=True), posterior_coefficients(alpha_bar)
    torch.testing.assert_close(sde.P, P, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(sde.Q, Q, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(sde.std.square(), variance, rtol=1e-7, atol=1e-12)


@given(levels, st.lists(st.floats(0.1, 10), min_size=6, max_size=6), st.booleans())
def test_the_step_is_the_same_in_all_coordinates(found: list[float], factors: list[float], stochastic: bool) -> None:
    """With states c x: P becomes (c'/c) P, Q and the noise become c' times what they were."""
    alpha_bar = torch.tensor(sorted(found), dtype=torch.float64)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    scale = torch.tensor(factors[: len(found)], dtype=torch.float64)
    plain, scaled = first_order(signal, noise, stochastic), first_order(scale * signal, scale * noise, stochastic)
    torch.testing.assert_close(scaled.P, plain.P * scale[1:] / scale[:-1], rtol=1e-12, atol=0)
    torch.testing.assert_close(scaled.Q, plain.Q * scale[1:], rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(scaled.std, plain.std * scale[1:], rtol=1e-5, atol=1e-7)


@given(levels, st.booleans())
def test_a_step_leaves_as_much_signal_and_noise_as_its_level_has(found: list[float], stochastic: bool) -> None:
    """With the true x_0 and eps in place of estimates, A' x_0 remains, and noise of variance S'^2."""
    alpha_bar = torch.tensor(sorted(found), dtype=torch.float64)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    P, Q, std = first_order(signal, noise, stochastic)
    torch.testing.assert_close(P * signal[:-1] + Q, signal[1:], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close((P * noise[:-1]).square() + std.square(), noise[1:].square(), rtol=1e-10, atol=1e-13)
