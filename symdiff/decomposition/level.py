"""The noise of matrices that no basis makes orthogonal, where none is given: from a gap between residuals."""

from __future__ import annotations

import math

import torch

from symdiff.decomposition.commutant import DENSE, full_space, traceless
from symdiff.decomposition.extension import extension
from symdiff.decomposition.sylvester import Part, descend, noise_share, residual_share, spectrum

# A gap between what may be noise and what is not: 10 in amplitude.
_GAP = 100.0


def commutator_gap(part: Part, floor: float, generator: torch.Generator) -> float | None:
    """The noise level at which the smallest residuals of the commutant are noise; ``None`` if none stand apart.

    Residuals of ``X -> A_k X - X A_k`` on matrices of trace 0, each over what noise of unit level would leave of it.
    True elements of the commutant come out at the squared noise level, everything else well above. The level is never
    below `floor`, that of rounding.
    """
    m = part.columns.shape[0]
    if m == 1:
        return floor
    if part.dim**2 <= 4 * DENSE:
        found = spectrum(part.matrices, part.matrices, full_space(part.dim, part.dim, part.matrices, traceless=True))
        levels = (found.residuals / noise_share(part, part, found.directions) * m).clamp(min=floor**2)
        levels = levels.sort().values
        if float(levels[-1]) == floor**2:
            return floor
        ratios = levels[1:] / levels[:-1]
        at = int(torch.argmax(ratios))
        if float(ratios[at]) < _GAP or float(levels[at]) > 30 * float(levels[0]):
            return None
        # Fitting the element to the same matrices leaves a little less than the noise.
        count = len(part.matrices)
        level = float((levels[: at + 1].mean() * count / max(1, count - 1)).sqrt())
        return level if float(levels[at]) > floor**2 else floor
    start = traceless(torch.randn(part.dim, part.dim, generator=generator, dtype=torch.float64).to(part.matrices))
    first = float(residual_share(part.matrices, part.matrices, start))
    left = descend(part.matrices, part.matrices, start, target=1e-3 * first, give_up=1e-6 / start.numel())
    if left.kept <= 1e-6 / start.numel() or left.smallest < _GAP * left.residual:
        return None
    return max(floor, math.sqrt(left.residual / float(noise_share(part, part, left.x)) * m))


def exact_structure(part: Part, floor: float, generator: torch.Generator) -> bool:
    """Whether an indecomposable part has an invariant subspace at rounding: then there is no noise above it."""
    found = extension(part.matrices, part.row_energy, part.column_energy / part.columns.shape[0], floor, generator)
    return found.verdict == "reducible-indecomposable"
