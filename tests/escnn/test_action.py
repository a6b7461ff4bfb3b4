"""The action turns images: by pixels where pixels allow it, as functions where not, never by interpolation."""

from __future__ import annotations

import math

import pytest
import torch

from symdiff_escnn.elements import PlaneGroup, rotation
from symdiff_escnn.library import escnn
from symdiff_escnn.steerable import WELL_CONDITIONED, pixel_coordinates, steerable
from tests.escnn.makers import GROUPS, family

MIRROR = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
QUARTER = PlaneGroup("C", 4).elements[1]


def images(n: int = 3, channels: int = 1, side: int = 8) -> torch.Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("group", ["C4", "D4"])
@pytest.mark.parametrize("side", [2, 5, 8])
def test_a_quarter_turn_is_rot90_counter_clockwise(group: str, side: int) -> None:
    x = images(2, 3, side)
    assert torch.equal(family(group, (3, side, side)).act(QUARTER, x), torch.rot90(x, 1, (-2, -1)))


@pytest.mark.parametrize("group", ["D1", "D2", "D4"])
def test_the_mirror_exchanges_left_and_right(group: str) -> None:
    x = images()
    assert torch.equal(family(group).act(MIRROR, x), x.flip(-1))


@pytest.mark.parametrize("group", ["C8", "D8", "SO2", "O2"])
def test_groups_that_turn_by_other_angles_agree_with_the_pixels_at_quarter_turns_and_flips(group: str) -> None:
    f = family(group)
    x = f.observed(images())
    torch.testing.assert_close(f.act(QUARTER, x), torch.rot90(x, 1, (-2, -1)), rtol=0, atol=1e-12)
    if f.group.reflects:
        torch.testing.assert_close(f.act(MIRROR, x), x.flip(-1), rtol=0, atol=1e-12)


def test_escnn_turns_and_mirrors_images_the_same_way() -> None:
    library = escnn()
    space = library.gspaces.flipRot2dOnR2(4)
    kind = library.nn.FieldType(space, [space.trivial_repr])
    f, x = family("D4", (1, 9, 9)), images(side=9)
    for flipped in (0, 1):
        for turns in range(4):
            g = torch.linalg.matrix_power(QUARTER, turns) @ (MIRROR if flipped else torch.eye(2).double())
            element = space.fibergroup.element((flipped, turns))
            expected = library.nn.GeometricTensor(x, kind).transform(element).tensor
            torch.testing.assert_close(f.act(g, x), expected, rtol=0, atol=1e-6)


def test_a_smooth_image_turns_as_its_picture_does() -> None:
    x, y = pixel_coordinates(16)

    def blob(angle: float) -> torch.Tensor:
        cx, cy = 3.5 * math.cos(angle), 3.5 * math.sin(angle)
        return (-((x - cx) ** 2 + (y - cy) ** 2) / 6).exp().reshape(1, 16, 16)

    turned = family("SO2", (1, 16, 16)).act(rotation(torch.tensor(0.7, dtype=torch.float64)), blob(0.3))
    assert float((turned - blob(1.0)).norm() / blob(1.0).norm()) < 0.02


@pytest.mark.parametrize("group", GROUPS)
def test_images_are_the_sum_of_their_isotypic_parts_which_are_orthogonal_and_stay_what_they_are(group: str) -> None:
    f, x = family(group, (2, 8, 8)), images(3, 2)
    parts = f.isotypic_components(x)
    torch.testing.assert_close(sum(parts.values()), f.observed(x))
    g = f.group.sample(1, torch.Generator().manual_seed(3))[0]
    for name, part in parts.items():
        for other, overlap in f.isotypic_components(f.act(g, part)).items():
            expected = f.act(g, part) if other == name else torch.zeros_like(part)
            torch.testing.assert_close(overlap, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("group", ["D4", "C1"])
def test_nothing_is_outside_where_pixels_are_permuted(group: str) -> None:
    f, x = family(group), images()
    assert torch.equal(f.observed(x), x)
    assert torch.equal(f.interpolation_error(x), torch.zeros(3, dtype=torch.float64))
    assert not f.action.rotation_error(f.group.elements, x).any()


@pytest.mark.parametrize("group", ["C3", "O2"])
def test_what_is_outside_stays_in_place_and_its_share_is_told(group: str) -> None:
    f, x = family(group), images()
    inside = f.observed(x)
    g = f.group.sample(1, torch.Generator().manual_seed(3))[0]
    torch.testing.assert_close(f.act(g, x) - f.act(g, inside), x - inside)
    torch.testing.assert_close(f.observed(inside), inside)
    share = f.interpolation_error(x)
    assert share is not None
    torch.testing.assert_close(share, 1 - inside.square().sum((1, 2, 3)) / x.square().sum((1, 2, 3)))
    assert bool((f.interpolation_error(torch.zeros_like(x)) == 0).all())


def test_the_difference_to_the_rotation_of_the_functions_sampled_is_small_and_vanishes_at_quarter_turns() -> None:
    action = family("SO2").action
    angles = torch.tensor([0.0, 0.4, math.pi / 2, 2.0], dtype=torch.float64)
    errors = action.rotation_error(rotation(angles), images(20))
    assert errors[[0, 2]].max() < 1e-20
    assert 1e-4 < errors[[1, 3]].min()
    assert errors.max() < 0.02


@pytest.mark.parametrize("band", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("side", [4, 7, 8, 16])
def test_the_steerable_functions_are_well_conditioned_at_every_band_and_orthonormal(side: int, band: float) -> None:
    found = steerable(side, band)
    assert float(torch.linalg.eigvalsh(found.samples.T @ found.samples)[0]) >= WELL_CONDITIONED
    torch.testing.assert_close(found.basis.T @ found.basis, torch.eye(found.basis.shape[1], dtype=torch.float64))


def test_elements_and_images_broadcast() -> None:
    for group in ("D4", "O2"):
        f, x = family(group), images()
        g = f.group.sample(4, torch.Generator().manual_seed(3))
        together = f.act(g[:, None], x)
        assert together.shape == (4, 3, 1, 8, 8)
        torch.testing.assert_close(together[2, 1], f.act(g[2], x[1]))
