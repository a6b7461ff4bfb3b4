"""What holds of every answer, whatever the matrices."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.decomposition import Decomposition, decompose
from tests.decomposition import subjects
from tests.decomposition.groups import Symmetric
from tests.decomposition.subjects import ENDOMORPHISMS, Subject, random_direct_sum, random_orthogonal

RNG = np.random.default_rng
SEEDS = st.integers(0, 2**31)


def small(seed: int, sigma: float = 0.0) -> Subject:
    return random_direct_sum(seed, largest=16, sigma=sigma)


def answer(subject: Subject) -> Decomposition:
    return decompose(subject.matrices, subject.sigma, resamples=0)


def off_block(found: Decomposition, matrices: np.ndarray) -> float:
    """Share of the transformed matrices outside the columns that the blocks name."""
    transformed = np.asarray(found.transform(matrices))
    inside = np.zeros(transformed.shape[1:], bool)
    for block in found.blocks:
        for start, stop in block.columns:
            inside[start:stop, start:stop] = True
    return float(np.linalg.norm(transformed[:, ~inside]) / np.linalg.norm(transformed))


@settings(max_examples=25)
@given(seed=SEEDS, sigma=st.sampled_from([0.0, 1e-6, 1e-3]))
def test_the_basis_block_diagonalises_and_the_counts_add_up(seed: int, sigma: float) -> None:
    subject = small(seed, sigma)
    found = answer(subject)
    assert (found.count, found.size) == subject.matrices.shape[:2]
    assert sum(block.dim * block.multiplicity for block in found.blocks) == subject.size
    for block in found.blocks:
        assert len(block.columns) == block.multiplicity
        assert all(stop - start == block.dim for start, stop in block.columns)
    spans = sorted(span for block in found.blocks for span in block.columns)
    assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])]
    assert [block.dim for block in found.blocks] == sorted(block.dim for block in found.blocks)
    measured = off_block(found, subject.matrices)
    assert measured < 1e-8 + 3 * sigma
    assert found.off_block == pytest.approx(measured, abs=1e-9)
    if found.verdict != "unresolved":
        assert found.commutant_dim == sum(b.multiplicity**2 * ENDOMORPHISMS[b.type or "R"] for b in found.blocks)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_copies_of_a_block_are_shown_in_one_and_the_same_form_up_to_equivalence(seed: int) -> None:
    subject = small(seed)
    found = answer(subject)
    transformed = np.asarray(found.transform(subject.matrices))
    for block in found.blocks:
        first, *others = [transformed[:, a:b, a:b] for a, b in block.columns]
        for other in others:
            assert subjects.intertwiner_dim(first, other) == ENDOMORPHISMS[block.type or "R"]


@settings(max_examples=15)
@given(seed=SEEDS, other=SEEDS)
def test_an_orthogonal_change_of_basis_and_the_order_of_the_matrices_change_nothing(seed: int, other: int) -> None:
    subject, rng = small(seed), RNG(other)
    rotated = subject.in_random_orthogonal_basis(rng)
    shuffled = subject._replace(matrices=rng.permutation(subject.matrices))
    for changed in (subject, rotated, shuffled):
        assert subject.judge(found := answer(changed)) == "right", found


@settings(max_examples=15)
@given(seed=SEEDS, other=SEEDS)
def test_the_inverses_and_the_transposes_of_a_group_decompose_as_the_group_does(seed: int, other: int) -> None:
    subject = small(seed).under_similarity(RNG(other))
    inverses = np.linalg.inv(subject.matrices)
    for matrices in (subject.matrices, inverses, inverses.swapaxes(1, 2)):
        assert subject.judge(found := answer(subject._replace(matrices=matrices))) == "right", found


@pytest.mark.parametrize("sigma", [0.0, 1e-3])
def test_the_basis_of_orthogonal_matrices_is_orthogonal(sigma: float) -> None:
    subject = subjects.s4_comparison(RNG(0)).in_random_orthogonal_basis(RNG(1)).with_noise(sigma, RNG(2))
    found = answer(subject)
    basis = np.asarray(found.basis)
    np.testing.assert_allclose(basis.T @ basis, np.eye(18), atol=1e-10)
    assert found.path == "orthogonal"


def test_the_path_is_told() -> None:
    rng = RNG(0)
    assert answer(subjects.s4_comparison(rng).under_similarity(rng)).path == "unitarised"
    assert answer(subjects.founding(4, rng)).path == "general"


def test_the_same_seed_gives_the_same_answer_to_the_last_bit() -> None:
    subject = subjects.s4_comparison(RNG(0)).in_random_orthogonal_basis(RNG(1)).with_noise(1e-3, RNG(2))
    torch.manual_seed(1)
    first = decompose(subject.matrices, seed=3, resamples=4)
    torch.manual_seed(2)
    second = decompose(subject.matrices, seed=3, resamples=4)
    np.testing.assert_array_equal(first.basis, second.basis)
    assert first.to_dict() == second.to_dict()


def test_the_random_numbers_of_the_caller_are_left_alone() -> None:
    matrices = subjects.s4_comparison(RNG(0)).matrices
    torch.manual_seed(0)
    before = torch.get_rng_state()
    decompose(matrices, 0.0, resamples=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_matrices_of_the_caller_are_left_alone() -> None:
    matrices = subjects.mixed(RNG(0)).matrices
    before = matrices.copy()
    decompose(matrices, 0.0, resamples=2)
    np.testing.assert_array_equal(matrices, before)


def test_numpy_in_gives_numpy_out_and_tensors_give_tensors() -> None:
    matrices = subjects.s4_comparison(RNG(0)).matrices
    of_array, of_tensor = decompose(matrices, 0.0, resamples=0), decompose(torch.from_numpy(matrices), 0.0, resamples=0)
    assert isinstance(of_array.basis, np.ndarray)
    assert isinstance(of_tensor.basis, torch.Tensor)
    np.testing.assert_array_equal(of_array.basis, of_tensor.basis.numpy())
    assert isinstance(of_array.transform(matrices), np.ndarray)
    assert isinstance(of_tensor.transform(torch.from_numpy(matrices)), torch.Tensor)


def test_a_tensor_that_requires_a_gradient_is_read_without_it() -> None:
    matrices = torch.from_numpy(subjects.s4_comparison(RNG(0)).matrices).requires_grad_()
    basis = decompose(matrices, 0.0, resamples=0).basis
    assert isinstance(basis, torch.Tensor)
    assert not basis.requires_grad


@pytest.mark.gpu
def test_a_tensor_on_a_gpu_is_decomposed_there() -> None:
    matrices = torch.from_numpy(subjects.s4_comparison(RNG(0)).matrices).cuda()
    found = decompose(matrices, 0.0, resamples=0)
    assert isinstance(found.basis, torch.Tensor)
    assert found.basis.device == matrices.device
    assert found.structure == decompose(matrices.cpu(), 0.0, resamples=0).structure


@pytest.mark.parametrize(
    "subject",
    [subjects.s4_comparison(RNG(0)), subjects.founding(4, RNG(0)), subjects.mixed(RNG(0)), subjects.shear(RNG(0))],
    ids=lambda subject: subject.description,
)
def test_an_answer_is_json_and_its_repr_can_be_read(subject: Subject) -> None:
    found = decompose(subject.matrices, 0.0, resamples=2)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["verdict"] == found.verdict
    assert [block["dim"] for block in document["blocks"]] == [block.dim for block in found.blocks]
    assert "basis" not in document
    text = repr(found)
    assert found.verdict in text
    assert 2 <= len(text.splitlines()) <= 25
    assert max(map(len, text.splitlines())) <= 120
    assert all(str(block.dim) in text for block in found.blocks)


def test_stability_is_the_share_of_resamples_that_agree() -> None:
    subject = subjects.s4_comparison(RNG(0), count=12).in_random_orthogonal_basis(RNG(1)).with_noise(1e-3, RNG(2))
    found = decompose(subject.matrices, 1e-3, resamples=10)
    assert found.resamples == 10
    assert found.stability is not None
    assert 0.9 <= found.stability <= 1
    without = decompose(subject.matrices, 1e-3, resamples=0)
    assert (without.stability, without.resamples) == (None, 0)
    assert replace(found, stability=None, resamples=0).to_dict() == without.to_dict()


@pytest.mark.parametrize(("sigma", "basis"), [(1e-6, "orthogonal"), (1e-3, "orthogonal"), (1e-2, "orthogonal")])
def test_the_noise_is_estimated_where_it_is_not_given(sigma: float, basis: str) -> None:
    subject = subjects.s4_comparison(RNG(0)).in_random_orthogonal_basis(RNG(1)).with_noise(sigma, RNG(2))
    found = decompose(subject.matrices, resamples=0)
    assert found.noise == pytest.approx(sigma, rel=0.3)
    assert found.noise_source == "orthogonality defect"
    given = decompose(subject.matrices, sigma, resamples=0)
    assert (given.noise, given.noise_source) == (sigma, "given")


def test_accepted_and_rejected_cuts_are_well_apart() -> None:
    subject = subjects.s4_comparison(RNG(0)).in_random_orthogonal_basis(RNG(1)).with_noise(1e-2, RNG(2))
    found = answer(subject)
    assert found.largest_accepted_cut is not None
    assert found.smallest_rejected_cut is not None
    assert found.largest_accepted_cut < 4
    assert found.smallest_rejected_cut > 2 * found.largest_accepted_cut


def test_pure_noise_is_never_cut() -> None:
    for seed in range(5):
        matrices = random_orthogonal(12, RNG(seed)) @ RNG(seed + 100).standard_normal((8, 12, 12)) / np.sqrt(12)
        found = decompose(matrices, 1.0, resamples=0)
        assert found.verdict in ("irreducible", "unresolved")
        assert decompose(matrices, resamples=0).verdict in ("irreducible", "unresolved")


def test_too_few_matrices_to_generate_a_group_are_a_caution() -> None:
    group = Symmetric(5)
    [cycle] = group.natural([(1, 2, 3, 4, 0)])
    for matrices in (cycle[None], np.stack([cycle] * 6), np.stack([cycle, cycle @ cycle, np.eye(5)])):
        found = decompose(matrices, 0.0)
        assert found.cautions, found


def test_enough_matrices_are_no_caution() -> None:
    subject = subjects.s4_comparison(RNG(0)).in_random_orthogonal_basis(RNG(1))
    assert answer(subject).cautions == ()


def test_the_library_imports_nothing_else_of_symdiff() -> None:
    script = "import json, sys, symdiff.decomposition; print(json.dumps([m for m in sys.modules if 'symdiff' in m]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {m for m in loaded if not m.startswith("symdiff.decomposition")} == {"symdiff", "symdiff.errors"}
    assert "symdiff.decomposition" in loaded
