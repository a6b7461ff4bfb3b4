"""Do two Jacobians commute: the commutator of their traceless parts, relative to the products it is a difference of.

``c(X, Y) = |XY - YX|_F / sqrt(2 (|XY|_F^2 + |YX|_F^2))`` for ``X = J - (tr J / d) I``; the identity commutes with
everything and would hide what is asked. It is 0 where X and Y commute, 1 where they anticommute (the parallelogram law,
``|XY - YX|^2 + |XY + YX|^2 = 2 |XY|^2 + 2 |YX|^2``), and near ``1/sqrt(2)`` for matrices that have nothing to do with
each other, in any dimension and with any spectra: that is the null of `haar_null`. Dividing by ``|X|_F |Y|_F`` instead
(at most ``sqrt(2)``: Boettcher and Wenzel, Linear Algebra Appl. 429, 2008) has the null ``sqrt(2/d)``, which falls with
the number of pixels, so that matrices of low rank in a common subspace but in random bases of it would seem to commute
worse than random ones.

Without the matrices: ``|C|_F^2 = E |C g|^2`` for random g with ``E g g^T = I`` (Hutchinson, Commun. Stat. Simul. 19,
1990), where ``[X, Y] g = X (Y g) - Y (X g)`` takes four products.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.process.moments import beyond_rounding


def traceless(J: Float[Tensor, "*batch d d"], rounding: float) -> Float[Tensor, "*batch d d"]:
    """``J - (tr J / d) I``; 0 where that is nothing but the rounding of J, relative to its entries."""
    d = J.shape[-1]
    mean = J.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    X = J - mean * torch.eye(d, dtype=J.dtype, device=J.device)
    said = beyond_rounding(squared_norm(X), squared_norm(J), d, rounding) > 0
    return torch.where(said[..., None, None], X, 0.0)


def squared_norm(X: Float[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """``|X|_F^2``."""
    return X.square().sum((-2, -1))


def commutators(
    X: Float[Tensor, "k d d"], Y: Float[Tensor, "m d d"]
) -> tuple[Float[Tensor, "k m"], Float[Tensor, "k m"]]:
    """``|[X, Y]|_F^2`` and ``|XY|_F^2 + |YX|_F^2`` for all pairs, one X at a time."""
    squares, products = [], []
    for one in X:
        there, back = one @ Y, Y @ one
        squares.append(squared_norm(there - back))
        products.append(squared_norm(there) + squared_norm(back))
    return torch.stack(squares), torch.stack(products)


def haar_null(d: int, skew_x: float, skew_y: float) -> float:
    """What c is for X and ``O Y O^T`` with O from the Haar measure of O(d), both averages taken under the root.

    With s the share of the antisymmetric part in the energy of each,
    ``c^2 = 1/2 - (d - 2 - 2 d (s_x + s_y) + 4 (d + 1) s_x s_y) / (2 (d - 1)(d + 2))``: it does not depend on the
    spectra. It follows from ``E |X O Y O^T|^2 = |X|^2 |Y|^2 / d`` and the invariant tensors of the orthogonal group,
    ``E (O S O^T)_ij (O S O^T)_kl = |S|^2 (delta_ik delta_jl + delta_il delta_jk - (2/d) delta_ij delta_kl) /
    ((d-1)(d+2))`` for a symmetric traceless S, and ``|K|^2 (delta_ik delta_jl - delta_il delta_jk) / (d (d-1))`` for
    an antisymmetric K (Collins and Sniady, Commun. Math. Phys. 264, 2006).
    """
    if d < 2:
        return 0.0
    shared = d - 2 - 2 * d * (skew_x + skew_y) + 4 * (d + 1) * skew_x * skew_y
    return math.sqrt(max(0.5 - shared / (2 * (d - 1) * (d + 2)), 0.0))
