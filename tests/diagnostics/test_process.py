"""One affine map explains every step of Gaussian data, up to the injected noise, and no step of a mixture's middle."""

from __future__ import annotations

import pytest
import torch

from symdiff.diagnostics.process import fit_affine, shared_affine_r2
from symdiff.diffusion import DDIM, DDPM
from symdiff.diffusion.denoisers import GaussianDenoiser, load_denoiser
from symdiff.trajectories import Trajectories, record

NAMES = {"shared_affine_r2", "shared_affine_r2_sampled", "shared_affine_r2_denoised", "ceiling_sampled"}


@pytest.fixture(scope="module")
def wide() -> Trajectories:
    """The embedded Gaussian model, a few hundred trajectories in 64 dimensions."""
    return record(load_denoiser("gaussian"), DDPM(), steps=12, trajectories=420, seed=0, device="cpu")


def test_gaussian_data_are_explained_but_for_the_noise(wide: Trajectories) -> None:
    found = shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))
    assert set(found) == NAMES
    assert [level["timestep"] for level in found["shared_affine_r2"]] == wide.timesteps[:-1].tolist()
    for step in range(wide.steps):
        mean, sampled = found["shared_affine_r2"][step], found["shared_affine_r2_sampled"][step]
        denoised, ceiling = found["shared_affine_r2_denoised"][step], found["ceiling_sampled"][step]
        assert mean["value"] > 0.9999
        assert denoised["value"] > 0.9999
        assert denoised["interval"][0] > 0.999
        assert sampled["value"] == pytest.approx(ceiling["value"], abs=0.04)


def test_the_ceiling_is_what_the_noise_leaves(wide: Trajectories) -> None:
    """``1 - s^2 d / tr Var x'``, the variance over all trajectories."""
    found = shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))["ceiling_sampled"]
    for step in range(wide.steps):
        trace = float(wide.states[:, step + 1].double().flatten(1).var(0).sum())
        expected = 1 - float(wide.noise_std[step]) ** 2 * 64 / trace
        assert found[step]["value"] == pytest.approx(expected, abs=0.08)
        assert found[step]["interval"][0] <= found[step]["value"] <= found[step]["interval"][1]


def test_the_ceiling_of_a_deterministic_sampler_is_one(deterministic: Trajectories) -> None:
    found = shared_affine_r2(deterministic.select(slice(0, 80)), deterministic.select(slice(80, 120)))
    assert [level["value"] for level in found["ceiling_sampled"]] == [1.0] * deterministic.steps
    for name in NAMES:
        assert min(level["value"] for level in found[name]) > 0.9999


def test_a_mixture_is_not_affine_at_middle_noise() -> None:
    recording = record(load_denoiser("mixture"), DDIM(), steps=8, trajectories=300, seed=0, device="cpu")
    levels = shared_affine_r2(recording.select(slice(0, 240)), recording.select(slice(240, 300)))
    denoised = [level["value"] for level in levels["shared_affine_r2_denoised"]]
    assert denoised[0] > 0.95
    worst = min(levels["shared_affine_r2_denoised"], key=lambda level: level["value"])
    assert worst["interval"][1] < 0.9
    assert 50 < worst["timestep"] < 700


def test_too_few_trajectories_to_determine_the_map_are_flagged(wide: Trajectories) -> None:
    found = shared_affine_r2(wide.select(slice(0, 40)), wide.select(slice(340, 420)))
    assert "only 40 training trajectories for 64 pixels" in found["shared_affine_r2_denoised"][3]["caution"]
    assert (
        shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))["shared_affine_r2"][0]["caution"]
        is None
    )


def test_a_constant_target_has_no_value(denoiser: GaussianDenoiser, recording: Trajectories) -> None:
    constant = Trajectories(**{**vars(recording), "denoised": torch.full_like(recording.denoised, 0.25)})
    level = shared_affine_r2(constant.select(slice(0, 200)), constant.select(slice(200, 300)))
    assert level["shared_affine_r2_denoised"][0]["value"] is None
    assert "constant" in level["shared_affine_r2_denoised"][0]["caution"]
    assert level["shared_affine_r2"][0]["value"] == pytest.approx(1)


def test_an_exactly_affine_target_is_recovered_with_more_rows_than_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 30, generator=generator, dtype=torch.float64)
    matrix = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    new = torch.randn(10, 30, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(fit_affine(x, x @ matrix + 2)(new), new @ matrix + 2, rtol=1e-5, atol=1e-5)


def test_with_far_more_columns_than_rows_a_map_on_the_span_is_recovered() -> None:
    generator = torch.Generator().manual_seed(0)
    span = torch.randn(5, 3000, generator=generator, dtype=torch.float64)
    x = torch.randn(25, 5, generator=generator, dtype=torch.float64) @ span
    new = torch.randn(6, 5, generator=generator, dtype=torch.float64) @ span
    matrix = torch.randn(3000, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(fit_affine(x, x @ matrix)(new), new @ matrix, rtol=1e-5, atol=1e-3)


def test_noise_makes_the_penalty_shrink_the_map() -> None:
    """A target that is pure noise is predicted by its mean, nearly."""
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 60, 40, generator=generator, dtype=torch.float64)
    new = torch.randn(500, 40, generator=generator, dtype=torch.float64)
    fitted = fit_affine(x, noise)
    assert float((fitted(new) - noise.mean(0)).square().mean()) < 0.3
