"""The claim *law*: is there a faithful rho under which an encoder of this size is equivariant?

It takes a small homomorphism error, an equivariance skill above every null (the blind family included), elements told
apart, and a rho that does something: each of the last three fails for a rho that satisfies the law trivially.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.diagnostics.intervals import FEWEST
from symdiff.diagnostics.thresholds import Thresholds
from symdiff.result import Claim, Estimate, Status

Finding = tuple[Status, str]

CONSTRUCTED = 1e-6
"""An untrained encoder whose skill is 1 up to this is equivariant by construction: no null, and the law no news."""

SKILL_NULLS = ("identity", "scale", "blind", "permuted", "untrained", "haar")
"""What the equivariance skill has to beat; a common linear map is a reference, not a representation."""


def law(
    diagnostics: Mapping[str, Estimate], limits: Thresholds, obstruction: str | None = None, over: str = ""
) -> Claim:
    """Is there a faithful rho under which this encoder is equivariant, better than under every null?

    Parameters
    ----------
    diagnostics, limits
        What was measured, and what counts.
    obstruction
        Why no homomorphism of the kind that was trained tells elements apart, where that is known. A rho that does tell
        them apart then breaks the law, however small its error on the pairs that were looked at.
    over
        What the homomorphism error is over, where it is not over all pairs of elements.
    """
    return _all(
        [
            _homomorphism(diagnostics.get("homomorphism_error"), limits, over),
            _skill(diagnostics.get("equivariance_skill_whitened"), diagnostics, limits),
            _faithful(diagnostics.get("faithfulness"), limits, obstruction),
            _energy(diagnostics.get("action_energy"), limits),
        ]
    )


def _homomorphism(estimate: Estimate | None, limits: Thresholds, over: str) -> Finding:
    if estimate is None or estimate.value is None:
        why = "" if estimate is None or estimate.caution is None else f": {estimate.caution}"
        return "inconclusive", f"homomorphism_error unknown{why}"
    text = f"homomorphism_error {estimate.value:.2g}{over}"
    bottom, top = ends(estimate)
    if top <= limits.homomorphism_supported:
        return "supported", text
    if bottom > limits.homomorphism_refuted:
        return "not supported", f"{text} (limit {limits.homomorphism_refuted})"
    return "inconclusive", f"{text} (limits {limits.homomorphism_supported} and {limits.homomorphism_refuted})"


def _skill(estimate: Estimate | None, diagnostics: Mapping[str, Estimate], limits: Thresholds) -> Finding:
    """In the whitened gauge: in the network's own basis a large direction can hide many in which rho stands still."""
    if estimate is None or estimate.value is None:
        return "inconclusive", "equivariance_skill_whitened unknown"
    bottom, top = ends(estimate)
    nulls = {name: value for name in SKILL_NULLS if (value := estimate.null.get(name)) is not None}
    constructed = nulls.get("untrained", 0.0) > 1 - CONSTRUCTED
    if constructed:
        del nulls["untrained"]
    name, best = max(nulls.items(), key=lambda null: null[1], default=("identity", 0.0))
    text = f"equivariance_skill_whitened {estimate.value:.3g}, best null {name} {best:.3g}{_followed(diagnostics)}"
    if constructed:
        text += "; by construction, an untrained encoder is as equivariant: what the process does is not in this claim"
    if top < limits.skill_refuted or top <= best:
        return "not supported", text
    own = diagnostics.get("equivariance_skill")
    p = own.null.get("permuted_p") if own is not None else None
    if p is not None and p > limits.permuted_p:
        return "inconclusive", f"{text}; permuted elements do as well (p = {p:.2g})"
    if estimate.n < FEWEST:
        return "inconclusive", f"{text}; only {estimate.n} independent units"
    if bottom >= limits.skill_supported and bottom > best:
        return "supported", text
    return "inconclusive", f"{text} (limit {limits.skill_supported})"


def _followed(diagnostics: Mapping[str, Estimate]) -> str:
    followed, moving = diagnostics.get("followed_dimension"), diagnostics.get("support_dimension")
    if followed is None or moving is None or followed.value is None or moving.value is None:
        return ""
    return f"; rho follows {followed.value:.0f} of {moving.value:.0f} directions of the latents"


def _faithful(estimate: Estimate | None, limits: Thresholds, obstruction: str | None = None) -> Finding:
    if obstruction is not None:
        found = "" if estimate is None or estimate.value is None else f" {estimate.value:.2g}"
        return "not supported", f"faithfulness{found}, but 0 for every homomorphism of this kind: {obstruction}"
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


def ends(estimate: Estimate) -> tuple[float, float]:
    """Ends of the interval; the value itself where there is none (an exact figure), nothing known where it is NaN."""
    value = float("nan") if estimate.value is None else estimate.value
    low, high = estimate.interval or (value, value)
    return (-float("inf") if low is None else low), (float("inf") if high is None else high)
