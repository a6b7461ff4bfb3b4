"""Norms in a gauge of matrices that are block-diagonal: of the few entries that are not zero."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.gauge import Basis, Gauge

Norms = Callable[[Float[Tensor, "*batch m m"]], Float[Tensor, "*batch"]]


def block_norms(gauge: Gauge, basis: Basis, block_sizes: tuple[int, ...]) -> Norms:
    """`Gauge.energy` in one basis, as a function of matrices that are zero outside of their diagonal blocks.

    ``|W M U|^2 = |sum_e x_e w_e u_e^T|^2`` over the entries x of the blocks, with the columns w of W and the rows u of
    U. A QR decomposition of the products ``w_e u_e^T`` makes that the norm of a vector no longer than x: no squares
    are subtracted, and 16 blocks of 2 x 2 take a sixteenth of the multiplications. Where blocks are large the matrices
    are multiplied out.
    """
    m, support = gauge.unwhiten.shape
    first, second = _places(block_sizes, gauge.unwhiten.device)
    if basis == "own":
        return lambda matrix: _entries(matrix, first, second).square().sum(-1)
    if len(first) ** 2 > m * m * support:
        return lambda matrix: gauge.energy(matrix, basis)
    left = gauge.whiten if basis == "whitened" else torch.eye(m).to(gauge.unwhiten)
    products = left[:, None, first] * gauge.unwhiten[second].T
    triangle = torch.linalg.qr(products.flatten(0, 1), mode="r").R
    return lambda matrix: (_entries(matrix, first, second) @ triangle.T).square().sum(-1)


def _places(block_sizes: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the entries within the blocks."""
    within = torch.block_diag(*(torch.ones(size, size, device=device) for size in block_sizes))
    rows, columns = within.nonzero(as_tuple=True)
    return rows, columns


def _entries(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return matrix.flatten(-2).index_select(-1, rows * matrix.shape[-1] + columns)
