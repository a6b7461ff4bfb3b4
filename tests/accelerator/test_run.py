"""A run on another device is the run on the CPU: nothing is mixed, and little is read back."""

from __future__ import annotations

SMALL = {"model": "gaussian", "trajectories": 30, "steps": 12, "latent": 8, "train_steps": 12, "length": 2}
RUNS = {
    "affine": {"group": "affine"},
    "escnn": {"group": "escnn", "options": {"group": "C4"}},
    "geomstats": {"group": "geomstats", "options": {"manifold": "so"}},
    "linear parts": {"group": "affine", "options": {"linear": "jacobian"}},
}
