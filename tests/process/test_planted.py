"""Matrices that do not commute, written down: the figures are those computed directly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from symdiff.process import linear_part
from symdiff.process.commuting import haar_null
from symdiff.process.effort import Effort, chosen_levels
from symdiff.process.joint_basis import joint_basis, off_diagonal
from tests.process.subjects import DOUBLE, Linear, draw, recording

PIXELS, D, STEPS = (1, 5, 5), 25, 5


def planted(skew: float) -> Tensor:
    """Matrices for the five times, with an antisymmetric part."""
    full = draw(STEPS, D, D, seed=11) / D**0.5
    return (full + full.mT) / 2 + skew * (full - full.mT) / 2 + 0.7 * torch.eye(D, dtype=DOUBLE)


def traceless(M: Tensor) -> Tensor:
    return M - M.trace() / len(M) * torch.eye(len(M), dtype=DOUBLE)


def relative(X: Tensor, Y: Tensor) -> float:
    X, Y = traceless(X), traceless(Y)
    return float((X @ Y - Y @ X).norm()) / math.sqrt(2 * float((X @ Y).norm() ** 2 + (Y @ X).norm() ** 2))


@pytest.mark.parametrize("skew", [0.0, 0.6])
def test_matrices_give_the_figures_computed_from_them(skew: float) -> None:
    matrices = planted(skew)
    denoiser = Linear(matrices, PIXELS)
    trajectories = recording(denoiser, 4, STEPS)
    found = linear_part(denoiser, trajectories, effort=Effort(STEPS, 4, True, shown=D), dtype=DOUBLE)
    ordered = [matrices[int(t) - 1] for t in found["commutators"]["timesteps"]]
    assert len(ordered) == STEPS
    expected = [[relative(X, Y) for Y in ordered] for X in ordered]
    assert found["commutators"]["matrix"] == [pytest.approx(row, abs=1e-12) for row in expected]
    for i, (level, M) in enumerate(zip(found["levels"], ordered, strict=True)):
        symmetric = (M + M.T) / 2
        assert level["eigenvalues"] == pytest.approx(torch.linalg.eigvalsh(symmetric).flip(0).tolist())
        assert level["trace"]["value"] == pytest.approx(float(M.trace()))
        assert level["effective_rank"]["value"] == pytest.approx(float(M.trace() ** 2 / symmetric.square().sum()))
        assert level["symmetry_defect"]["value"] == pytest.approx(float((M - M.T).norm() / M.norm()), abs=1e-12)
        assert level["commutator_states"]["value"] < 1e-7  # the model is linear: one matrix for all states
        assert level["commutator_all"]["value"] == pytest.approx(sum(expected[i]) / (STEPS - 1))
        if i + 1 < STEPS:
            assert level["commutator_neighbour"]["value"] == pytest.approx(expected[i][i + 1])
        share = float(((M - M.T) / 2).norm() ** 2 / traceless(M).norm() ** 2)
        assert level["commutator_null"] == pytest.approx(haar_null(D, share, share))

    X = torch.stack([traceless(M) / traceless(M).norm() for M in ordered])
    basis = joint_basis(X)
    off, total = off_diagonal(X, basis)
    common = found["common_basis"]
    assert common["residual"]["value"] == pytest.approx(float((off / total).mean()), rel=1e-4)
    assert common["null"]["single"] == pytest.approx(float(((X - X.mT) / 2).square().sum() / X.square().sum()))
    assert common["null"]["single"] + 0.1 < common["residual"]["value"] < common["null"]["random_basis"] - 0.05


def test_probing_agrees_with_the_matrices_within_its_interval() -> None:
    matrices = planted(0.6)
    denoiser = Linear(matrices, PIXELS)
    trajectories = recording(denoiser, 40, STEPS)
    exact = linear_part(denoiser, trajectories, effort=Effort(STEPS, 40, True, shown=4), dtype=DOUBLE)
    effort = Effort(STEPS, 40, False, block=2, depth=4, shown=4)
    probed = linear_part(denoiser, trajectories, effort=effort, dtype=DOUBLE)
    for truth, estimate in zip(exact["levels"], probed["levels"], strict=True):
        for name in ("trace", "effective_rank", "symmetry_defect", "commutator_all", "commutator_neighbour"):
            if truth[name]["value"] is None:
                assert estimate[name]["value"] is None
                continue
            low, high = estimate[name]["interval"]
            half = (high - low) / 2
            assert 0 < half < 0.25 * abs(truth[name]["value"]) + 0.5
            assert abs(estimate[name]["value"] - truth[name]["value"]) < 2 * half
        assert estimate["eigenvalues"][0] <= truth["eigenvalues"][0] + 1e-9
        assert estimate["caution"].startswith("eigenvalues from number")


def test_levels_include_the_first_and_the_last_step() -> None:
    trajectories = recording(Linear(planted(0.0), PIXELS), 1, STEPS)
    assert chosen_levels(trajectories, 3) == [0, 2, 4]
    assert chosen_levels(trajectories, 50) == [0, 1, 2, 3, 4]
    assert chosen_levels(trajectories, 1) == [0]
