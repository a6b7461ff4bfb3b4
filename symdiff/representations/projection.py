"""Landing on the variety of Lie-algebra homomorphisms: Levenberg-Marquardt on the bracket equations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, lsmr
from torch import Tensor

from symdiff.errors import RunError

_DENSE_UNKNOWNS = 100
_TOLERANCE = 1e-12
_ITERATIONS = 200
_INEXACT = 1e-6  # of the linear solves: the outer iteration corrects what they leave


def project_brackets(
    generators: Float[Tensor, "k n c"],
    basis: Float[Tensor, "k n r"],
    bracket: Callable[[Tensor, Tensor], Tensor],
    size: int,
) -> Float[Tensor, "k n c"]:
    """The ``d rho`` near `generators` that satisfies all bracket equations on `basis`, block by block.

    The unknowns are the r images of the basis, not the n generators: what ``d rho`` does outside its row space is 0
    and stays so.

    Parameters
    ----------
    generators
        float64 images of the coordinate basis, one row an algebra coordinate, for k blocks of size b, c = b*b.
    basis
        Orthonormal; spans a subalgebra.
    bracket
        Bracket of algebra coordinates.
    size
        b.

    Raises
    ------
    RunError
        Some block's equations could not be solved to 1e-12 of its size.
    """
    result = generators.clone()
    for block in range(len(generators)):
        directions = basis[block]
        vectors = directions.T
        structure = bracket(vectors[:, None], vectors[None]) @ directions  # [r, r, r]: [X_i, X_j] = c_ijl X_l
        images = (vectors @ generators[block]).unflatten(-1, (size, size))
        solved = _solve(images.numpy(), structure.numpy())
        change = torch.from_numpy(solved) - images
        result[block] += directions @ change.flatten(1)
    return result


def _solve(images: NDArray[np.float64], structure: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images ``[r, b, b]`` with ``[X_i, X_j] = c_ijl X_l``, near the given ones."""
    r, b, _ = images.shape
    first, second = np.triu_indices(r, 1)
    constants = structure[first, second]  # [p, r]
    pairs = np.arange(len(first))
    to_first = csr_array((np.ones(len(pairs)), (first, pairs)), shape=(r, len(pairs)))  # adds pairs to their elements
    to_second = csr_array((np.ones(len(pairs)), (second, pairs)), shape=(r, len(pairs)))

    def defect(x: NDArray[np.float64]) -> NDArray[np.float64]:
        X = x.reshape(r, b, b)
        left, right = X[first], X[second]
        return np.asarray(left @ right - right @ left - np.tensordot(constants, X, 1)).ravel()

    def forward(x: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
        X, D = x.reshape(r, b, b), direction.reshape(r, b, b)
        left, right, dl, dr = X[first], X[second], D[first], D[second]
        return np.asarray(dl @ right - right @ dl + left @ dr - dr @ left - np.tensordot(constants, D, 1)).ravel()

    def backward(x: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        X, W = x.reshape(r, b, b), weight.reshape(-1, b, b)
        left, right = X[first].transpose(0, 2, 1), X[second].transpose(0, 2, 1)
        gradient = -np.tensordot(constants.T, W, 1)
        gradient = gradient.reshape(r, b * b)
        gradient += to_first @ (W @ right - right @ W).reshape(-1, b * b)
        gradient += to_second @ (left @ W - W @ left).reshape(-1, b * b)
        return np.asarray(gradient).ravel()

    def step(x: NDArray[np.float64], residual: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
        """The minimum-norm damped Gauss-Newton step: it stays near where training ended."""
        if x.size <= _DENSE_UNKNOWNS:
            jacobian = np.stack([forward(x, unit) for unit in np.eye(x.size)], axis=1)
            damped = np.concatenate([jacobian, damping * np.eye(x.size)])
            target = np.concatenate([-residual, np.zeros(x.size)])
            return np.asarray(np.linalg.lstsq(damped, target, rcond=None)[0])
        operator = LinearOperator(
            (residual.size, x.size),
            matvec=lambda d: forward(x, np.ravel(d)),
            rmatvec=lambda w: backward(x, np.ravel(w)),
            dtype=np.float64,
        )
        return np.asarray(lsmr(operator, -residual, damp=damping, atol=_INEXACT, btol=_INEXACT, maxiter=300)[0])

    x = images.ravel().copy()
    scale = max(float(np.linalg.norm(x)), 1e-300)
    residual, damping = defect(x), 1e-2 * scale
    for _ in range(_ITERATIONS):
        if np.linalg.norm(residual) <= 1e-4 * _TOLERANCE * scale:
            break
        candidate = x + step(x, residual, damping)
        after = defect(candidate)
        if np.linalg.norm(after) < np.linalg.norm(residual):
            x, residual, damping = candidate, after, damping / 10
        elif damping > 1e3 * scale:
            break  # rounding is all that is left
        else:
            damping *= 10
    left_over = float(np.linalg.norm(residual))
    if not left_over <= _TOLERANCE * scale:
        raise RunError(
            f"projecting a {b}x{b} block onto the Lie-algebra homomorphisms left a bracket defect of {left_over:.2g}",
            "train longer or raise the bracket penalty, so that the projection starts nearer",
        )
    return x.reshape(r, b, b)
