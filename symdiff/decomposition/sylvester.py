"""The equations A_k X = X B_k: what commutes, what intertwines, and what noise alone leaves of them.

The commutant of a set of matrices and the intertwiners of two sets are null spaces of ``X -> (A_k X - X B_k)_k``.
With noise there is no null space, only directions whose residual is what noise leaves. Everything here compares the
two: `residual / expected` is 1 for a true intertwiner and large for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from scipy.linalg import eigvalsh_tridiagonal
from torch import Tensor

_NOTHING = 1e-12


@dataclass(frozen=True)
class Part:
    """A subspace spanned by some columns of a basis, and the given matrices restricted to it.

    Attributes
    ----------
    columns
        ``[m, d]``, S: the basis vectors.
    rows
        ``[d, m]``, U: the dual vectors, ``U S = I``.
    matrices
        ``[K, d, d]``, ``U A_k S``.
    self_adjoint
        Whether the matrices are symmetric up to noise, and the basis orthonormal.
    """

    columns: Tensor
    rows: Tensor
    matrices: Tensor
    self_adjoint: bool = False

    @classmethod
    def of(cls, matrices: Tensor, columns: Tensor, rows: Tensor, *, self_adjoint: bool = False) -> Part:
        """Restrict ``[K, m, m]`` to the subspace."""
        return cls(columns, rows, rows @ (matrices @ columns), self_adjoint)

    def turned(self, turn: Tensor, back: Tensor) -> Part:
        """The same subspace in the basis ``columns @ turn``, with `back` the inverse of `turn`."""
        return Part(self.columns @ turn, back @ self.rows, back @ (self.matrices @ turn), self.self_adjoint)

    @property
    def dim(self) -> int:
        """d, the dimension of the subspace."""
        return self.columns.shape[1]

    @property
    def row_energy(self) -> Tensor:
        """``[d]``, squared norms of the dual vectors: 1 in an orthogonal basis."""
        return self.rows.square().sum(1)

    @property
    def column_energy(self) -> Tensor:
        """``[d]``, squared norms of the basis vectors: 1 in an orthogonal basis."""
        return self.columns.square().sum(0)


def noise_share(left: Part, right: Part, x: Tensor) -> Tensor:
    """Expected ``||N_left X - X N_right||^2 / ||X||^2`` for white noise N of unit variance on the given matrices.

    Parameters
    ----------
    x
        ``[..., p, q]`` with p and q the dimensions of `left` and `right`. The noise on a part is ``U N S``; for
        independent entries of N its second moments are those of the Gram matrices of U and S.
    """
    u_left, s_left, u_right, s_right = left.rows, left.columns, right.rows, right.columns
    first = u_left.square().sum() * (s_left @ x).square().sum((-2, -1))
    second = s_right.square().sum() * (x @ u_right).square().sum((-2, -1))
    cross_rows = (x * (u_left @ u_right.mT)).sum((-2, -1))
    cross_columns = (x * (s_left.mT @ s_right)).sum((-2, -1))
    # Noise leaves nothing of the identity: a difference of equal numbers, which rounding must not make negative.
    return ((first + second - 2 * cross_rows * cross_columns) / x.square().sum((-2, -1))).clamp(min=_NOTHING)


def commutators(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """``A_k X - X B_k`` as ``[K, p, q]``."""
    return a @ x - x @ b


def adjoint(a: Tensor, b: Tensor, residual: Tensor) -> Tensor:
    """The adjoint of `commutators`: ``sum_k A_k^T R_k - R_k B_k^T``."""
    count, p, q = residual.shape
    first = a.reshape(count * p, p).mT @ residual.reshape(count * p, q)
    return first - residual.transpose(0, 1).reshape(p, count * q) @ b.transpose(1, 2).reshape(count * q, q)


def residual_share(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Mean over k of ``||A_k X - X B_k||^2 / ||X||^2``."""
    return commutators(a, b, x).square().sum() / (len(a) * x.square().sum())


@dataclass(frozen=True)
class Spectrum:
    """Directions of a space of matrices, by how nearly they satisfy the equations.

    Attributes
    ----------
    residuals
        ``[n]`` ascending, mean over k of ``||A_k X - X B_k||^2`` for the unit direction X.
    directions
        ``[n, p, q]``, orthonormal.
    """

    residuals: Tensor
    directions: Tensor


def spectrum(a: Tensor, b: Tensor, space: Tensor) -> Spectrum:
    """All directions of `space`, ``[n, p, q]`` orthonormal, by residual: a dense singular value decomposition.

    The operator itself is decomposed, not its normal equations, whose square root would end at 1e-8.
    """
    n = len(space)
    if n == 0:
        return Spectrum(space.new_zeros(0), space)
    triangle = a.new_zeros(0, n)
    step = max(1, 4_000_000 // max(1, n * space[0].numel()))
    for start in range(0, len(a), step):
        k = slice(start, start + step)
        rows = (a[k, None] @ space - space @ b[k, None]).transpose(0, 1).reshape(n, -1).mT
        stacked = torch.cat([triangle, rows])
        triangle = torch.linalg.qr(stacked, mode="r").R if stacked.shape[0] > n else stacked
    _, singular, vh = torch.linalg.svd(triangle, full_matrices=len(triangle) < n)
    values = torch.cat([singular, singular.new_zeros(n - len(singular))]).flip(0)
    return Spectrum(values.square() / len(a), torch.einsum("in,npq->ipq", vh.flip(0), space))


@dataclass(frozen=True)
class Descent:
    """What is left of a start X_0 after the directions that do not satisfy the equations are taken out of it.

    Attributes
    ----------
    x
        ``[p, q]``.
    residual
        Mean over k of ``||A_k X - X B_k||^2 / ||X||^2``.
    kept
        ``||X||^2 / ||X_0||^2``.
    smallest
        Smallest Ritz value met on the way: an estimate of the smallest residual among the directions taken out.
    iterations
        Number of iterations taken.
    """

    x: Tensor
    residual: float
    kept: float
    smallest: float
    iterations: int


def descend(
    a: Tensor, b: Tensor, start: Tensor, *, target: float, give_up: float, parity: int = 0, iterations: int = 2000
) -> Descent:
    """Project `start` towards the null space of ``X -> A_k X - X B_k`` by conjugate gradients on least squares.

    The minimum-norm least squares solution Y of ``L Y = L X_0`` holds everything of ``X_0`` outside the null space;
    stopped early it has taken out the directions of large residual and left those of noise. No pq x pq matrix is
    formed: 4 K matrix products an iteration.

    Parameters
    ----------
    target
        Stop when the residual is down to this and no longer falls.
    give_up
        Stop when this share of the squared norm is left: there is nothing to find.
    parity
        1 keeps X symmetric, -1 skew (for square X and orthogonal A = B), 0 neither.
    """
    count, start_energy = len(a), float(start.square().sum())
    x, share, kept = start, float("inf"), 1.0
    alphas: list[float] = []
    betas: list[float] = []
    first = commutators(a, b, start)
    for step in least_squares(a, b, first, lambda y: y if parity == 0 else (y + parity * y.mT) / 2):
        x = x - step.change
        alphas.append(step.alpha)
        betas.append(step.beta)
        energy, previous = float(x.square().sum()), share
        kept = energy / start_energy
        if energy == 0:
            break
        share = float(step.residual.square().sum()) / (count * energy)
        if kept <= give_up or (share <= target and share > 0.8 * previous) or len(alphas) == iterations:
            break
    if not alphas:
        share = float(first.square().sum()) / (count * start_energy) if start_energy else 0.0
    return Descent(x, share, kept, _smallest_ritz(alphas, betas) / count, len(alphas))


@dataclass(frozen=True)
class Step:
    """One iteration of `least_squares`: the change of the unknown, the residual after it and the recurrence."""

    change: Tensor
    residual: Tensor
    gradient_share: float
    alpha: float
    beta: float


def least_squares(
    a: Tensor, b: Tensor, residual: Tensor, project: Callable[[Tensor], Tensor], ridge: float = 0.0
) -> Iterator[Step]:
    """Minimise ``sum_k ||R_k - (A_k Y - Y B_k)||^2 + ridge ||Y||^2`` over a linear space of Y, starting from Y = 0.

    Conjugate gradients in the form that keeps the residual itself and so does not square the rounding (Hestenes and
    Stiefel 1952, section 10).

    Parameters
    ----------
    residual
        ``[K, p, q]``, the right-hand side R.
    project
        Orthogonal projection of ``[p, q]`` on the space of Y.
    """
    gradient = project(adjoint(a, b, residual))
    direction, gamma = gradient, float(gradient.square().sum())
    first, y = gamma, torch.zeros_like(gradient)
    while gamma > 1e-28 * first > 0:
        image = commutators(a, b, direction)
        alpha = gamma / float(image.square().sum() + ridge * direction.square().sum())
        change = alpha * direction
        y = y + change
        residual = residual - alpha * image
        gradient = project(adjoint(a, b, residual)) - ridge * y
        beta = float(gradient.square().sum()) / gamma
        gamma *= beta
        direction = gradient + beta * direction
        yield Step(change, residual, gamma / first, alpha, beta)


def _smallest_ritz(alphas: list[float], betas: list[float]) -> float:
    """Smallest eigenvalue of the Lanczos matrix that conjugate gradients build (Golub and Van Loan, section 11.3)."""
    if not alphas:
        return 0.0
    diagonal = [1 / alphas[0]] + [1 / alphas[j] + betas[j - 1] / alphas[j - 1] for j in range(1, len(alphas))]
    off = [betas[j] ** 0.5 / alphas[j] for j in range(len(alphas) - 1)]
    return float(eigvalsh_tridiagonal(diagonal, off, select="i", select_range=(0, 0))[0])
