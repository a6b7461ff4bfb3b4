"""Is there a basis in which the matrices are orthogonal, and how large is the noise seen in it?

A representation of a compact group leaves a positive definite form H invariant, ``A_k^T H A_k = H``; in the basis
``H^(-1/2)`` it is orthogonal (Weyl's unitary trick).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.decomposition.sylvester import descend

# Beyond this conditioning of the change of basis noise in the given one cannot be told from structure.
_CONDITION = 1e3
# An orthogonality defect this many times what the given noise leaves is not noise.
CONSISTENT = 4.0


@dataclass(frozen=True)
class Unitarised:
    """A basis in which the matrices are orthogonal up to noise.

    Attributes
    ----------
    columns, rows
        ``[m, m]``, ``H^(-1/2)`` and ``H^(1/2)``; both the identity where the given basis will do.
    noise
        The noise level the orthogonality defect amounts to.
    fitted
        Whether the form was fitted to the matrices.
    """

    columns: Tensor
    rows: Tensor
    noise: float
    fitted: bool


def unitarise(matrices: Tensor, noise: float | None, floor: float, generator: torch.Generator) -> Unitarised | None:
    """Find a basis in which ``[K, m, m]`` are orthogonal up to `noise`; ``None`` where there is none.

    Without a given noise the defect itself is the estimate, provided that it is small beside what the matrices do.
    """
    m = matrices.shape[-1]
    eye = torch.eye(m, dtype=matrices.dtype, device=matrices.device)
    plain = Unitarised(eye, eye, _defect_noise(matrices, eye, eye, 1.0), False)
    if plain.noise <= max(floor, CONSISTENT**0.5 * (noise or 0.0)):
        return plain
    fitted = _fit(matrices, None if noise is None else max(floor, noise), generator)
    if noise is not None:
        return fitted if fitted is not None and fitted.noise <= max(floor, CONSISTENT**0.5 * noise) else None
    if fitted is not None and fitted.noise > 0.5 * plain.noise:
        fitted = None
    best = fitted or plain
    # Matrices near a multiple of the identity are orthogonal up to what they do, and that is not noise.
    scalars = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * eye
    motion = float((matrices - scalars).square().sum((1, 2)).mean())
    return best if best.noise <= 0.3 and best.noise**2 * m <= 0.05 * motion else None


def asymmetry_noise(matrices: Tensor) -> float:
    """The sigma whose noise leaves the asymmetry of ``[K, m, m]``: ``E|N - N^T|^2 = 2 sigma^2 (m - 1)``."""
    m = matrices.shape[-1]
    defect = float((matrices - matrices.mT).square().sum((1, 2)).mean())
    return float((defect / (2 * max(m - 1, 1))) ** 0.5)


def _fit(matrices: Tensor, noise: float | None, generator: torch.Generator) -> Unitarised | None:
    count, m = matrices.shape[:2]
    if count == 1:
        return None
    form = torch.eye(m, dtype=matrices.dtype, device=matrices.device)
    # Averaging over one element at a time keeps the form positive and halves what is not invariant.
    for _ in range(4):
        for k in torch.randperm(count, generator=generator).repeat(max(1, 24 // count)).tolist():
            form = (form + matrices[k].mT @ form @ matrices[k]) / 2
            form = form * (m / form.diagonal().sum())
    if not bool(torch.isfinite(form).all()):
        return None
    values = torch.linalg.eigvalsh(form)
    if _ill_conditioned(values):
        return None
    # Fitted further than the noise the form would lose what noise alone keeps from being invariant: all of it.
    target = float("inf") if noise is None else 8 * noise**2 * float(values.mean() * (1 / values).mean())
    inverse_transposes = torch.linalg.inv(matrices).mT
    limit = 2000 if m <= 128 else 300
    fits = [descend(inverse_transposes, matrices, form, target=target, give_up=1e-6, parity=1, iterations=limit)]
    if noise is None and m <= 128:
        # Elements that mix slowly look like noise at first; without any, the descent goes all the way.
        fits.append(descend(inverse_transposes, matrices, form, target=0.0, give_up=1e-6, parity=1, iterations=limit))
    return min((f for fit in fits if (f := _basis(matrices, fit.x)) is not None), key=lambda f: f.noise, default=None)


def _basis(matrices: Tensor, form: Tensor) -> Unitarised | None:
    values, vectors = torch.linalg.eigh(form)
    if _ill_conditioned(values):
        return None
    root = (values / values.mean()).sqrt()
    columns, rows = (vectors / root) @ vectors.mT, (vectors * root) @ vectors.mT
    return Unitarised(columns, rows, _defect_noise(matrices, columns, rows, 1 - 1 / len(matrices)), True)


def _ill_conditioned(values: Tensor) -> bool:
    return float(values[0]) <= float(values[-1]) / _CONDITION**2


def _defect_noise(matrices: Tensor, columns: Tensor, rows: Tensor, freedom: float) -> float:
    """The sigma whose noise leaves the mean square defect ``||Q^T Q - 1||^2``, Q the matrices in the basis.

    With v = sigma^2 / m the defect is ``2 v (tr H tr H^-1 + ||A^-1||^2)`` to first order, and ``v^2 m^2 (2m + 1)``
    more to second in an orthogonal basis; `freedom` is the share of it that fitting H has left.
    """
    m = matrices.shape[-1]
    turned = rows @ matrices @ columns
    eye = torch.eye(m, dtype=matrices.dtype, device=matrices.device)
    defect = float((turned.mT @ turned - eye).square().sum((1, 2)).mean()) / freedom
    inverses = float(torch.linalg.inv(matrices).square().sum((1, 2)).mean())
    trace = float(rows.square().sum() * columns.square().sum())
    first = 2 * (trace + min(inverses, trace)) / m
    second = (2 * m + 1) * (trace / m**2) ** 2
    variance = 2 * defect / (first + (first**2 + 4 * second * defect) ** 0.5)
    return float(variance**0.5)
