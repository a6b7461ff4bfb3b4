"""Figures of a curve on a manifold: in the plane of its principal tangent directions, and on the ball of SO(3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import MUTED, SERIES, Plate, draw
from symdiff.report.notation import number
from symdiff.report.rundata import RunData


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
    if curves is None or curves.shape[2] != 3:
        return None

    def plot(axes: Axes) -> None:
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.pi * np.cos(angle), np.pi * np.sin(angle), color=MUTED, linewidth=0.8)
        _trajectories(axes, curves[..., :2])
        axes.set_aspect("equal", adjustable="datalim")
        axes.locator_params(nbins=5)

    largest = float(np.linalg.norm(curves, axis=-1).max())
    return Plate(
        "manifold-ball",
        "The curve on the ball of rotation vectors",
        f"The first block of SO(3), {name}: a rotation is the point along its axis at the distance of its angle, seen "
        "along the third axis. The circle is the half turn, where opposite points are one.",
        draw("manifold-ball", plot, "axis 2, radians", "axis 1, radians"),
        f"{len(curves)} curves of {curves.shape[1]} rotations by at most {number(largest)} radians.",
    )


def _plane(run: RunData, name: str, title: str, what: str) -> Plate | None:
    curves, shares = run.array(f"manifold_plane_{name}", 3), run.array(f"manifold_plane_{name}_shares", 1)
    if curves is None or shares is None or curves.shape[2] != 2 or shares.size != 2:
        return None

    def plot(axes: Axes) -> None:
        _trajectories(axes, curves)
        axes.locator_params(nbins=5)

    first, second = (f"{100 * float(share):.0f} %" for share in shares)
    identifier = f"manifold-{name}"
    return Plate(
        identifier,
        title,
        f"{what}, seen from the Fréchet mean of those shown in their two principal tangent directions ({first} and "
        f"{second} of their variance). A curve begins at its dot, at noise.",
        draw(identifier, plot, f"second direction, {second}", f"first direction, {first}"),
        f"{len(curves)} curves of {curves.shape[1]} points; the first direction holds {first} of the variance, the "
        f"second {second}.",
    )


def _trajectories(axes: Axes, curves: NDArray[Any]) -> None:
    for i, curve in enumerate(curves):
        colour = SERIES[i % len(SERIES)]
        axes.plot(curve[:, 0], curve[:, 1], color=colour, linewidth=1.0, alpha=0.8)
        axes.plot(curve[:1, 0], curve[:1, 1], color=colour, marker="o", markersize=4, linestyle="none")
