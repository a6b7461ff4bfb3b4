"""The isotypic spectrum of noise, of invariant data, and of a run between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from symdiff.process.isotypic import component_dimensions, isotypic_spectrum
from symdiff.trajectories import Trajectories
from tests.process.acting import Blurred, SampledTurns, Turns
from tests.process.subjects import draw, quarter_turn_mixture, recording

SHARES = {"trivial": 0.25, "sign": 0.25, "rotating": 0.5}


@pytest.fixture(scope="module")
def trajectories() -> Trajectories:
    return recording(quarter_turn_mixture(), 200, 4)


def spectrum(trajectories: Trajectories) -> dict[str, object]:
    return isotypic_spectrum(Turns((1, 4, 4)), trajectories, [0, 3], 0, 200)


def test_white_noise_has_of_every_component_its_share_of_the_dimensions(trajectories: Trajectories) -> None:
    found = spectrum(trajectories)
    assert {part["name"]: part["noise_share"] for part in found["components"]} == pytest.approx(SHARES)  # type: ignore[attr-defined]
    noise = found["levels"][0]["state"]  # type: ignore[index]
    for name, share in SHARES.items():
        deviation = (share * (1 - share) / (200 * 16 / 2 + 1)) ** 0.5  # of a Beta law: a ratio of chi-squares
        low, high = noise[name]["interval"]
        assert abs(noise[name]["value"] - share) < 4 * deviation
        assert low < noise[name]["value"] < high
        assert 2 * deviation < high - low < 6 * deviation
    assert sum(part["value"] for part in noise.values()) == pytest.approx(1)


def test_invariant_images_are_all_trivial_and_what_does_not_vary_has_no_fluctuation(trajectories: Trajectories) -> None:
    image = draw(1, 1, 4, 4)
    invariant = sum(image.rot90(k, (2, 3)) for k in range(4)).float()
    still = replace(trajectories, denoised=invariant.expand_as(trajectories.denoised))
    found = spectrum(still)["levels"][0]  # type: ignore[index]
    assert found["denoised"]["trivial"]["value"] == pytest.approx(1)
    assert found["denoised"]["rotating"]["value"] == pytest.approx(0, abs=1e-12)
    assert found["denoised_fluctuation"]["trivial"]["value"] is None


def test_the_mean_of_a_closed_law_is_trivial_and_its_fluctuation_is_not(trajectories: Trajectories) -> None:
    first = spectrum(trajectories)["levels"][0]  # type: ignore[index]
    assert first["denoised"]["trivial"]["value"] > 0.99  # x0hat is nearly the mean
    assert first["denoised_fluctuation"]["trivial"]["value"] < 0.9


def test_dimensions_of_large_images_are_estimated() -> None:
    found = component_dimensions(Turns((1, 40, 40)))
    assert found == pytest.approx({name: share * 1600 for name, share in SHARES.items()}, rel=0.05)


def test_shares_are_of_what_the_group_moves() -> None:
    inner = Blurred((1, 4, 4))
    assert component_dimensions(Turns((1, 4, 4)))["trivial"] == pytest.approx(4)
    assert float(inner.observed(torch.ones(1, 4, 4)).sum()) == 4


def test_a_family_that_knows_no_components_says_so(trajectories: Trajectories) -> None:
    found = isotypic_spectrum(SampledTurns((1, 4, 4)), trajectories, [0], 0, 50)
    assert found == {"absent": "group 'C4' knows no isotypic components"}
