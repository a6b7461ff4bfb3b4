"""What `decompose` costs: time against one symmetric eigenproblem of the same size, memory against its input."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.limits import share
from benchmarks.measure import Table, seconds
from symdiff.decomposition import decompose
from tests.decomposition.groups import Symmetric
from tests.decomposition.subjects import Subject, direct_sum, found_in, random_orthogonal, s4_multiple

RNG = np.random.default_rng
REPEATS = 2


def regular_s5() -> Subject:
    """The regular representation as permutation matrices, as it is."""
    group = Symmetric(5)
    expected = [(dim, dim, "R") for dim in (1, 1, 4, 4, 5, 5, 6)]
    return found_in(group.regular(group.sample(8, RNG(0))), expected, "regular S5")


def s4(copies: int, sigma: float = 0.0) -> Subject:
    """Irreducibles of S4 in a random orthogonal basis, m = 18 copies."""
    return s4_multiple(copies, RNG(0)).in_random_orthogonal_basis(RNG(1)).with_noise(sigma, RNG(2))


def s5_of_512(sigma: float) -> Subject:
    """All irreducibles of S5, in a random orthogonal basis."""
    group = Symmetric(5)
    multiplicities = {"5": 12, "1,1,1,1,1": 10, "4,1": 20, "2,1,1,1": 15, "3,2": 18, "2,2,1": 16, "3,1,1": 30}
    parts = [(group.irrep(label), n) for label, n in multiplicities.items()]
    return direct_sum(parts, group.sample(8, RNG(0))).in_random_orthogonal_basis(RNG(1)).with_noise(sigma, RNG(2))


def one_irreducible(m: int, sigma: float) -> Subject:
    """Random orthogonal matrices: nothing to cut."""
    matrices = np.stack([random_orthogonal(m, RNG([k, 0])) for k in range(8)])
    return found_in(matrices, [(m, 1, "R")], f"8 rotations of R^{m}").with_noise(sigma, RNG(2))


CASES: dict[str, tuple[Callable[[], Subject], float | None, float | None]] = {
    "regular S5": (regular_s5, 0.5, 5.3),
    "S4, m = 72": (lambda: s4(4), None, 1.0),
    "S4, m = 144": (lambda: s4(8), None, 3.0),
    "S4, m = 288": (lambda: s4(16), 1.0, 13.8),
    "S4, m = 576": (lambda: s4(32), 6.0, 85.5),
    "S4, m = 288, similar": (lambda: s4_multiple(16, RNG(0)).under_similarity(RNG(1)), None, None),
    "S5, m = 512, noisy": (lambda: s5_of_512(1e-3), 15.0, None),
    "8 rotations of R^512, noisy": (lambda: one_irreducible(512, 1e-3), 15.0, None),
}
"""The subject, the seconds allowed on two cores, and those of RepLAB on two cores, where there are any."""


def run() -> Table:
    """Time and memory of one call as it is, stability included."""
    rows = []
    for name, (make, allowed, other) in CASES.items():
        subject = make()
        spent, judged = _time(subject)
        symmetric = torch.from_numpy(subject.matrices[0] + subject.matrices[0].T)
        eigenproblem = seconds(lambda a=symmetric: torch.linalg.eigh(a), blocks=3)
        row: dict[str, Any] = {
            "case": name,
            "m": subject.size,
            "K": len(subject.matrices),
            "sigma": subject.sigma,
            "answer": judged,
            "seconds": spent,
            "eigenproblems": spent / eigenproblem,
            "of arithmetic %": share(spent, 4.0 * subject.matrices.size * subject.size, dtype=torch.float64),
            "input MB": subject.matrices.nbytes / 1e6,
            "memory / input": _memory(name) / subject.matrices.nbytes,
        }
        row |= {"of the allowed": spent / allowed} if allowed else {}
        rows.append(row | ({"RepLAB / this": other / spent} if other else {}))
    return Table(
        title="decompose(matrices, sigma), float64",
        rows=rows,
        conclusions={},
        notes=(
            "eigenproblems: the time over that of one symmetric eigenproblem of size m in the same run.",
            "of arithmetic: bringing every matrix into the basis found, 4 K m^3 FLOP at the speed of a large product, "
            "of the time spent: no decomposition that checks its answer does less.",
            "memory / input: what the resident set grows by at most, in a process of its own, over 8 K m^2 bytes.",
            "RepLAB: seconds measured on another machine with two cores; a scale, not a comparison.",
        ),
    )


def _time(subject: Subject) -> tuple[float, str]:
    times, judged = [], set()
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = decompose(subject.matrices, subject.sigma)
        times.append(time.perf_counter() - start)
        judged.add(subject.judge(found))
    return min(times), "/".join(sorted(judged))


def _memory(name: str) -> int:
    """Bytes that one call adds to the resident set at its highest, in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_growth, name).result()


def _growth(name: str) -> int:
    warm = s4(1, 1e-3)
    decompose(warm.matrices, warm.sigma, resamples=0)
    subject = CASES[name][0]()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark, Linux only
    before = _status("VmRSS")
    decompose(subject.matrices, subject.sigma)
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
