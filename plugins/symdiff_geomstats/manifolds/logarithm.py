"""Logarithms by repeated square roots: ``log A = 2^k log(A^(1/2^k))``, the last by a series near the identity.

Reference: Higham, "Functions of Matrices", SIAM 2008, chapters 6 and 11.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import CutLocusError

NEAR = 0.2
"""Largest ``|M - 1|`` (row sums) at which the series is used: nine terms leave less than rounding."""

TERMS = 9
ROOTS = 64
"""More square roots than any matrix of finite float64 numbers needs."""

ITERATIONS = 80


def by_square_roots(A: Float[Tensor, "*batch s s"], root: Callable[[Tensor], Tensor]) -> Float[Tensor, "*batch s s"]:
    """The principal logarithm, `root` being the principal square root.

    Raises
    ------
    CutLocusError
        Square roots do not lead to the identity.
    """
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    M, taken = A, 0
    while A.numel() and not float((M.detach() - eye).abs().sum(-1).amax()) <= NEAR:
        if taken == ROOTS or not bool(M.isfinite().all()):
            raise CutLocusError(
                f"a matrix with entries up to {float(A.detach().abs().amax()):.3g} has no logarithm",
                "its eigenvalues are 0, negative or not finite: it is not a value of the exponential",
            )
        M, taken = root(M), taken + 1
    found: Tensor = 2**taken * near_identity(M)
    return found


def near_identity(M: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """``log M = 2 artanh(S)``, ``S = (M - 1)(M + 1)^-1``, by its series."""
    eye = torch.eye(M.shape[-1], dtype=M.dtype, device=M.device)
    S: Tensor = torch.linalg.solve(M + eye, M - eye)  # the two commute
    square = S @ S
    result = eye / (2 * TERMS - 1)
    for j in range(TERMS - 2, -1, -1):
        result = result @ square + eye / (2 * j + 1)
    return 2 * S @ result


def denman_beavers(A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """The principal square root, by the product form of the Denman-Beavers iteration with scaling by determinants.

    Higham 2008, Eqs. 6.29: ``M = 1/2 (1 + (M + M^-1)/2)``, ``X = 1/2 X (1 + M^-1)``, both starting at A.
    """
    s = A.shape[-1]
    eye = torch.eye(s, dtype=A.dtype, device=A.device)
    tolerance = 8 * s * torch.finfo(A.dtype).eps
    M = X = A
    for step in range(ITERATIONS):
        # Without it entries of 1e6 would take 20 rounds of halving; near the end it would undo the convergence.
        if step < 8:
            scale = torch.linalg.det(M.detach()).abs().clamp_min(1e-300) ** (-1 / (2 * s))
            far = ((scale - 1).abs() > 1e-2)[..., None, None]
            factor = torch.where(far, scale[..., None, None], torch.ones_like(scale)[..., None, None])
            M, X = factor**2 * M, factor * X
        inverse: Tensor = torch.linalg.inv_ex(M)[0]
        X = X @ (eye + inverse) / 2
        M = (eye + (M + inverse) / 2) / 2
        change = float((M.detach() - eye).abs().amax())
        if not change > tolerance:
            return X
    return X


def triangular_root(A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """The square root of lower-triangular matrices with positive diagonal, one subdiagonal after another.

    Björck and Hammarling 1983: ``S_ii = sqrt A_ii``, ``S_ij = (A_ij - sum_k S_ik S_kj)/(S_ii + S_jj)``.
    """
    s = A.shape[-1]
    diagonal = A.diagonal(dim1=-2, dim2=-1).sqrt()
    S = torch.diag_embed(diagonal)
    for offset in range(1, s):
        inner = (S @ S).diagonal(-offset, -2, -1)  # what is known so far; the two unknown terms are still 0 in it
        value = (A.diagonal(-offset, -2, -1) - inner) / (diagonal[..., offset:] + diagonal[..., :-offset])
        S = S + torch.diag_embed(value, offset=-offset)
    return S


def orthogonal_root(R: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """The square root of rotations: the orthogonal polar factor of ``1 + R``, by Newton's iteration.

    Higham 2008, Eq. 8.17. It converges unless an angle is pi.
    """
    eye = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    tolerance = 64 * R.shape[-1] * torch.finfo(R.dtype).eps
    X = eye + R
    for _ in range(ITERATIONS):
        following = (X + torch.linalg.inv_ex(X)[0].mT) / 2
        change = float((following - X).detach().abs().amax())
        X = following
        if not change > tolerance:
            found: Tensor = X
            return found
    return X
