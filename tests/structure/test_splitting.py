"""A trained representation decomposes as the theory of its group says, and what was given is not called found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from symdiff.diagnostics import Evaluation, verdict
from symdiff.hae import HAE
from symdiff.report.glossary import names
from symdiff.representations import Representation
from symdiff.structure import split
from symdiff.structure.words import count

Judged = Callable[[HAE], Evaluation]
Exact = Callable[..., HAE]


def structure(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(b["dim"], b["multiplicity"], b["verdict"], tuple(b["flag"] or ())) for b in document["blocks"]]


AFFINE = [(5, 1, "reducible-indecomposable", (4, 5))]
BLOCKS = [(2, 1, "reducible-indecomposable", (1, 2))] * 3


def test_the_affine_form_is_reducible_and_indecomposable(exact: Exact, judged: Judged) -> None:
    """``[[a I, P v], [0, 1]]``: the translations are unipotent, so nothing complements the space they move in."""
    found = split(judged(exact(5)), {}, "exact", resamples=4).document
    assert found is not None
    assert found["verdict"] == "reducible-indecomposable"
    assert structure(found) == AFFINE
    assert found["commutant_dim"] == 1
    assert found["stability"] == 1
    assert found["given"]


def test_separate_affine_blocks_are_blocks_but_one_on_what_the_encoder_visits(exact: Exact, judged: Judged) -> None:
    """Blocks ``[[a, p_i v], [0, 1]]`` share their constant on the span of ``h(x) = (p_1 x, 1, ..., p_k x, 1)``."""
    found = split(judged(exact(2, 2, 2)), {}, "exact", resamples=4).document
    assert found is not None
    assert structure(found) == BLOCKS
    assert found["commutant_dim"] == 3
    assert found["given"]
    assert [block["visited"] for block in found["blocks"]] == [2, 2, 2]
    assert sum(block["share"] for block in found["blocks"]) == pytest.approx(1)
    assert found["support_dimension"] == 4
    assert structure(found["on_support"]) == [(4, 1, "reducible-indecomposable", (3, 4))]


def test_blocks_hidden_in_a_dense_rho_are_found_and_compared_with_those_given(
    exact: Exact, dense: Callable[[HAE], HAE], judged: Judged
) -> None:
    references = {"exact": exact(6), "exact-blocks": exact(2, 2, 2)}
    found = split(judged(dense(exact(2, 2, 2))), references, "lie", resamples=4).document
    assert found is not None
    assert not found["given"]
    assert structure(found) == BLOCKS
    assert found["reference"]["form"] == "exact"
    assert structure(found["reference"]) == [(6, 1, "reducible-indecomposable", (5, 6))]
    rows = {row["form"]: row for row in found["comparison"]}
    assert list(rows) == ["lie", "exact (closed form)", "exact-blocks (closed form)"]
    assert structure(rows["lie"]) == structure(rows["exact-blocks (closed form)"]) != structure(found["reference"])
    assert [row["given"] for row in rows.values()] == [False, True, True]


def test_a_split_that_the_encoder_does_not_see_is_not_called_supported(
    exact: Exact, dense: Callable[[HAE], HAE], judged: Judged
) -> None:
    found = split(judged(dense(exact(2, 2, 2))), {}, "lie", resamples=4).document
    claim = verdict({}, {}, decomposition=found).claims["decomposition"]
    assert claim.status == "not supported"
    assert "4 of 6 dimensions" in claim.evidence


def test_a_given_structure_is_compared_with_the_one_reference_only(exact: Exact, judged: Judged) -> None:
    references = {"exact": exact(4), "exact-blocks": exact(2, 2)}
    found = split(judged(exact(2, 2)), references, "exact", resamples=2).document
    assert found is not None
    assert [row["form"] for row in found["comparison"]] == ["exact", "exact (closed form)"]


def test_the_same_seed_finds_the_same(exact: Exact, dense: Callable[[HAE], HAE], judged: Judged) -> None:
    first, second = (split(judged(dense(exact(2, 2))), {}, "lie", resamples=3) for _ in range(2))
    assert first.document == second.document
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])


def test_pictures_and_traversals_show_the_blocks(exact: Exact, dense: Callable[[HAE], HAE], judged: Judged) -> None:
    evaluation = judged(dense(exact(2, 2, 2)))
    found = split(evaluation, {}, "lie", resamples=2)
    before, after = found.arrays["decomposition_before"], found.arrays["decomposition_after"]
    outside = 1 - np.kron(np.eye(3), np.ones((2, 2)))
    assert (before * outside).max() > 0.01
    assert (after * outside).max() < 1e-6
    blocks, images = found.arrays["traversal_blocks"], found.arrays["traversals"]
    assert set(blocks.tolist()) == {1, 2, 3}
    assert images.shape[:2] == (len(blocks), len(found.arrays["traversal_values"]))
    middle = images.shape[1] // 2
    for row in images:  # at displacement 0 the observation is as it was, away from it the block shows
        np.testing.assert_allclose(row[middle], images[0, middle], atol=1e-6)
        assert np.abs(row[-1] - row[0]).max() > 0.05


def test_stability_and_what_is_outside_the_blocks_are_diagnostics(exact: Exact, judged: Judged) -> None:
    found = split(judged(exact(2, 2)), {}, "exact", resamples=4).estimates
    assert found["decomposition_stability"].value == 1
    assert found["decomposition_stability"].n == 4
    off = found["decomposition_off_block"].value
    assert off is not None
    assert off < 1e-6
    assert found.keys() <= set(names())  # explained on the page, and known to --fail-on


def test_given_blocks_need_no_more_elements_than_the_largest_of_them(exact: Exact, judged: Judged) -> None:
    references = {"exact": exact(20)}
    found = split(judged(exact(*[2] * 10)), references, "exact", resamples=0).document
    assert found is not None
    assert found["count"] == count(2) < found["reference"]["count"]


class Singular(Representation):
    form, block_sizes = "mlp", (3,)

    def blocks(self, g: Tensor) -> list[Tensor]:
        return [torch.zeros(*g.shape[:-1], 1, 3, 3, dtype=g.dtype)]


def test_matrices_that_cannot_be_decomposed_cost_the_section_and_not_the_run(exact: Exact, judged: Judged) -> None:
    model = exact(3)
    with pytest.warns(UserWarning, match="rho was not decomposed"):
        found = split(judged(HAE(model.encoder, Singular(), model.decoder)), {}, "mlp")
    assert found.document is None
    assert verdict({}, {}, decomposition=None).claims["decomposition"].status == "inconclusive"
