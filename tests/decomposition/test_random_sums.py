"""Random direct sums of groups nobody tuned on: almost always right, never wrong."""

from __future__ import annotations

from collections import Counter

import pytest

from symdiff.decomposition import decompose
from tests.decomposition.subjects import random_direct_sum


def judge(seeds: range, given: bool) -> tuple[Counter[str], list[str]]:
    """How many are right, unresolved and wrong, and a line on each that is not right."""
    counts: Counter[str] = Counter()
    others = []
    for seed in seeds:
        subject = random_direct_sum(seed)
        found = decompose(subject.matrices, subject.sigma if given else None, resamples=0)
        judged = subject.judge(found)
        counts[judged] += 1
        if judged != "right":
            others.append(f"{judged}: {subject.description}; found {found.verdict} {found.structure}: {found.reason}")
    return counts, others


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(500), marks=pytest.mark.long)], ids=["40", "500"])
def test_at_least_98_percent_are_right_and_none_is_wrong(seeds: range) -> None:
    counts, others = judge(seeds, given=True)
    assert counts["wrong"] == 0, "\n".join(others)
    assert counts["right"] >= 0.98 * len(seeds), "\n".join(others)


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(500), marks=pytest.mark.long)], ids=["4", "500"])
def test_none_is_wrong_when_the_noise_has_to_be_estimated(seeds: range) -> None:
    counts, others = judge(seeds, given=False)
    assert counts["wrong"] == 0, "\n".join(others)
    assert counts["right"] >= int(0.9 * len(seeds)), "\n".join(others)
