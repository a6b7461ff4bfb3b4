"""What is said of several seeds holds for seeds: means, intervals and what is best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.batch.directory import Record
from symdiff.batch.merging import Figure, Finding, Row, mark_best, merge, over_seeds
from symdiff.batch.study import read_study

numbers = st.floats(-1e3, 1e3)


def found(value: float | None, caution: str = "") -> Finding:
    cautions = {"error": caution} if caution else {}
    return Finding("G", "supported", {}, {"error": value}, {"error": "lower"}, cautions, None, 0)


def row(mean: float, half: float | None, better="lower") -> Row:
    interval = None if half is None else (float(mean - half), float(mean + half))
    return Row("m", "g", {}, (), {}, {}, {}, {"error": Figure(float(mean), interval, 3, better)})


def marked(*rows: Row) -> list[bool]:
    return [row.figures["error"].best for row in mark_best(rows)]


def test_the_interval_is_students_t_of_the_mean():
    figure = over_seeds("error", [found(value) for value in (1.0, 2.0, 3.0)])
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt(3)
    assert (figure.mean, figure.n) == (2.0, 3)
    assert figure.interval == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)


def test_the_interval_covers_the_mean_over_many_seeds_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1.0, 2.0, size=(2000, 3))
    figures = [over_seeds("error", [found(float(value)) for value in seeds]) for seeds in draws]
    covered = np.mean([figure.interval[0] <= 1.0 <= figure.interval[1] for figure in figures])
    assert abs(covered - 0.95) < 4 * (0.95 * 0.05 / 2000) ** 0.5


def test_one_seed_has_no_interval_and_what_was_not_computed_does_not_count():
    assert over_seeds("error", [found(1.0)]).interval is None
    assert over_seeds("error", [found(None)]) is None
    assert over_seeds("error", [found(1.0), found(None), found(3.0, "few")]) == pytest.approx(
        over_seeds("error", [found(1.0), found(3.0, "few")])
    )
    assert over_seeds("error", [found(1.0), found(3.0, "few")]).cautions == 1


@given(st.lists(numbers, min_size=2, max_size=6))
def test_the_interval_holds_the_mean_whatever_the_order(values):
    figure = over_seeds("error", [found(value) for value in values])
    assert figure.interval[0] <= figure.mean <= figure.interval[1]
    assert over_seeds("error", [found(value) for value in reversed(values)]).mean == pytest.approx(figure.mean)


def test_the_best_is_marked_only_where_its_interval_is_apart_from_all_others():
    assert marked(row(1, 0.1), row(2, 0.1), row(3, 5)) == [False, False, False]
    assert marked(row(1, 0.1), row(2, 0.1), row(3, 0.5)) == [True, False, False]
    assert marked(row(1, 0.1, "higher"), row(2, 0.1, "higher")) == [False, True]
    assert marked(row(1, None), row(2, 0.1)) == [False, False]
    assert marked(row(1, 0.1), row(2, None)) == [False, False]
    assert marked(row(1, 0.1)) == [False]


@given(st.lists(st.tuples(numbers, st.none() | st.floats(0, 100)), min_size=1, max_size=5))
def test_at_most_one_row_is_best(pairs):
    assert sum(marked(*(row(mean, half) for mean, half in pairs))) <= 1


def test_only_the_seed_is_merged(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname = "s"\n[matrix]\nmodel = ["gaussian", "mixture"]\nseed = [0, 1]\nsteps = [10, 20]\n'
        '[matrix.options.affine]\nrho = ["lie", "exact"]\n'
    )
    study = read_study(file)
    rows = merge(study, {run.run_id: Record() for run in study.runs}, {})
    assert len(rows) == 2 * 2 * 2
    assert {len(row.runs) for row in rows} == {2}
    assert [row.model for row in rows] == ["gaussian"] * 4 + ["mixture"] * 4
    assert rows[0].settings == {"steps": "10", "affine.rho": "lie"}
    assert rows[0].missing == 2
