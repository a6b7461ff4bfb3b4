"""What `linear_part` promises about its answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from symdiff.diffusion import DDIM, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.errors import ConfigError
from symdiff.process import linear_part
from symdiff.process.common_basis import common_basis
from symdiff.process.effort import Effort
from symdiff.process.subspace import Compressed
from tests.process.subjects import DOUBLE, decaying_gaussian, draw, recording, rotation

LEVEL = {
    "timestep", "alpha_bar", "eigenvalues", "eigenvalues_low", "eigenvalues_high", "step_eigenvalues",
    "effective_rank", "trace", "symmetry_defect", "commutator_states", "commutator_neighbour", "commutator_all",
    "commutator_null", "caution",
}  # fmt: skip
FIGURES = ("trace", "effective_rank", "symmetry_defect", "commutator_states", "commutator_neighbour", "commutator_all")


@pytest.mark.parametrize("dense", [True, False])
def test_the_answer_is_plain_data_of_one_form(dense: bool) -> None:
    denoiser = load_denoiser("mixture")
    found = linear_part(denoiser, recording(denoiser, 5, 6), effort=Effort(3, 4, dense, depth=2, shown=5))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"dimension", "states", "note", "levels", "commutators", "common_basis"}
    assert (found["dimension"], found["states"], len(found["levels"])) == (64, 4, 3)
    for level in found["levels"]:
        assert set(level) == LEVEL
        assert all(set(level[name]) == {"value", "interval"} for name in FIGURES)
        assert len(level["eigenvalues"]) == len(level["step_eigenvalues"]) == 5
        assert level["eigenvalues_low"] <= level["eigenvalues"] <= level["eigenvalues_high"]
    assert [level["timestep"] for level in found["levels"]] == found["commutators"]["timesteps"]
    assert set(found["common_basis"]) == {"residual", "pca_residual", "null", "note"}
    assert set(found["common_basis"]["null"]) == {"random_basis", "single"}


def test_matrices_and_products_agree_on_a_mixture_within_the_sampling_error() -> None:
    denoiser = load_denoiser("mixture")
    trajectories = recording(denoiser, 16, 20)
    exact = linear_part(denoiser, trajectories, effort=Effort(5, 16, True, shown=6))
    probed = linear_part(denoiser, trajectories, effort=Effort(5, 16, False, depth=4, shown=6))
    inside = []
    for truth, estimate in zip(exact["levels"], probed["levels"], strict=True):
        assert estimate["eigenvalues"][:3] == pytest.approx(truth["eigenvalues"][:3], rel=0.02)
        for name in FIGURES:
            if truth[name]["interval"] is None:  # at most one state whose J is not a multiple of the identity
                assert estimate[name]["interval"] is None
                continue
            low, high = estimate[name]["interval"]
            slack = 1e-9 + (high - low) / 2
            assert low - slack <= truth[name]["value"] <= high + slack
            inside.append(low <= truth[name]["value"] <= high)
    assert sum(inside) >= 0.6 * len(inside) > 15  # all levels share their probes: not independent
    gap = exact["common_basis"]["residual"]["value"] - probed["common_basis"]["residual"]["value"]
    assert abs(gap) < 0.1


def test_the_same_seed_gives_the_same_answer_and_another_one_other_states() -> None:
    denoiser = load_denoiser("mixture")
    trajectories = recording(denoiser, 12, 6)
    effort = Effort(2, 4, False, depth=2, shown=3)
    first, again, other = (linear_part(denoiser, trajectories, seed=s, effort=effort) for s in (0, 0, 1))
    assert first == again
    assert first["levels"][1]["trace"] != other["levels"][1]["trace"]


def test_products_are_in_the_coordinates_the_model_is_asked_in() -> None:
    """Euler steps: the state is 1/A times larger, and A_t has the eigenvalues (lambda + S S')/(lambda + S^2)."""
    denoiser = load_denoiser("gaussian")
    trajectories = recording(denoiser, 4, 8, DDIM())
    signal = trajectories.alpha_bar.sqrt()
    S = (1 - trajectories.alpha_bar).sqrt() / signal
    larger = replace(
        trajectories,
        states=(trajectories.states.double() / signal[:, None, None, None]).float(),
        scale=1 / signal,
        state_coefficient=S[1:] / S[:-1],
        denoised_coefficient=1 - S[1:] / S[:-1],
    )
    found = linear_part(denoiser, larger, effort=Effort(4, 4, True, shown=64))
    values = denoiser.eigenvalues.flip(0)
    for level, i in zip(found["levels"], (0, 2, 5, 7), strict=True):
        expected = (values + S[i] * S[i + 1]) / (values + S[i] ** 2)
        assert level["step_eigenvalues"] == pytest.approx(expected.tolist(), abs=1e-9)


def test_what_the_figures_leave_out_is_said() -> None:
    denoiser = load_denoiser("gaussian")
    trajectories = recording(denoiser, 16, 4)
    effort = Effort(2, 16, True, shown=3)
    assert linear_part(denoiser, trajectories, effort=effort)["note"] is None
    several = replace(trajectories, one_step=False)
    assert "first-order form" in linear_part(denoiser, several, effort=effort)["note"]
    clipped = replace(trajectories, info={**trajectories.info, "clip": True})
    assert "before clipping" in linear_part(denoiser, clipped, effort=effort)["note"]
    few = linear_part(denoiser, trajectories, effort=replace(effort, trajectories=3))
    assert "only 3 trajectories" in few["note"]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_multiples_of_the_identity_have_no_commutator_and_no_basis(dense: bool, dtype: torch.dtype) -> None:
    denoiser = GaussianDenoiser(draw(1, 6, 6), 0.5 * torch.eye(36, dtype=DOUBLE))
    effort = Effort(2, 4, dense, depth=2, shown=3)
    found = linear_part(denoiser, recording(denoiser, 5, 4), effort=effort, dtype=dtype)
    for level in found["levels"]:
        assert level["effective_rank"]["value"] == pytest.approx(36, rel=1e-4)
        assert all(level[name] == {"value": None, "interval": None} for name in FIGURES[3:])
        assert "multiple of the identity in 4 of 4 states" in level["caution"]
    assert found["commutators"]["matrix"] == [[None, None], [None, None]]
    assert found["common_basis"]["residual"]["value"] is None
    assert "diagonal in every basis" in found["common_basis"]["note"]


def test_one_trajectory_gives_values_without_intervals_and_no_basis() -> None:
    denoiser = load_denoiser("mixture")
    for dense in (True, False):
        found = linear_part(denoiser, recording(denoiser, 1, 4), effort=Effort(3, 8, dense, depth=2, shown=3))
        assert found["states"] == 1
        assert found["levels"][0]["trace"]["value"] > 0
        assert found["levels"][0]["trace"]["interval"] is None
        assert found["levels"][0]["commutator_states"] == {"value": None, "interval": None}
        assert found["common_basis"]["residual"] == {"value": None, "interval": None}
        assert "one trajectory only" in found["common_basis"]["note"]


def test_the_trained_model_has_what_the_figures_warn_about() -> None:
    denoiser = load_denoiser("digits")
    found = linear_part(denoiser, recording(denoiser, 6, 12), effort=Effort(3, 6, True, shown=16))
    first, middle, _ = found["levels"]
    assert "cancel in the trace" in first["caution"]
    assert 0.2 < middle["symmetry_defect"]["value"] < 0.8
    assert 0.05 < middle["commutator_all"]["value"] < middle["commutator_null"]
    common = found["common_basis"]
    assert common["null"]["single"] < common["residual"]["value"] < common["null"]["random_basis"]


def test_the_principal_axes_of_exactly_gaussian_images_are_the_common_basis() -> None:
    denoiser = decaying_gaussian((1, 4, 4), leading=8)
    basis = rotation(16)
    gains = draw(2, 3, 1, 16, seed=8).exp()
    J = (denoiser.eigenvectors * gains) @ denoiser.eigenvectors.T
    spread = (denoiser.eigenvectors * (denoiser.eigenvalues + 0.1 * torch.arange(16)).sqrt()).T
    images = torch.cat([spread, -spread])
    compressed = Compressed(torch.eye(16, dtype=DOUBLE), J, J)
    found = common_basis(compressed, torch.ones(3, dtype=DOUBLE), J.square().sum((-2, -1)), images)
    assert found["residual"]["value"] < 1e-20
    assert found["pca_residual"]["value"] < 1e-20
    turned = common_basis(compressed, torch.ones(3, dtype=DOUBLE), J.square().sum((-2, -1)), images @ basis)
    assert turned["pca_residual"]["value"] > 0.5


class Told:
    def __init__(self) -> None:
        self.updates: list[tuple[int, int]] = []

    def phase(self, name: str) -> None:
        raise AssertionError(name)

    def update(self, done: int, total: int, **figures: float) -> None:
        self.updates.append((done, total))


@pytest.mark.parametrize("dense", [True, False])
def test_progress_is_told_to_the_end(dense: bool) -> None:
    told, denoiser = Told(), load_denoiser("gaussian")
    effort = Effort(3, 2, dense, depth=2, shown=3)
    linear_part(denoiser, recording(denoiser, 2, 4), effort=effort, progress=told)
    total = told.updates[-1][1]
    assert told.updates == [(i + 1, total) for i in range(total)]


def test_a_recording_of_other_images_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"shape \(1, 4, 4\), model 'gaussian' of \(1, 8, 8\)"):
        linear_part(load_denoiser("gaussian"), recording(decaying_gaussian((1, 4, 4), 3), 2, 3))


def test_the_effort_falls_with_the_number_of_pixels_and_grows_on_request() -> None:
    sizes = (64, 256, 784, 3072)
    plain, thorough = ([Effort.for_pixels(d, also) for d in sizes] for also in (False, True))
    assert [effort.dense for effort in plain] == [True, True, False, False]
    for one, more in zip(plain, thorough, strict=True):
        assert more.levels * more.trajectories > one.levels * one.trajectories


@pytest.mark.gpu
@pytest.mark.parametrize("dense", [True, False])
def test_a_gpu_gives_the_figures_of_the_processor(dense: bool) -> None:
    trajectories = recording(load_denoiser("digits"), 4, 6)
    effort = Effort(2, 4, dense, shown=4)
    here, there = (
        linear_part(load_denoiser("digits"), trajectories, effort=effort, device=device) for device in ("cpu", "cuda")
    )
    for one, other in zip(here["levels"], there["levels"], strict=True):
        assert one["eigenvalues"] == pytest.approx(other["eigenvalues"], rel=1e-2)
        assert one["symmetry_defect"]["value"] == pytest.approx(other["symmetry_defect"]["value"], rel=1e-2)
