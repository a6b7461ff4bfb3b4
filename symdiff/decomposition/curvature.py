"""How steeply the energy of matrices rises around a frame, over all changes of basis at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.balance import Balance

_DENSE = 32  # largest d for which all symmetric matrices are written out
_LANCZOS = 100


@dataclass(frozen=True)
class Curvature:
    """The second derivative ``4 Σ_k ‖[A_k, X]‖²`` of the energy along ``exp(tX)``, for traceless symmetric X.

    Attributes
    ----------
    smallest
        Smallest ``Σ_k ‖[A_k, X]‖² / ‖X‖²``, or a lower bound of it.
    lowest
        ``[d, d]``, the X that attains it.
    newton
        ``[d, d]``, Newton's step towards the least energy.
    """

    smallest: float
    lowest: Tensor
    newton: Tensor


def curvature(state: Balance, generator: torch.Generator) -> Curvature:
    """The curvature of the energy of matrices in a frame."""
    matrices = state.matrices
    d = matrices.shape[-1]
    wide, tall = matrices.transpose(1, 2).flatten(0, 1), matrices.flatten(0, 1)
    squares = wide.T @ wide + tall.T @ tall
    if d > _DENSE:
        return _lanczos(matrices, squares, state.moment, generator)
    i, j = torch.triu_indices(d, d)
    index = torch.arange(len(i))
    basis = torch.zeros(len(i), d, d).to(matrices)
    basis[index, i, j] = basis[index, j, i] = torch.where(i == j, 1.0, 0.5**0.5).to(matrices)
    pairs = (matrices.flatten(1).T @ matrices.flatten(1)).view(d, d, d, d)  # Σ A_ia A_jb
    twirl = pairs.transpose(1, 2).reshape(d * d, d * d)
    vectors = basis.flatten(1)
    half = vectors @ (basis @ squares / 2).flatten(1).T - vectors @ (twirl @ vectors.T)
    identity = vectors @ torch.eye(d).to(matrices).flatten()
    # The identity commutes with everything and is no projection: it is moved to the other end.
    gram = half + half.T + torch.outer(identity, identity) * squares.trace()
    values, eigenvectors = torch.linalg.eigh(gram)
    step = (
        -eigenvectors @ ((state.moment.flatten() @ vectors.T @ eigenvectors) / values.clamp_min(1e-14 * values[-1])) / 2
    )
    return Curvature(float(values[0]), *torch.einsum("cs,sij->cij", torch.stack([eigenvectors[:, 0], step]), basis))


def _lanczos(matrices: Tensor, squares: Tensor, moment: Tensor, generator: torch.Generator) -> Curvature:
    """`curvature` by Lanczos with full reorthogonalisation; the value is the Ritz value less its residual."""
    d = matrices.shape[-1]
    wide = matrices.transpose(1, 2).contiguous()

    def apply(x: Tensor) -> Tensor:
        y = torch.einsum("kia,kja->ij", matrices @ x, matrices) + torch.einsum("kia,kja->ij", wide @ x, wide)
        y = (squares @ x + x @ squares) / 2 - y
        y = (y + y.T) / 2
        return y - torch.eye(d).to(y) * y.trace() / d

    start = torch.randn(d, d, generator=generator, dtype=torch.float64, device=generator.device).to(matrices)
    start = start + start.T
    # The moment has a share in the start so that Newton's step lies in the space that is searched.
    start = start / start.norm() + moment / moment.norm().clamp_min(torch.finfo(moment.dtype).tiny)
    start = start - torch.eye(d).to(start) * start.trace() / d
    vectors = [start / start.norm()]
    projected = torch.zeros(_LANCZOS + 1, _LANCZOS + 1, dtype=torch.float64)
    for n in range(_LANCZOS):
        image = apply(vectors[n])
        stacked = torch.stack(vectors).flatten(1)
        for _ in range(2):
            weights = stacked @ image.flatten()
            image = image - (weights @ stacked).view(d, d)
            projected[n, : n + 1] += weights.cpu()
        beta = float(image.norm())
        values, eigenvectors = torch.linalg.eigh(
            projected[: n + 1, : n + 1].tril() + projected[: n + 1, : n + 1].tril(-1).T
        )
        error = beta * abs(float(eigenvectors[-1, 0]))
        if error <= 0.02 * float(values[0]) or beta <= 1e-12 * float(values[-1]):
            break
        vectors.append(image / beta)
    space = eigenvectors.T.to(matrices) @ torch.stack(vectors[: n + 1]).flatten(1)
    step = -(space @ moment.flatten() / values.to(matrices).clamp_min(1e-14 * float(values[-1]))) @ space / 2
    return Curvature(max(0.0, float(values[0]) - error), space[0].view(d, d), step.view(d, d))
