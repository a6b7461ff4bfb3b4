"""On Gaussian data every figure of the linear part is known, at any size."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Sampler, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.linear_steps import step_eigenvalues
from symdiff.process import linear_part
from symdiff.process.commuting import haar_null
from symdiff.process.effort import Effort
from tests.process.subjects import DOUBLE, decaying_gaussian, recording

COMMUTATORS = ("commutator_states", "commutator_neighbour", "commutator_all")
DEEP = Effort(levels=3, trajectories=3, dense=False, block=4, depth=12, shown=8, subspace=12)


def check(found: dict[str, Any], denoiser: GaussianDenoiser, sampler: Sampler, steps: int, tolerance: float) -> None:
    """Eigenvalues, trace, effective rank, symmetry and commutators against theory, relative to the eigenvalue 1."""
    table = sampler.coefficients(denoiser.schedule, steps)
    of_steps = step_eigenvalues(table, denoiser.eigenvalues)
    d = math.prod(denoiser.shape)
    for level in found["levels"]:
        [i] = [i for i in range(steps) if table.time(i) == level["timestep"]]
        signal, noise = table.alpha_bar[i].sqrt(), 1 - table.alpha_bar[i]
        gain = (signal * denoiser.eigenvalues / (signal**2 * denoiser.eigenvalues + noise)).flip(0)
        k = len(level["eigenvalues"])
        for name in ("eigenvalues", "eigenvalues_low", "eigenvalues_high"):
            torch.testing.assert_close(torch.tensor(level[name], dtype=DOUBLE), gain[:k], rtol=0, atol=tolerance)
        expected = of_steps[i].flip(0)[:k]
        torch.testing.assert_close(
            torch.tensor(level["step_eigenvalues"], dtype=DOUBLE), expected, rtol=0, atol=tolerance
        )
        assert level["trace"]["value"] == pytest.approx(float(gain.sum()), rel=tolerance)
        rank = float(gain.sum() ** 2 / gain.square().sum())
        assert level["effective_rank"]["value"] == pytest.approx(rank, rel=10 * tolerance)
        assert level["symmetry_defect"]["value"] < 10 * tolerance
        assert level["caution"] is None
        assert level["commutator_null"] == pytest.approx(haar_null(d, 0.0, 0.0), rel=1e-6)
        for name in COMMUTATORS:
            if level[name]["value"] is None:
                assert name == "commutator_neighbour"
                assert level is found["levels"][-1]
            else:
                assert level[name]["value"] < 10 * tolerance
    assert max(max(row) for row in found["commutators"]["matrix"]) < 10 * tolerance
    assert found["common_basis"]["residual"]["value"] < tolerance
    assert found["common_basis"]["null"]["single"] < tolerance


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), DDIM(0.5)], ids=repr)
def test_the_digits_gaussian_has_the_spectra_of_theory(sampler: Sampler) -> None:
    denoiser = load_denoiser("gaussian")
    found = linear_part(denoiser, recording(denoiser, 4, 12, sampler), effort=Effort(5, 4, True, shown=64))
    check(found, denoiser, sampler, 12, 1e-10)


def test_in_single_precision_to_five_digits() -> None:
    denoiser = load_denoiser("gaussian")
    found = linear_part(denoiser, recording(denoiser, 4, 12), effort=Effort(5, 4, True, shown=64), dtype=torch.float32)
    check(found, denoiser, DDPM(), 12, 1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16)], ids=str)
def test_large_gaussians_are_read_from_products_alone(shape: tuple[int, int, int]) -> None:
    denoiser = decaying_gaussian(shape)
    trajectories = recording(denoiser, 3, 10)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        found = linear_part(denoiser, trajectories, effort=DEEP, dtype=dtype)
        check(found, denoiser, DDPM(), 10, tolerance)
        assert found["dimension"] == math.prod(shape)
        assert "directions of most energy" in found["common_basis"]["note"]
