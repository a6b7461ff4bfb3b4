"""Linear parts whose structure follows from a symmetry or from independence."""

from __future__ import annotations

import math

import pytest
import torch

from symdiff.diffusion.denoisers import SphereDenoiser
from symdiff.diffusion.denoisers.sphere import bessel_ratio
from symdiff.diffusion.jacobian import jacobian, step_matrix
from symdiff.diffusion.samplers import DDPM
from symdiff.process import linear_part
from symdiff.process.effort import Effort
from symdiff.process.joint_basis import joint_basis
from tests.process.subjects import (
    DOUBLE,
    Separable,
    draw,
    quarter_turn_mixture,
    recording,
    rotation,
    torus_gaussian,
)

SMALL = (1, 4, 4)


def test_steps_of_stationary_data_on_a_torus_are_diagonal_in_the_fourier_basis() -> None:
    denoiser = torus_gaussian(6)
    table = DDPM().coefficients(denoiser.schedule, 10)
    wave = torch.fft.fft(torch.eye(6, dtype=torch.complex128)) / 6**0.5
    fourier = torch.kron(wave, wave)
    for i in (0, 5, 9):
        J = jacobian(denoiser, draw(1, 1, 6, 6), table.time(i))[0]
        A = step_matrix(J, float(table.P[i]), float(table.Q[i]))
        grid = A.reshape(6, 6, 6, 6)
        torch.testing.assert_close(grid.roll((1, 2, 1, 2), (0, 1, 2, 3)), grid)
        spectrum = fourier @ A.to(torch.complex128) @ fourier.mH
        off = spectrum - torch.diag(spectrum.diagonal())
        assert float(off.abs().max()) < 1e-13 * float(A.norm())
        assert float(J.norm()) > 0.01


def test_a_mixture_closed_under_quarter_turns_has_equivariant_steps() -> None:
    denoiser = quarter_turn_mixture()
    x = draw(5, *SMALL, seed=2)
    turn = torch.eye(16, dtype=DOUBLE).reshape(16, 4, 4).rot90(1, (1, 2)).reshape(16, 16).T
    torch.testing.assert_close((x.flatten(1) @ turn.T).reshape(x.shape), x.rot90(1, (2, 3)))
    for t in (50, 400, 900):
        turned = denoiser.denoise(x.rot90(1, (2, 3)), t)
        torch.testing.assert_close(turned, denoiser.denoise(x, t).rot90(1, (2, 3)), rtol=0, atol=1e-13)
        J = jacobian(denoiser, x, t)
        torch.testing.assert_close(jacobian(denoiser, x.rot90(1, (2, 3)), t), turn @ J @ turn.T, rtol=0, atol=1e-11)
        assert float((J - turn @ J @ turn.T).norm()) > 1e-3 * float(J.norm())  # at one state it is not symmetric


def test_independent_coordinates_commute_and_their_basis_is_found() -> None:
    basis, sizes = rotation(16), torch.linspace(0.5, 2, 16, dtype=DOUBLE)
    denoiser = Separable(basis, sizes, SMALL)
    trajectories = recording(denoiser, 8, 10)
    found = linear_part(denoiser, trajectories, effort=Effort(6, 8, True, shown=16), dtype=DOUBLE)
    for level in found["levels"]:
        for name in ("commutator_states", "commutator_all", "symmetry_defect"):
            assert level[name]["value"] < 1e-10
        # The model is not Gaussian: its linear part depends on the state.
        assert level["eigenvalues_high"][0] > level["eigenvalues_low"][0]
    assert found["common_basis"]["residual"]["value"] < 1e-20
    assert found["common_basis"]["pca_residual"]["value"] > 0.01

    J = torch.cat([jacobian(denoiser, trajectories.states[:, i].double(), trajectories.time(i)) for i in (2, 5, 7)])
    overlaps = (basis.T @ joint_basis(J)).abs()
    torch.testing.assert_close(overlaps.amax(0), torch.ones(16, dtype=DOUBLE), rtol=0, atol=1e-8)
    torch.testing.assert_close(overlaps.sum(0), torch.ones(16, dtype=DOUBLE), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dense", [True, False])
def test_on_a_sphere_one_eigenvalue_is_radial_and_the_others_tangential(dense: bool) -> None:
    denoiser, k, r = SphereDenoiser((1, 5, 5), 4.0), 25, 4.0
    trajectories = recording(denoiser, 4, 8)
    found = linear_part(denoiser, trajectories, effort=Effort(2, 4, dense, depth=3, shown=8), dtype=DOUBLE)
    for level in found["levels"]:
        i = [trajectories.time(i) for i in range(8)].index(level["timestep"])
        norm = trajectories.states[:, i].double().flatten(1).norm(dim=1)
        A, sigma = denoiser.schedule.signal(level["timestep"]), denoiser.schedule.sigma(level["timestep"])
        tau = A * r * norm / sigma**2
        R = bessel_ratio(k / 2 - 1, tau)
        tangential = r * R / norm
        radial = A * r**2 / sigma**2 * (1 - R**2 - (k - 1) * R / tau)
        pairs = torch.stack([tangential, radial])
        # At most the largest is radial, and the next seven are certainly tangential.
        expected = [float(pairs.amax(0).mean()), *[float(tangential.mean())] * 7]
        assert level["eigenvalues"] == pytest.approx(expected, rel=1e-9)
        trace = (k - 1) * tangential + radial
        assert level["trace"]["value"] == pytest.approx(float(trace.mean()), rel=1e-9 if dense else 0.05)


def test_directions_on_a_sphere_are_a_commutator_apart() -> None:
    """``J = a I + b u u^T`` with u = x/|x|: for two of them c is a function of the angle alone."""
    denoiser = SphereDenoiser((1, 5, 5), 4.0)
    trajectories = recording(denoiser, 2, 4)
    found = linear_part(denoiser, trajectories, effort=Effort(2, 2, True, shown=1), dtype=DOUBLE)
    for level, i in zip(found["levels"], (0, 3), strict=True):
        u, v = torch.nn.functional.normalize(trajectories.states[:, i].double().flatten(1), dim=1)
        X, Y = (torch.outer(w, w) - torch.eye(25, dtype=DOUBLE) / 25 for w in (u, v))
        expected = (X @ Y - Y @ X).norm() / math.sqrt(2 * float((X @ Y).norm() ** 2 + (Y @ X).norm() ** 2))
        assert level["commutator_states"]["value"] == pytest.approx(float(expected), rel=1e-6)
