"""The scalars of a run multiply to what theory says, and what is outside the group is named."""

from __future__ import annotations

import math

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Sampler, Schedule
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.samplers import StepTable
from symdiff.process.group_facts import group_facts
from symdiff.trajectories import Trajectories, record

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}


def run(sampler: Sampler, schedule: Schedule, steps: int = 30, n: int = 6) -> Trajectories:
    denoiser = GaussianDenoiser(torch.zeros(1, 2, 2), torch.diag(torch.tensor([1.0, 0.5, 0.1, 0.02])), schedule)
    return record(denoiser, sampler, steps, n, device="cpu")


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("sampler", [DDPM(), DDPM("fixed_large"), DDIM(1.0)], ids=repr)
def test_products_of_ddpm_telescope(sampler: Sampler, schedule: Schedule) -> None:
    recording = run(sampler, schedule)
    first, last, before = (float(recording.alpha_bar[i]) for i in (0, -1, -2))
    facts = group_facts(recording)
    # The coefficients of DDIM lose digits where 1 - eta^2 ... is a small difference.
    exact = 1e-9 if sampler.name == "ddim" else 1e-12
    expected = {
        "eps": math.sqrt(last / first),
        "v": math.sqrt(first / last),
        "x0": math.sqrt(first / before) * (1 - before) / (1 - first),
    }
    for gauge, value in expected.items():
        assert facts[gauge]["product"] == pytest.approx(value, rel=exact)
        assert facts[gauge]["telescoping"]["expected"] == pytest.approx(value, rel=1e-12)
        assert facts[gauge]["telescoping"]["defect"] < exact
    assert facts["v"]["telescoping"]["formula"] == "√(ᾱ_T/ᾱ_f)"


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_products_of_ddim_telescope_where_theory_has_a_formula(eta: float) -> None:
    recording = run(DDIM(eta), SCHEDULES["linear"])
    facts = group_facts(recording)
    assert facts["eps"]["telescoping"]["defect"] < 1e-12
    assert facts["v"]["telescoping"] is None, "a = AA' + kappa sigma is not a ratio of one function"
    if eta == 0:
        noise = (1 - recording.alpha_bar).sqrt()
        assert facts["x0"]["telescoping"]["defect"] < 1e-12
        assert facts["x0"]["product"] == pytest.approx(float(noise[-2] / noise[0]), rel=1e-12)
    else:
        assert facts["x0"]["telescoping"] is None


def test_the_known_figures_of_the_linear_schedule() -> None:
    """157 over 1000 steps, no scalar above 1.010; in gauge v all between 0.9899 and 1."""
    facts = group_facts(run(DDPM(), SCHEDULES["linear"], steps=1000, n=1))
    assert facts["eps"]["product"] == pytest.approx(157, abs=1)
    assert facts["eps"]["largest"]["value"] < 1.0103
    assert facts["v"]["smallest"] == {"value": pytest.approx(0.9899, abs=2e-4), "timestep": 1000}
    assert facts["v"]["largest"]["value"] < 1
    assert facts["v"]["condition"] == pytest.approx(157, abs=1)


def test_the_last_step_is_outside_the_group_in_gauge_x0_alone() -> None:
    facts = group_facts(run(DDPM(), SCHEDULES["linear"]))
    assert [facts[gauge]["outside"]["count"] for gauge in ("v", "eps", "x0")] == [0, 0, 1]
    [step] = facts["x0"]["outside"]["steps"]
    assert "a = 0" in step["why"]
    assert facts["x0"]["inside"]["steps"] == 29
    assert facts["x0"]["inside"]["to"] == step["timestep"]


def test_zero_terminal_signal_takes_the_first_step_out_of_every_gauge_but_x0() -> None:
    schedule = Schedule(torch.linspace(1, 0, 41, dtype=torch.float64) ** 2)
    facts = group_facts(run(DDPM(), schedule, steps=20))
    assert facts["eps"]["outside"]["steps"] == [{"timestep": 40, "why": "a is infinite: there is no signal to hold"}]
    assert "a = 0" in facts["v"]["outside"]["steps"][0]["why"]
    assert facts["eps"]["inside"]["steps"] == facts["v"]["inside"]["steps"] == 19
    assert facts["eps"]["telescoping"]["defect"] < 1e-12


def test_an_undefined_gauge_has_no_figures_and_says_why(recording: Trajectories) -> None:
    undefined = torch.full((recording.steps,), torch.nan, dtype=torch.float64)
    facts = group_facts(Trajectories(**{**vars(recording), "gauges": {**recording.gauges, "x0": undefined}}))["x0"]
    assert facts["outside"]["count"] == recording.steps
    assert facts["outside"]["steps"][0]["why"] == "the sampler has no such gauge"
    for name in ("inside", "product", "telescoping", "smallest", "largest", "condition", "rebuild"):
        assert facts[name] is None


def test_other_coordinates_telescope_as_well() -> None:
    """Euler steps of x/A: a = 1 in gauge eps, Sigma'/Sigma in gauge x0; flow matching: 1 in gauge v."""
    vp = run(DDIM(), SCHEDULES["linear"])
    for coordinates, ones in (("ve", "eps"), ("flow", "v")):
        table = StepTable(vp.timesteps, vp.alpha_bar, vp.state_coefficient, vp.denoised_coefficient, vp.noise_std)
        scale = StepTable(**{**vars(table), "coordinates": coordinates}).scale
        ratio = scale[1:] / scale[:-1]
        moved = StepTable(**{**vars(table), "coordinates": coordinates, "P": table.P * ratio, "Q": table.Q * scale[1:]})
        facts = group_facts(
            Trajectories(
                **{
                    **vars(vp),
                    "states": vp.states * scale[:, None, None, None].float(),
                    "scale": scale,
                    "gauges": moved.gauges(),
                }
            )
        )
        assert facts[ones]["product"] == pytest.approx(1, abs=1e-12)
        assert facts[ones]["telescoping"]["defect"] < 1e-12
        assert facts["x0"]["telescoping"]["defect"] < 1e-12


def test_rebuilding_is_worst_where_the_product_is_largest() -> None:
    """A gauge that blows states up loses digits: cosine schedule, 200 steps, states in float32."""
    facts = group_facts(run(DDPM(), SCHEDULES["cosine"], steps=200))
    assert facts["v"]["rebuild"]["value"] < 3e-6
    assert facts["eps"]["rebuild"]["value"] > 100 * facts["v"]["rebuild"]["value"]
    assert facts["v"]["rebuild"]["worst"] >= facts["v"]["rebuild"]["value"] / 2


def test_half_precision_is_a_caution_on_what_is_rebuilt(recording: Trajectories) -> None:
    stored = Trajectories(**{**vars(recording), "states": recording.states.bfloat16(), "info": {"dtype": "bfloat16"}})
    facts = group_facts(stored)
    assert "stored in bfloat16" in facts["v"]["caution"]
    assert group_facts(recording)["v"]["caution"] is None


def test_gauges_of_every_step_are_there_to_be_drawn(recording: Trajectories) -> None:
    facts = group_facts(recording)
    assert facts["v"]["a"] == recording.gauges["v"].tolist()
    assert facts["v"]["timesteps"] == recording.timesteps[:-1].tolist()
