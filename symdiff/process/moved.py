"""Does the denoiser commute with the action: x0hat of moved states against moved x0hat, at one noise level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.schedule import Time
from symdiff.groups import GroupFamily
from symdiff.process.acting import Asked, Elements, exchanged

CONSTANT = 1e-10
"""A variance below this share of the mean square is rounding."""


@dataclass(frozen=True)
class Moved:
    """Squared distances at one level, states x in rows and elements g in columns, on the part the group moves.

    Attributes
    ----------
    missed
        ``|x0hat(g x) - g x0hat(x)|^2``.
    clipped
        The same with both estimates clipped to [-1, 1] before g acts, as a step with clipping uses them.
    others
        ``|x0hat(g x) - g' x0hat(x)|^2`` for all g' tried, in the last axis, the identity after them.
    spread
        ``|x0hat(x) - mean|^2 n/(n-1)``.
    square
        ``|x0hat(x)|^2``.
    noise
        ``|eps(x)|^2``.
    gain
        What turns a difference of x0hat into one of the predicted noise: ``A/sigma``.
    returned
        ``|x0hat(g^-1 g x) - x0hat(x)|^2``, what an inexact action alone does; ``None`` if it is exact.
    swapped
        ``|x0hat(x~) - x0hat(x)|^2`` with x~ as x on the part the group moves, the rest being another state's. Of a
        model with the full symmetry, g x is a moved state whose rest does not fit: this is the error to be expected.
    """

    missed: Float[Tensor, "n g"]
    clipped: Float[Tensor, "n g"]
    others: Float[Tensor, "n g k"]
    spread: Float[Tensor, " n"]
    square: Float[Tensor, " n"]
    noise: Float[Tensor, " n"]
    gain: float
    returned: Float[Tensor, "n g"] | None = None
    swapped: Float[Tensor, " n"] | None = None

    @property
    def unrelated(self) -> Float[Tensor, "n g"]:
        """Mean of `others` over the elements that are not g: another element, or standing still."""
        k = self.others.shape[-1]
        return (self.others.sum(-1) - self.others[..., :-1].diagonal(dim1=1, dim2=2)) / (k - 1)

    def floor(self, i: int | None = None) -> float | None:
        """The larger of what both do to x0hat relative to its spread, for one element or all; ``None`` if exact."""
        if self.returned is None or self.swapped is None or self.constant:
            return None
        returned = self.returned.mean(1) if i is None else self.returned[:, i]
        return max(share(returned, self.spread), share(self.swapped, self.spread))

    @property
    def constant(self) -> bool:
        """Whether x0hat does not vary between states."""
        return not float(self.spread.sum()) > CONSTANT * float(self.square.sum())


def move(
    family: GroupFamily, model: Asked, x: Float[Tensor, "n c h w"], t: Time, elements: Elements, *, exact: bool
) -> Moved:
    """Ask the model at the states x, in its own coordinates, and at all moved ones.

    Parameters
    ----------
    x
        On the device where the group acts; the distances are on the CPU.
    exact
        Whether the action is: if not, the model is also asked at states that were moved there and back, and at states
        whose part that the group does not move is another's.
    """
    schedule = model.denoiser.schedule
    signal, sigma = schedule.signal(t), schedule.sigma(t)
    values = elements.values.to(x)
    inverses = family.inverse(values)
    estimate = model(x, t)
    still = _flat(family, estimate)
    missed, clipped, others, returned = [], [], [], []
    carried = [_flat(family, family.act(g[None], estimate)) for g in values]
    for i, g in enumerate(values):
        there = family.act(g[None], x)
        found = model(there, t)
        after = _flat(family, found)
        others.append(torch.stack([(after - other).square().sum(1) for other in [*carried, still]], dim=1))
        missed.append(others[-1][:, i])
        after_clip = _flat(family, found.clamp(-1, 1))
        clipped.append((after_clip - _flat(family, family.act(g[None], estimate.clamp(-1, 1)))).square().sum(1))
        if not exact:
            back = _flat(family, model(family.act(inverses[i][None], there), t))
            returned.append((back - still).square().sum(1))
    n = len(x)
    return Moved(
        missed=torch.stack(missed, 1).cpu(),
        clipped=torch.stack(clipped, 1).cpu(),
        others=torch.stack(others, 1).cpu(),
        spread=((still - still.mean(0)).square().sum(1) * n / max(n - 1, 1)).cpu(),
        square=still.square().sum(1).cpu(),
        noise=(((_flat(family, x) - signal * still) / sigma).square().sum(1) if sigma else still.new_zeros(n)).cpu(),
        gain=signal / sigma if sigma else 0.0,
        returned=torch.stack(returned, 1).cpu() if returned else None,
        swapped=None if exact else (_flat(family, model(exchanged(family, x), t)) - still).square().sum(1).cpu(),
    )


def share(top: Tensor, bottom: Tensor) -> float:
    """``sum top / sum bottom``."""
    return float(top.sum() / bottom.sum())


def _flat(family: GroupFamily, x: Tensor) -> Float[Tensor, "n d"]:
    """One image a row in float64, the part the group moves."""
    return family.observed(x).flatten(1).double()
