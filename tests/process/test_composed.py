"""Maps of single steps, composed: the map of the whole run on Gaussian data, and its closed form with noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from symdiff.diffusion import DDPM, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.linear_steps import step_eigenvalues
from symdiff.process.composed import STARTS, Composition
from symdiff.process.levels import Bootstrap, over_steps
from symdiff.trajectories import Trajectories, record


def composed(recording: Trajectories, train: int, work: float = 1e12, **changes: object) -> list[dict[str, Any]]:
    recording = Trajectories(**{**vars(recording), **changes})
    parts = recording.select(slice(0, train)), recording.select(slice(train, len(recording)))
    steps = [step.at for step in over_steps(*parts, work)]
    composition = Composition(*parts, steps, Bootstrap())
    for step in over_steps(*parts, work):
        composition.add(step)
    return composition.document()


def ceiling(recording: Trajectories, denoiser: GaussianDenoiser, start: int) -> float:
    """``1 - noise injected from `start` on / final variance``: eigenvalues of the steps, noise carried by them."""
    table = DDPM().coefficients(denoiser.schedule, recording.steps)
    variance, noise = torch.ones(9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)
    for i, values in enumerate(step_eigenvalues(table, denoiser.eigenvalues)):
        injected = table.noise_std[i] ** 2
        variance = values**2 * variance + injected
        if i >= start:
            noise = values**2 * noise + injected
    return 1 - float(noise.sum() / variance.sum())


def test_without_noise_the_steps_compose_to_the_run(deterministic: Trajectories) -> None:
    found = composed(deterministic, 90)
    assert len(found) == STARTS
    assert found[0]["timestep"] == deterministic.time(0)
    for entry in found:
        assert entry["composed"]["value"] == pytest.approx(1, abs=1e-5)
        assert entry["direct"]["value"] == pytest.approx(1, abs=1e-5)
        assert entry["ceiling"] == 1.0
        assert entry["caution"] is None


def test_with_noise_both_are_at_the_ceiling_that_theory_gives(denoiser: GaussianDenoiser) -> None:
    recording = record(denoiser, DDPM(), steps=40, trajectories=2400, seed=3, device="cpu")
    entries = composed(recording, 1600)
    values = []
    for entry in entries:
        start = recording.timesteps.tolist().index(entry["timestep"])
        expected = ceiling(recording, denoiser, start)
        assert entry["ceiling"] == pytest.approx(expected, abs=0.05)
        for name in ("composed", "direct"):
            assert entry[name]["value"] == pytest.approx(expected, abs=0.05)
            assert entry[name]["interval"][0] - 0.03 < expected < entry[name]["interval"][1] + 0.03
        values.append(expected)
    assert values[0] < 0.01, "the beginning of a run says nothing of its end where so much noise is injected"
    assert values[-1] > 0.99


def test_shared_elements_are_one_product_of_scalars_and_a_translation(deterministic: Trajectories) -> None:
    """Data of unequal variances are not carried by any scalar; the last step, close to the identity, nearly is."""
    found = composed(deterministic, 90)
    entry = found[0]["shared_elements"]
    assert entry["gauge"] == "v"
    assert entry["a"] == pytest.approx(float(deterministic.gauges["v"].prod()))
    assert entry["value"] < 0.9 < found[-1]["shared_elements"]["value"]


def test_where_steps_are_left_out_maps_over_several_are_composed(deterministic: Trajectories) -> None:
    found = composed(deterministic, 90, work=4.0 * 90 * 81 * 5.5)
    assert len(found) == 5
    for entry in found:
        assert entry["composed"]["value"] == pytest.approx(1, abs=1e-4)
        assert "maps over several steps" in entry["caution"]


def test_the_ceiling_is_unknown_where_noise_is_not_carried_step_by_step(recording: Trajectories) -> None:
    found = composed(recording, 240, one_step=False)
    assert [entry["ceiling"] for entry in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1]["ceiling"] == 1.0
    assert all(entry["composed"]["value"] is not None for entry in found)


def test_a_gauge_that_is_not_finite_is_passed_over(deterministic: Trajectories) -> None:
    nothing = torch.full((deterministic.steps,), torch.nan, dtype=torch.float64)
    found = composed(deterministic, 90, gauges={**deterministic.gauges, "v": nothing})
    assert found[0]["shared_elements"]["gauge"] == "eps"
    found = composed(deterministic, 90, gauges={"v": nothing, "eps": nothing, "x0": nothing})
    assert found[0]["shared_elements"] == {"value": None, "interval": None, "gauge": None, "a": None}


def test_digits_compose_to_less_than_the_run() -> None:
    """Between noise and image no step of digits is affine, so neither is their product."""
    recording = record(load_denoiser("mixture"), DDPM(), steps=20, trajectories=300, seed=0, device="cpu")
    found = composed(recording, 240)
    assert found[0]["composed"]["value"] < 0.2
    assert found[-1]["composed"]["value"] > 0.9
