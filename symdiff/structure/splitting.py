"""Decomposing a trained representation and, beside it, the closed forms of the same dimension."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symdiff.decomposition import Decomposition, decompose
from symdiff.diagnostics import Evaluation
from symdiff.diagnostics.homomorphism import spread
from symdiff.errors import MatricesError
from symdiff.hae import HAE
from symdiff.illustrations import TRAVERSAL, Pictures, show, traversals
from symdiff.report.magnitude import mean_magnitude
from symdiff.representations import Representation
from symdiff.result import Estimate
from symdiff.structure.factors import against_factors
from symdiff.structure.noise import Noise, noise_of, observed_noise
from symdiff.structure.visited import directions, visits
from symdiff.structure.words import Words, count, displacement, words

REFERENCE = "exact"
"""The closed form that every decomposition is printed beside."""

LARGE = 64
"""Closed forms of larger dimension are not resampled: their structure is known, and it would take minutes."""

LEAKAGE = 1e-3
"""Share of ``rho(g) h`` outside the span of the latents above which rho does not keep to that span."""

SUMMARY = ("verdict", "given", "commutant_dim", "noise", "stability", "resamples")
SUMMARY_OF_BLOCK = ("dim", "multiplicity", "type", "verdict", "flag")
"""What the comparison with closed forms repeats of each."""


@dataclass(frozen=True)
class Structure:
    """What was found out about how a representation decomposes.

    Attributes
    ----------
    document
        ``decomposition`` of ``result.json``; ``None`` where the matrices could not be decomposed.
    arrays
        What the report draws: magnitudes of the matrices before and after, and decoded traversals.
    estimates
        Stability and off-block part as diagnostics.
    """

    document: dict[str, Any] | None
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)


@torch.no_grad()
def split(
    evaluation: Evaluation,
    references: Mapping[str, HAE],
    form: str,
    resamples: int = 20,
    few: int = 8,
    pictures_of: Pictures = show,
) -> Structure:
    """Decompose the representation of a model, on words of held-out elements, at the noise its own products show.

    Parameters
    ----------
    evaluation
        The model with its held-out data, in float64.
    references
        Closed-form models of the same dimension by form, in float64: what the result is compared with.
    form
        Name of the model's own form.
    resamples, few
        Bootstrap resamples behind the stability of the model, and of the references.
    pictures_of
        Makes pictures of states, for the traversals.
    """
    rho = evaluation.representation
    chosen = words(evaluation.family, evaluation.trajectories, rho, evaluation.seed, evaluation.elements.device)
    try:
        found, noise, matrices = _decomposed(evaluation, rho, chosen, resamples)
    except MatricesError as error:
        warnings.warn(f"rho was not decomposed: {error}", stacklevel=2)
        return Structure(None)
    basis = torch.as_tensor(found.basis)
    latents = evaluation.latents.flatten(0, 1)
    document = _document(found, noise, rho)
    for block, visit in zip(document["blocks"], visits(latents, basis, found.blocks), strict=True):
        block |= {"share": visit.share, "visited": visit.dimensions}
    document |= {
        "support_dimension": evaluation.gauge.dimension,
        "elements": {"word_length": chosen.length, "displacement": displacement(matrices)},
        "on_support": None,
        "reference": None,
        "comparison": [summary(form, document)],
    }
    if evaluation.gauge.dimension < found.size:
        document["on_support"] = _on_support(evaluation, matrices, noise, few, document)
    for name, model in references.items():
        if name != REFERENCE and document["given"]:
            continue  # other given structures are of interest beside one that was found
        try:
            other, level, _ = _decomposed(evaluation, model.representation, chosen, few if found.size <= LARGE else 0)
        except MatricesError as error:
            warnings.warn(f"the closed form {name} was not decomposed: {error}", stacklevel=2)
            continue
        described = _document(other, level, model.representation)
        document["comparison"].append(summary(f"{name} (closed form)", described))
        if name == REFERENCE:
            document["reference"] = {"form": name, **described}
    known = against_factors(evaluation, basis, found.blocks)
    if known.document is not None:
        document["factors"] = known.document
    document = json.loads(json.dumps(document))  # lists for tuples, as in a result that was read back
    arrays = _arrays(evaluation, found, matrices, latents, pictures_of)
    return Structure(document, arrays, estimates_of(found) | known.estimates)


def _decomposed(
    evaluation: Evaluation, rho: Representation, chosen: Words, resamples: int
) -> tuple[Decomposition, Noise, Tensor]:
    # Blocks that were given need no more elements than the largest of them, and the work grows with their number.
    elements = spread(chosen.elements, count(max(rho.block_sizes)))
    matrices: Tensor = rho(elements)
    if evaluation.family.law_known:
        noise = noise_of(evaluation.family, rho, elements, matrices)
    else:
        noise = observed_noise(evaluation.with_representation(rho), matrices)
    return decompose(matrices, noise.level, seed=evaluation.seed, resamples=resamples), noise, matrices


def _on_support(
    evaluation: Evaluation, matrices: Tensor, noise: Noise, resamples: int, document: dict[str, Any]
) -> dict[str, Any] | None:
    """The decomposition of rho on the span of the latents, where that is not all; ``None`` if rho does not keep to it.

    Only this part of rho is ever visited, and blocks may share a part of it: k affine blocks ``[[a, p_i v], [0, 1]]``
    have their constants in common there, and are one block.
    """
    span = torch.linalg.qr(evaluation.gauge.unwhiten).Q
    moved = matrices @ span
    restricted = span.T @ moved
    left = (moved - span @ restricted).square().sum((-2, -1)).mean().sqrt()
    if float(left / moved.square().sum((-2, -1)).mean().sqrt()) > LEAKAGE:
        return None
    size, rank = span.shape
    # Entries keep the variance sigma^2 / m; what leaves the span comes on top.
    level = noise.level * (rank / size) ** 0.5 + float(left) / rank**0.5
    try:
        found = decompose(restricted, level, seed=evaluation.seed, resamples=resamples)
    except MatricesError:
        return None
    described = summary("", {**document, **found.to_dict()})
    return {key: value for key, value in described.items() if key not in ("form", "given")}


def _document(found: Decomposition, noise: Noise, rho: Representation) -> dict[str, Any]:
    """A decomposition as plain data, with where its noise is from and whether its structure was imposed."""
    sizes = [int(size) for size in rho.block_sizes]
    given = len(sizes) > 1 or rho.form == REFERENCE
    design = {"form": rho.form, "blocks": sizes}
    return {**found.to_dict(), "noise_source": noise.source, "given": given, "design": design}


def summary(form: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the comparison: a decomposition without its evidence."""
    blocks = [{key: block[key] for key in SUMMARY_OF_BLOCK} for block in document["blocks"]]
    return {"form": form, **{key: document[key] for key in SUMMARY}, "blocks": blocks}


def _arrays(
    evaluation: Evaluation, found: Decomposition, matrices: Tensor, latents: Tensor, pictures_of: Pictures
) -> dict[str, NDArray[np.float32]]:
    pictures = {
        "decomposition_before": mean_magnitude(matrices.cpu().numpy()),
        "decomposition_after": mean_magnitude(torch.as_tensor(found.transform(matrices)).cpu().numpy()),
    }
    shown = directions(latents, torch.as_tensor(found.basis), found.blocks)
    if shown:
        moves = torch.stack([direction.vector for direction in shown])
        pictures |= {
            "traversals": traversals(evaluation.model, evaluation.sequences, moves, pictures_of),
            "traversal_values": np.array(TRAVERSAL),
            "traversal_blocks": np.array([direction.block + 1 for direction in shown]),
            "traversal_layers": np.array([direction.layer + 1 for direction in shown]),
        }
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in pictures.items()}


def estimates_of(found: Decomposition) -> dict[str, Estimate]:
    """What a decomposition leaves outside its blocks, and its stability, as diagnostics."""
    caution = "; ".join(found.cautions) or None
    estimates = {"decomposition_off_block": Estimate(value=found.off_block, n=found.count, caution=caution)}
    if found.stability is not None:
        estimates["decomposition_stability"] = Estimate(
            value=found.stability, n=found.resamples, better="higher", caution=caution
        )
    return estimates
