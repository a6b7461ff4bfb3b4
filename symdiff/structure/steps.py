"""The reverse steps themselves, decomposed: no autoencoder in between."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.decomposition import Decomposition, decompose
from symdiff.illustrations import TRAVERSAL, Pictures, seen, show
from symdiff.report.magnitude import mean_magnitude
from symdiff.result import Estimate
from symdiff.structure.linear_parts import LinearParts
from symdiff.structure.splitting import Structure, estimates_of, summary
from symdiff.structure.visited import directions, visits
from symdiff.structure.words import displacement
from symdiff.trajectories import Trajectories

FORM = "A_t(x)"

TOLERANCES = (1e-3, 1e-2, 0.03, 0.1, 0.3)
"""Shares of the linear parts' motion (what is left of them without their multiple of the identity) taken for noise."""

ROUNDING = 1e-10
"""Share of the motion that the rounding of float64 derivatives is taken for."""

FEW = 2
"""Matrices at a level below which it is not decomposed by itself."""


@torch.no_grad()
def split_steps(
    parts: LinearParts,
    trajectories: Trajectories,
    *,
    seed: int = 0,
    resamples: int = 20,
    by_level: bool = True,
    pictures_of: Pictures = show,
) -> Structure:
    """Decompose the set of all linear parts, and those of each noise level by themselves.

    Derivatives are exact up to rounding, so that a symmetry which only nearly holds does not show in a decomposition at
    that level. Hence the scan: the same set with a growing share of its motion taken for noise. It is made of the
    symmetric parts ``(A + A^T)/2``, with which everything commutes that commutes with A and its transpose, as any
    orthogonal symmetry does.

    Parameters
    ----------
    parts
        From `linear_parts`.
    trajectories
        The recording, for the variance of its images along the blocks.
    seed, resamples
        Of the decomposition of the whole set.
    by_level
        Whether to decompose every level by itself, too.
    pictures_of
        Makes pictures of states, where the model works in a latent space.

    Raises
    ------
    MatricesError
        The set cannot be decomposed.
    """
    found = decompose(parts.matrices, ROUNDING * _motion(parts.matrices), seed=seed, resamples=resamples)
    images = trajectories.states[:, -1].double().flatten(1)
    latents = images @ parts.basis
    basis = torch.as_tensor(found.basis)
    document: dict[str, Any] = {
        **found.to_dict(),
        "noise_source": "rounding of the derivatives",
        "given": False,
        "subject": "linear parts",
        "design": {"form": FORM, "blocks": [found.size]},
        "support_dimension": found.size,
        "elements": {"word_length": 1, "displacement": displacement(parts.matrices)},
        "on_support": None,
        "reference": None,
    }
    for block, visit in zip(document["blocks"], visits(latents, basis, found.blocks), strict=True):
        block |= {"share": visit.share, "visited": visit.dimensions}
    symmetric = (parts.matrices + parts.matrices.mT) / 2
    document |= {
        "comparison": [summary(FORM, document)],
        "linear_parts": {
            "pixels": len(parts.basis),
            "subspace": parts.basis.shape[1],
            "captured": parts.captured,
            "asymmetry": float((parts.matrices - symmetric).norm() / _traceless(parts.matrices).norm()),
            "left_out": [trajectories.time(i) for i in parts.left_out],
            "block_correlation": block_correlation(basis, found, latents),
            "tolerances": [_at(symmetric, share, seed) for share in TOLERANCES],
            "levels": _levels(parts, symmetric, trajectories, seed) if by_level else [],
        },
    }
    document = json.loads(json.dumps(document))  # lists for tuples, as in a result that was read back
    return Structure(
        document,
        _arrays(parts, found, trajectories, images, pictures_of),
        _diagnostics(parts, found, document, len(images)),
    )


def block_correlation(
    basis: Float[Tensor, "k k"], found: Decomposition, latents: Float[Tensor, "n k"]
) -> dict[str, float | None]:
    """Root mean square correlation of the images' coordinates in different blocks.

    Blocks along principal axes are uncorrelated: `sampling` is what n images leave of that, ``1/sqrt(n-1)``, and
    `random` is the figure in a random basis. `value` is ``None`` where there is one block.
    """
    label = torch.zeros(len(basis), dtype=torch.long)
    for number, block in enumerate(found.blocks):
        for start, stop in block.columns:
            label[start:stop] = number
    apart = label[:, None] != label

    def figure(columns: Tensor) -> float:
        coordinates = torch.linalg.solve(columns, (latents - latents.mean(0)).T)
        return float(torch.corrcoef(coordinates)[apart].nan_to_num().square().mean().sqrt())

    if not bool(apart.any()):
        return {"value": None, "sampling": None, "random": None}
    generator = torch.Generator().manual_seed(20)
    random = torch.linalg.qr(torch.randn(basis.shape, generator=generator, dtype=torch.float64)).Q
    return {"value": figure(basis), "sampling": (len(latents) - 1) ** -0.5, "random": figure(random)}


def _levels(parts: LinearParts, symmetric: Tensor, trajectories: Trajectories, seed: int) -> list[dict[str, Any]]:
    rows = []
    for i in parts.step.unique().tolist():
        here = parts.step == i
        if int(here.sum()) < FEW:
            continue
        row: dict[str, Any] = {"timestep": trajectories.time(i), "alpha_bar": float(trajectories.alpha_bar[i])}
        row["motion"] = _motion(parts.matrices[here])
        # From exact to coarse, and no further than the first tolerance at which there is structure.
        for share in (ROUNDING, *TOLERANCES[1::2]):
            row |= _at(symmetric[here], share, seed)
            if row["verdict"] == "decomposable":
                break
        rows.append(row)
    return rows


def _at(matrices: Tensor, share: float, seed: int) -> dict[str, Any]:
    found = decompose(matrices, share * _motion(matrices), seed=seed, resamples=0)
    blocks = [
        {"dim": block.dim, "multiplicity": block.multiplicity, "type": block.type, "verdict": block.verdict}
        for block in found.blocks
    ]
    return {"tolerance": share, "verdict": found.verdict, "commutant_dim": found.commutant_dim, "blocks": blocks}


def _traceless(matrices: Tensor) -> Tensor:
    m = matrices.shape[-1]
    scalar = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    return matrices - scalar * torch.eye(m, dtype=matrices.dtype)


def _motion(matrices: Tensor) -> float:
    """The sigma of noise as large as the matrices without their multiples of the identity."""
    return float((_traceless(matrices).square().sum((1, 2)).mean() / matrices.shape[-1]).sqrt())


def _arrays(
    parts: LinearParts, found: Decomposition, trajectories: Trajectories, images: Tensor, pictures_of: Pictures
) -> dict[str, Any]:
    shape = trajectories.observation_shape
    pictures = {
        "decomposition_before": mean_magnitude(parts.matrices.numpy()),
        "decomposition_after": mean_magnitude(torch.as_tensor(found.transform(parts.matrices)).numpy()),
    }
    shown = directions(images @ parts.basis, torch.as_tensor(found.basis), found.blocks)
    if shown:
        moves = torch.stack([direction.vector for direction in shown]) @ parts.basis.T
        values = torch.tensor(TRAVERSAL, dtype=moves.dtype)
        moved = images.mean(0) + values[:, None] * moves[:, None]
        pictures |= {
            "traversals": seen(moved.reshape(len(moves), len(values), *shape), pictures_of).numpy(),
            "traversal_values": np.array(TRAVERSAL),
            "traversal_blocks": np.array([direction.block + 1 for direction in shown]),
            "traversal_layers": np.array([direction.layer + 1 for direction in shown]),
        }
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in pictures.items()}


def _diagnostics(
    parts: LinearParts, found: Decomposition, document: dict[str, Any], images: int
) -> dict[str, Estimate]:
    about = document["linear_parts"]
    units = len(parts.trajectory.unique())
    return {
        **estimates_of(found),
        "linear_part_asymmetry": Estimate(value=about["asymmetry"], n=units),
        "block_correlation": Estimate(
            value=about["block_correlation"]["value"],
            n=images,
            null={name: about["block_correlation"][name] for name in ("sampling", "random")},
        ),
    }
