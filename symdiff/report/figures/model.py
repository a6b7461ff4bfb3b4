"""Figures of the trained model: how well the action was learned and what rho and the latents look like."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import INK, MUTED, SERIES, Plate, draw, scale
from symdiff.report.figures.blocks import block_picture
from symdiff.report.notation import number
from symdiff.report.rundata import RunData


def horizon(run: RunData) -> Plate | None:
    """Prediction and reconstruction error against the number of steps predicted ahead."""
    x = run.array("horizon", 1)
    errors = [
        (label, values)
        for label, key in (
            ("prediction", "horizon_prediction_error"),
            ("reconstruction", "horizon_reconstruction_error"),
        )
        if (values := run.array(key, 1)) is not None and x is not None and values.shape == x.shape
    ]
    if x is None or not errors:
        return None
    estimate = run.result.diagnostics.get("reconstruction_error")
    pca = estimate.null.get("pca") if estimate else None

    def plot(axes: Axes) -> None:
        for index, (label, values) in enumerate(errors):
            axes.plot(x, values, marker="o", markersize=3.5, color=SERIES[1 - index], label=label)
        if pca is not None:
            axes.axhline(pca, color=MUTED, linewidth=1, linestyle=(0, (4, 2)), label="PCA, same m")
        scale(axes, [values for _, values in errors] + ([np.array([pca])] if pca else []))
        _powers_of_two(axes, x)

    return Plate(
        "horizon",
        "Error against horizon",
        "Share of variance left unexplained when the first observation is carried forward by the actions alone.",
        draw("horizon", plot, "share of variance", "steps ahead"),
        "; ".join(
            f"{label} error from {number(values[0])} at {number(x[0])} to {number(values[-1])} at {number(x[-1])} steps"
            for label, values in errors
        )
        + ".",
    )


def word_length(run: RunData) -> Plate | None:
    """Homomorphism error of a product of several elements against their number."""
    x, y = run.array("word_length", 1), run.array("word_length_error", 1)
    if x is None or y is None or x.shape != y.shape:
        return None
    low, high = run.array("word_length_low", 1), run.array("word_length_high", 1)

    def plot(axes: Axes) -> None:
        if low is not None and high is not None and low.shape == high.shape == x.shape:
            axes.fill_between(x, low, high, color=SERIES[0], alpha=0.18, linewidth=0)
        axes.plot(x, y, marker="o", markersize=3.5, color=SERIES[0])
        scale(axes, [y], decades=0.0)
        _powers_of_two(axes, x)

    return Plate(
        "word-length",
        "Error against word length",
        "ρ of a product of n elements against the product of their ρ. A homomorphism stays flat at rounding error.",
        draw("word-length", plot, "homomorphism error", "elements in the word"),
        f"Homomorphism error from {number(y[0])} for {number(x[0])} to {number(y[-1])} for {number(x[-1])} elements.",
    )


def eigenvalue_moduli(run: RunData) -> Plate | None:
    """Histogram of the moduli of the eigenvalues of rho over held-out elements."""
    moduli = run.array("eigenvalue_moduli", 1)
    if moduli is None:
        return None
    finite = moduli[np.isfinite(moduli)]
    low, high = float(finite.min()), float(finite.max())
    # Moduli equal up to rounding would otherwise get an axis of 1e-16 width.
    margin = max(0.05 * (high - low), 0.005 * max(abs(high), 1e-3))

    def plot(axes: Axes) -> None:
        axes.hist(finite, bins=40, range=(low - margin, high + margin), color=SERIES[0], alpha=0.75)
        axes.axvline(1.0, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.locator_params(nbins=5)

    return Plate(
        "eigenvalue-moduli",
        "Eigenvalue moduli of ρ",
        "Over held-out elements. Moduli above 1 (dashed) make long rollouts grow, below 1 make them shrink.",
        draw("eigenvalue-moduli", plot, "eigenvalues", "modulus"),
        f"Histogram of {finite.size} moduli between {number(low)} and {number(high)}.",
    )


def latent_spectrum(run: RunData) -> Plate | None:
    """Singular values of the latents, largest first."""
    values = run.array("latent_singular_values", 1)
    if values is None:
        return None
    ordered = np.sort(values[np.isfinite(values)])[::-1]
    relative = ordered / max(float(np.abs(ordered).max()), np.finfo(float).tiny)

    def plot(axes: Axes) -> None:
        axes.plot(np.arange(1, relative.size + 1), relative, marker="o", markersize=3.5, color=SERIES[0], linewidth=1)
        scale(axes, [relative])
        axes.locator_params(axis="x", nbins=6)

    return Plate(
        "latent-spectrum",
        "Latent spectrum",
        "Singular values of the latents relative to the largest. A cliff right after the first is a collapse; "
        "k separate affine blocks share their constant, so k + 1 directions are in use.",
        draw("latent-spectrum", plot, "relative singular value", "latent direction"),
        f"{relative.size} singular values falling from 1 to {number(relative[-1])} of the largest.",
    )


def block_structure(run: RunData) -> Plate | None:
    """Rho before and after the change of basis that its decomposition found."""
    before, after = run.array("decomposition_before", 2), run.array("decomposition_after", 2)
    blocks = (run.result.decomposition or {}).get("blocks")
    if before is None or after is None or before.shape != after.shape or not blocks:
        return None
    if any(stop > len(after) for block in blocks for _, stop in block.get("columns") or [(0, len(after) + 1)]):
        return None
    return block_picture(before, after, blocks)


def _powers_of_two(axes: Axes, x: Float[NDArray[Any], " n"]) -> None:
    """Horizons and word lengths double: set them evenly and label each."""
    if (x > 0).all() and x.size > 1:
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [number(value) for value in x])
        axes.minorticks_off()
