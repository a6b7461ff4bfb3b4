"""The matrices a caller gives: checked, in float64, on the device they came on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symdiff.decomposition.structure import Array
from symdiff.errors import MatricesError

# Products of a few hundred float64 numbers of order 1 agree to about this; nothing smaller is told from zero.
FLOOR = 1e-12


@dataclass(frozen=True)
class Given:
    """What the caller gave.

    Attributes
    ----------
    matrices
        ``[K, m, m]`` in float64, in units of `scale`.
    scale
        Geometric mean of ``|det A_k|^(1/m)``: 1 for a representation of a compact group, in its own unit.
    floor
        The noise level of the rounding they arrived with, in units of `scale`.
    as_numpy
        Whether results go back as numpy arrays.
    """

    matrices: Tensor
    scale: float
    floor: float
    as_numpy: bool

    def returned(self, tensor: Tensor) -> Tensor | Array:
        """`tensor` as what the caller works with: a numpy array if that was given, otherwise a tensor."""
        return tensor.cpu().numpy() if self.as_numpy else tensor


def check(matrices: Any) -> Given:
    """Read and check K invertible real matrices of one size.

    Parameters
    ----------
    matrices
        Array or tensor ``[K, m, m]`` of a real or integer type, or nested sequences of such numbers.

    Raises
    ------
    MatricesError
        Not numbers, complex, ragged, not ``[K, m, m]``, empty, not finite, or one of them singular.
    """
    tensor = matrices.detach() if isinstance(matrices, Tensor) else _from_array(matrices)
    if tensor.is_complex():
        raise MatricesError(
            f"the matrices are complex ({tensor.dtype})",
            "symdiff decomposes real representations; give a complex one as real: [[Re, -Im], [Im, Re]]",
        )
    if tensor.ndim != 3 or tensor.shape[1] != tensor.shape[2] or 0 in tensor.shape:
        raise MatricesError(
            f"the array has shape {list(tensor.shape)}, not [K, m, m]",
            "stack K >= 1 square matrices of one size; a single matrix A is A[None]",
        )
    single = tensor.is_floating_point() and torch.finfo(tensor.dtype).eps > 1e-10
    floor = max(FLOOR, 4 * torch.finfo(tensor.dtype).eps) if single else FLOOR
    tensor = tensor.to(torch.float64)
    bad = (~torch.isfinite(tensor)).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        raise MatricesError(
            f"matrix {bad[0]} has entries that are NaN or infinite ({len(bad)} of {len(tensor)} do)",
            "leave these elements out, or find out where their values come from",
        )
    # Norms of very large or very small entries would overflow.
    largest = float(tensor.abs().amax())
    tensor = tensor / (largest or 1.0)
    _refuse_singular(tensor)
    scale = float((torch.linalg.slogdet(tensor).logabsdet.mean() / tensor.shape[1]).exp())
    tensor = tensor / scale
    size = float((tensor.square().sum((1, 2)).mean() / tensor.shape[1]).sqrt())
    return Given(tensor, scale * largest, floor * size, not isinstance(matrices, Tensor))


def _from_array(matrices: Any) -> Tensor:
    try:
        array = np.asarray(matrices)
    except ValueError as error:
        raise MatricesError("the matrices are not all of one size", "every one has to be m x m") from error
    if array.dtype.kind not in "fiubc":
        raise MatricesError(f"the matrices are not numbers (numpy type {array.dtype})", "give an array [K, m, m]")
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return torch.from_numpy(array.copy())


def _refuse_singular(tensor: Tensor) -> None:
    inverse, info = torch.linalg.inv_ex(tensor)
    scale = torch.linalg.matrix_norm(tensor)
    # 1 / ||A^-1||_F is at most the smallest singular value and at least 1/sqrt(m) of it.
    smallest = torch.where(info == 0, 1 / torch.linalg.matrix_norm(inverse), torch.zeros_like(scale))
    singular = (~(smallest > 1e-13 * scale)).nonzero().flatten().tolist()
    if singular:
        k = singular[0]
        raise MatricesError(
            f"matrix {k} is singular: its smallest singular value is about {float(smallest[k]):.1e} "
            f"(norm {float(scale[k]):.1e})",
            "a representation takes values in GL(m); leave out elements that are not invertible",
        )
