"""Intervals cover what they claim where naive ones do not."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diagnostics.intervals import (
    Interval,
    element_jackknife,
    few_units,
    pair_jackknife,
    trajectory_bootstrap,
    two_way_bootstrap,
)

REPEATS = 250


def covered(intervals: list[Interval | None], truth: float) -> float:
    return sum(interval is not None and interval[0] <= truth <= interval[1] for interval in intervals) / len(intervals)


def two_way_tables() -> torch.Tensor:
    """Tables ``1 + x effect + g effect + noise`` with expectation 1."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(REPEATS, 24, 1, generator=generator, dtype=torch.float64)
    columns = torch.randn(REPEATS, 1, 24, generator=generator, dtype=torch.float64)
    noise = torch.randn(REPEATS, 24, 24, generator=generator, dtype=torch.float64)
    return 1 + 0.3 * rows + 0.3 * columns + 0.3 * noise


def pair_tables() -> torch.Tensor:
    """Squares ``(u_i + u_j + noise)^2`` with expectation 3."""
    generator = torch.Generator().manual_seed(1)
    effects = torch.randn(REPEATS, 24, generator=generator, dtype=torch.float64)
    noise = torch.randn(REPEATS, 24, 24, generator=generator, dtype=torch.float64)
    return (effects[:, :, None] + effects[:, None] + noise).square()


def test_the_two_way_bootstrap_covers_a_table_with_row_and_column_effects() -> None:
    found = [two_way_bootstrap(table, torch.ones_like(table), seed=i) for i, table in enumerate(two_way_tables())]
    assert 0.88 <= covered(found, 1.0) <= 0.98


def test_resampling_the_cells_of_the_same_tables_does_not_cover() -> None:
    cells = torch.arange(24 * 24)
    found = [
        trajectory_bootstrap(table.flatten(), torch.ones(24 * 24, dtype=torch.float64), cells, seed=i, replicates=100)
        for i, table in enumerate(two_way_tables()[:100])
    ]
    assert covered(found, 1.0) < 0.6


def test_the_jackknife_covers_a_mean_over_pairs() -> None:
    found = [pair_jackknife(table, torch.ones_like(table))[1] for table in pair_tables()]
    assert 0.88 <= covered(found, 3.0) <= 0.98


def test_the_jackknife_covers_the_root_of_a_ratio_over_pairs() -> None:
    tables = pair_tables()
    found = [
        pair_jackknife(table, 2 * other, square_root=True)[1]
        for table, other in zip(tables, tables.roll(1, 0), strict=True)
    ]
    assert 0.88 <= covered(found, math.sqrt(0.5)) <= 0.99


def test_a_normal_interval_over_the_same_pairs_does_not_cover() -> None:
    off = ~torch.eye(24, dtype=torch.bool)
    found: list[Interval | None] = []
    for table in pair_tables():
        terms = table[off]
        half = 1.96 * float(terms.std()) / math.sqrt(len(terms))
        found.append((float(terms.mean()) - half, float(terms.mean()) + half))
    assert covered(found, 3.0) < 0.6


def test_the_trajectory_bootstrap_covers_where_sequences_share_a_trajectory() -> None:
    generator = torch.Generator().manual_seed(2)
    unit = torch.arange(40).repeat_interleave(5)
    found, naive = [], []
    for i in range(REPEATS):
        shared = torch.randn(40, generator=generator, dtype=torch.float64)[unit]
        error = (shared + 0.3 * torch.randn(200, generator=generator, dtype=torch.float64)).square()
        one = torch.ones_like(error)
        found.append(trajectory_bootstrap(error, one, unit, seed=i))
        naive.append(trajectory_bootstrap(error, one, torch.arange(200), seed=i, replicates=100))
    assert 0.88 <= covered(found, 1.09) <= 0.98
    assert covered(naive, 1.09) < 0.75


def test_the_jackknife_of_a_mean_is_student_s_interval() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 10.0], dtype=torch.float64)
    value, interval = element_jackknife(values)
    assert value == pytest.approx(4.0)
    assert interval is not None
    # t with 4 degrees of freedom at 97.5% is 2.7764.
    assert interval[1] - 4.0 == pytest.approx(2.7764 * float(values.std()) / math.sqrt(5), rel=1e-4)


@settings(max_examples=30)
@given(k=st.integers(4, 12), seed=st.integers(0, 10**6), scale=st.floats(1e-12, 1e12))
def test_pair_figures_do_not_depend_on_units_order_or_the_diagonal(k: int, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    top, bottom = torch.rand(2, k, k, generator=generator, dtype=torch.float64) + 0.1
    order = torch.randperm(k, generator=generator)
    value, interval = pair_jackknife(top, bottom, square_root=True)
    diagonal = 1e3 * torch.eye(k, dtype=torch.float64)
    changed = pair_jackknife(
        scale * (top + diagonal)[order][:, order], scale * bottom[order][:, order], square_root=True
    )
    assert interval is not None
    assert changed[1] is not None
    assert changed[0] == pytest.approx(value, rel=1e-9)
    assert changed[1] == pytest.approx(interval, rel=1e-6, abs=1e-9)
    off = ~torch.eye(k, dtype=torch.bool)
    assert value == pytest.approx(float((top[off].sum() / bottom[off].sum()).sqrt()), rel=1e-9)


def test_a_single_trajectory_has_no_interval() -> None:
    one = torch.ones(4, dtype=torch.float64)
    assert trajectory_bootstrap(one, one, torch.zeros(4, dtype=torch.int64)) is None
    assert two_way_bootstrap(one[None], one[None]) is None


@pytest.mark.parametrize(("count", "flagged"), [(2, True), (15, True), (16, False), (200, False)])
def test_fewer_than_sixteen_elements_are_flagged(count: int, flagged: bool) -> None:
    assert (few_units(count) is not None) == flagged
