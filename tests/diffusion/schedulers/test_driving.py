"""How a scheduler is driven: what the model is asked, with which state and time, and what becomes of x0hat."""

from __future__ import annotations

import json
import sys
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from symdiff.diffusion import SAMPLERS, Schedule
from symdiff.diffusion.samplers import (
    EDM,
    DPMSolver,
    Euler,
    EulerAncestral,
    FlowEuler,
    Heun,
    SDEDPMSolver,
    schedule_of,
    scheduler_sampler,
    scheduler_timestep,
)
from symdiff.diffusion.samplers.limiting import CLIP, THRESHOLD, limit
from symdiff.diffusion.samplers.prediction import from_x0hat, to_x0hat
from symdiff.errors import ConfigError, MissingExtraError
from symdiff.trajectories import record, store_key

LINEAR = Schedule.linear()
NAMED = [Euler(), Euler(karras=True), EulerAncestral(), Heun(), DPMSolver(3), SDEDPMSolver(), EDM(), FlowEuler()]


def random_images(n: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["sample", "epsilon", "v_prediction", "flow"])
@pytest.mark.parametrize("alpha_bar", [0.001, 0.5, 0.999])
def test_what_a_network_predicts_is_an_x0hat_and_back(kind: str, alpha_bar: float) -> None:
    x0, eps = random_images(seed=1).double(), random_images(seed=2).double()
    A, sigma = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    x = A * x0 + sigma * eps
    meant = {"sample": x0, "epsilon": eps, "v_prediction": A * eps - sigma * x0, "flow": eps - x0}[kind]
    torch.testing.assert_close(to_x0hat(kind, meant, x, alpha_bar), x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(from_x0hat(kind, x0, x, alpha_bar), meant, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", NAMED, ids=repr)
def test_a_run_of_n_steps_has_n_states_after_the_first_and_asks_for_the_levels_it_is_at(
    sampler: Any, answering, seeded
) -> None:
    steps = 12
    model = answering(lambda x, t: x / 2, LINEAR)
    table = sampler.coefficients(LINEAR, steps)
    assert (table.steps, len(table.timesteps)) == (steps, steps + 1)
    stepper = sampler.start(model, table, seeded(2))
    x = random_images() * table.start
    for i in range(steps):
        before = len(model.asked)
        x0hat, after = stepper(x, i)
        given, time = model.asked[before]
        assert time == table.time(i)
        torch.testing.assert_close(given, x / float(table.scale[i]), rtol=2e-6, atol=1e-6)
        torch.testing.assert_close(x0hat, given / 2)
        calls = len(model.asked) - before
        assert calls == (2 if isinstance(sampler, Heun) and i < steps - 1 else 1)
        if calls == 2:
            assert model.asked[-1][1] == table.time(i + 1)
        x = after


@pytest.mark.parametrize("sampler", NAMED, ids=repr)
def test_the_model_is_asked_at_the_noise_level_of_the_state(sampler: Any) -> None:
    table = sampler.coefficients(LINEAR, 25)
    for i in range(25):
        expected = LINEAR.alpha_bar_at(table.time(i))
        if float(table.alpha_bar[i]) >= float(LINEAR.alpha_bar[-1]):
            assert float(table.alpha_bar[i]) == pytest.approx(expected, rel=1e-3)
            assert 1 - float(table.alpha_bar[i]) == pytest.approx(1 - expected, rel=2e-3)
    assert table.time(25) == 0


@pytest.mark.parametrize("sampler", NAMED[:1] + NAMED[2:6], ids=repr)
def test_named_samplers_begin_at_the_noisiest_state_and_at_whole_training_steps(sampler: Any) -> None:
    table = sampler.coefficients(LINEAR, 50)
    assert table.timesteps.tolist() == LINEAR.timesteps(50).tolist()
    assert float(table.alpha_bar[0]) == pytest.approx(float(LINEAR.alpha_bar[-1]), rel=1e-3)


def test_beyond_the_noise_of_its_schedule_a_model_is_asked_for_its_last_step(answering, seeded) -> None:
    schedule = Schedule.linear(100, 1e-4, 0.02)  # ends at alpha_bar = 0.36, noise 1.3
    for sampler in (EDM(), FlowEuler()):
        table = sampler.coefficients(schedule, 10)
        assert table.time(0) == table.time(1) == 100
        model = answering(lambda x, t: x / 2, schedule)
        sampler.start(model, table, seeded(1))(random_images(1) * table.start, 0)
        assert model.asked[0][1] == 100


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (Euler(), "noise"),
        (Euler("leading"), "state"),
        (EulerAncestral(), "noise"),
        (Heun(), "noise"),
        (EDM(), "state"),
        (DPMSolver(), "one"),
        (FlowEuler(), "one"),
    ],
    ids=repr,
)
def test_the_first_state_has_the_spread_the_library_gives_it(sampler: Any, expected: str) -> None:
    """S for spacings that begin at T, sqrt(1 + S^2) otherwise, 1 where states keep their variance."""
    table = sampler.coefficients(LINEAR, 20)
    noise = float(((1 - table.alpha_bar[0]) / table.alpha_bar[0]).sqrt())
    known = {"noise": noise, "state": (1 + noise**2) ** 0.5, "one": 1.0}
    assert table.start == pytest.approx(known[expected], rel=1e-6)
    scheduler = sampler.ready(LINEAR, 20)
    assert table.start == float(getattr(scheduler, "init_noise_sigma", 1.0))


@pytest.mark.parametrize("sampler", [Euler(), Euler("leading"), EulerAncestral(), Heun(), DPMSolver()], ids=repr)
def test_the_librarys_scaling_of_the_models_input_is_division_by_scale(sampler: Any) -> None:
    table = sampler.coefficients(LINEAR, 20)
    scheduler = sampler.ready(LINEAR, 20)
    x = random_images()
    if not isinstance(sampler, Heun):
        for i, t in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(x, t)
            torch.testing.assert_close(scaled, x / float(table.scale[i]), rtol=1e-6, atol=0)
            scheduler.step(x, t, x)
    torch.testing.assert_close(
        sampler.ready(LINEAR, 20).scale_model_input(x, scheduler.timesteps[0]), x / float(table.scale[0])
    )


def test_a_network_is_asked_between_training_steps_at_its_schedulers_own_timestep(answering, seeded) -> None:
    """With "linspace" spacing its pipeline interpolates S, symdiff's schedule log S: less than a step apart."""
    scheduler = diffusers.EulerDiscreteScheduler()
    sampler, schedule = scheduler_sampler(scheduler), schedule_of(scheduler)
    table = sampler.coefficients(schedule, 10)
    for prediction, expected in (("epsilon", 889.0), ("v_prediction", 889.0)):
        model = answering(lambda x, t: x / 2, schedule, prediction)
        stepper = sampler.start(model, table, seeded(1))
        _, x = stepper(random_images(1) * table.start, 0)
        stepper(x, 1)
        assert model.asked[1][1] == pytest.approx(expected)
    scheduler.set_timesteps(8)
    fractional = sampler.coefficients(schedule, 8)
    assert fractional.time(1) == pytest.approx(float(scheduler.timesteps[1]) + 1, abs=0.5)
    assert fractional.time(1) != float(scheduler.timesteps[1]) + 1


def test_a_scheduler_of_another_schedule_asks_the_model_at_its_own_noise() -> None:
    """Levels count, not the numbers of timesteps."""
    scheduler = diffusers.DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False)
    table = scheduler_sampler(scheduler).coefficients(LINEAR, 10)
    assert table.time(5) != 401
    assert LINEAR.alpha_bar_at(table.time(5)) == pytest.approx(float(table.alpha_bar[5]), rel=1e-9)


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1.0, 1.5])
def test_limits_are_those_of_the_library(most: float) -> None:
    x0 = 2 * random_images(5).double()
    thresholding = diffusers.DDPMScheduler(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=most)
    limited = limit(x0, thresholding.config, (CLIP, THRESHOLD))
    torch.testing.assert_close(limited, thresholding._threshold_sample(x0), rtol=1e-12, atol=1e-12)
    assert torch.equal(limit(x0, {"clip_sample": True, "clip_sample_range": 0.5}, (CLIP,)), x0.clamp(-0.5, 0.5))
    assert torch.equal(limit(x0, {"clip_sample": True}, ()), x0)


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        (diffusers.DDPMScheduler(), "x0hat clipped to ±1"),
        (diffusers.DDIMScheduler(clip_sample_range=2.5), "x0hat clipped to ±2.5"),
        (diffusers.DDIMScheduler(clip_sample=False), None),
        (diffusers.DDPMScheduler(thresholding=True), "dynamic thresholding at the 0.995 quantile, at most 1"),
        (diffusers.EulerDiscreteScheduler.from_config(diffusers.DDPMScheduler().config), None),
        (diffusers.HeunDiscreteScheduler(clip_sample=True), "x0hat clipped to ±1"),
        (diffusers.DPMSolverMultistepScheduler(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_sampler_says_how_it_limits_x0hat(scheduler: Any, words: str | None) -> None:
    assert scheduler_sampler(scheduler).clips == words


@pytest.mark.parametrize("sampler", NAMED, ids=repr)
def test_clipping_applies_before_the_step_whatever_the_sampler(sampler: Any, answering) -> None:
    model = answering(lambda x, t: 3 * torch.ones_like(x), LINEAR)
    recording = record(model, sampler, 6, 2, device="cpu", clip=True)
    assert torch.equal(recording.denoised, torch.ones_like(recording.denoised))
    torch.testing.assert_close(recording.states[:, -1], torch.ones_like(recording.states[:, -1]), rtol=1e-4, atol=1e-4)
    assert recording.info["clip"] is True
    free = record(model, sampler, 6, 2, device="cpu")
    torch.testing.assert_close(free.states[:, -1], 3 * recording.states[:, -1], rtol=1e-3, atol=1e-3)
    assert (free.info["clip"], free.info["clipping"]) == (False, None)


def test_the_clip_flag_changes_nothing_where_the_scheduler_clips(answering) -> None:
    sampler = scheduler_sampler(diffusers.DDIMScheduler(clip_sample_range=0.5))
    model = answering(lambda x, t: 3 * x, LINEAR)
    one, two = (record(model, sampler, 6, 2, device="cpu", clip=clip) for clip in (False, True))
    assert torch.equal(one.states, two.states)
    assert float(one.denoised.abs().max()) == 0.5
    assert one.info == two.info


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (diffusers.PNDMScheduler(), "PNDMScheduler is not supported"),
        (diffusers.DPMSolverSinglestepScheduler(), "DPMSolverSinglestepScheduler is not supported"),
        (diffusers.DDPMScheduler(variance_type="learned_range"), "learned variances"),
        (diffusers.DDPMScheduler(variance_type="fixed_large_log"), "square root of a negative logarithm"),
        (diffusers.EulerDiscreteScheduler(timestep_type="continuous"), "timestep_type 'continuous'"),
        (diffusers.DPMSolverMultistepScheduler(variance_type="learned"), "learned variances"),
        (diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), "with use_dynamic_shifting"),
        (diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "with invert_sigmas"),
        (
            diffusers.EDMDPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", solver_order=3),
            "order 3, which the library lacks",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unsupported_scheduler_is_refused_with_the_supported_ones(scheduler: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        scheduler_sampler(scheduler)
    assert "DPMSolverMultistepScheduler, EDMEulerScheduler" in error.value.hint


@pytest.mark.parametrize("scheduler", [diffusers.PNDMScheduler(), diffusers.DDPMScheduler(variance_type="learned")])
def test_the_schedule_of_an_unsupported_scheduler_is_its_table(scheduler: Any) -> None:
    torch.testing.assert_close(schedule_of(scheduler).alpha_bar[1:], scheduler.alphas_cumprod.double())
    assert scheduler_timestep(scheduler, 1000) == 999


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.EulerDiscreteScheduler(timestep_type="continuous"),
        diffusers.UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction"),
        diffusers.FlowMatchHeunDiscreteScheduler(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_schedule_that_is_no_table_is_refused_with_its_scheduler(scheduler: Any) -> None:
    with pytest.raises(ConfigError, match="is not supported"):
        schedule_of(scheduler)


def test_the_refused_variance_is_nan_in_the_library() -> None:
    scheduler = diffusers.DDPMScheduler(variance_type="fixed_large_log")
    scheduler.set_timesteps(10)
    assert bool(scheduler.step(random_images(), scheduler.timesteps[3], random_images()).prev_sample.isnan().all())


@pytest.mark.parametrize(
    ("make", "steps", "message"),
    [
        (lambda: Euler(), 0, "steps is 0"),
        (lambda: Euler(), 1001, "steps is 1001"),
        (lambda: Euler(), 61, "makes 62 steps where 61 were asked for"),
        (lambda: scheduler_sampler(diffusers.DDIMScheduler(steps_offset=1)), 1000, "at timestep 1000 of 1000"),
        (lambda: scheduler_sampler(diffusers.DDIMScheduler(500)), 600, "refuses a run of 600 steps"),
        (lambda: Euler("even"), 5, "no spacing 'even'"),
        (lambda: DPMSolver(4), 5, "order of sampler dpmsolver\\+\\+ is 4"),
        (lambda: SDEDPMSolver(3), 5, "order of sampler sde-dpmsolver\\+\\+ is 3"),
        (lambda: EDM(sigma_min=2.0, sigma_max=1.0), 5, "are 2 to 1"),
        (lambda: EDM(s_churn=-1.0), 5, "s_churn -1"),
        (lambda: EDM(rho=float("nan")), 5, "rho nan"),
        (lambda: EDM(sigma_max=float("inf")), 5, "to inf"),
        (lambda: FlowEuler(0.0), 5, "shift of sampler flow-euler is 0"),
    ],
)
def test_settings_and_steps_out_of_range_are_refused(make: Any, steps: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make().coefficients(LINEAR, steps)


def test_heun_refuses_a_schedule_without_a_last_level_and_others_begin_close_to_it(answering) -> None:
    alpha_bar = LINEAR.alpha_bar
    schedule = Schedule((alpha_bar - alpha_bar[-1]) / (1 - alpha_bar[-1]))
    with pytest.raises(ConfigError, match="heun begins at infinite noise"):
        Heun().coefficients(schedule, 10)
    for sampler in (Euler(), EulerAncestral(), DPMSolver(), SDEDPMSolver()):
        table = sampler.coefficients(schedule, 10)
        assert float(table.alpha_bar[0]) == pytest.approx(2**-24)
        assert table.time(0) == 1000
        recording = record(answering(lambda x, t: x / 2, schedule), sampler, 10, 2, device="cpu")
        assert bool(recording.states.isfinite().all())


def test_without_the_library_the_command_that_adds_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match="sampler euler needs the library diffusers") as error:
        Euler().coefficients(LINEAR, 10)
    assert error.value.hint == "pip install 'symdiff-toolkit[diffusers]'"


# --- settings and schedules ---------------------------------------------------------------------


@pytest.mark.parametrize("sampler", NAMED, ids=repr)
def test_a_named_sampler_can_be_made_again_from_its_settings_and_its_repr(sampler: Any) -> None:
    settings = sampler.settings()
    again = SAMPLERS[settings.pop("name")](**settings)
    assert again.settings() == sampler.settings()
    names = {kind.__name__: kind for kind in SAMPLERS.values()}
    assert eval(repr(sampler), names).settings() == sampler.settings()


def test_the_key_of_a_recording_depends_on_the_configuration_of_its_scheduler(answering) -> None:
    model = answering(lambda x, t: x / 2, LINEAR)
    made = [
        diffusers.DDIMScheduler(),
        diffusers.DDIMScheduler(clip_sample=False),
        diffusers.DDIMScheduler(clip_sample_range=2.0),
        diffusers.DPMSolverMultistepScheduler(),
        diffusers.DPMSolverMultistepScheduler(solver_type="heun"),
    ]
    keys = {store_key(model, scheduler_sampler(scheduler), 5, 3) for scheduler in made}
    assert len(keys) == len(made)
    settings = scheduler_sampler(made[3]).settings()
    assert json.loads(json.dumps(settings, allow_nan=False)) == settings
    assert settings["config"]["lambda_min_clipped"] == "-inf"


def test_the_schedule_of_a_scheduler() -> None:
    table = schedule_of(diffusers.DDPMScheduler())
    torch.testing.assert_close(table.alpha_bar, LINEAR.alpha_bar, rtol=1e-4, atol=0)
    assert scheduler_timestep(diffusers.DDPMScheduler(), 1000) == 999
    flow = diffusers.FlowMatchEulerDiscreteScheduler()
    assert schedule_of(flow).alpha_bar_at(250) == pytest.approx(0.75**2 / (0.75**2 + 0.25**2), rel=1e-14)
    assert schedule_of(flow).alpha_bar_at(1000) == 0
    assert scheduler_timestep(flow, 250) == 250
    straight = diffusers.DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    assert torch.equal(schedule_of(straight).alpha_bar, schedule_of(flow).alpha_bar)
    edm = diffusers.EDMEulerScheduler(sigma_min=0.01, sigma_max=50.0)
    noise = ((1 - schedule_of(edm).alpha_bar[1:]) / schedule_of(edm).alpha_bar[1:]).sqrt()
    torch.testing.assert_close(noise[[0, -1]], torch.tensor([0.01, 50.0], dtype=torch.float64), rtol=1e-9, atol=0)
    torch.testing.assert_close(noise[1:] / noise[:-1], (noise[1] / noise[0]).expand(999), rtol=1e-8, atol=0)
    edm.set_timesteps(10)
    times = schedule_of(edm).time_of(1 / (1 + edm.sigmas[:-1].double().square()))
    found = [scheduler_timestep(edm, t) for t in times.tolist()]
    torch.testing.assert_close(torch.tensor(found).float(), edm.timesteps, rtol=1e-6, atol=1e-7)
