"""Figures of a curve on a manifold: in the plane of its principal tangent directions, and on the ball of SO(3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import MUTED, SERIES, Plate, draw
from symdiff.report.notation import number
from symdiff.report.rundata import RunData

RADII = (np.pi / 12, np.pi / 6, np.pi / 3, np.pi / 2)
"""Angles of the circle on the ball: the first that holds the curves, or a half turn."""


def plane_of_steps(run: RunData) -> Plate | None:
    """The values of rho along a few trajectories."""
    return _plane(run, "steps", "The values of ρ along trajectories", "Each point is the value of ρ at one step")


def plane_of_products(run: RunData) -> Plate | None:
    """The products of the values so far."""
    return _plane(
        run,
        "products",
        "Products of the values of ρ",
        "Each point is the product of the values so far, which carries the latent of the first state",
    )


def ball(run: RunData) -> Plate | None:
    """The products (the values, where products wind too far) of the first block of SO(3) as rotation vectors."""
    name = "products" if run.array("manifold_ball_products", 3) is not None else "steps"
    curves = run.array(f"manifold_ball_{name}", 3)
    if curves is None or curves.shape[2] != 3 or not np.isfinite(curves).all():
        return None

    largest = float(np.linalg.norm(curves, axis=-1).max())
    radius = next((r for r in RADII if largest <= r), np.pi)
    _, _, axes_of = np.linalg.svd(curves.reshape(-1, 3), full_matrices=False)
    seen = curves @ axes_of[:2].T

    def plot(axes: Axes) -> None:
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=MUTED, linewidth=0.8)
        _trajectories(axes, seen, joined=True)
        axes.set_aspect("equal", adjustable="datalim")
        axes.locator_params(nbins=5)

    degrees = round(float(np.degrees(radius)))
    edge = ", where opposite points are one" if degrees == 180 else ""
    return Plate(
        "manifold-ball",
        "The curve on the ball of rotation vectors",
        f"The first block of SO(3), {name}: a rotation is the point along its axis at the distance of its angle, in "
        f"the plane in which the curves move most. The circle is a turn by {degrees}°{edge}.",
        draw("manifold-ball", plot, "second axis, radians", "first axis, radians"),
        f"{len(curves)} curves of {curves.shape[1]} rotations by at most {number(largest)} radians.",
    )


def _plane(run: RunData, name: str, title: str, what: str) -> Plate | None:
    curves, shares = run.array(f"manifold_plane_{name}", 3), run.array(f"manifold_plane_{name}_shares", 1)
    if curves is None or shares is None or curves.shape[2] != 2 or shares.size != 2:
        return None

    def plot(axes: Axes) -> None:
        _trajectories(axes, curves, joined=name == "products")
        axes.locator_params(nbins=5)

    first, second = (f"{100 * float(share):.0f} %" for share in shares)
    identifier = f"manifold-{name}"
    begins = "; a curve begins at its dot, at noise" if name == "products" else ""
    return Plate(
        identifier,
        title,
        f"{what}, seen from the Fréchet mean of those shown in their two principal tangent directions ({first} and "
        f"{second} of their variance). Colours are trajectories{begins}.",
        draw(identifier, plot, f"second direction, {second}", f"first direction, {first}"),
        f"{len(curves)} curves of {curves.shape[1]} points; the first direction holds {first} of the variance, the "
        f"second {second}.",
    )


def _trajectories(axes: Axes, curves: NDArray[Any], joined: bool) -> None:
    """Curves with a dot where they begin; values that jump from step to step are points without a line."""
    for i, curve in enumerate(curves):
        colour = SERIES[i % len(SERIES)]
        if not joined:
            axes.plot(curve[:, 0], curve[:, 1], color=colour, marker="o", markersize=2, linestyle="none", alpha=0.7)
            continue
        axes.plot(curve[:, 0], curve[:, 1], color=colour, linewidth=1.0, alpha=0.8)
        axes.plot(curve[:1, 0], curve[:1, 1], color=colour, marker="o", markersize=4, linestyle="none")
