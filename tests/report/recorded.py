"""What a run leaves for the report to draw: arrays and the lines of its training."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

STEPS = 50
TIMESTEPS = np.round(1000 * (1 - np.arange(STEPS + 1) / STEPS)).astype(int)


def arrays(channels: int = 1, size: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    if channels == 1 and size == 8:
        images = load_digits().images[:64, None] / 8 - 1
    else:
        ramp = np.linspace(-1, 1, size)
        waves = rng.uniform(0.5, 3, (64, channels, 2))
        images = np.sin(waves[..., :1, None] * 3 * ramp[:, None] + waves[..., 1:, None] * 3 * ramp)
    alpha_bar = np.linspace(0.0, 1.0, 9) ** 1.5
    noise = rng.standard_normal((4, 1, *images.shape[1:]))
    strip = np.sqrt(alpha_bar)[None, :, None, None, None] * images[:4, None]
    strip = strip + np.sqrt(1 - alpha_bar)[None, :, None, None, None] * noise
    observed = strip[:, 2:9]
    t = TIMESTEPS[:-1]
    moduli = np.concatenate([1 - np.abs(rng.normal(0, 6e-4, 1024)), np.ones(1024)])
    word = 2 ** np.arange(1, 7)
    ahead = 2 ** np.arange(7)
    drawn = {
        "strip": strip,
        "strip_alpha_bar": alpha_bar,
        "reconstruction_observations": observed,
        "reconstruction_predictions": 0.7 * observed + 0.1 * rng.standard_normal(observed.shape),
        "traversals": images[:16, None] * np.linspace(0.2, 1, 7)[None, :, None, None, None],
        "traversal_values": np.linspace(-3, 3, 7),
        "decomposition_before": rng.uniform(0, 1, (32, 32)),
        "decomposition_after": np.kron(np.eye(16), rng.uniform(0, 1, (2, 2))) + 1e-7,
        "horizon": ahead,
        "horizon_prediction_error": 0.004 * ahead**0.75,
        "horizon_reconstruction_error": 0.49 + 0.03 * np.log2(ahead),
        "word_length": word,
        "word_length_error": 2.3e-7 * word**0.6,
        "word_length_low": 2.0e-7 * word**0.6,
        "word_length_high": 2.7e-7 * word**0.6,
        "step_timestep": t,
        "gauge_v": 0.9976 + 0.0024 * np.sin(np.pi * t / 1000) ** 2,
        "gauge_eps": 1 + 0.2 * (t / 1000) ** 2,
        "gauge_x0": np.where(t == t[-1], 0.0, 1 - 19 / np.maximum(t, 20)),
        "v_norm_median": 0.6 + 1.5 * np.exp(-(((t - 300) / 200.0) ** 2)),
        "v_norm_low": 0.4 + 1.2 * np.exp(-(((t - 300) / 200.0) ** 2)),
        "v_norm_high": 0.8 + 1.8 * np.exp(-(((t - 300) / 200.0) ** 2)),
        "eigenvalue_moduli": moduli,
        "latent_singular_values": 40 * 0.78 ** np.arange(32),
    }
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in drawn.items()}


def metric_lines() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    lines = []
    for stage, count, start, floor in (
        ("exact", 200, 0.9, 0.45),
        ("lie", 2500, 1.4, 0.47),
        ("lie-projected", 600, 0.62, 0.53),
    ):
        for step in range(10, count + 1, 10):
            fall = np.exp(-6 * step / count)
            reconstruction = (floor + (start - floor) * fall) * (1 + 0.02 * rng.standard_normal())
            prediction = (0.003 + 0.3 * fall) * (1 + 0.1 * rng.standard_normal())
            line = {"stage": stage, "step": step, "loss": reconstruction + 3 * prediction, "prediction": prediction}
            line |= {"reconstruction": reconstruction, "lr": 2e-3 * (1 - step / count)}
            line["bracket"] = 0.2 * fall + 1e-4 if stage == "lie" else None
            line["validation"] = reconstruction * 1.02 + 3 * prediction if step % 100 == 0 else None
            lines.append(line)
    return lines
