"""What a recording says about itself that bears on every figure taken from it."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from symdiff.trajectories import Trajectories

ROUNDOFF = {"bfloat16": 2.0**-9, "float16": 2.0**-12}
"""Largest relative error of rounding to the formats of half the size of float32."""

ALIASES = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}

MATERIAL = 1e-3
"""Share of a variance from which on rounding is worth a caution at the figure itself."""


def storage_format(trajectories: Trajectories) -> str:
    """The number format states are stored in, such as ``float32``."""
    name = str(trajectories.info.get("dtype", "float32")).removeprefix("torch.")
    return ALIASES.get(name, name)


def rounded(trajectories: Trajectories) -> float:
    """Relative rounding error of a stored number, 0 for float32 and finer."""
    return ROUNDOFF.get(storage_format(trajectories), 0.0)


def rounding_caution(
    trajectories: Trajectories, square: Float[Tensor, " n"], variance: Float[Tensor, " n"]
) -> str | None:
    """The caution that rounding is a visible share of a variance; `square` and `variance` are sums over pixels.

    An error spread evenly up to u relative to the number has the variance ``u^2 / 3`` of its square.
    """
    share = rounded(trajectories) ** 2 / 3 * float(square.sum()) / max(float(variance.sum()), 1e-300)
    if share < MATERIAL:
        return None
    return f"states are stored in {storage_format(trajectories)}: rounding is up to {share:.1g} of the variance"


def recording_cautions(trajectories: Trajectories) -> list[str]:
    """What has to be said beside all figures of a recording."""
    found = []
    if rounded(trajectories):
        found.append(
            f"states are stored in {storage_format(trajectories)}: shared maps hardly suffer, but translations taken "
            "by difference, v = x′ − a x, are wrong by percents, and so are products of elements"
        )
    if trajectories.info.get("clip"):
        how = trajectories.info.get("clipping") or "x̂₀ was clipped"
        found.append(
            f"the estimate was limited before every step ({how}): the steps are those of the limited model, and not "
            "affine where that acts"
        )
    if not trajectories.one_step:
        found.append(
            "a recorded step is more than P x + Q x̂₀ + s z (earlier estimates, several calls of the model or states "
            "left out): maps of the step are fitted to the next state itself"
        )
    return found
