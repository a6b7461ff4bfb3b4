"""Affine maps of fewer numbers: one gain for all pixels, or one a pixel, with a translation each."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.process.regression import column_mean

Kind = Literal["scalar", "diagonal"]


class GainMap(NamedTuple):
    """``x -> centre_y + gain (x - centre_x)``."""

    centre_x: Float[Tensor, " d"]
    centre_y: Float[Tensor, " d"]
    gain: Float[Tensor, "#d"]

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The image of every row."""
        return self.centre_y + self.linear(x - self.centre_x)

    def linear(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """``gain x``."""
        return self.gain * x


def fit_gains(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> dict[Kind, GainMap]:
    """Least-squares maps whose linear part is a multiple of the identity, and a diagonal matrix.

    With a covariance S of x and cross-covariances ``S_xy`` the gains are ``tr S_xy / tr S`` and ``(S_xy)_jj / S_jj``;
    no penalty is needed, n rows being many for one or two numbers a pixel. A pixel that never changes has gain 0.
    """
    centre_x, centre_y = column_mean(x), column_mean(y)
    spread, shared = torch.zeros_like(centre_x), torch.zeros_like(centre_x)
    for row_x, row_y in zip(x.split(64), y.split(64), strict=True):
        centred = row_x.double() - centre_x
        spread += centred.square().sum(0)
        shared += (centred * (row_y.double() - centre_y)).sum(0)
    return {
        "scalar": GainMap(centre_x, centre_y, _ratio(shared.sum(), spread.sum())[None]),
        "diagonal": GainMap(centre_x, centre_y, _ratio(shared, spread)),
    }


def _ratio(top: Tensor, bottom: Tensor) -> Tensor:
    return torch.where(bottom > 0, top / bottom.clamp(min=torch.finfo(bottom.dtype).tiny), torch.zeros_like(top))
