"""D_LSBD: the values known for a torus, its invariances, and the natural torus action on images from end to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from symdiff.diagnostics import Evaluation, diagnose
from symdiff.diagnostics.lsbd import d_lsbd, fit_factor, lsbd
from symdiff.diagnostics.orbits import CELLS, factor_grid
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.report.glossary import names
from symdiff.trajectories import Trajectories, record

DOUBLE = torch.float64


def planes(weights: Sequence[tuple[int, ...]], sides: Sequence[int]) -> Tensor:
    """Latents ``[1, *sides, 2 * planes]``: each plane is turned by its weights times the angles."""
    grid = torch.meshgrid(*[2 * math.pi * torch.arange(n, dtype=DOUBLE) / n for n in sides], indexing="ij")
    turned = [sum(w * angle for w, angle in zip(weight, grid, strict=True)) for weight in weights]
    return torch.stack([part for angle in turned for part in (angle.cos(), angle.sin())], -1)[None]


TORUS = ((1, 0), (0, 1))
SIDES = (64, 64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def mix(size: int, condition: float = 1.0) -> Tensor:
    """A random matrix of this condition number."""
    left, right = (torch.linalg.qr(random(size, size, seed=seed))[0] for seed in (1, 2))
    return left * torch.logspace(0, math.log10(condition), size, dtype=DOUBLE) @ right


DISENTANGLED = {
    "perfect": planes(TORUS, SIDES),
    "an orthogonal mix of all four coordinates": planes(TORUS, SIDES) @ mix(4),
    "a mix of condition number 10": planes(TORUS, SIDES) @ mix(4, 10),
    "frequency 2": planes(((2, 0), (0, 2)), SIDES),
    "frequencies 3 and -1": planes(((3, 0), (0, -1)), SIDES) @ mix(4),
    "multiplicity 2": planes((*TORUS, *TORUS), SIDES) @ mix(8),
    "beside constants": torch.cat([planes(TORUS, SIDES), torch.ones(1, *SIDES, 3, dtype=DOUBLE)], -1) @ mix(7, 10),
    "one factor": planes(((2,),), (64,)),
    "three factors": planes(((1, 0, 0), (0, 2, 0), (0, 0, 1)), (8, 16, 4)) @ mix(6),
}


@pytest.mark.parametrize("latents", DISENTANGLED.values(), ids=DISENTANGLED)
def test_planes_turned_by_one_factor_each_are_disentangled(latents: Tensor) -> None:
    assert lsbd(latents).value == pytest.approx(0, abs=1e-10)


def test_the_weight_found_is_that_of_the_factor() -> None:
    latents = planes(((3, 0), (0, -2)), (16, 16))
    assert abs(fit_factor(latents.movedim(1, 2)).weight) == 3
    assert abs(fit_factor(latents).weight) == 2


@pytest.mark.parametrize(("noise", "expected"), [(0.05, 0.0050), (0.2, 0.0721), (0.5, 0.3306)])
def test_noise_shows_as_its_share_of_the_variance(noise: float, expected: float) -> None:
    drawn = [lsbd(planes(TORUS, SIDES) + noise * random(*SIDES, 4, seed=seed)).value for seed in range(10)]
    mean, spread = torch.tensor(drawn).mean(), torch.tensor(drawn).std()
    assert abs(expected - mean) < 3 * spread
    assert mean == pytest.approx(2 * noise**2 / (1 + 2 * noise**2), rel=0.03)


def test_latents_turned_by_both_factors_are_equivariant_but_entangled() -> None:
    entangled = planes(((1, 1), (1, -1)), SIDES)
    assert round(lsbd(entangled).value, 4) == 0.9998
    assert round(lsbd(entangled @ mix(4, 10)).value, 4) == 0.9998


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0])
def test_latents_unrelated_to_the_factors_are_not_disentangled(scale: float) -> None:
    found = lsbd(1 + scale * random(1, *SIDES, 4))
    assert found.value == pytest.approx(0.999, abs=1e-3)
    assert ("do not turn with the factor number 1 and number 2" in (found.caution or "")) == (scale == 0)


def test_latents_on_a_line_are_half_as_far_as_they_could_be() -> None:
    # cos(theta) is half of a plane; 3/4 is what turning it back leaves, by hand.
    assert lsbd(planes(((1,),), (64,))[..., :1]).value == pytest.approx(0.75, abs=0.02)


@given(st.integers(0, 10_000), st.floats(1e-6, 1e6), st.sampled_from([1.0, 3.0]))
def test_scale_rotation_and_shift_of_the_latents_do_not_matter(seed: int, scale: float, noise: float) -> None:
    latents = planes(TORUS, (8, 8)) + noise / 10 * random(1, 8, 8, 4, seed=seed)
    changed = scale * (latents @ mix(4) + random(4, seed=seed))
    assert lsbd(changed).value == pytest.approx(lsbd(latents).value, abs=1e-7)


def test_factors_in_another_order_give_the_same() -> None:
    latents = planes(TORUS, (8, 12)) + 0.3 * random(1, 8, 12, 4)
    assert lsbd(latents.transpose(1, 2)).value == pytest.approx(lsbd(latents).value)


def test_base_points_share_one_representation_but_not_their_own_latent() -> None:
    quarter = torch.linalg.matrix_exp(math.pi / 2 * torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=DOUBLE))
    turned = torch.block_diag(quarter, 3 * quarter)
    orbits = torch.cat([planes(TORUS, (8, 8)), planes(TORUS, (8, 8)) @ turned])
    assert lsbd(orbits).value == pytest.approx(0, abs=1e-12)
    # The same orbit run through backwards wants the opposite weight.
    opposite = torch.cat([planes(TORUS, (8, 8)), planes(((-1, 0), (0, -1)), (8, 8))])
    assert lsbd(opposite).value == pytest.approx(0.5, abs=0.01)


def test_too_few_angles_to_see_a_rotation_are_said() -> None:
    found = lsbd(planes(TORUS, (2, 16)), ["flip", "turn"])
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert "do not turn with the factor flip" in (found.caution or "")


@pytest.mark.parametrize("orbits", [1, 24])
def test_intervals_cover_the_value_without_sampling_error(orbits: int) -> None:
    truth = 2 * 0.09 * 15 / 16 / (1 + 2 * 0.09 * 15 / 16)  # the factor's own mean takes a share 1/16 of the noise
    found = [lsbd(planes(TORUS, (16, 16)) + 0.3 * random(orbits, 16, 16, 4, seed=seed)) for seed in range(60)]
    assert all(estimate.interval is not None for estimate in found)
    covered = sum(low <= truth <= high for low, high in (estimate.interval or (1.0, 0.0) for estimate in found))
    assert covered >= 52
    assert all(high - low < 0.06 for low, high in (estimate.interval or (0.0, 1.0) for estimate in found))


def test_exchanged_angles_are_the_null() -> None:
    found = lsbd(planes(TORUS, (16, 16)))
    assert found.null["permuted"] == pytest.approx(1, abs=0.03)
    assert found.caution == "one base observation"
    assert lsbd(planes(((1,),), (64,))).interval is None


# --- images -----------------------------------------------------------------------------------


class Shifts(GroupFamily):
    """The torus action that images bring along: cyclic shifts of rows and columns."""

    name = "shifts"
    summary = "cyclic shifts"
    element_shape = (2,)

    @property
    def sides(self) -> Tensor:
        return torch.tensor(self.observation_shape[1:])

    def identity(self) -> Tensor:
        return torch.zeros(2)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return (g2 + g1) % self.sides

    def inverse(self, g: Tensor) -> Tensor:
        return -g % self.sides

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.stack([torch.randint(int(side), (n,), generator=generator) for side in self.sides], -1).float()

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        apart = (g1 - g2) % self.sides
        return torch.minimum(apart, self.sides - apart).norm(dim=-1)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        rows, columns = (
            (torch.arange(int(side)) - shift[..., None]).long() % int(side)
            for side, shift in zip(self.sides, g.unbind(-1), strict=True)
        )
        batch = torch.broadcast_shapes(g.shape[:-1], x.shape[:-3])
        index = (rows[..., None, :, None], columns[..., None, None, :])
        shape = (*batch, *x.shape[-3:])
        moved = x.expand(shape).gather(-2, index[0].expand(shape))
        return moved.gather(-1, index[1].expand(shape))

    def factors(self) -> dict[str, Tensor]:
        rows, columns = (torch.arange(float(side)) for side in self.sides)
        return {
            "rows": torch.stack([rows, torch.zeros_like(rows)], -1),
            "columns": torch.stack([torch.zeros_like(columns), columns], -1),
        }


class Fourier(nn.Module):
    """Coordinates of an 8 x 8 image in a few of its Fourier modes."""

    def __init__(self, modes: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.rows = planes(modes, (8, 8))[0].flatten(0, 1).T

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(-3) @ self.rows.T


class Unfourier(nn.Module):
    def __init__(self, encoder: Fourier) -> None:
        super().__init__()
        self.inverse = torch.linalg.pinv(encoder.rows)

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.inverse.T).unflatten(-1, (1, 8, 8))


@pytest.fixture(scope="module")
def images() -> Trajectories:
    return record(load_denoiser("mixture"), DDPM(), 10, 24, device="cpu")


@pytest.fixture(scope="module")
def evaluation_of(images: Trajectories, given: Any) -> Any:
    family = Shifts((1, 8, 8))

    def model(modes: Sequence[tuple[int, int]]) -> HAE:
        def matrix(g: Tensor) -> Tensor:
            turns = [2 * math.pi / 8 * (g @ torch.tensor(mode, dtype=g.dtype)) for mode in modes]
            rotations = [torch.stack([a.cos(), -a.sin(), a.sin(), a.cos()], -1).unflatten(-1, (2, 2)) for a in turns]
            blocks = g.new_zeros(*g.shape[:-1], 2 * len(modes), 2 * len(modes))
            for i, rotation in enumerate(rotations):
                blocks[..., 2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = rotation
            return blocks

        encoder = Fourier(modes)
        return HAE(encoder, given(2 * len(modes), matrix), Unfourier(encoder)).double()

    def evaluation(modes: Sequence[tuple[int, int]]) -> Evaluation:
        sequences = family.sequences(images, 10, 40, torch.Generator().manual_seed(0)).to("cpu", DOUBLE)
        elements = family.sample(20, torch.Generator().manual_seed(1)).double()
        untrained = family.model(2 * len(modes), 3).double()
        return Evaluation(family, model(modes), images, sequences, elements, untrained, bootstrap=50)

    return evaluation


def test_the_action_moves_an_image_as_a_roll_does() -> None:
    x = random(3, 1, 8, 8)
    moved = Shifts((1, 8, 8)).act(torch.tensor([[0.0, 0], [1, 0], [2, 5]]), x)
    assert torch.equal(moved, torch.stack([x[0], x[1].roll((1, 0), (-2, -1)), x[2].roll((2, 5), (-2, -1))]))


def test_an_encoder_with_a_plane_a_factor_is_disentangled_and_the_diagnosis_says_so(evaluation_of: Any) -> None:
    evaluation = evaluation_of([(1, 0), (0, 1)])
    estimates = diagnose(evaluation).estimates
    assert estimates["equivariance_error"].value == pytest.approx(0, abs=1e-12)
    found = estimates["d_lsbd"]
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.interval == pytest.approx((0, 0), abs=1e-9)
    assert found.n == len(evaluation.sequences.trajectory.unique()) > 16
    assert found.null["permuted"] > 0.9
    assert 0.05 < (found.null["untrained"] or 0) <= 1
    assert "d_lsbd" in names()


def test_an_encoder_whose_planes_are_moved_by_both_factors_is_equivariant_and_not_disentangled(
    evaluation_of: Any,
) -> None:
    estimates = diagnose(evaluation_of([(1, 1), (1, -1)])).estimates
    assert estimates["equivariance_error"].value == pytest.approx(0, abs=1e-12)
    assert estimates["d_lsbd"].value > 0.999


def test_a_family_that_knows_no_factors_has_no_such_figure(toy: Any) -> None:
    assert d_lsbd(toy.evaluation()) is None


@pytest.mark.parametrize(("side", "angles"), [(8, 8), (64, 32), (61, 61), (33, 11)])
def test_large_factors_are_thinned_to_a_subgroup(side: int, angles: int) -> None:
    family = Shifts((1, side, 8))
    elements, found = factor_grid(family)
    assert found == (angles, 8)
    assert len(elements) == angles * 8
    assert torch.equal(elements[8], torch.tensor([side / angles, 0.0]))
    assert torch.equal(elements[1], torch.tensor([0.0, 1.0]))
    assert len(elements) <= CELLS
