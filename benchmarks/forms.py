"""What the default run finds: every form of rho side by side, over seeds.

No time is printed, and so no physical limit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.measure import Table
from symdiff.analyze import analyze
from symdiff.config import RunConfig

SEEDS = (0, 1, 2)
FIGURES = (
    "homomorphism_error",
    "prediction_error",
    "prediction_error_n10",
    "reconstruction_error",
    "prediction_error_whitened",
    "action_energy",
)
CASES: dict[str, dict[str, Any]] = {
    "2x2 blocks (default)": {"compare_forms": True},
    "one dense block": {"options": {"block": "free"}},
}


def run() -> Table:
    """`symdiff analyze --compare-forms` at three seeds, and one dense block; worst and mean over seeds."""
    rows = []
    for case, changes in CASES.items():
        found: dict[str, list[dict[str, float]]] = {}
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                result = analyze(RunConfig.model_validate({"seed": seed, **changes}), Path(folder) / "run")
            pca = result.forms["pca"]["reconstruction_error"]
            for name, row in result.forms.items():
                figures = {key: value for key in FIGURES if isinstance(value := row.get(key), float)}
                if isinstance(pca, float):
                    figures["reconstruction / PCA"] = figures["reconstruction_error"] / pca
                found.setdefault(name, []).append(figures)
        for name, seeds in found.items():
            rows.append({"blocks": case, "form": name, **{key: mean(row[key] for row in seeds) for key in seeds[0]}})
            rows[-1]["worst reconstruction / PCA"] = max(row["reconstruction / PCA"] for row in seeds)
    return Table(
        title=f"Forms of rho on the embedded digits model, mean over seeds {SEEDS}",
        rows=rows,
        conclusions={},
        notes=("Figures on held-out trajectories; reconstruction at N = 3, PCA of the same latent dimension.",),
    )
