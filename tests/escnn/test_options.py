"""Bad input is refused by name, with what to do next."""

from __future__ import annotations

import pytest

from symdiff.errors import ConfigError
from symdiff.options import check_options
from symdiff_escnn.options import EscnnOptions
from tests.escnn.makers import family


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"group": "Q8"}, "must be one of C4, D4 or any C_N and D_N, SO2, O2"),
        ({"group": "C0"}, "N from 1 to 64"),
        ({"group": "D1000"}, "take SO2 or O2"),
        ({"rho": "lie"}, "D4 has no logarithm"),
        ({"group": "O(2)", "rho": "lie"}, "O2 has no logarithm"),
        ({"irreps": "A1 4"}, "must be smooth, regular, or names"),
        ({"irreps": "irrep_1:0"}, "must be smooth, regular, or names"),
        ({"band": 2}, "less than or equal to 1.5"),
        ({"band": 0}, "greater than 0"),
        ({"levels": "0.9-0.1"}, "must be a range within 0-1"),
        ({"levels": "late"}, "must be a range within 0-1"),
        ({"kernel": 4}, "must be odd"),
        ({"encoder": "conv"}, "'equivariant' or 'plain'"),
    ],
)
def test_an_option_that_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_options(EscnnOptions, given, "escnn")
    assert said in caught.value.message


def test_options_in_other_spellings_are_the_same_run() -> None:
    written = check_options(EscnnOptions, {"group": "so(2)", "irreps": " irrep_1:2, irrep_0:1 "}, "escnn")
    assert (written.group, written.irreps) == ("SO2", "irrep_1:2,irrep_0:1")


@pytest.mark.parametrize(
    ("group", "shape", "options", "said", "hint"),
    [
        ("D4", (1, 8, 9), {}, "8 x 9 pixels are not square", "square"),
        ("C3", (1, 3, 3), {}, "3 x 3 pixels cannot be turned", "C4, D4"),
        ("SO2", (1, 80, 80), {}, "80 x 80 pixels cannot be turned", "4 to 64"),
        ("D4", (1, 80, 80), {}, "80 x 80 pixels are too large", "64 x 64"),
        ("SO2", (1, 8, 8), {"band": 0.1}, "band 0.1 holds no function that turns", "raise -o band"),
        ("SO2", (1, 8, 8), {"irreps": "irrep_20:1"}, "names 20, which SO2 has not within the band limit", "irrep_8"),
        ("D4", (1, 8, 8), {"irreps": "0,1:1"}, "names 0,1, which D4 has not", "irrep_1,1"),
        ("D4", (1, 8, 8), {"irreps": "regular"}, "dimension 8, which does not divide 30", "--latent 24, 32 fit"),
        ("D4", (1, 4, 4), {"layers": "conv", "kernel": 5}, "4 x 4 pixels are smaller than a kernel of 5", "kernel=3"),
        ("SO2", (1, 8, 8), {"layers": "conv"}, "layers=conv is for groups that permute the pixels", "layers=irreps"),
        ("SO2", (1, 4, 4), {}, "do not fill a latent space of dimension 30", "--latent 6 fits"),
        ("C4", (1, 8, 8), {"irreps": "irrep_1:4"}, "-o irreps has dimension 8, --latent is 30", "leave one"),
    ],
)
def test_images_and_latent_spaces_that_do_not_fit_are_refused(
    group: str, shape: tuple[int, int, int], options: dict[str, object], said: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        family(group, shape, **options).latent_dimension(30)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_latent_space_is_filled_with_the_smoothest_functions() -> None:
    f = family("SO2")
    assert [(irrep.name, count) for irrep, count in f.latent_fields(5).parts] == [
        ("irrep_0", 1), ("irrep_1", 1), ("irrep_2", 1),
    ]  # fmt: skip
    assert all(f.latent_fields(m).dimension == m for m in range(1, 35))
    regular = family("D4", irreps="regular").latent_fields(16)
    assert [(irrep.size, count) for irrep, count in regular.parts] == [(1, 2), (1, 2), (1, 2), (1, 2), (2, 4)]
    assert family("D4").latent_dimension(None) == 32
    assert family("D4", (3, 8, 8)).latent_dimension(192) == 192
