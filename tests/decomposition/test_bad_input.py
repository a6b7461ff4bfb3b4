"""Input that is not K invertible real matrices is refused by name; what is merely small or plain gets its answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from symdiff.decomposition import decompose
from symdiff.errors import MatricesError, RefusedError
from tests.decomposition.groups import Symmetric, rotation

ROTATION = rotation(0.3)


def with_entry(value: float) -> np.ndarray:
    matrices = np.stack([ROTATION, ROTATION])
    matrices[1, 0, 1] = value
    return matrices


REFUSED: dict[str, tuple[Any, str]] = {
    "not square": (np.ones((3, 2, 4)), r"\[3, 2, 4\]"),
    "one matrix without its axis": (np.eye(3), r"\[3, 3\]"),
    "four axes": (np.ones((2, 2, 2, 2)), r"\[2, 2, 2, 2\]"),
    "a number": (np.array(1.0), r"\[\]"),
    "no matrices": (np.empty((0, 3, 3)), r"\[0, 3, 3\]"),
    "matrices of size 0": (np.empty((3, 0, 0)), r"\[3, 0, 0\]"),
    "NaN": (with_entry(np.nan), "matrix 1"),
    "infinite": (with_entry(np.inf), "matrix 1"),
    "zero": (np.zeros((2, 3, 3)), "singular"),
    "one zero": (np.stack([np.eye(2), np.zeros((2, 2))]), "matrix 1 is singular"),
    "singular": (np.stack([np.eye(2), np.ones((2, 2))]), "matrix 1 is singular"),
    "complex": (np.ones((1, 1, 1)) * 1j, "complex"),
    "complex tensor": (torch.eye(2, dtype=torch.complex64)[None], "complex"),
    "ragged": ([np.eye(2).tolist(), np.eye(3).tolist()], "one size"),
    "ragged objects": (np.array([np.eye(2), np.eye(3)], dtype=object), "not numbers"),
    "strings": (np.array([[["a"]]]), "not numbers"),
    "nothing": (None, "not numbers"),
    "empty list": ([], r"\[0\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_invertible_real_matrices_is_refused_with_what_is_wrong(name: str) -> None:
    matrices, message = REFUSED[name]
    with pytest.raises(MatricesError, match=message) as caught:
        decompose(matrices)
    assert isinstance(caught.value, RefusedError)


@pytest.mark.parametrize("noise", [-1.0, float("nan"), float("inf")])
def test_a_noise_level_that_is_none_is_refused_with_its_value(noise: float) -> None:
    with pytest.raises(RefusedError, match=str(noise)):
        decompose(ROTATION[None], noise)


def test_numbers_on_a_line_are_one_irreducible_block() -> None:
    found = decompose(np.array([[[2.0]], [[-0.5]]]), 0.0)
    assert found.verdict == "irreducible"
    assert found.structure == ((1, 1, "R"),)
    assert found.commutant_dim == 1
    np.testing.assert_allclose(np.abs(found.basis), [[1.0]])


def test_one_matrix_has_an_answer_and_a_caution() -> None:
    found = decompose(ROTATION[None], 0.0)
    assert found.structure == ((2, 1, "C"),)
    assert found.cautions


def test_a_single_shear_is_a_jordan_block() -> None:
    found = decompose(np.array([[[1.0, 1.0], [0.0, 1.0]]]), 0.0)
    assert found.verdict == "reducible-indecomposable"
    assert found.flag == (1, 2)


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("scale", [1.0, -2.5, 1e-6, 1e6])
def test_multiples_of_the_identity_are_copies_of_a_line(m: int, scale: float) -> None:
    found = decompose(np.stack([np.eye(m), scale * np.eye(m)]), 0.0)
    assert found.verdict == "decomposable"
    assert found.structure == ((1, m, "R"),)
    assert found.commutant_dim == m**2


def test_integers_are_numbers() -> None:
    matrices = Symmetric(4).natural([(1, 0, 2, 3), (1, 2, 3, 0)]).astype(np.int64)
    assert decompose(matrices, 0.0).structure == ((1, 1, "R"), (3, 1, "R"))
    assert decompose(torch.from_numpy(matrices), 0.0).structure == ((1, 1, "R"), (3, 1, "R"))


@pytest.mark.parametrize("noise", [0.0, None])
def test_the_rounding_of_float32_is_not_taken_for_structure(noise: float | None) -> None:
    rng = np.random.default_rng(0)
    group = Symmetric(4)
    natural = group.natural(group.sample(8, rng))
    basis, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    found = decompose((basis.T @ natural @ basis).astype(np.float32), noise)
    assert found.structure == ((1, 1, "R"), (3, 1, "R"))


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_unit_of_the_matrices_does_not_matter(scale: float) -> None:
    group = Symmetric(4)
    natural = scale * group.natural(group.sample(8, np.random.default_rng(0)))
    assert decompose(natural, 0.0).structure == ((1, 1, "R"), (3, 1, "R"))
