"""When the structural guarantee of the homomorphism autoencoder holds: one row a condition, with its evidence.

Reference: Keurti, Pan, Besserve, Grewe, Schölkopf, "Homomorphism AutoEncoder: learning group structured
representations from observed transitions", ICML 2023, the assumptions of its proposition: an observation map b from
world states that is a diffeomorphism, a continuous injective representation of the group on them, and an encoder and
rho that reach the minimum of the loss.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from symdiff.diagnostics.energy import Separations, separations
from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import spread
from symdiff.diagnostics.thresholds import Thresholds
from symdiff.errors import UnknownLawError
from symdiff.result import Estimate, Guarantee

Status = Literal["pass", "fail", "unknown"]

ROUNDING = 1e-5
"""Relative error that float32 states explain."""

SINGULAR = 1e-8
FLOOR = 1.05
"""Training is at its floor if its held-out loss is within this factor of the reference's."""

SAMPLE = 256
JACOBIANS = 8


@torch.no_grad()
def guarantees(
    evaluation: Evaluation,
    estimates: dict[str, Estimate],
    *,
    floor: tuple[float, float] | None = None,
    thresholds: Thresholds | None = None,
) -> tuple[Guarantee, ...]:
    """The table of conditions.

    Parameters
    ----------
    evaluation, estimates
        The model with its held-out data, and what `diagnose` found.
    floor
        Held-out loss of the training and of what it is compared with (the exact reference, or a longer run);
        ``None`` if there is none to compare with.
    thresholds
        Those of the verdict.
    """
    limits = thresholds or Thresholds()
    found = separations(evaluation)
    return (
        *_observation_map(evaluation),
        _in_general_linear_group(evaluation),
        _action(evaluation),
        _homomorphism(estimates.get("homomorphism_error"), limits),
        _continuous(found),
        _injective(found, limits),
        _encoder(evaluation),
        _floor(floor),
    )


def _row(condition: str, status: Status | bool, evidence: str) -> Guarantee:
    if isinstance(status, bool):
        status = "pass" if status else "fail"
    return Guarantee(condition=condition, status=status, evidence=evidence)


def _observation_map(evaluation: Evaluation) -> tuple[Guarantee, Guarantee]:
    """The map b is the flattening of an image: measured all the same, on pairs of held-out states."""
    states = _states(evaluation)
    world = states.flatten(1)
    missed = float((world.view_as(states) - states).abs().max())
    apart, apart_world = (x.diff(dim=0).flatten(1).norm(dim=1) for x in (states, world))
    stretch = (apart_world / apart)[apart > 0]
    condition = float(stretch.max() / stretch.min()) if len(stretch) else 1.0
    return (
        _row("b invertible", missed == 0, f"flattening and back on {len(states)} states: largest error {missed:.1g}"),
        _row(
            "b a diffeomorphism",
            condition < 1 + ROUNDING,
            f"b is linear; it stretches {len(stretch)} directions between states by factors within {condition:.6f}",
        ),
    )


def _in_general_linear_group(evaluation: Evaluation) -> Guarantee:
    """Every recorded step in the gauge in use, and rho of the held-out elements."""
    evidence, sound = [], True
    chosen = getattr(evaluation.family, "gauge_in_use", None)  # a family may use another than its option says
    gauge = chosen(evaluation.trajectories) if chosen else getattr(evaluation.family.options, "gauge", None)
    a = evaluation.trajectories.gauges.get(gauge) if isinstance(gauge, str) else None
    if a is not None:
        outside = torch.nonzero(~(a.isfinite() & (a != 0))).flatten()
        evidence.append(f"gauge {gauge}: smallest |a_t| {float(a.abs().min()):.3g}, largest {float(a.abs().max()):.3g}")
        if len(outside):
            sound = False
            named = ", ".join(f"{int(i)} (a = {float(a[i]):.3g})" for i in outside[:4])
            evidence.append(f"{len(outside)} of {len(a)} steps are not in GL: step {named}; left out of training")
    singular = torch.linalg.svdvals(evaluation.gauge.restrict(evaluation.matrices))
    ratio = float((singular[:, -1] / singular[:, 0]).min())
    sound = sound and ratio > SINGULAR
    evidence.append(f"rho(g) on the support: smallest singular value {float(singular[:, -1].min()):.3g}")
    return _row("every element in GL", sound, "; ".join(evidence))


def _action(evaluation: Evaluation) -> Guarantee:
    """``(g2 g1) x = g2 (g1 x)``: the action on world states is the representation rho* of the theorem."""
    family, g = evaluation.family, spread(evaluation.elements, 16)
    x = _states(evaluation)[: len(g) - 1].to(evaluation.elements)
    g1, g2 = g[: len(x)], g[1 : len(x) + 1]
    try:
        direct, stepwise = family.act(family.compose(g2, g1), x), family.act(g2, family.act(g1, x))
    except UnknownLawError as refused:
        return _row("rho* a homomorphism", "unknown", refused.message)
    size = float((stepwise - x).norm())
    error = float((direct - stepwise).norm()) / size if size > 0 else float((direct - stepwise).norm())
    text = f"(g2 g1) x against g2 (g1 x) on {len(x)} pairs: {error:.1g} of |g x - x|"
    return _row("rho* a homomorphism", error < ROUNDING, text)


def _homomorphism(estimate: Estimate | None, limits: Thresholds) -> Guarantee:
    name = "rho a homomorphism"
    if estimate is None or estimate.value is None:
        return _row(name, "unknown", _unmeasured(estimate))
    text = f"homomorphism_error {estimate.value:.2g}"
    if estimate.value <= limits.homomorphism_supported:
        return _row(name, "pass", text)
    return _row(name, "fail" if estimate.value > limits.homomorphism_refuted else "unknown", text)


def _unmeasured(estimate: Estimate | None) -> str:
    why = "" if estimate is None or estimate.caution is None else f": {estimate.caution}"
    return f"homomorphism_error was not measured{why}"


def _continuous(found: Separations) -> Guarantee:
    slopes = torch.cat([found.pairs, found.commutators])
    if len(slopes) == 0:
        return _row("rho continuous", "unknown", "no two distinct elements")
    steepest = float(slopes.max())
    text = f"local Lipschitz estimate {steepest:.3g}, typical slope {float(slopes.median()):.3g} ({len(slopes)} pairs)"
    return _row("rho continuous", bool(slopes.isfinite().all()), text)


def _injective(found: Separations, limits: Thresholds) -> Guarantee:
    if found.smallest is None or len(found.pairs) == 0:
        return _row("rho injective", "unknown", "no two distinct elements")
    typical = float(found.pairs.median())
    text = f"smallest separation {found.smallest:.2g}, typical {typical:.2g}, on the sampled elements"
    return _row("rho injective", found.smallest > limits.faithfulness * typical, text)


def _encoder(evaluation: Evaluation) -> Guarantee:
    observations, latents = evaluation.sequences.observations.flatten(0, 1), evaluation.latents.flatten(0, 1)
    m, pixels = latents.shape[1], observations[0].numel()
    rows = spread(torch.arange(len(latents), device=latents.device), SAMPLE)
    separation = _nearest(observations[rows].flatten(1), latents[rows])
    evidence = [f"smallest |h(x) - h(x')| / |x - x'| over {len(rows)} states {separation:.2g}"]
    immersion = True
    if m * pixels <= 2**20:
        jacobians = [_jacobian(evaluation, observations[i]) for i in rows[:JACOBIANS]]
        singular = torch.linalg.svdvals(torch.stack([jacobian.flatten(1) for jacobian in jacobians]))
        rank = int((singular > SINGULAR * singular[:, :1]).sum(1).min())
        immersion = rank == pixels
        evidence.append(
            f"its Jacobian has rank {rank} of {pixels}, smallest singular value {_last(singular, rank):.2g}"
        )
    if m < pixels:
        evidence.append(f"m = {m} < d = {pixels}: noisy states fill R^d, where no continuous h into R^m is injective")
    return _row("h injective on the data", immersion and separation > 0 and m >= pixels, "; ".join(evidence))


def _jacobian(evaluation: Evaluation, x: Tensor) -> Tensor:
    with torch.enable_grad():
        jacobian: Tensor = torch.autograd.functional.jacobian(evaluation.model.encode, x)
    return jacobian


def _last(singular: Tensor, rank: int) -> float:
    return float(singular[:, rank - 1].min()) if rank else 0.0


def _nearest(x: Tensor, z: Tensor) -> float:
    apart, moved = torch.pdist(x), torch.pdist(z)
    distinct = apart > 1e-9 * apart.max()
    return float((moved[distinct] / apart[distinct]).min()) if bool(distinct.any()) else 0.0


def _floor(floor: tuple[float, float] | None) -> Guarantee:
    if floor is None:
        return _row("training at its floor", "unknown", "no longer run to compare with")
    loss, reference = floor
    text = f"held-out loss {loss:.4g}, reference {reference:.4g}"
    return _row("training at its floor", loss <= FLOOR * reference, text)


def _states(evaluation: Evaluation) -> Tensor:
    return evaluation.sequences.observations.flatten(0, 1)[:SAMPLE]
