"""The verdict: three claims, each with its evidence, and what follows from them.

Some of the law is an identity (any trajectory can be written as affine elements), so law, content and decomposition
are answered separately, and the process is called structured only if law and content both hold. Every criterion can
come out negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from symdiff.result import Claim, Estimate, Status, Verdict


class Thresholds(BaseModel):
    """What counts as supported or refuted; printed with every verdict.

    Attributes
    ----------
    homomorphism_supported, homomorphism_refuted
        The upper end of the homomorphism error's interval is to be below the first; a lower end above the second
        refutes the law.
    skill_supported, skill_refuted
        The same for the equivariance skill, the other way round.
    faithfulness
        Smallest separation as a share of the typical one; at or below it rho does not tell elements apart.
    action_energy
        Share of the exact form's action energy below which a small error does not count.
    permuted_p
        Largest p-value of the permuted elements.
    affine_supported, affine_refuted
        ``shared_affine_r2_denoised`` is to lie above the first at every noise level; below the second at any level
        refutes the content.
    collapsed_rank, collapsed_spread, collapsed_gap
        Below this effective rank, latent spread, or share of the reconstruction gap of principal components, the model
        is collapsed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    homomorphism_supported: float = 0.01
    homomorphism_refuted: float = 0.05
    skill_supported: float = 0.9
    skill_refuted: float = 0.5
    faithfulness: float = 0.01
    action_energy: float = 0.25
    permuted_p: float = 0.05
    affine_supported: float = 0.95
    affine_refuted: float = 0.90
    collapsed_rank: float = 1.05
    collapsed_spread: float = 0.01
    collapsed_gap: float = 0.05


Finding = tuple[Status, str]

SKILL_NULLS = ("identity", "scale", "blind", "permuted", "untrained", "haar")
"""What the equivariance skill has to beat; a common linear map is a reference, not a representation."""


def verdict(
    diagnostics: Mapping[str, Estimate],
    process: Mapping[str, Any],
    thresholds: Thresholds | None = None,
    decomposition: Mapping[str, Any] | None = None,
) -> Verdict:
    """The verdict on a model and its process.

    Parameters
    ----------
    diagnostics
        Estimates by name, as `diagnose` gives them. What is missing makes a claim inconclusive.
    process
        Process diagnostics by name, as `shared_affine_r2` gives them.
    thresholds
        Settings; the defaults if ``None``.
    decomposition
        The decomposition found, ``None`` until there is one.
    """
    limits = thresholds or Thresholds()
    collapse = collapsed(diagnostics, limits)
    claims = {
        "law": Claim(status="not supported", evidence=collapse) if collapse else law(diagnostics, limits),
        "content": content(process, limits),
        "decomposition": decomposed(decomposition),
    }
    statuses = (claims["law"].status, claims["content"].status)
    reason = f"law {statuses[0]}: {claims['law'].evidence}. Content {statuses[1]}: {claims['content'].evidence}."
    if collapse:
        structured, reason = "collapsed", f"the model collapsed, so its small errors mean nothing: {collapse}"
    elif statuses == ("supported", "supported"):
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
        upper = _ends(diagnostics["reconstruction_gap"])[1]
        if upper <= limit:
            reasons.append(f"reconstruction {gap:.3g} better than a constant (principal components {best:.3g})")
    return "; ".join(reasons) or None


def law(diagnostics: Mapping[str, Estimate], limits: Thresholds) -> Claim:
    """Is there a faithful rho under which this encoder is equivariant, better than under every null?"""
    return _all(
        [
            _homomorphism(diagnostics.get("homomorphism_error"), limits),
            _skill(diagnostics.get("equivariance_skill"), limits),
            _faithful(diagnostics.get("faithfulness"), limits),
            _energy(diagnostics.get("action_energy"), limits),
        ]
    )


def content(process: Mapping[str, Any], limits: Thresholds) -> Claim:
    """Does one affine map explain x0hat across trajectories, at every noise level?"""
    levels: Sequence[Mapping[str, Any]] = [
        level for level in process.get("shared_affine_r2_denoised") or () if level.get("value") is not None
    ]
    if not levels:
        return Claim(status="inconclusive", evidence="shared_affine_r2_denoised was not measured")
    worst = min(levels, key=lambda level: float(level["value"]))
    summary = f"smallest shared_affine_r2_denoised {worst['value']:.3f} at timestep {worst['timestep']}"
    low, refuted = [], []
    for level in levels:
        bottom, top = level["interval"] or (-float("inf"), float("inf"))
        if not bottom > limits.affine_supported:
            low.append(level)
        # Too few trajectories to determine the map: a low value is then ours, not the process's.
        if top < limits.affine_refuted and not level.get("caution"):
            refuted.append(level)
    if refuted:
        return Claim(
            status="not supported",
            evidence=f"{summary}; below {limits.affine_refuted} at {_named(refuted)} of {len(levels)} levels",
        )
    if low:
        return Claim(
            status="inconclusive",
            evidence=f"{summary}; not above {limits.affine_supported} at {_named(low)} of {len(levels)} levels",
        )
    return Claim(status="supported", evidence=f"{summary}; above {limits.affine_supported} at all {len(levels)} levels")


def decomposed(decomposition: Mapping[str, Any] | None) -> Claim:
    """Is the decomposition found (not given), stable, and resolved at the measured noise?"""
    if decomposition is None:
        return Claim(status="inconclusive", evidence="not decomposed yet")
    found = str(decomposition.get("verdict"))
    if decomposition.get("given"):
        return Claim(status="inconclusive", evidence=f"{found}, but the blocks were given and not found")
    if found in ("decomposable", "irreducible", "reducible-indecomposable"):
        stability = decomposition.get("stability")
        stable = isinstance(stability, int | float) and stability >= 0.9
        return Claim(status="supported" if stable else "inconclusive", evidence=f"{found}, stability {stability}")
    return Claim(status="inconclusive", evidence=found)


def _homomorphism(estimate: Estimate | None, limits: Thresholds) -> Finding:
    if estimate is None or estimate.value is None:
        return "inconclusive", "homomorphism_error unknown"
    text = f"homomorphism_error {estimate.value:.2g}"
    bottom, top = _ends(estimate)
    if top <= limits.homomorphism_supported:
        return "supported", text
    if bottom > limits.homomorphism_refuted:
        return "not supported", f"{text} (limit {limits.homomorphism_refuted})"
    return "inconclusive", f"{text} (limits {limits.homomorphism_supported} and {limits.homomorphism_refuted})"


def _skill(estimate: Estimate | None, limits: Thresholds) -> Finding:
    if estimate is None or estimate.value is None:
        return "inconclusive", "equivariance_skill unknown"
    bottom, top = _ends(estimate)
    nulls = {name: value for name in SKILL_NULLS if (value := estimate.null.get(name)) is not None}
    name, best = max(nulls.items(), key=lambda null: null[1], default=("identity", 0.0))
    text = f"equivariance_skill {estimate.value:.3g}, best null {name} {best:.3g}"
    if top < limits.skill_refuted or top <= best:
        return "not supported", text
    p = estimate.null.get("permuted_p")
    if p is not None and p > limits.permuted_p:
        return "inconclusive", f"{text}; permuted elements do as well (p = {p:.2g})"
    if bottom >= limits.skill_supported and bottom > best:
        return "supported", text
    return "inconclusive", f"{text} (limit {limits.skill_supported})"


def _faithful(estimate: Estimate | None, limits: Thresholds) -> Finding:
    if estimate is None or estimate.value is None:
        return "inconclusive", "faithfulness unknown"
    typical = estimate.null.get("typical")
    text = f"faithfulness {estimate.value:.2g}" + ("" if typical is None else f" (typical separation {typical:.2g})")
    if not estimate.value > limits.faithfulness * (typical or 0.0):
        return "not supported", f"{text}: rho does not tell elements apart"
    return "supported", text


def _energy(estimate: Estimate | None, limits: Thresholds) -> Finding:
    if estimate is None or estimate.value is None:
        return "inconclusive", "action_energy unknown"
    text, exact = f"action_energy {estimate.value:.2g}", estimate.null.get("pca")
    if not estimate.value > 0:
        return "not supported", f"{text}: rho does nothing"
    if exact is not None and estimate.value < limits.action_energy * exact:
        return "inconclusive", f"{text}, below {limits.action_energy} of the exact form's {exact:.2g}"
    return "supported", text


def _all(findings: Sequence[Finding]) -> Claim:
    """All have to hold; the evidence names what decided."""
    for status in ("not supported", "inconclusive"):
        decisive = [text for found, text in findings if found == status]
        if decisive:
            return Claim(status=status, evidence="; ".join(decisive))
    return Claim(status="supported", evidence="; ".join(text for _, text in findings))


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Ends of the interval; the value itself where there is none (an exact figure), nothing known where it is NaN."""
    value = float("nan") if estimate.value is None else estimate.value
    low, high = estimate.interval or (value, value)
    return (-float("inf") if low is None else low), (float("inf") if high is None else high)


def _value(diagnostics: Mapping[str, Estimate], name: str) -> float | None:
    estimate = diagnostics.get(name)
    return None if estimate is None else estimate.value


def _named(levels: Sequence[Mapping[str, Any]], most: int = 8) -> str:
    names = ", ".join(str(level["timestep"]) for level in levels[:most])
    return f"timesteps {names}{', ...' if len(levels) > most else ''} ({len(levels)})"
