"""How often `decompose` is right, says that it cannot tell, or is wrong, by noise.

No time is printed, and so no physical limit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from benchmarks.measure import Table
from symdiff.decomposition import decompose
from tests.decomposition.subjects import SIGMAS, Judgement, Subject, mixed, random_direct_sum, s4_comparison

DRAWS = 500
SEEDS = 20
NOISE = (0.0, 1e-8, 1e-4, 1e-3, 1e-2, 5e-2, 0.1, 0.2, 0.3, 0.5)
CASES: dict[str, Callable[[np.random.Generator], Subject]] = {
    "S4, m = 18": s4_comparison,
    "rot + rot + affine + trivial": mixed,
}
BASES: dict[str, Callable[[Subject, np.random.Generator], Subject]] = {
    "orthogonal": Subject.in_random_orthogonal_basis,
    "cond 5": Subject.under_similarity,
}
RNG = np.random.default_rng


def run() -> Table:
    """Random direct sums, the case of comparison and a mixed one, with the noise given and estimated."""
    failures: list[str] = []
    rows = _random_sums(failures)
    for (name, make), basis, given, sigma in product(CASES.items(), BASES, (True, False), NOISE):
        found: Counter[Judgement] = Counter()
        for seed in range(SEEDS):
            rng = RNG([seed, round(1e9 * sigma)])
            subject = BASES[basis](make(rng), rng).with_noise(sigma, rng)
            judged, line = _judge(subject, given)
            found[judged] += 1
            failures += [f"{basis}, sigma={sigma:g}, seed {seed}: {line}"] if judged == "wrong" else []
        rows.append(_row(name, basis, given, sigma, found))
    return Table(
        title="Right, unresolved and wrong answers by noise",
        rows=rows,
        conclusions={"wrong": sum(row["wrong"] for row in rows)},
        notes=tuple(failures),
    )


def _random_sums(failures: list[str]) -> list[dict[str, Any]]:
    counts: defaultdict[tuple[float, bool], Counter[Judgement]] = defaultdict(Counter)
    for seed, given in product(range(DRAWS), (True, False)):
        subject = random_direct_sum(seed)
        judged, line = _judge(subject, given)
        counts[subject.sigma, given][judged] += 1
        failures += [line] if judged == "wrong" or (given and judged != "right") else []
    rows = []
    for given in (True, False):
        rows += [_row("random direct sums", "orthogonal", given, s, counts[s, given]) for s in SIGMAS]
        total = sum((counts[s, given] for s in SIGMAS), Counter[Judgement]())
        rows.append(_row("random direct sums", "orthogonal", given, "all", total))
    return rows


def _judge(subject: Subject, given: bool) -> tuple[Judgement, str]:
    found = decompose(subject.matrices, subject.sigma if given else None, resamples=0)
    judged = subject.judge(found)
    how = "given" if given else "estimated"
    line = f"{judged} with noise {how}: {subject.description}; {found.verdict} {found.structure}: {found.reason}"
    return judged, "" if judged == "right" else line


def _row(case: str, basis: str, given: bool, sigma: float | str, counts: Counter[Judgement]) -> dict[str, Any]:
    judged = {name: counts[name] for name in ("right", "unresolved", "wrong")}
    noise = "given" if given else "estimated"
    return {"case": case, "basis": basis, "noise": noise, "sigma": sigma, "draws": sum(counts.values()), **judged}
