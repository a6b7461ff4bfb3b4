"""Traces and norms of Jacobians from products with a few directions: exact on a Krylov space, probed beyond it.

With the orthogonal projection P onto the complement of Q, of dimension e, and random directions g there with
``E g g^T = P``: ``tr J = tr Q^T J Q + E g^T J g`` and, for M any of J, S, K,
``|M|^2 = |M Q|^2 + |M^T Q|^2 - |Q^T M Q|^2 + E |P M g|^2``. Where Q holds the leading eigenvectors little is left to
chance. This is the deflation of Hutch++ (Meyer, Musco, Musco and Woodruff, SOSA 2021) with the Krylov space of the
spectrum in place of a further sketch. Directions have the fixed length ``sqrt(e)``: multiples of the identity then
give their trace and norm without any error.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.process.spectrum import Krylov


class Sizes(NamedTuple):
    """Unbiased estimates at every state, as in `Moments`."""

    trace: Float[Tensor, " n"]
    trace_square: Float[Tensor, " n"]
    symmetric: Float[Tensor, " n"]
    antisymmetric: Float[Tensor, " n"]
    traceless: Float[Tensor, " n"]


def sizes(
    space: Krylov,
    probes: Float[Tensor, "n p d"],
    pushed: Float[Tensor, "n p d"],
    pulled: Float[Tensor, "n p d"],
) -> Sizes:
    """Trace of J and Frobenius norms of its parts.

    Parameters
    ----------
    space
        Q and its products.
    probes
        At least two independent Gaussian directions; they may have a part along Q.
    pushed, pulled
        ``J g`` and ``J^T g`` of the probes.
    """
    Q = space.directions
    within = Q @ space.pushed.mT
    coordinates = probes @ Q.mT
    rest = probes - coordinates @ Q
    left = Q.shape[-1] - Q.shape[1]
    length = rest.norm(dim=-1, keepdim=True)
    scale = left**0.5 / length if left else torch.zeros_like(length)
    beyond = scale * rest
    forward, backward = (
        scale * (product - coordinates @ known) for product, known in ((pushed, space.pushed), (pulled, space.pulled))
    )
    traces = within.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None] + (beyond * forward).sum(-1)
    p = traces.shape[1]
    # The square of a mean would count the error of the estimate as well; products of different probes do not.
    trace_square = (traces.sum(1).square() - traces.square().sum(1)) / (p * (p - 1))
    mean = traces.mean(1)[:, None, None] / Q.shape[-1]
    symmetric = (space.pushed + space.pulled) / 2, (forward + backward) / 2
    skew = (space.pushed - space.pulled) / 2, (forward - backward) / 2
    antisymmetric = _square(Q, *skew)
    return Sizes(
        trace=traces.mean(1),
        trace_square=trace_square,
        symmetric=_square(Q, *symmetric),
        antisymmetric=antisymmetric,
        # Not as the difference of |J|^2 and (tr J)^2 / d: for J = c I that is all rounding. The mean taken off is that
        # of the same probes, which makes what is left smaller by the variance of the trace over d.
        traceless=_square(Q, symmetric[0] - mean * Q, symmetric[1] - mean * beyond)
        + antisymmetric
        + traces.var(1) / (p * Q.shape[-1]),
    )


def _square(Q: Tensor, known: Tensor, product: Tensor) -> Tensor:
    """``|M|^2`` of a symmetric or antisymmetric M, from ``M q`` for the rows q of Q and ``M g`` for g beyond it."""
    inside, outside = known @ Q.mT, product - (product @ Q.mT) @ Q
    return 2 * known.square().sum((-2, -1)) - inside.square().sum((-2, -1)) + outside.square().sum(-1).mean(1)
