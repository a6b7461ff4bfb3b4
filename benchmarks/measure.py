"""Timing, the exponent of a power law, and what has to be said about the machine."""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

ROUNDS = 11
ROUND_SECONDS = 0.04


@dataclass(frozen=True)
class Table:
    """What a benchmark found: rows of figures, and conclusions drawn from them."""

    title: str
    rows: list[dict[str, Any]]
    conclusions: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


_device = "cpu"


def device() -> str:
    """Where the figures are taken: ``--device``."""
    return _device


def use_device(name: str) -> None:
    """Set what `device` answers."""
    global _device
    _device = name


def seconds(call: Callable[[], object], block: float = 0.05, blocks: int = 5) -> float:
    """Time of one call: the least over `blocks`, each of which repeats it for at least `block` seconds.

    Other processes only ever add time, so the least is the figure that comes back on a busy machine.
    """
    repeats = _repeats(call, block)
    times = []
    for _ in range(blocks):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        _finish()
        times.append((time.perf_counter() - start) / repeats)
    return min(times)


def in_turn(calls: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """CPU seconds of each, A B C A B C ...: what else runs on the machine meets all of them alike."""
    repeats = {name: _repeats(call, ROUND_SECONDS) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time() if device() == "cpu" else time.perf_counter()
            for _ in range(repeats[name]):
                call()
            _finish()
            end = time.process_time() if device() == "cpu" else time.perf_counter()
            times[name].append((end - start) / repeats[name])
    return times


def paired(times: dict[str, list[float]], of: str, over: str) -> list[float]:
    """The ratios of two of them, round by round, ascending."""
    return sorted(a / b for a, b in zip(times[of], times[over], strict=True))


def _repeats(call: Callable[[], object], block: float) -> int:
    """How many calls take about `block` seconds, once what is made for the first of them is made."""
    call()
    _finish()
    start = time.perf_counter()
    call()
    _finish()
    return max(1, math.ceil(block / max(time.perf_counter() - start, 1e-7)))


def _finish() -> None:
    """A GPU is told what to do and goes on by itself: wait until it has done it."""
    if device().startswith("cuda"):
        torch.cuda.synchronize()


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The p of ``time ~ size^p``, by least squares on logarithms: 1 is linear."""
    return statistics.linear_regression([math.log(n) for n in sizes], [math.log(t) for t in times]).slope


def machine() -> dict[str, Any]:
    """Processor, threads, load and versions: without them a figure in seconds says nothing."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            cpu = next((line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **({"gpu": torch.cuda.get_device_name()} if device().startswith("cuda") else {}),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
