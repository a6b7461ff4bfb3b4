"""The verdict: three claims, each with its evidence, and what follows from them.

Some of the law is an identity (any trajectory can be written as affine elements), so law, content and decomposition
are answered separately, and the process is called structured only if law and content both hold. Every criterion can
come out negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.diagnostics.equivariant_content import equivariant_content
from symdiff.diagnostics.law import ends, law
from symdiff.diagnostics.thresholds import Thresholds
from symdiff.diagnostics.timesteps import timestep, timesteps
from symdiff.result import Claim, Estimate, Status, Verdict

OBSERVED = " over the products that were observed"


def verdict(
    diagnostics: Mapping[str, Estimate],
    process: Mapping[str, Any],
    thresholds: Thresholds | None = None,
    decomposition: Mapping[str, Any] | None = None,
    *,
    actions_are_steps: bool = True,
    law_claim: Claim | None = None,
    free_form: str = "",
    obstruction: str | None = None,
    actions_are_observed: bool = False,
    law_known: bool = True,
) -> Verdict:
    """The verdict on a model and its process.

    Parameters
    ----------
    diagnostics
        Estimates by name, as `diagnose` gives them. What is missing makes a claim inconclusive.
    process
        Process diagnostics by name, as `shared_affine_r2` gives them; for a group acting on observations, under
        ``equivariance``, what `symdiff.process.equivariance` found.
    thresholds
        Settings; the defaults if ``None``.
    decomposition
        The ``decomposition`` of a result; ``None`` if there is none.
    actions_are_steps
        Whether the group's actions are the reverse steps themselves: only then do shared affine maps speak about this
        group. If not, the content is whether the denoiser commutes with the group.
    law_claim
        The claim on the law, where no representation was learned that it could be measured on.
    free_form
        As in `GroupFamily`: what to do where the structure was given.
    obstruction
        Why no homomorphism of the kind that was trained tells elements apart, where that is known: see
        `GroupFamily.obstruction`.
    actions_are_observed
        Whether the actions were observed, not derived from the states of a process: then there is no claim on the
        content of a process, and the law decides.
    law_known
        Whether the group law is known; if not, the law is judged by products that were observed.
    """
    limits = thresholds or Thresholds()
    collapse = collapsed(diagnostics, limits)
    claims = {
        "law": Claim(status="not supported", evidence=collapse)
        if collapse
        else law_claim or law(diagnostics, limits, obstruction, "" if law_known else OBSERVED),
    }
    if process.get("absent"):
        of_process = Claim(status="inconclusive", evidence=process["absent"])
    elif actions_are_steps:
        of_process = content(process, limits)
    else:
        of_process = equivariant_content(process.get("equivariance"), limits)
    if not actions_are_observed:
        claims["content"] = of_process
    statuses = tuple(claim.status for claim in claims.values())
    reason = " ".join(f"{name.capitalize()} {claim.status}: {claim.evidence}." for name, claim in claims.items())
    reason = reason[0].lower() + reason[1:]
    claims["decomposition"] = decomposed(decomposition, limits, free_form)
    if collapse:
        structured, reason = "collapsed", f"the model collapsed, so its small errors mean nothing: {collapse}"
    elif set(statuses) == {"supported"}:
        structured = "supported"
    else:
        structured = "not supported" if "not supported" in statuses else "inconclusive"
    return Verdict(structured=structured, reason=reason, claims=claims, thresholds=limits.model_dump())


def collapsed(diagnostics: Mapping[str, Estimate], limits: Thresholds) -> str | None:
    """Why the model counts as collapsed; ``None`` if it does not."""
    rank, spread, gap = (_value(diagnostics, f) for f in ("effective_rank", "latent_spread", "reconstruction_gap"))
    reasons = []
    if rank is not None and rank < limits.collapsed_rank and _value(diagnostics, "support_dimension") != 1:
        reasons.append(f"effective rank of the latents {rank:.4g} (limit {limits.collapsed_rank})")
    if spread is not None and spread < limits.collapsed_spread:
        reasons.append(f"latents on one line up to {spread:.2g} of their size (limit {limits.collapsed_spread})")
    if gap is not None:
        best = diagnostics["reconstruction_gap"].null.get("pca") or 0.0
        # Where even principal components explain little, a small gap is the data's and not a collapse.
        limit = limits.collapsed_gap * max(best, 0.0)
        upper = ends(diagnostics["reconstruction_gap"])[1]
        if upper <= limit:
            reasons.append(f"reconstruction {gap:.3g} better than a constant (principal components {best:.3g})")
    return "; ".join(reasons) or None


def content(process: Mapping[str, Any], limits: Thresholds) -> Claim:
    """Does one affine map explain x0hat across trajectories, at every noise level?"""
    levels: Sequence[Mapping[str, Any]] = [
        level for level in process.get("shared_affine_r2_denoised") or () if level.get("value") is not None
    ]
    if not levels:
        return Claim(status="inconclusive", evidence="shared_affine_r2_denoised was not measured")
    worst = min(levels, key=lambda level: float(level["value"]))
    summary = f"smallest shared_affine_r2_denoised {worst['value']:.3f} at timestep {timestep(worst)}"
    low, refuted = [], []
    for level in levels:
        status = affine_at(level, limits)
        if status != "supported":
            low.append(level)
        if status == "not supported":
            refuted.append(level)
    if refuted:
        return Claim(
            status="not supported",
            evidence=f"{summary}; below {limits.affine_refuted} at {timesteps(refuted)} of {len(levels)} levels",
        )
    if low:
        return Claim(
            status="inconclusive",
            evidence=f"{summary}; not above {limits.affine_supported} at {timesteps(low)} of {len(levels)} levels",
        )
    return Claim(status="supported", evidence=f"{summary}; above {limits.affine_supported} at all {len(levels)} levels")


def affine_at(level: Mapping[str, Any], limits: Thresholds) -> Status:
    """Does one affine map explain the target at one level: where does its R^2 lie against the thresholds?"""
    bottom, top = level["interval"] or (-float("inf"), float("inf"))
    if bottom > limits.affine_supported:
        return "supported"
    # Too few trajectories to determine the map: a low value is then ours, not the process's. With enough of them the
    # misfit is still larger than the best map's by a known factor, which must not refute.
    best = 1 - (1 - top) / (1 + (level.get("inflation") or 0.0))
    return "not supported" if best < limits.affine_refuted and not level.get("caution") else "inconclusive"


def decomposed(decomposition: Mapping[str, Any] | None, limits: Thresholds, free_form: str = "") -> Claim:
    """Does rho split into parts that were found (not given), are stable under resampling and resolved at the noise?"""
    if decomposition is None:
        return Claim(status="inconclusive", evidence="rho was not decomposed")
    found = str(decomposition.get("verdict"))
    stability = decomposition.get("stability")
    stable = "unknown stability" if stability is None else f"the same on {stability:.0%} of the resamples"
    noise = decomposition.get("noise")
    summary = f"{found} at {'unknown noise' if noise is None else f'noise {noise:.2g}'}, {stable}"
    if decomposition.get("given"):
        advice = f": a trained form with {free_form} lets one be found" if free_form else ""
        return Claim(status="inconclusive", evidence=f"{summary}; but this structure was given to rho{advice}")
    if found == "unresolved":
        return Claim(status="inconclusive", evidence=f"{summary}: {decomposition.get('reason') or 'no reason known'}")
    if stability is None or stability < limits.stability:
        return Claim(status="inconclusive", evidence=f"{summary}, where {limits.stability:.0%} are asked for")
    if cautions := decomposition.get("cautions"):
        return Claim(status="inconclusive", evidence=f"{summary}; {'; '.join(cautions)}")
    if found != "decomposable":
        return Claim(status="not supported", evidence=f"{summary}: one block, which does not split")
    spanned, size = decomposition.get("support_dimension"), decomposition.get("size")
    if spanned is not None and size is not None and spanned < size:
        visited = decomposition.get("on_support")
        evidence = f"{summary}, but on the {spanned} of {size} dimensions that the latents span"
        if visited is None:
            return Claim(status="inconclusive", evidence=f"{evidence} rho does not act by itself")
        if visited["verdict"] != "decomposable":
            status: Status = "inconclusive" if visited["verdict"] == "unresolved" else "not supported"
            return Claim(status=status, evidence=f"{evidence} it is {visited['verdict']}")
    parts = sum(block.get("multiplicity", 1) for block in decomposition.get("blocks") or ())
    return Claim(status="supported", evidence=f"{summary}: {parts} blocks")


def _value(diagnostics: Mapping[str, Estimate], name: str) -> float | None:
    estimate = diagnostics.get(name)
    return None if estimate is None else estimate.value
