"""Recordings by the samplers of diffusers on Gaussian data, where every step is known."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from symdiff.diffusion.jacobian import jacobian, step_matrix
from symdiff.diffusion.linear_steps import step_eigenvalues, step_offsets
from symdiff.diffusion.samplers import EDM, DPMSolver, Euler, EulerAncestral, FlowEuler, Heun, SDEDPMSolver
from symdiff.trajectories import Trajectories, read_store, record, write_store

DETERMINISTIC = [Euler(), Euler(karras=True), DPMSolver(1), EDM(), FlowEuler(), FlowEuler(3.0)]
INJECTING = [EulerAncestral(), SDEDPMSolver(1), EDM(s_churn=4.0)]
ONE_STEP = [*DETERMINISTIC, *INJECTING]
STOCHASTIC = [*INJECTING, SDEDPMSolver(2)]
ALL = [*ONE_STEP, Heun(), Heun(karras=True), DPMSolver(2), DPMSolver(3), SDEDPMSolver(2)]


def in_eigenbasis(gaussian: Any, images: Tensor) -> Tensor:
    return images.flatten(-3).double() @ gaussian.eigenvectors


@pytest.mark.parametrize("sampler", DETERMINISTIC, ids=repr)
def test_recorded_steps_are_the_affine_maps_of_theory(gaussian, sampler: Any) -> None:
    recording = record(gaussian, sampler, 12, 5, device="cpu")
    table = sampler.coefficients(gaussian.schedule, 12)
    values = step_eigenvalues(table, gaussian.eigenvalues)
    offsets = step_offsets(table, gaussian.eigenvalues, gaussian.mean.flatten() @ gaussian.eigenvectors)
    states = in_eigenbasis(gaussian, recording.states)
    # Levels from the library's float32 tables; rounding of a state that is much larger before the step than after.
    expected = values * states[:, :-1] + offsets
    error = (states[:, 1:] - expected).abs().amax((0, 2)) / states[:, :-1].abs().amax((0, 2))
    # Pure noise has a level beyond the schedule: the model is asked for its noisiest.
    known = table.alpha_bar[:-1] >= gaussian.schedule.alpha_bar[-1]
    assert int(known.sum()) >= 11
    assert float(error[known].max()) < 2e-5


@pytest.mark.parametrize("sampler", ONE_STEP, ids=repr)
def test_every_step_is_P_x_plus_Q_x0hat_plus_noise_of_its_generator(gaussian, sampler: Any) -> None:
    recording = record(gaussian, sampler, 12, 400, seed=3, device="cpu")
    assert recording.one_step
    column = (slice(None), None, None, None)
    P, Q, std = recording.state_coefficient, recording.denoised_coefficient, recording.noise_std
    rest = recording.states[:, 1:] - P[column] * recording.states[:, :-1] - Q[column] * recording.denoised
    rounding = recording.states.abs().amax((0, 2, 3, 4))[:-1]
    for i in range(12):
        if float(std[i]) == 0:
            assert float(rest[:, i].abs().max()) < 1e-5 * float(rounding[i])
        else:
            z = rest[:, i] / std[i]
            assert float(z.mean()) == pytest.approx(0, abs=0.06)
            assert float(z.square().mean()) == pytest.approx(1, abs=0.08)


def test_the_eigenvalues_have_their_closed_forms(gaussian) -> None:
    values = gaussian.eigenvalues
    euler = Euler().coefficients(gaussian.schedule, 20)
    noise = ((1 - euler.alpha_bar) / euler.alpha_bar).sqrt()[:, None]
    expected = (values + noise[:-1] * noise[1:]) / (values + noise[:-1] ** 2)
    torch.testing.assert_close(step_eigenvalues(euler, values), expected, rtol=1e-9, atol=1e-12)
    flow = FlowEuler(2.0).coefficients(gaussian.schedule, 20)
    s = (1 / (1 + (flow.alpha_bar / (1 - flow.alpha_bar)).sqrt()))[:, None]
    now, after = s[:-1], s[1:]
    expected = 1 + (after - now) * (now - (1 - now) * values) / ((1 - now) ** 2 * values + now**2)
    torch.testing.assert_close(step_eigenvalues(flow, values), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sampler", ONE_STEP, ids=repr)
@pytest.mark.parametrize("i", [1, 7, 11])
def test_the_linear_part_of_a_step_is_that_of_its_coefficients_and_the_models_derivative(
    gaussian, sampler: Any, i: int
) -> None:
    table = sampler.coefficients(gaussian.schedule, 12)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    P, Q, scale = float(table.P[i]), float(table.Q[i]), float(table.scale[i])
    A = step_matrix(jacobian(gaussian, x / scale, table.time(i)), P, Q, scale)[0]
    expected = step_eigenvalues(table, gaussian.eigenvalues)[i]
    # The library's levels are float32: its cleanest ones are off by up to 3e-4 of themselves.
    torch.testing.assert_close(torch.linalg.eigvalsh(A), expected.sort().values, rtol=1e-4, atol=1e-5)


def test_heuns_macro_step_on_gaussian_data(gaussian) -> None:
    """Both calls of a step, in the eigenbasis: the recorded state is that after the second."""
    recording = record(gaussian, Heun(), 12, 4, device="cpu")
    noise = ((1 - recording.alpha_bar) / recording.alpha_bar).sqrt()
    mean = gaussian.mean.flatten() @ gaussian.eigenvectors
    states = in_eigenbasis(gaussian, recording.states) - mean
    for i, (now, after) in enumerate(pairwise(noise.tolist())):
        slope = now / (gaussian.eigenvalues + now**2)  # of (x - x0hat) / S
        euler = 1 + (after - now) * slope
        slope_after = after / (gaussian.eigenvalues + after**2)
        heun = 1 + (after - now) * (slope + slope_after * euler) / 2
        factor = euler if i == 11 else heun
        error = (states[:, i + 1] - factor * states[:, i]).abs().max() / states[:, i].abs().max()
        assert float(error) < 1e-5


def spread(recording: Trajectories, gaussian: Any) -> Tensor:
    """Variance of the finished images along each principal axis, over that of the data."""
    images = in_eigenbasis(gaussian, recording.states[:, -1])
    return images.var(dim=0) / gaussian.eigenvalues


@pytest.mark.parametrize("sampler", ALL, ids=repr)
def test_finished_images_have_roughly_the_law_of_the_data(gaussian, sampler: Any) -> None:
    recording = record(gaussian, sampler, 80, 1000, seed=1, device="cpu")
    images = in_eigenbasis(gaussian, recording.states[:, -1])
    mean = gaussian.mean.flatten() @ gaussian.eigenvectors
    assert float((images.mean(0) - mean).abs().max()) < 0.1
    ratio = spread(recording, gaussian)
    # Long steps leave too little variance, the most where the noise of the posterior is injected.
    assert 0.4 < float(ratio.min()) < float(ratio.max()) < 1.2
    whitened = (images - images.mean(0)) / images.std(0)
    correlation = whitened.T @ whitened / len(images) - torch.eye(16)
    assert float(correlation.abs().max()) < 0.17


@pytest.mark.parametrize("low", [Euler(), DPMSolver(1), SDEDPMSolver(1)], ids=repr)
def test_a_higher_order_is_nearer_to_the_law_of_the_data(gaussian, low: Any) -> None:
    high = {"euler": Heun(), "dpmsolver++": DPMSolver(2), "sde-dpmsolver++": SDEDPMSolver(2)}[low.name]
    errors = [
        float((spread(record(gaussian, sampler, 30, 1500, device="cpu"), gaussian) - 1).abs().mean())
        for sampler in (low, high)
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("sampler", [*STOCHASTIC, Heun(), DPMSolver(3)], ids=repr)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_trajectory_depends_on_no_other(gaussian, sampler: Any, batch_size: int) -> None:
    whole = record(gaussian, sampler, 6, 8, seed=2, device="cpu")
    part = record(gaussian, sampler, 6, 5, seed=2, device="cpu", batch_size=batch_size)
    torch.testing.assert_close(part.states, whole.states[:5], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", STOCHASTIC, ids=repr)
def test_every_seed_has_noise_of_its_own(gaussian, sampler: Any) -> None:
    one, two = (record(gaussian, sampler, 6, 4, seed=seed, device="cpu").states[:, -1] for seed in (0, 1))
    assert float((one - two).abs().min()) > 0


@pytest.mark.parametrize("sampler", [Heun(), EDM(), FlowEuler()], ids=repr)
def test_a_recording_comes_back_from_disk_as_it_was(gaussian, sampler: Any, tmp_path) -> None:
    recording = record(gaussian, sampler, 6, 4, device="cpu")
    write_store(tmp_path / "store", recording)
    again = read_store(tmp_path / "store")
    assert torch.equal(again.states, recording.states)
    assert torch.equal(again.scale, recording.scale)
    assert torch.equal(again.timesteps, recording.timesteps)
    assert (again.one_step, again.info) == (recording.one_step, recording.info)
    for name, a in recording.gauges.items():
        torch.testing.assert_close(again.gauges[name], a, rtol=0, atol=0, equal_nan=True)


@pytest.mark.gpu
@pytest.mark.parametrize("sampler", [*ALL, EDM(s_churn=4.0)], ids=repr)
def test_on_the_gpu_a_recording_is_that_of_the_cpu_up_to_rounding(gaussian, sampler: Any) -> None:
    gpu, cpu = (record(gaussian, sampler, 20, 8, device=device) for device in ("cuda", "cpu"))
    scale = cpu.states.abs().amax((0, 2, 3, 4))[:, None, None, None]
    torch.testing.assert_close(gpu.states / scale, cpu.states / scale, rtol=1e-3, atol=1e-3)
