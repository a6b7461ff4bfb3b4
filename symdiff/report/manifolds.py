"""Several manifolds of values on the same trajectories: what each constraint costs, at equal latent size.

The actions are the same for all of them, and so is what the steps say of the process. They differ in how well a
representation confined to each manifold predicts, and in whether it respects products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from symdiff.report.candidates import SAME, apart
from symdiff.report.notation import interval, number
from symdiff.result import Estimate, Result, Status

WIDEST = "gl+"
"""The manifold that holds the others of its size: where it is a candidate, costs are counted from it."""

Ends = tuple[float, float]


@dataclass(frozen=True)
class ManifoldCandidate:
    """One run of the ranking.

    Attributes
    ----------
    name
        Of the run.
    manifold
        Name and n, such as ``so(4)``, and the form of rho.
    latent
        m, the same for all.
    error, interval
        Held-out ``prediction_error_whitened``.
    homomorphism, homomorphism_interval
        ``homomorphism_error``, to be read with `follows` and `law`.
    geodesic
        ``geodesic_homomorphism_error``.
    reconstruction
        ``reconstruction_error``.
    cost
        `error` less that of the reference: ``gl+`` if it is a candidate, else the best one.
    follows
        Whether any homomorphism into the manifold can follow translations of steps that scale.
    law
        What the claim *law* came to.
    resolved
        Whether its error differs from the next one's by more than their intervals allow; ``None`` for the last.
    """

    name: str
    manifold: str
    latent: int
    error: float | None
    interval: Ends | None
    homomorphism: float | None
    homomorphism_interval: Ends | None
    geodesic: float | None
    reconstruction: float | None
    follows: bool
    law: Status
    cost: float | None = None
    resolved: bool | None = None


def manifold_ranking(results: Mapping[str, Result]) -> list[ManifoldCandidate]:
    """Manifolds by held-out prediction error, the least first.

    Empty unless there are two of one latent size on the same trajectories; those of other sizes or trajectories than
    the first are left out.

    Parameters
    ----------
    results
        Results by name of their run; those without a manifold are passed over.
    """
    found = {name: result for name, result in results.items() if result.process.get("manifold")}
    if not found:
        return []
    first = next(iter(found.values()))
    alike = {name: result for name, result in found.items() if _setting(result) == _setting(first)}
    if len(alike) < 2:
        return []
    candidates = sorted(
        (_candidate(name, result) for name, result in alike.items()),
        key=lambda item: float("inf") if item.error is None else item.error,
    )
    widest = next((item for item in candidates if item.manifold.startswith(WIDEST)), candidates[0])
    candidates = [replace(item, cost=_less(item.error, widest.error)) for item in candidates]
    return [
        replace(one, resolved=apart(one.interval, other.interval)) for one, other in pairwise(candidates)
    ] + candidates[-1:]


def manifolds_in_words(candidates: Sequence[ManifoldCandidate]) -> list[str]:
    """What the ranking says, in sentences."""
    if not candidates:
        return []
    best = candidates[0]
    found = [
        f"With m = {best.latent}, rho on {best.manifold} predicts held-out latents best: {number(best.error)} "
        f"{interval(best.interval)} of their variance."
    ]
    costs = [f"{item.manifold} {number(item.cost)}" for item in candidates if item.cost]
    if costs:
        reference = next(item for item in candidates if item.cost == 0)
        found.append(f"What the constraint costs in prediction, counted from {reference.manifold}: {', '.join(costs)}.")
    blind = [item.manifold for item in candidates if not item.follows]
    if blind:
        found.append(
            f"No homomorphism of steps that scale and translate into {', '.join(blind)} sees the translations: there a "
            "small homomorphism error is no merit."
        )
    together = [f"{a.manifold} and {b.manifold}" for a, b in pairwise(candidates) if a.resolved is False]
    if together:
        found.append(f"The order of {', '.join(together)} is not resolved: their intervals overlap.")
    return found


def manifolds_as_document(candidates: Sequence[ManifoldCandidate]) -> list[dict[str, Any]]:
    """Plain data."""
    return [asdict(item) for item in candidates]


def _setting(result: Result) -> str:
    return repr([result.config.get(key) for key in (*SAME, "latent")])


def _candidate(name: str, result: Result) -> ManifoldCandidate:
    described = result.process["manifold"]
    form = result.config.get("options", {}).get("rho", "lie")
    error, homomorphism = (result.diagnostics.get(key) for key in ("prediction_error_whitened", "homomorphism_error"))
    law = result.verdict.claims.get("law")
    return ManifoldCandidate(
        name=name,
        manifold=f"{described['manifold']}({described['n']})" + ("" if form == "lie" else f" {form}"),
        latent=int(result.config.get("latent") or described["size"] * described["blocks"]),
        error=_value(error),
        interval=_ends(error),
        homomorphism=_value(homomorphism),
        homomorphism_interval=_ends(homomorphism),
        geodesic=_value(result.diagnostics.get("geodesic_homomorphism_error")),
        reconstruction=_value(result.diagnostics.get("reconstruction_error")),
        follows=bool(described["follows_translations"]),
        law="inconclusive" if law is None else law.status,
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _ends(estimate: Estimate | None) -> Ends | None:
    if estimate is None or estimate.interval is None:
        return None
    low, high = estimate.interval
    return None if low is None or high is None else (low, high)


def _less(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference
