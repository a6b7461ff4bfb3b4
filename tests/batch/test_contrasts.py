"""A difference is as sure as its spread says, and no surer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symdiff.report.contrasts import Contrast, of_intervals, over_seeds, standard_error, welch

samples = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6)


def test_paired_seeds_are_students_t_of_their_differences():
    one, other = {0: 1.0, 1: 2.5, 2: 2.0}, {2: 1.0, 0: 0.5, 1: 1.0, 7: 99.0}
    found = over_seeds(one, other, pair=True)
    expected = stats.ttest_rel([1.0, 2.5, 2.0], [0.5, 1.0, 1.0])
    assert (found.how, found.n, found.freedom) == ("paired", (3, 3), 2)
    assert found.difference / found.standard_error == pytest.approx(expected.statistic)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.probability_better("higher") == pytest.approx(1 - expected.pvalue / 2)


def test_unpaired_seeds_are_welchs_t():
    one, other = [1.0, 2.5, 2.0], [0.5, 0.7, 0.4, 0.45]
    expected = stats.ttest_ind(one, other, equal_var=False)
    found = welch(one, other)
    assert (found.how, found.n) == ("welch", (3, 4))
    assert found.freedom == pytest.approx(expected.df)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert over_seeds(dict(enumerate(one)), dict(enumerate(other, 1)), pair=False) == found


@given(samples, samples)
def test_swapping_the_two_turns_the_difference_around(one, other):
    there, back = welch(one, other), welch(other, one)
    assert there.difference == -back.difference
    assert there.standard_error == pytest.approx(back.standard_error)
    chances = there.probability_better("lower"), back.probability_better("lower")
    assert sum(chances) == pytest.approx(1)
    assert there.probability_better("higher") == pytest.approx(chances[1])


def test_one_seed_says_nothing_of_how_a_difference_varies():
    found = over_seeds({0: 1.0}, {0: 2.0, 1: 2.5}, pair=True)
    assert (found.how, found.standard_error, found.interval(), found.probability_better("lower")) == ("none",) + (
        None,
    ) * 3


def test_the_interval_of_a_run_gives_its_standard_error_back():
    assert standard_error((1 - 1.959964 * 0.3, 1 + 1.959964 * 0.3), 0.95) == pytest.approx(0.3, rel=1e-6)
    found = of_intervals(1.0, (0.412, 1.588), 2.0, (1.216, 2.784), 0.95)
    assert (found.how, found.freedom) == ("intervals", math.inf)
    assert found.standard_error == pytest.approx(0.5, rel=1e-4)
    assert found.probability_better("lower") == pytest.approx(0.97725, abs=1e-4)
    assert of_intervals(1.0, None, 2.0, (1.0, 3.0), 0.95).how == "none"
    assert of_intervals(1.0, (None, 2.0), 2.0, (1.0, 3.0), 0.95).how == "none"


def test_without_any_spread_a_difference_is_certain():
    chances = [Contrast(at, 0.0).probability_better("lower") for at in (-1.0, 0.0, 1.0)]
    assert chances == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("pair", [True, False])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(pair):
    draws = np.random.default_rng(0)
    covered, runs = 0, 1500
    for _ in range(runs):
        shared = draws.normal(size=4) if pair else np.zeros(4)
        one = {seed: 1 + shared[seed] + draws.normal() for seed in range(4)}
        other = {seed: shared[seed] + 0.5 * draws.normal() for seed in range(4)}
        low, high = over_seeds(one, other, pair=pair).interval()
        covered += low <= 1 <= high
    assert abs(covered / runs - 0.95) < 4 * (0.95 * 0.05 / runs) ** 0.5
