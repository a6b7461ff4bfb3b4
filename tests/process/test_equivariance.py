"""How far a model commutes with a group, where it is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from symdiff.diagnostics import Thresholds
from symdiff.diagnostics.equivariant_content import INTERPOLATION, INVISIBLE, equivariant_content
from symdiff.diffusion import DDIM, DDPM, Denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser, load_denoiser
from symdiff.diffusion.jacobian import jacobian
from symdiff.groups import GroupFamily
from symdiff.models import find_sampler
from symdiff.process import equivariance
from symdiff.process.acting import Asked, Budget, Elements, tried_elements
from symdiff.process.moved import move
from symdiff.process.moved_run import moved_run
from symdiff.process.random_network import random_network
from symdiff.trajectories import Trajectories, record
from tests.process.acting import Blurred, Circle, Partial, SampledTurns, Turns, TurnsAndFlips
from tests.process.subjects import draw, quarter_turn_mixture, recording

SMALL = Budget(levels=5, numbers=2**20, replicates=100)
LIMITS = Thresholds()

Found = dict[str, Any]


def found(kind: type[GroupFamily], denoiser: Denoiser | None, trajectories: Trajectories, **given: Any) -> Found:
    family = kind(trajectories.observation_shape)
    return equivariance(family, denoiser, trajectories, **{"budget": SMALL, **given})


@pytest.fixture(scope="module")
def closed() -> Denoiser:
    return quarter_turn_mixture()


@pytest.fixture(scope="module")
def of_closed(closed: Denoiser) -> Trajectories:
    return recording(closed, 24, 20)


@pytest.fixture(scope="module")
def digits() -> Denoiser:
    return load_denoiser("mixture")


@pytest.fixture(scope="module")
def of_digits(digits: Denoiser) -> Trajectories:
    return recording(digits, 64, 50)


def test_data_closed_under_a_group_have_an_equivariant_denoiser_step_and_run(
    closed: Denoiser, of_closed: Trajectories
) -> None:
    process = found(Turns, closed, of_closed)
    assert process["complete"]
    assert [element["coordinates"] for element in process["elements"]] == [[1.0], [2.0], [3.0]]
    for level in process["levels"]:
        assert level["error"]["value"] < 1e-20
        assert level["eps_error"]["value"] < 1e-10
        assert level["step"]["value"] < 1e-20
        assert all(element["value"] < 1e-20 for element in level["elements"])
        assert level["permuted"] > 1
        assert level["floor"] is None
    assert process["run"]["value"] < 1e-20
    assert equivariant_content(process, LIMITS).status == "supported"
    assert "Every element tried is a symmetry" in " ".join(process["words"])
    assert all(level["permuted_p"] < 0.02 for level in process["levels"] if level["skill"]["value"] is not None)


def test_a_network_of_random_weights_is_not_equivariant(closed: Denoiser, of_closed: Trajectories) -> None:
    process = found(Turns, closed, of_closed)
    noisy = process["levels"][0]["random"]
    assert noisy["error"] > 0.5
    assert noisy["skill"] < 0.2
    assert process["levels"][-1]["random"]["skill"] > 0.9  # where x0hat is nearly the state, anything passes


def test_where_x0hat_is_nearly_invariant_no_skill_is_told(closed: Denoiser, of_closed: Trajectories) -> None:
    first = found(Turns, closed, of_closed)["levels"][0]
    assert first["timestep"] == 1000
    assert first["skill"] == {"value": None, "interval": None}
    assert INVISIBLE in first["caution"]


def test_a_quarter_turn_of_raw_digits_misses_by_1_8_times_the_spread(digits: Denoiser, of_digits: Trajectories) -> None:
    """At t = 60 ... 80 for the exact denoiser of the digits; the error falls with the noise."""
    family = Turns(digits.shape)
    quarter = Elements(torch.tensor([1.0]), complete=False)

    def error(t: int) -> float:
        x = of_digits.states[:, 50 - t // 20].double()
        moved = move(family, Asked(digits), x, t, quarter, exact=True)
        return float(moved.missed.sum() / moved.spread.sum())

    assert 1.5 < error(60) < 1.8 < error(80) < 2.2
    errors = [error(t) for t in (600, 400, 200, 100, 20)]
    assert errors == sorted(errors, reverse=True)


def test_raw_digits_have_no_symmetry_of_the_square(digits: Denoiser, of_digits: Trajectories) -> None:
    process = found(Turns, digits, of_digits.select(slice(24)))
    claim = equivariant_content(process, LIMITS)
    assert claim.status == "not supported"
    assert "below 0.9 at timesteps 1000" in claim.evidence
    assert "no symmetries (all of them)" in " ".join(process["words"])
    assert process["symmetrized"]["bits_per_dim"]["difference"]["interval"][0] > 0


def test_the_error_of_a_linear_denoiser_is_that_of_its_matrix() -> None:
    covariance = draw(16, 16)
    denoiser = GaussianDenoiser(draw(1, 4, 4, seed=1), covariance @ covariance.T / 16)
    trajectories = recording(denoiser, 40, 10, DDIM())
    family = Turns((1, 4, 4))
    levels = found(Turns, denoiser, trajectories)["levels"]
    index = [trajectories.time(i) for i in range(10)].index(levels[2]["timestep"])
    x, t = trajectories.states[:, index].double(), levels[2]["timestep"]
    J = jacobian(denoiser, x[:1], t)[0]
    offset = denoiser.denoise(x[:1], t)[0].flatten() - J @ x[0].flatten()
    images = x.flatten(1)
    spread = (images @ J.T + offset).var(0).sum()
    for element, g in zip(levels[2]["elements"], (1.0, 2.0, 3.0), strict=True):
        turn = family.act(torch.tensor(g), torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)).reshape(16, 16).T
        missed = images @ (J @ turn - turn @ J).T + offset - turn @ offset
        expected = float(missed.square().sum(1).mean() / spread)
        assert element["value"] == pytest.approx(expected, rel=1e-9)
        assert expected > 0.1


def test_the_error_of_gaussian_data_lies_around_its_closed_form() -> None:
    """``tr M S M^T / tr J S J^T`` with S = A^2 C + sigma^2, J = A C S^-1 and M = J g - g J, all from the covariance."""
    root = draw(9, 9)
    covariance = root @ root.T / 9
    denoiser = GaussianDenoiser(torch.zeros(1, 3, 3), covariance)
    process = found(Turns, denoiser, recording(denoiser, 300, 25), budget=Budget(levels=5, most=300))
    family, eye = Turns((1, 3, 3)), torch.eye(9, dtype=torch.float64)
    for level in process["levels"][1:-1]:
        A, sigma = denoiser.schedule.signal(level["timestep"]), denoiser.schedule.sigma(level["timestep"])
        S = A**2 * covariance + sigma**2 * eye
        J = A * covariance @ torch.linalg.inv(S)
        for element, g in zip(level["elements"], (1.0, 2.0, 3.0), strict=True):
            turn = family.act(torch.tensor(g), eye.reshape(9, 1, 3, 3)).reshape(9, 9).T
            M = J @ turn - turn @ J
            expected = float((M @ S @ M.T).trace() / (J @ S @ J.T).trace())
            low, high = element["interval"]
            assert low - (high - low) / 2 < expected < high + (high - low) / 2
            assert element["value"] == pytest.approx(expected, rel=0.25)


def test_the_error_of_a_step_is_that_of_taking_it_from_moved_states_with_moved_noise(
    closed: Denoiser, of_closed: Trajectories
) -> None:
    family, sampler = TurnsAndFlips(closed.shape), DDPM()
    level = found(TurnsAndFlips, closed, of_closed)["levels"][3]
    table = sampler.coefficients(closed.schedule, 20)
    t = level["timestep"]
    i = table.timesteps.tolist().index(t)
    x, z = of_closed.states[:, i].double(), draw(24, 1, 4, 4)
    after = sampler.step(x, closed.denoise(x, t), table, i, z)
    missed = []
    for g in tried_elements(family, 24, 0).values.double():
        there = family.act(g, x)
        stepped = sampler.step(there, closed.denoise(there, t), table, i, family.act(g, z))
        missed.append((stepped - family.act(g, after)).square().flatten(1).sum(1).mean())
    spread = of_closed.states[:, i + 1].double().flatten(1).var(0).sum()
    assert level["step"]["value"] == pytest.approx(float(torch.stack(missed).mean() / spread), rel=1e-9)
    assert level["step"]["value"] > 1e-4


def test_runs_from_moved_noise_are_compared_with_moved_runs(closed: Denoiser, of_closed: Trajectories) -> None:
    """Of a group the data are not closed under, the reflections are seen over the run, and the turns are not."""
    process = found(TurnsAndFlips, closed, of_closed)
    errors = {element["name"]: element["value"] for element in process["run"]["elements"]}
    assert errors["(1, 0)"] < 1e-20
    assert any(value > 0.1 for value in errors.values())
    words = " ".join(process["words"])
    assert "Symmetries of the denoiser at every level that decides: (1, 0), (2, 0) and (3, 0)" in words
    assert "no symmetries: (0, 1)" in words
    assert equivariant_content(process, LIMITS).status == "not supported"


def test_a_family_of_which_no_more_is_known_is_judged_on_a_sample(closed: Denoiser, of_closed: Trajectories) -> None:
    process = found(SampledTurns, closed, of_closed)
    assert not process["complete"]
    assert sorted(element["coordinates"] for element in process["elements"]) == [[1.0], [2.0], [3.0]]
    assert "only 3 distinct group elements" in process["levels"][0]["caution"]
    assert process["symmetrized"]["absent"] == "group 'C4' knows no elements to average over"
    assert process["isotypic"]["absent"] == "group 'C4' knows no isotypic components"
    assert equivariant_content(process, LIMITS).status == "supported"


def test_an_inexact_action_makes_an_error_of_its_own_and_refutes_nothing(
    closed: Denoiser, of_closed: Trajectories
) -> None:
    process = found(Blurred, closed, of_closed)
    for level in process["levels"]:
        assert level["interpolation"]["state"] > 0.2
        assert level["floor"] > level["error"]["value"] * (1 - 1e-6)
        assert INTERPOLATION in level["caution"]
    assert process["run"]["floor"] > process["run"]["value"] * (1 - 1e-6)
    assert equivariant_content(process, LIMITS).status == "inconclusive"
    assert "there it could be the cause" in " ".join(process["words"])


def test_what_an_exact_action_leaves_in_place_can_make_an_error_too(closed: Denoiser, of_closed: Trajectories) -> None:
    """The inner pixels turned, the outer ones not: the law is closed under turns, and the two disagree."""
    process = found(Partial, closed, of_closed)
    middle = process["levels"][2]
    assert middle["error"]["value"] > 0.01
    assert middle["floor"] > 0.5 * middle["error"]["value"]
    assert INTERPOLATION in middle["caution"]
    assert equivariant_content(process, LIMITS).status != "not supported"
    there = Partial((1, 4, 4))
    x, g = draw(2, 1, 4, 4), torch.tensor([1.0])
    torch.testing.assert_close(there.act(there.inverse(g), there.act(g, x)), x)


def test_an_action_that_reports_no_loss_counts_as_exact(closed: Denoiser, of_closed: Trajectories) -> None:
    class Lossless(Turns):
        def interpolation_error(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(x.shape[:-3])

    process = found(Lossless, closed, of_closed)
    assert all(level["floor"] is None and level["interpolation"]["state"] == 0 for level in process["levels"])
    assert process["run"]["floor"] is None
    assert equivariant_content(process, LIMITS).status == "supported"


def test_a_sampler_of_several_evaluations_is_not_stepped_again(closed: Denoiser) -> None:
    pytest.importorskip("diffusers")
    process = found(Turns, closed, record(closed, find_sampler("heun"), 6, 8, device="cpu"))
    assert "more than P x + Q x0hat" in process["step_absent"]
    assert process["run"]["absent"] == process["step_absent"]
    assert all(level["step"] is None and level["error"]["value"] < 1e-18 for level in process["levels"])


def test_a_clipped_recording_is_run_again_with_clipping(closed: Denoiser) -> None:
    family = Turns(closed.shape)
    clipped = record(closed, DDPM(), 10, 6, device="cpu", clip=True)
    process = found(Turns, closed, clipped)
    assert process["step_absent"] is None
    assert process["run"]["value"] < 1e-20
    assert all(level["step"]["value"] < 1e-20 for level in process["levels"])
    assert moved_run(family, Asked(closed), clipped, tried_elements(family, 3, 0), SMALL, 0)["trajectories"] == 6


def test_without_the_model_the_reason_is_told_and_the_recording_is_still_described(of_closed: Trajectories) -> None:
    process = found(Turns, None, of_closed, absent="the model is not at hand: lost")
    assert process["absent"] == "the model is not at hand: lost"
    assert process["isotypic"]["levels"]
    assert (
        process["words"][0]
        == "Whether the model commutes with the C4 group was not measured: the model is not at hand: lost."
    )
    claim = equivariant_content(process, LIMITS)
    assert claim.status == "inconclusive"
    assert "lost" in claim.evidence


def test_a_circle_is_tried_at_its_equally_spaced_elements() -> None:
    family = Circle((2, 3, 3))
    assert len(tried_elements(family, 24, 0)) == 7
    assert Budget().elements_of(18) == 24
    assert Budget().elements_of(3 * 256**2) == 10
    assert Budget().elements_of(3 * 1024**2) == 4
    few = tried_elements(family, 4, 0)
    assert len(few) == 4
    assert not few.complete


def test_the_random_network_takes_images_of_the_embedded_kind(closed: Denoiser) -> None:
    network = random_network(closed)
    assert network is not None
    assert network.shape == (1, 4, 4)
    assert random_network(GaussianDenoiser(torch.zeros(3, 2, 2), torch.eye(12))) is None
    assert random_network(GaussianDenoiser(torch.zeros(1, 5, 5), torch.eye(25))) is None
