"""Run directories as `symdiff analyze` leaves them, with realistic numbers and without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.report import described
from tests.report.recorded import STEPS, arrays, metric_lines

MakeRun = Callable[..., Path]


def estimate(value: float | None, spread: float = 0.05, n: int = 64, **fields: Any) -> dict[str, Any]:
    ends = None if value is None else [value * (1 - spread), value * (1 + spread)]
    return {
        "value": value,
        "interval": ends,
        "level": 0.95,
        "n": n,
        "null": {},
        "better": "lower",
        "caution": None,
    } | fields


def diagnostics() -> dict[str, Any]:
    law = {"identity": 0.0, "scale": 3.1e-16, "blind": 2.2e-16, "untrained": 0.41, "haar": 1.0, "pca": 1.1e-7}
    ahead = {"identity": 0.61, "scale": 0.604, "blind": 0.588, "common_linear": 0.32, "untrained": 0.83, "pca": 0.0}
    step = ahead | {"permuted": 0.0871, "permuted_p": 0.0025, "haar": 1.97, "least_squares": 7.31e-4}
    seen = {"identity": 0.83, "blind": 0.77, "untrained": 1.0, "pca": 0.441}
    blind = "also zero for the blind family: read it beside action_energy and faithfulness"
    return {
        "homomorphism_error": estimate(2.31e-7, null=law, caution=blind),
        "homomorphism_error_own_basis": estimate(8.4e-8, null=law),
        "homomorphism_error_weighted": estimate(1.9e-7, null=law),
        "homomorphism_error_consecutive": estimate(6.7e-6, null=law),
        "identity_error": estimate(0.0, n=1) | {"interval": None},
        "inverse_error": estimate(3.1e-8),
        "spectrum_error": estimate(1.2e-8),
        "bracket_error": estimate(4.4e-15, n=1) | {"interval": None},
        "action_energy": estimate(0.0317, null={"identity": 0.0, "scale": 2.4e-4, "pca": 0.105}, better="higher"),
        "faithfulness": estimate(
            0.0042,
            null={"identity": 0.0, "scale": 0.0, "blind": 0.0, "untrained": 0.013, "typical": 0.031},
            better="higher",
        ),
        "effective_rank": estimate(11.6, n=1030, better="higher", null={"untrained": 5.2}),
        "latent_spread": estimate(0.61, n=1030, better="higher") | {"interval": None},
        "support_leakage": estimate(3.3e-7),
        "support_dimension": estimate(17, n=1030, better="higher") | {"interval": None},
        "support_condition": estimate(1834.0, n=1030),
        "reconstruction_gap": estimate(0.486, n=103, better="higher", null={"untrained": -0.02}),
        "equivariance_error": estimate(0.0034, n=103, null=step),
        "equivariance_error_crossed": estimate(0.0112, n=103, null={"identity": 0.64, "least_squares": 7.7e-4}),
        "equivariance_skill": estimate(
            0.962,
            n=103,
            better="higher",
            null={
                "identity": 0.0,
                "scale": 0.012,
                "blind": 0.034,
                "permuted": 0.74,
                "permuted_p": 0.0025,
                "untrained": -0.21,
            },
        ),
        "prediction_error": estimate(0.0104, n=103, null=ahead),
        "prediction_error_n10": estimate(0.0237, n=103, null=ahead),
        "prediction_error_whitened": estimate(0.214, n=103, null=ahead),
        "reconstruction_error": estimate(0.514, n=103, null=seen),
        "reconstruction_error_n10": estimate(0.618, n=103, null=seen),
        "rollout_stability": estimate(1.07, n=103),
    }


def forms() -> dict[str, Any]:
    def row(*values: float | None, **fields: Any) -> dict[str, Any]:
        names = ("homomorphism_error", "action_energy", "prediction_error", "prediction_error_n10")
        names += ("reconstruction_error", "reconstruction_error_n10")
        return dict(zip(names, values, strict=True)) | fields

    return {
        "lie-projected": row(2.31e-7, 0.0317, 0.0104, 0.0237, 0.514, 0.618),
        "lie": row(0.0432, 0.0334, 0.0026, 0.0108, 0.451, 0.486),
        "mlp": row(0.167, 0.021, 0.053, 0.178, 0.492, 0.575, caution="action_energy is 0.2 of that of exact"),
        "exact": row(1.1e-7, 0.105, 4e-14, 7e-14, 0.4491, 0.4502),
        "exact-blocks": row(1.3e-7, 0.098, 4e-14, 9e-14, 0.683, 0.684),
        "pca": row(None, None, None, None, 0.441, 0.441),
    }


def decomposition() -> dict[str, Any]:
    """What a run with 2x2 blocks finds, and what is beside it."""

    def block(dim: int, start: int = 0, **fields: Any) -> dict[str, Any]:
        shape = {"dim": dim, "multiplicity": 1, "type": "R", "verdict": "reducible-indecomposable"}
        return shape | {"flag": [dim - 1, dim], "obstruction": 0.73, "columns": [[start, start + dim]]} | fields

    blocks = [block(2, 2 * i, share=(16 - i) / 136, visited=2) for i in range(16)]
    evidence = {"commutant_dim": 16, "noise": 1.2e-7, "stability": 1.0, "resamples": 20}
    exact = {
        "verdict": "reducible-indecomposable",
        "given": True,
        **evidence,
        "commutant_dim": 1,
        "resamples": 8,
        "blocks": [block(32)],
    }
    ours = {"verdict": "decomposable", "given": True, **evidence, "blocks": blocks}
    return ours | {
        "reason": "16 blocks: every cut leaves what noise leaves",
        "count": 72,
        "size": 32,
        "noise_source": "rounding of the weights to float32",
        "off_block": 9.8e-11,
        "largest_accepted_cut": 8.9e-6,
        "smallest_rejected_cut": 3.4e12,
        "cautions": ["too few matrices to be sure"],
        "flag": [1, 2],
        "obstruction": 0.73,
        "design": {"form": "lie-projected", "blocks": [2] * 16},
        "support_dimension": 32,
        "on_support": None,
        "elements": {"word_length": 4, "displacement": 0.262},
        "reference": {"form": "exact", **exact},
        "comparison": [{"form": "lie-projected", **ours}, {"form": "exact (closed form)", **exact}],
    }


def result_document() -> dict[str, Any]:
    return {
        "schema": "symdiff.result/1",
        "symdiff_version": "0.1.0",
        "group": "affine",
        "model": "digits",
        "status": "done",
        "config": {
            "model": "digits",
            "group": "affine",
            "options": {"gauge": "v", "rho": "lie-projected", "block": 2, "linear": "scalar"},
            "sampler": "ddpm",
            "steps": STEPS,
            "trajectories": 512,
            "length": 6,
            "latent": 32,
            "train_steps": 2500,
            "compare_forms": True,
            "thorough": False,
            "device": "cpu",
            "seed": 0,
        },
        "timing": {"record": 9.34, "train": 41.8, "diagnose": 7.21, "report": 2.8},
        "diagnostics": diagnostics(),
        "forms": forms(),
        "decomposition": decomposition(),
        "guarantees": [
            {
                "condition": "b is invertible",
                "status": "pass",
                "evidence": "round trip exact, b is the identity on 64 pixels",
            },
            {
                "condition": "every element lies in GL(d+1)",
                "status": "pass",
                "evidence": "smallest |a| = 0.9976 at t = 980",
            },
            {
                "condition": "ρ is a homomorphism",
                "status": "pass",
                "evidence": "homomorphism_error 2.3e-7 [2.2e-7, 2.4e-7]",
            },
            {"condition": "ρ is injective", "status": "fail", "evidence": "rank of dρ on translations is 16 of 64"},
            {"condition": "training at its floor", "status": "unknown", "evidence": "needs a longer run (--thorough)"},
        ],
        "process": described.maps(),
        "verdict": {
            "structured": "not supported",
            "reason": "law supported: homomorphism_error 2.3e-07; equivariance_skill 0.962, best null permuted 0.74; "
            "faithfulness 0.0042 (typical separation 0.031); action_energy 0.032. Content not supported: smallest "
            "shared_affine_r2_denoised 0.670 at timestep 260; below 0.9 at timesteps 420, 400, 380, ... (15) of 50.",
            "claims": {
                "law": {
                    "status": "supported",
                    "evidence": "homomorphism_error 2.3e-07; equivariance_skill 0.962, best null permuted 0.74; "
                    "faithfulness 0.0042 (typical separation 0.031); action_energy 0.032",
                },
                "content": {
                    "status": "not supported",
                    "evidence": "smallest shared_affine_r2_denoised 0.670 at timestep 260; below 0.9 at timesteps 420, "
                    "400, 380, 360, 340, 320, 300, 280, ... (15) of 50 levels",
                },
                "decomposition": {"status": "inconclusive", "evidence": "decomposable, but given"},
            },
            "thresholds": {
                "homomorphism_supported": 0.01,
                "homomorphism_refuted": 0.05,
                "skill_supported": 0.9,
                "skill_refuted": 0.5,
                "faithfulness": 0.01,
                "action_energy": 0.25,
                "permuted_p": 0.05,
                "affine_supported": 0.95,
                "affine_refuted": 0.9,
                "collapsed_rank": 1.05,
            },
        },
        "warnings": ["gauge x0: the last step has a = 0 and is not in GL(d+1); it was left out of training"],
    }


def environment() -> dict[str, Any]:
    return {
        "symdiff": "0.1.0",
        "python": "3.11.9",
        "platform": "Linux-6.1-x86_64",
        "packages": {"torch": "2.13.0", "numpy": "1.26.4"},
        "device": {"kind": "cpu", "threads": 2},
        "git": None,
    }


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run directory; `change` edits the result before it is written. No figures unless given: they are slow."""

    def make(
        name: str = "digits-affine",
        change: Callable[[dict[str, Any]], Any] = lambda document: None,
        figures: dict[str, np.ndarray] | None = None,
        lines: list[dict[str, Any]] | None = None,
    ) -> Path:
        return write_run(tmp_path / name, change, figures, lines)

    return make


def write_run(
    directory: Path,
    change: Callable[[dict[str, Any]], Any] = lambda document: None,
    figures: dict[str, np.ndarray] | None = None,
    lines: list[dict[str, Any]] | None = None,
) -> Path:
    directory.mkdir(parents=True)
    document = result_document()
    change(document)
    (directory / "result.json").write_text(json.dumps(document), encoding="utf-8")
    (directory / "config.json").write_text(json.dumps(document["config"]), encoding="utf-8")
    (directory / "environment.json").write_text(json.dumps(environment()), encoding="utf-8")
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines or []), encoding="utf-8")
    if figures is not None:
        save_file(figures, directory / "figures.safetensors")
    return directory


def collapse(document: dict[str, Any]) -> None:
    """What a collapsed run looks like: a tiny homomorphism error, and nothing behind it."""
    document["verdict"]["structured"] = "collapsed"
    document["verdict"]["reason"] = "The latents use 1.0 of 32 directions and ρ barely acts."
    for claim in document["verdict"]["claims"].values():
        claim["status"] = "not supported"
    changed = {"effective_rank": 1.004, "reconstruction_gap": 0.001, "action_energy": 2e-7, "equivariance_error": 0.003}
    for name, value in changed.items():
        document["diagnostics"][name]["value"] = value
        document["diagnostics"][name]["caution"] = "collapsed: do not read the other figures"


def forget(document: dict[str, Any]) -> None:
    """Nothing could be computed, and everything says so."""
    for name, entry in document["diagnostics"].items():
        entry |= {
            "value": None,
            "interval": None,
            "null": {"identity": None},
            "caution": f"{name} needs 16 elements, had 3",
        }
    document["verdict"]["structured"] = "inconclusive"
    for row in document["forms"].values():
        row.update(dict.fromkeys(row))
    for key in ("shared_affine_r2", "shared_affine_r2_sampled", "shared_affine_r2_denoised"):
        document["process"][key] = [{"value": None, "interval": None, "timestep": 20}]


@pytest.fixture
def metrics() -> list[dict[str, Any]]:
    return metric_lines()


@pytest.fixture
def figure_arrays() -> dict[str, np.ndarray]:
    return arrays()


@pytest.fixture
def variants(make_run: MakeRun) -> dict[str, Callable[[], Path]]:
    """Runs of every kind a report must cope with, by name."""
    return {
        "complete": lambda: make_run("complete", change=describe, figures=arrays(), lines=metric_lines()),
        "collapsed": lambda: make_run("collapsed", change=collapse, figures=arrays()),
        "forgetful": lambda: make_run("forgetful", change=forget),
        "rgb": lambda: make_run("rgb", figures=arrays(channels=3, size=64)),
        "bare": lambda: make_run("bare", change=bare),
    }


def describe(document: dict[str, Any]) -> None:
    """The process in full: figures of it are slow to draw, so that most runs here have the maps alone."""
    document["process"] = described.process()


def bare(document: dict[str, Any]) -> None:
    """The least a result can be."""
    for name in ("timing", "diagnostics", "forms", "process", "config"):
        document[name] = {}
    document["decomposition"] = None
    document["guarantees"] = document["warnings"] = []
    document["verdict"] = {"structured": "inconclusive", "reason": "", "claims": {}}
