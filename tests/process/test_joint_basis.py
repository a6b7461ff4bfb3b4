"""One orthogonal basis for several matrices."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.process.joint_basis import _Rounds, _seated, _seats, joint_basis, off_diagonal
from tests.process.subjects import DOUBLE, draw, rotation


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 10**6))
@settings(max_examples=30)
def test_commuting_matrices_are_diagonalised_by_an_orthogonal_basis(k: int, n: int, seed: int) -> None:
    turn = rotation(k, seed)
    matrices = (turn * draw(n, 1, k, seed=seed + 1)) @ turn.T
    basis = joint_basis(matrices)
    torch.testing.assert_close(basis.T @ basis, torch.eye(k, dtype=DOUBLE))
    off, total = off_diagonal(matrices, basis)
    assert float(off.sum()) <= 1e-20 * max(float(total.sum()), 1e-9)


def test_repeated_eigenvalues_of_the_sum_are_resolved_by_the_matrices() -> None:
    turn = rotation(6)
    split = torch.tensor([[1.0, -1, 2, 2, 0, 0], [-1, 1, -2, -2, 1, -1]], dtype=DOUBLE)
    matrices = (turn * split[:, None]) @ turn.T  # their sum has the eigenvalue 0 four times
    off, total = off_diagonal(matrices, joint_basis(matrices))
    assert float(off.sum()) < 1e-20 * float(total.sum())


def test_no_small_rotation_improves_the_basis_of_matrices_that_do_not_commute() -> None:
    full = draw(5, 8, 8, seed=4)
    matrices = full + full.mT
    basis = joint_basis(matrices, gain=1e-12, sweeps=200)
    best = float(off_diagonal(matrices, basis)[0].sum())
    assert best < 0.8 * float(off_diagonal(matrices, rotation(8))[0].sum())
    for p in range(8):
        for q in range(p):
            for angle in (-1e-2, 1e-2):
                turned = basis.clone()
                turned[:, p] = basis[:, p] * torch.tensor(angle).cos() + basis[:, q] * torch.tensor(angle).sin()
                turned[:, q] = basis[:, q] * torch.tensor(angle).cos() - basis[:, p] * torch.tensor(angle).sin()
                assert float(off_diagonal(matrices, turned)[0].sum()) > best


def test_antisymmetric_parts_and_multiples_of_the_identity_do_not_move_the_basis() -> None:
    full = draw(4, 7, 7, seed=5)
    symmetric, skew = full + full.mT, full - full.mT
    shifted = symmetric + draw(4, 1, 1, seed=6) * torch.eye(7, dtype=DOUBLE)
    torch.testing.assert_close(joint_basis(shifted + skew), joint_basis(symmetric), rtol=0, atol=1e-8)


@given(st.integers(2, 15))
def test_a_sweep_meets_every_pair_once_and_ends_where_it_began(k: int) -> None:
    seats = _seats(k)
    # Nothing is turned by matrices that are diagonal: what is left is who sits where.
    turned = torch.diag_embed(torch.ones(len(seats), dtype=DOUBLE))[..., None].contiguous()
    players = torch.tensor(seats, dtype=DOUBLE)[None].clone()
    play, met = _Rounds(turned, players), []
    for _ in range(len(seats) - 1):
        met += [frozenset(pair) for pair in players[0].reshape(2, -1).T.long().tolist()]
        play()
    assert players[0].tolist() == seats
    assert len(met) == len(set(met)) == len(seats) * (len(seats) - 1) // 2
    assert all(len(pair) == 2 for pair in met)


@given(st.integers(2, 7), st.integers(1, 3), st.integers(0, 2**16))
def test_a_round_turns_basis_and_matrices_alike_and_leaves_less_off_the_diagonal(k: int, n: int, seed: int) -> None:
    full = draw(n, k, k, seed=seed)
    matrices = full + full.mT
    seats = _seats(k)
    turned = _seated(_seated(matrices.permute(1, 2, 0), 0, seats), 1, seats)
    basis = _seated(torch.eye(k, dtype=DOUBLE), 1, seats)
    before = float(torch.einsum("iin->in", turned).square().sum())
    _Rounds(turned, basis)()
    torch.testing.assert_close(turned.permute(2, 0, 1), basis.T @ matrices @ basis, rtol=0, atol=1e-12)
    assert float(torch.einsum("iin->in", turned).square().sum()) >= before - 1e-12
