"""The document of a process as `symdiff process` writes it, with realistic numbers and without running anything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.report.recorded import TIMESTEPS

T = TIMESTEPS[:-1]
ALPHA_BAR = {float(t): float(np.exp(-((t / 400) ** 2))) for t in TIMESTEPS}


def figure(value: float | None, spread: float = 0.02) -> dict[str, Any]:
    return {"value": value, "interval": None if value is None else [value - spread, value + spread]}


def level(t: float, value: float | None, spread: float = 0.02, **more: Any) -> dict[str, Any]:
    return {**figure(value, spread), "timestep": int(t), "inflation": 0.2, "caution": None, **more}


def curve(values: np.ndarray, spread: float = 0.02) -> list[dict[str, Any]]:
    return [level(t, float(value), spread) for t, value in zip(T, values, strict=True)]


def maps() -> dict[str, Any]:
    affine = 1 - 0.33 * np.exp(-(((T - 260) / 170.0) ** 2))
    mean = 1 - 0.02 * np.exp(-(((T - 240) / 150.0) ** 2))
    ceiling = np.clip(1 - 0.03 - 0.6 * (T / 1000) ** 8, 0, 1)
    return {
        "shared_affine_r2": curve(mean, 0.002),
        "shared_affine_r2_sampled": curve(ceiling * mean, 0.004),
        "shared_affine_r2_denoised": curve(affine),
        "ceiling_sampled": curve(ceiling, 0.001),
        "shared_scalar_r2": curve(0.95 * mean),
        "shared_scalar_r2_denoised": curve(0.4 * affine + 0.6 * (T < 50)),
        "shared_diagonal_r2": curve(0.97 * mean),
        "shared_diagonal_r2_denoised": curve(0.6 * affine + 0.4 * (T < 90)),
    }


def composed() -> list[dict[str, Any]]:
    return [
        {
            "timestep": t,
            "composed": figure(value),
            "direct": figure(value - 0.03),
            "shared_elements": {**figure(value - 0.3), "gauge": "v", "a": 0.4},
            "ceiling": value + 0.05,
            "inflation": 0.2,
            "caution": None,
        }
        for t, value in ((1000, 0.01), (800, 0.02), (600, 0.1), (420, 0.4), (220, 0.7), (20, 0.95))
    ]


def elbo() -> dict[str, Any]:
    times = [900, 400, 100, 40, 10, 4, 3, 2]
    totals = {"fixed_small": 2.84, "fixed_large": 2.75, "optimal": 2.63}
    return {
        "origin": "the 180 held-out images of digits",
        "images": 180,
        "half_bin": 0.0625,
        "uniform": math.log2(17),
        "clipped": False,
        "times": 9,
        "of_times": 1000,
        "level": 0.95,
        "prior": figure(2.1e-5, 1e-6),
        "variances": {
            kind: {
                "bits_per_dim": figure(total, 0.05),
                "transitions": figure(total, 0.05),
                "reconstruction": figure(6e-7, 5e-7),
                "time_error": 0.007,
            }
            for kind, total in totals.items()
        },
        "best": "optimal",
        "levels": [
            {
                "timestep": t,
                "alpha_bar": ALPHA_BAR.get(float(t), 0.9),
                "weight": 5.0,
                "error": 0.1,
                "optimal_variance": 0.01,
                **{kind: figure(total / 3 / t, 0.1 / t) for kind, total in totals.items()},
            }
            for t in times
        ],
        "caution": None,
    }


def linear_part() -> dict[str, Any]:
    times = [1000, 740, 500, 260, 20]
    levels = []
    for k, t in enumerate(times):
        top = 0.05 + 0.28 * k
        levels.append(
            {
                "timestep": t,
                "alpha_bar": ALPHA_BAR[float(t)],
                "eigenvalues": [top * 0.7**i for i in range(8)],
                "eigenvalues_low": [top * 0.7**i * 0.9 for i in range(8)],
                "eigenvalues_high": [top * 0.7**i * 1.1 for i in range(8)],
                "step_eigenvalues": [0.9] * 8,
                "effective_rank": figure(10.0 + 7 * k, 1.0),
                "trace": figure(1.0 + 6 * k, 0.3),
                "symmetry_defect": figure(0.6 - 0.1 * k),
                "commutator_states": figure(0.3, 0.01),
                "commutator_neighbour": [figure(0.3), figure(0.2), figure(0.01, 0.01), figure(0.1, 0.08)][k]
                if k < 4
                else figure(None),
                "commutator_all": figure(0.13, 0.03),
                "commutator_null": 0.72,
                "caution": None,
            }
        )
    matrix = [[0.0 if i == j else 0.05 + 0.02 * abs(i - j) for j in range(5)] for i in range(5)]
    return {
        "dimension": 64,
        "states": 16,
        "samples": 16,
        "note": None,
        "levels": levels,
        "commutators": {"timesteps": times, "matrix": matrix},
        "common_basis": {
            "residual": figure(0.3),
            "pca_residual": figure(0.35),
            "null": {"random_basis": 0.97, "single": 0.1},
            "note": "fitted to 8 trajectories, judged on 8 others",
        },
    }


def group() -> dict[str, Any]:
    def facts(gauge: str, **changes: Any) -> dict[str, Any]:
        return {
            "a": [0.99] * len(T),
            "timesteps": T.tolist(),
            "steps": len(T),
            "outside": {"count": 0, "steps": []},
            "inside": {"from": 1000, "to": 0, "steps": len(T)},
            "product": 0.00635,
            "telescoping": {"formula": "√(ᾱ_T/ᾱ_f)", "expected": 0.00635, "defect": 1e-16},
            "smallest": {"value": 0.82, "timestep": 1000},
            "largest": {"value": 0.997, "timestep": 20},
            "condition": 157.4,
            "rebuild": {"value": 2e-7, "worst": 3e-7, "trajectories": 32},
            "caution": None,
        } | changes

    why = "a = 0: the state before the step is forgotten"
    outside = {"count": 1, "steps": [{"timestep": 20, "why": why}]}
    return {
        "v": facts("v"),
        "eps": facts("eps", product=157.4, telescoping={"formula": "√(ᾱ_f/ᾱ_T)", "expected": 157.4, "defect": 0.0}),
        "x0": facts("x0", a=[0.9] * (len(T) - 1) + [0.0], outside=outside, telescoping=None),
    }


def process() -> dict[str, Any]:
    return {
        **maps(),
        "composed": composed(),
        "group": group(),
        "elbo": elbo(),
        "linear_part": linear_part(),
        "linear_part_absent": None,
        "cautions": ["the estimate x̂₀ was clipped to [−1, 1] before every step"],
        "words": ["At 3 levels something was found.", "And at t = 20 it was not."],
    }


def document() -> dict[str, Any]:
    return {
        "schema": "symdiff.process/1",
        "symdiff_version": "0.1.0",
        "model": "digits",
        "recording": {
            "model": "digits",
            "sampler": {"name": "ddpm", "variance": "fixed_small"},
            "steps": 50,
            "trajectories": 512,
            "fitted_on": 358,
            "judged_on": 102,
            "observation_shape": [1, 8, 8],
            "clip": False,
        },
        "seed": 0,
        "thorough": False,
        "process": process(),
        "timing": {"record": 4.2, "affine": 0.6, "elbo": 2.5},
        "warnings": ["something was odd"],
    }
