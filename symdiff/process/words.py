"""What was found about the process, in sentences: none without its numbers, and what was not measured is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.diagnostics.thresholds import Thresholds
from symdiff.diagnostics.verdict import affine_at
from symdiff.process.linear_words import linear_sentences
from symdiff.process.ranges import figure, measured, ranges
from symdiff.report.notation import joined, number, setting

NAMES = {"scalar": "One gain for all pixels", "diagonal": "One gain a pixel"}

VARIANCES = {"optimal": "the best variance", "fixed_large": "fixed_large", "fixed_small": "fixed_small"}


def words(process: Mapping[str, Any], alpha_bar: Mapping[float, float], limits: Thresholds | None = None) -> list[str]:
    """Sentences on a process, in the order in which one would ask.

    Parameters
    ----------
    process
        The document that `describe` assembles.
    alpha_bar
        Share of the signal by timestep.
    limits
        Thresholds of the verdict: affine where the interval of R^2 lies above the first, not where it lies below the
        second.
    """
    limits = limits or Thresholds()
    return [
        *_affine(process, alpha_bar, limits),
        *_fewer_numbers(process, alpha_bar, limits),
        *_step(process),
        *_composed(process),
        *linear_sentences(process, alpha_bar),
        *_bound(process.get("elbo") or {}),
        *_group(process.get("group") or {}),
        *(f"{caution[0].upper()}{caution[1:]}." for caution in process.get("cautions") or ()),
    ]


def _affine(process: Mapping[str, Any], alpha_bar: Mapping[float, float], limits: Thresholds) -> list[str]:
    levels = measured(process.get("shared_affine_r2_denoised"))
    if not levels:
        return ["Whether x̂₀ is one affine function of the state for every trajectory was not measured."]
    status = [affine_at(level, limits) for level in levels]
    where = {kind: [i for i, found in enumerate(status) if found == kind] for kind in set(status)}
    worst = min(levels, key=lambda level: float(level["value"]))
    least = f"its held-out R² is least at t = {number(worst['timestep'])}, {figure(worst)}"
    if len(where.get("supported", [])) == len(levels):
        return [
            f"At all {len(levels)} noise levels x̂₀ is one affine function of the state, the same for every trajectory: "
            f"{least}, everywhere above {setting(limits.affine_supported)}."
        ]
    # A level is open because of its interval, or because something speaks against the figure.
    doubts = dict.fromkeys(levels[i].get("caution") for i in where.get("inconclusive", []))
    doubt = next((f" ({doubt})" for doubt in doubts if doubt), "")
    texts = []
    for kind, text in (
        ("supported", f"it is (interval above {setting(limits.affine_supported)}) at"),
        ("not supported", f"it is not (interval below {setting(limits.affine_refuted)}) at"),
        ("inconclusive", "it is not settled at"),
    ):
        if kind in where:
            texts.append(f"{text} {ranges(levels, where[kind], alpha_bar)}" + (doubt if kind == "inconclusive" else ""))
    return [
        f"Is x̂₀ one affine function of the state, the same for every trajectory? {_capital('; '.join(texts))}: {least}."
    ]


def _fewer_numbers(process: Mapping[str, Any], alpha_bar: Mapping[float, float], limits: Thresholds) -> list[str]:
    found = []
    for kind, name in NAMES.items():
        levels = measured(process.get(f"shared_{kind}_r2_denoised"))
        if not levels:
            continue
        enough = [i for i, level in enumerate(levels) if affine_at(level, limits) == "supported"]
        worst, best = (pick(levels, key=lambda level: float(level["value"])) for pick in (min, max))
        spread = f"R² from {figure(worst)} at t = {number(worst['timestep'])} to {figure(best)}"
        if len(enough) == len(levels):
            found.append(f"{name} and a translation suffice at every level ({spread}).")
        else:
            where = ranges(levels, enough, alpha_bar)
            found.append(
                f"{name} and a translation suffice for x̂₀ at {where} ({spread} at t = {number(best['timestep'])})."
            )
    return found


def _step(process: Mapping[str, Any]) -> list[str]:
    means, sampled = (measured(process.get(name)) for name in ("shared_affine_r2", "shared_affine_r2_sampled"))
    found = []
    if means:
        worst = min(means, key=lambda level: float(level["value"]))
        found.append(
            f"The mean of the step itself has R² {figure(worst)} at least (t = {number(worst['timestep'])}); most of "
            "it is a multiple of the state by construction, so that a high value says little."
        )
    elif sampled:
        found.append("R² of the mean of the step was not measured: the recording does not tell the mean.")
    if sampled:
        worst = min(sampled, key=lambda level: float(level["value"]))
        ceiling = [c for c in measured(process.get("ceiling_sampled")) if c["timestep"] == worst["timestep"]]
        limit = f", where injected noise leaves {figure(ceiling[0])}" if ceiling else ""
        found.append(f"For the sampled state R² is least at t = {number(worst['timestep'])}, {figure(worst)}{limit}.")
    return found


def _composed(process: Mapping[str, Any]) -> list[str]:
    entries = process.get("composed") or []
    if not entries or entries[0]["composed"]["value"] is None:
        return ["The composition of the steps was not measured."]
    whole = entries[0]
    ceiling = "unknown" if whole.get("ceiling") is None else number(whole["ceiling"])
    text = (
        f"Composed over the whole run, from t = {number(whole['timestep'])}, the shared maps of the steps explain "
        f"{figure(whole['composed'])} of the variance of the final state, and one map fitted from the beginning to the "
        f"end {figure(whole['direct'])}; what injected noise would leave if the steps were these maps is {ceiling}."
    )
    shared = whole.get("shared_elements") or {}
    if shared.get("value") is not None:
        text += f" One group element a step, the same for every trajectory, composes to {figure(shared)}."
    last = entries[-1]
    text += (
        f" From t = {number(last['timestep'])} on, composed and fitted maps explain {figure(last['composed'])} and "
        f"{figure(last['direct'])}."
    )
    rebuilt = next((g["rebuild"] for g in (process.get("group") or {}).values() if g.get("rebuild")), None)
    own = "" if rebuilt is None else f" (to {number(rebuilt['value'], 2)} in float32)"
    return [
        text,
        f"The elements of each trajectory’s own compose to its run{own} by construction, whatever the process: that is "
        "an identity and no finding.",
    ]


def _bound(elbo: Mapping[str, Any]) -> list[str]:
    if not elbo or elbo.get("absent"):
        return [f"The bound on the likelihood was not measured: {elbo.get('absent') or 'no reason is known'}."]
    totals = {kind: elbo["variances"][kind]["bits_per_dim"] for kind in VARIANCES if kind in elbo["variances"]}
    listed = joined([f"{figure(total)} with {VARIANCES[kind]}" for kind, total in totals.items()])
    uniform = elbo.get("uniform")
    beside = "" if uniform is None else f" The uniform law over the grey levels has {number(uniform)}."
    kind = " (of a density: it may be negative)" if elbo.get("half_bin") is None else ""
    return [
        f"On {elbo['origin']} the bound on −log p is {listed} bits per dimension{kind}; x̂₀ was "
        f"{'clipped' if elbo['clipped'] else 'not clipped'}, {elbo['images']} images and {elbo['times']} of "
        f"{elbo['of_times']} times were used.{beside}"
    ]


def _group(group: Mapping[str, Any]) -> list[str]:
    found = []
    for gauge, facts in group.items():
        outside = facts["outside"]["count"]
        if facts["inside"] is None:
            found.append(
                f"In gauge {gauge} none of the {facts['steps']} steps is an element of GL(d+1): "
                f"{facts['outside']['steps'][0]['why']}."
            )
            continue
        telescoping = facts["telescoping"]
        text = f"In gauge {gauge} the scalars of the run multiply to {number(facts['product'])}"
        if telescoping is None:
            text += "; no telescoping formula is known for it under this sampler"
        else:
            text += (
                f", as {telescoping['formula']} = {number(telescoping['expected'])} says (relative defect "
                f"{number(telescoping['defect'], 2)})"
            )
        small, large = facts["smallest"], facts["largest"]
        text += (
            f"; |a| is between {number(small['value'])} (t = {number(small['timestep'])}) and {number(large['value'])} "
            f"(t = {number(large['timestep'])}), the condition number of the composed element "
            f"{number(facts['condition'])}, and rebuilding the end of the run through it in float32 misses by "
            f"{number(facts['rebuild']['value'], 2)}"
        )
        if outside:
            first = facts["outside"]["steps"][0]
            text += (
                f". {outside} of {facts['steps']} steps {'is' if outside == 1 else 'are'} outside GL(d+1) and left out "
                f"(t = {number(first['timestep'])}: {first['why']})"
            )
        found.append(f"{text}.")
    if found:
        found.append(
            "The commutator of two elements, g g′ g⁻¹ g′⁻¹ with g = (a, v) and g′ = (a′, v′), is the translation by "
            "(1 − a′) v − (1 − a) v′ whatever the model: the group ℝ₊ ⋉ ℝᵈ is not abelian, its commutators are "
            "translations, and this is a theorem, not a finding. What the model decides is whether the linear parts of "
            "its steps commute."
        )
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
