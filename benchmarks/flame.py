"""A flame graph of the whole analysis: where its time goes, from samples of the Python stack.

No physical limit is printed: it shows shares of one whole, whose limits `analyze` and `training_step` state.
"""

from __future__ import annotations

import html
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from benchmarks.measure import Table
from symdiff.config import RunConfig

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "analysis-flame.svg"
INTERVAL = 0.01
WIDTH, ROW = 1200, 17
LEAST = 0.004
"""Share below which a frame is not drawn."""

Stack = tuple[str, ...]


def run() -> Table:
    """Sample `symdiff analyze --group affine` with nothing cached, imports included, and draw it."""
    stacks: Counter[Stack] = Counter()
    done = threading.Event()
    main = threading.get_ident()

    def sample() -> None:
        while not done.wait(INTERVAL):
            stacks[stack_of(sys._current_frames()[main])] += 1

    sampler = threading.Thread(target=sample, daemon=True)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        sampler.start()
        os.environ["SYMDIFF_CACHE"] = str(Path(folder) / "cache")
        from symdiff.analyze import analyze

        analyze(RunConfig(trajectories=512), Path(folder) / "run", force=True)
    done.set()
    sampler.join()
    spent = time.process_time() - start
    total = sum(stacks.values())
    PICTURE.write_text(drawn(stacks), encoding="utf-8")
    inside: Counter[str] = Counter()
    for stack, count in stacks.items():
        for name in {frame for frame in stack if frame.startswith("symdiff/")}:
            inside[name] += count
    rows = [{"function": name, "share %": 100 * count / total} for name, count in inside.most_common(30)]
    return Table(
        title="Functions of symdiff by the share of samples they are part of",
        rows=rows,
        conclusions={"CPU seconds": spent, "samples": total},
        notes=(f"drawn in docs/images/{PICTURE.name}.",),
    )


def stack_of(frame: FrameType | None) -> Stack:
    """Frames from the outermost inwards, as ``file:function``; those of this benchmark left out."""
    names = []
    while frame is not None:
        file = frame.f_code.co_filename
        for root in ("/site-packages/", "/symdiff/", "/plugins/"):
            if root in file:
                file = file.rsplit(root, 1)[1] if root != "/symdiff/" else "symdiff/" + file.rsplit(root, 1)[1]
        names.append(f"{file.rsplit('/lib/python', 1)[-1]}:{frame.f_code.co_name}")
        frame = frame.f_back
    kept = [name for name in reversed(names) if "/runpy.py" not in name and not name.startswith("<frozen")]
    first = next((i for i, name in enumerate(kept) if name.startswith("symdiff/")), 0)
    return tuple(kept[first:])


def drawn(stacks: Counter[Stack]) -> str:
    """An SVG: width is the share of samples, depth the depth of the stack; the full name on pointing."""
    total = sum(stacks.values())
    boxes: list[str] = []
    depth = _draw(boxes, stacks, 0, 0.0, total)
    height = ROW * (depth + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11">\n' + "\n".join(boxes) + "\n</svg>\n"
    )


def _draw(boxes: list[str], stacks: Counter[Stack], level: int, left: float, total: int) -> int:
    children: dict[str, Counter[Stack]] = {}
    for stack, count in stacks.items():
        if len(stack) > level:
            children.setdefault(stack[level], Counter())[stack] += count
    deepest = level
    for name, inner in sorted(children.items()):
        share = sum(inner.values()) / total
        if share >= LEAST:
            x, width, y = left * WIDTH, share * WIDTH, level * ROW
            label = html.escape(name.rsplit(":", 1)[-1][: int(width / 6.5)])
            colour = "#f4a259" if name.startswith("symdiff") else "#8cb3d9"
            box = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
            title = f"<title>{html.escape(name)} {100 * share:.1f}%</title>"
            boxes.append(f'<g>{title}{box}<text x="{x + 2:.1f}" y="{y + 12}">{label}</text></g>')
            deepest = max(deepest, _draw(boxes, inner, level + 1, left, total))
        left += share
    return deepest
