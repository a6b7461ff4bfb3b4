"""Eigenvalues of many small matrices."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def eigenvalues(A: Float[Tensor, "*batch n n"]) -> Complex[Tensor, "*batch n"]:
    """Of every matrix, where the matrices are, but computed on the CPU.

    A GPU takes the matrices of a batch one after another, a thousandth as fast; copying them costs less.
    """
    found: Tensor = torch.linalg.eigvals(A.detach().cpu())
    return found.to(A.device)
