"""The linear parts of reverse steps, decomposed: what theory says must be found, and is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from symdiff.diffusion import DDIM, DDPM, Denoiser, Sampler
from symdiff.diffusion.denoisers import GaussianDenoiser, KernelMixtureDenoiser
from symdiff.diffusion.linear_steps import step_eigenvalues, step_offsets
from symdiff.errors import ConfigError
from symdiff.groups import Linearisation
from symdiff.structure.linear_parts import LinearParts
from symdiff.structure.linear_parts import linear_parts as linearise
from symdiff.structure.steps import split_steps
from symdiff.trajectories import Trajectories, record

SIDE = 4
PIXELS = SIDE * SIDE


def linear_parts(
    denoiser: Denoiser, recording: Trajectories, levels: int = 6, states: int = 4, subspace: int = 64
) -> LinearParts:
    return linearise(denoiser, recording, Linearisation(levels, states, subspace, at_mean=False))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(seed: int = 0) -> GaussianDenoiser:
    axes = torch.linalg.qr(normal(PIXELS, PIXELS, seed=seed)).Q
    variances = torch.logspace(-2, 0.5, PIXELS, dtype=torch.float64)
    return GaussianDenoiser(normal(1, SIDE, SIDE, seed=1) / 4, axes * variances @ axes.T)


def stationary() -> GaussianDenoiser:
    """Gaussian data on a torus whose law no translation changes: the covariance is circulant in both directions."""
    spectrum = normal(SIDE, SIDE, seed=6).exp()  # of which only frequencies k and -k share a value
    spectrum = (spectrum + torch.roll(spectrum.flip(0, 1), (1, 1), (0, 1))) / 2
    kernel = torch.fft.ifft2(spectrum).real
    shifts = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    covariance = torch.stack([kernel.roll(shift, (0, 1)).flatten() for shift in shifts])
    return GaussianDenoiser(torch.zeros(1, SIDE, SIDE, dtype=torch.float64), (covariance + covariance.T) / 2)


def closed_under_quarter_turns() -> KernelMixtureDenoiser:
    points = normal(5, 1, SIDE, SIDE, seed=3)
    return KernelMixtureDenoiser(torch.cat([points.rot90(k, (2, 3)) for k in range(4)]), 0.3)


def recorded(denoiser: Denoiser, sampler: Sampler | None = None, count: int = 30) -> Trajectories:
    return record(denoiser, sampler or DDIM(), 20, count, seed=2, device="cpu")


@pytest.mark.parametrize("sampler", [DDPM(), DDIM()], ids=repr)
def test_on_gaussian_data_the_linear_parts_are_those_of_theory_at_every_state(sampler: Sampler) -> None:
    denoiser = gaussian()
    recording = recorded(denoiser, sampler)
    found = linear_parts(denoiser, recording, levels=6, states=3)
    table = sampler.coefficients(denoiser.schedule, 20)
    values, axes = step_eigenvalues(table, denoiser.eigenvalues), denoiser.eigenvectors
    expected = torch.stack([(axes * values[i]) @ axes.T for i in found.step.tolist()])
    torch.testing.assert_close(found.matrices, expected, rtol=1e-10, atol=1e-10)
    if sampler.settings()["name"] == "ddim":
        offsets = step_offsets(table, denoiser.eigenvalues, denoiser.mean.flatten() @ axes)
        torch.testing.assert_close(found.offsets, offsets[found.step] @ axes.T, rtol=1e-4, atol=1e-5)


def test_gaussian_steps_split_into_lines_along_the_principal_axes() -> None:
    denoiser = gaussian()
    recording = recorded(denoiser, count=800)
    found = split_steps(linear_parts(denoiser, recording), recording, resamples=4)
    assert found.document is not None
    assert found.document["verdict"] == "decomposable"
    assert found.document["given"] is False
    assert found.document["stability"] == 1.0
    assert [(block["dim"], block["multiplicity"]) for block in found.document["blocks"]] == [(1, 1)] * PIXELS
    assert all(level["verdict"] == "decomposable" for level in found.document["linear_parts"]["levels"])
    correlation = found.document["linear_parts"]["block_correlation"]
    assert correlation["value"] < 1.5 * correlation["sampling"] < correlation["random"]


def test_the_lines_are_the_eigenvectors_of_the_covariance() -> None:
    from symdiff.decomposition import decompose

    denoiser = gaussian()
    basis = decompose(linear_parts(denoiser, recorded(denoiser)).matrices, 1e-11, resamples=0).basis
    overlap = (torch.as_tensor(basis).T @ denoiser.eigenvectors).abs().max(dim=1).values
    torch.testing.assert_close(overlap, torch.ones(PIXELS, dtype=torch.float64), rtol=0, atol=1e-8)


def test_steps_on_stationary_data_split_into_the_blocks_of_the_fourier_transform() -> None:
    denoiser = stationary()
    recording = recorded(denoiser)
    found = split_steps(linear_parts(denoiser, recording), recording, resamples=0, by_level=False)
    assert found.document is not None
    # Frequencies k and -k share a block of two copies; of the 16 frequencies of a 4 x 4 torus four are their own.
    shapes = sorted((block["dim"], block["multiplicity"]) for block in found.document["blocks"])
    assert shapes == [(1, 1)] * 4 + [(1, 2)] * 6


def test_at_fixed_points_of_a_symmetry_the_steps_split_into_its_isotypic_parts() -> None:
    denoiser = closed_under_quarter_turns()
    recording = recorded(denoiser)
    turned = torch.stack([recording.states.double().rot90(k, (3, 4)) for k in range(4)]).mean(0)
    at_rest = replace(recording, states=turned)
    found = split_steps(linear_parts(denoiser, at_rest), at_rest, resamples=0, by_level=False)
    assert found.document is not None
    # 16 pixels in four orbits: four copies each of trivial, sign and rotation, and steps that mix the copies.
    shapes = sorted((block["dim"], block["multiplicity"], block["type"]) for block in found.document["blocks"])
    assert shapes == [(4, 1, "R"), (4, 1, "R"), (8, 1, "C")]
    elsewhere = split_steps(linear_parts(denoiser, recording), recording, resamples=0, by_level=False)
    assert elsewhere.document is not None
    assert elsewhere.document["verdict"] == "irreducible"


def test_a_symmetry_that_nearly_holds_shows_at_a_tolerance_and_not_before() -> None:
    denoiser = closed_under_quarter_turns()
    broken = KernelMixtureDenoiser(denoiser.points + 0.1 * normal(20, 1, SIDE, SIDE, seed=9), 0.3)
    recording = recorded(broken)
    turned = torch.stack([recording.states.double().rot90(k, (3, 4)) for k in range(4)]).mean(0)
    at_rest = replace(recording, states=turned)
    found = split_steps(linear_parts(broken, at_rest), at_rest, resamples=0, by_level=False)
    assert found.document is not None
    assert found.document["verdict"] == "irreducible"
    verdicts = [row["verdict"] for row in found.document["linear_parts"]["tolerances"]]
    assert "decomposable" in verdicts
    assert verdicts[0] != "decomposable"


def test_larger_images_are_seen_through_their_leading_common_subspace() -> None:
    """18 x 18 pixels, of which 12 directions vary: the subspace is theirs, and the blocks are their axes."""
    pixels, rank = 18 * 18, 12
    axes = torch.linalg.qr(normal(pixels, rank, seed=4)).Q
    variances = torch.logspace(-1, 1, rank, dtype=torch.float64)
    denoiser = GaussianDenoiser(torch.zeros(1, 18, 18, dtype=torch.float64), axes * variances @ axes.T)
    recording = recorded(denoiser)
    parts = linear_parts(denoiser, recording, subspace=rank)
    assert parts.captured == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(parts.basis @ (parts.basis.T @ axes), axes, rtol=0, atol=1e-6)
    found = split_steps(parts, recording, resamples=0, by_level=False)
    assert found.document is not None
    assert [(block["dim"], block["multiplicity"]) for block in found.document["blocks"]] == [(1, 1)] * rank
    assert found.arrays["traversals"].shape[2:] == (1, 18, 18)


def test_the_element_of_a_step_takes_its_state_to_the_next() -> None:
    denoiser = closed_under_quarter_turns()
    recording = recorded(denoiser, DDPM())
    parts = linear_parts(denoiser, recording, levels=4, states=3)
    A, c = parts.elements[..., :-1], parts.elements[..., -1]
    x, after = (
        recording.states[parts.trajectory, parts.step + shift].double().flatten(1).unsqueeze(-1) for shift in (0, 1)
    )
    torch.testing.assert_close((A @ x)[..., 0] + c, after[..., 0])


def test_the_mean_state_of_a_step_is_one_point() -> None:
    denoiser = closed_under_quarter_turns()
    parts = linearise(denoiser, recorded(denoiser), Linearisation(5, 4, 64, at_mean=True))
    assert parts.matrices.shape == (5, PIXELS, PIXELS)


def test_steps_with_a_singular_linear_part_are_left_out_and_named() -> None:
    """The last DDPM step lands on x0hat, and the data vary in fewer directions than there are pixels."""
    points = normal(3, 1, SIDE, SIDE, seed=5)
    denoiser = KernelMixtureDenoiser(points, 0.0)
    recording = recorded(denoiser, DDPM())
    parts = linear_parts(denoiser, recording)
    assert parts.left_out[-1] == 19
    with pytest.raises(ConfigError, match="no step has an invertible linear part"):
        linear_parts(denoiser, record(denoiser, DDPM(), 1, 10, device="cpu"))
