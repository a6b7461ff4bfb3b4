"""All laws of a group family, by name: what each states and how it is tested on a `Subject`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from symdiff.hae import HAE
from symdiff.testing.action_laws import (
    assert_factors,
    assert_haar_average,
    assert_haar_closed,
    assert_isotypic,
    assert_left_action,
    assert_linear_action,
    assert_observed,
)
from symdiff.testing.data_laws import assert_sample, assert_sequences, assert_sequences_by_generator
from symdiff.testing.failure import NotApplicableError
from symdiff.testing.group_laws import (
    assert_associative,
    assert_distance,
    assert_features,
    assert_identity,
    assert_inverse,
)
from symdiff.testing.lie_laws import assert_bracket, assert_exponential, assert_finite_gradients
from symdiff.testing.model_laws import (
    assert_finite_losses,
    assert_homomorphism,
    assert_representation,
    assert_same_by_seed,
    assert_serialises,
)
from symdiff.testing.option_laws import assert_named, assert_options
from symdiff.testing.subject import Subject
from symdiff.testing.tensor_laws import assert_batches, assert_dtype_and_device_kept, assert_pure
from symdiff.trajectories import Sequences

LENGTH = 3
"""Actions of the sequences."""


class Law(NamedTuple):
    """A law: what it states, and what tests it on one example; `costly` ones are tested on a few examples only."""

    statement: str
    check: Callable[[Subject], None]
    costly: bool = False


def _distance(s: Subject) -> None:
    g1, g2, g3 = (s.elements(stream=i) for i in (11, 12, 13))
    assert_distance(s.family, g1, g2, g3, s.observations(), symmetric=s.symmetric, tolerance=s.tolerance)


def _linear(s: Subject) -> None:
    linear = s.linear if s.linear is not None else s.haar() is not None
    if not linear:
        raise NotApplicableError("act is not documented to be linear: no haar_elements, and `linear` is not True")
    x, y = s.observations(stream=2), s.observations(stream=3)
    assert_linear_action(s.family, s.elements(), x, y, tolerance=s.tolerance)


def _haar(s: Subject) -> None:
    elements = s.haar()
    if elements is None:
        raise NotApplicableError("haar_elements is not given")
    if s.finite and s.seed == 0:
        assert_haar_closed(s.family, elements, tolerance=s.tolerance)
    assert_haar_average(s.family, elements, s.elements(3), s.observations(3), tolerance=1e3 * s.tolerance)


def _isotypic(s: Subject) -> None:
    if not s.family.isotypic_components(s.observations(1)):
        raise NotApplicableError("isotypic_components is not given")
    assert_isotypic(s.family, s.elements(), s.observations(), tolerance=10 * s.tolerance)


def _factors(s: Subject) -> None:
    factors = s.family.factors()
    if not factors:
        raise NotApplicableError("factors is not given")
    assert_factors(s.family, {name: g.double() for name, g in factors.items()}, tolerance=1e2 * s.tolerance)


def _lie(s: Subject) -> None:
    if not s.family.is_lie:
        raise NotApplicableError("the family gives no log: it is no Lie group")


def _exponential(s: Subject) -> None:
    _lie(s)
    assert_exponential(s.family, s.elements(), tolerance=s.tolerance)


def _bracket(s: Subject) -> None:
    _lie(s)
    X, Y, Z = (s.family.log(s.elements(stream=i)) for i in (11, 12, 13))
    assert_bracket(s.family, X, Y, Z, tolerance=s.tolerance)


def _gradients(s: Subject) -> None:
    if s.family.is_lie:
        assert_finite_gradients(s.family, s.elements())
    sequences = _sequences(s)
    model = s.family.model(s.latent_dimension, 0)
    s.family.initialise(model, sequences)
    assert_finite_losses(model, s.family, sequences)


def _homomorphism(s: Subject) -> None:
    m = s.latent_dimension
    rho = s.family.representation(m)
    exact: dict[str, HAE | None] = dict(s.family.references(m, _sequences(s)))
    found = [model.representation for model in exact.values() if model is not None]
    found += [rho] if rho.form == "exact" else []
    if not found:
        raise NotApplicableError("the family has neither references nor a rho of form `exact`")
    for one in found:
        assert_homomorphism(one.double(), s.family, s.elements(stream=11), s.elements(stream=12), tolerance=1e-6)


def _representation(s: Subject) -> None:
    m = s.latent_dimension
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(s.seed)
        rho = s.family.representation(m)
    assert_representation(rho, s.family, s.elements().float(), m)


def _serialises(s: Subject) -> None:
    m, sequences = s.latent_dimension, _sequences(s)
    model = s.family.model(m, 1)
    s.family.initialise(model, sequences)
    assert_serialises(model, s.make().model(m, 2), s.family, sequences)


def _sequences(s: Subject) -> Sequences:
    return s.family.sequences(s.trajectories(), LENGTH, 40, s.generator())


def _sequences_hold(s: Subject) -> None:
    assert_sequences(s.family, _sequences(s), s.trajectories(), LENGTH)
    assert_sequences_by_generator(s.family, s.trajectories(), s.seed)


def _parts(s: Subject) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return s.elements(4, 11), s.elements(4, 12), s.observations(4)


LAWS: dict[str, Law] = {
    "options": Law("options are frozen, refuse unknown keys and are described", lambda s: assert_options(s.family)),
    "names": Law("name, summary, title and element names", lambda s: assert_named(s.family)),
    "sample": Law("sample has its shape and depends on its generator alone", lambda s: assert_sample(s.family, s.seed)),
    "associativity": Law(
        "(g3 g2) g1 = g3 (g2 g1)",
        lambda s: assert_associative(s.family, *(s.elements(stream=i) for i in (13, 12, 11)), tolerance=s.tolerance),
    ),
    "identity": Law("e g = g = g e", lambda s: assert_identity(s.family, s.elements(), tolerance=s.tolerance)),
    "inverse": Law("g^-1 g = e = g g^-1", lambda s: assert_inverse(s.family, s.elements(), tolerance=s.tolerance)),
    "distance": Law("distance is one, and 0 only at equality", _distance),
    "features": Law(
        "equal elements have equal features",
        lambda s: assert_features(s.family, s.elements(stream=11), s.elements(stream=12), tolerance=1e2 * s.tolerance),
    ),
    "left_action": Law(
        "g2 (g1 x) = (g2 g1) x and e x = x",
        lambda s: assert_left_action(
            s.family, s.elements(stream=12), s.elements(stream=11), s.observations(), tolerance=s.tolerance
        ),
    ),
    "linear_action": Law("g (2 x - 3 y) = 2 g x - 3 g y", _linear),
    "observed": Law(
        "observed is a projection that commutes with the action",
        lambda s: assert_observed(s.family, s.elements(), s.observations(), tolerance=s.tolerance),
    ),
    "haar_elements": Law("haar_elements are closed, and their average is invariant", _haar, costly=True),
    "isotypic_components": Law("isotypic components sum to observed and are moved within themselves", _isotypic),
    "factors": Law("factors multiply like angles and commute", _factors, costly=True),
    "batches": Law(
        "a batch is its items; leading dimensions broadcast",
        lambda s: assert_batches(s.family, *_parts(s), tolerance=s.tolerance),
        costly=True,
    ),
    "dtype_and_device": Law(
        "dtype and device are kept", lambda s: assert_dtype_and_device_kept(s.family, *_parts(s)), costly=True
    ),
    "purity": Law("no function changes its arguments", lambda s: assert_pure(s.family, *_parts(s)), costly=True),
    "exponential": Law("exp log g = g, log e = 0, exp(s X) exp(t X) = exp((s+t) X)", _exponential),
    "bracket": Law("bilinear, antisymmetric, Jacobi, and the group's commutator to second order", _bracket),
    "sequences": Law("o_{t+1} = g_t o_t, from recorded states, by generator", _sequences_hold, costly=True),
    "representation": Law("rho(g) is invertible, of the latent dimension, for any batch", _representation, costly=True),
    "homomorphism": Law("exact forms: rho(g2 g1) = rho(g2) rho(g1), rho(e) = 1", _homomorphism, costly=True),
    "gradients": Law("losses, penalty, log and exp have finite gradients", _gradients, costly=True),
    "seed": Law(
        "a model is the same for the same seed",
        lambda s: assert_same_by_seed(s.family, s.make(), s.latent_dimension),
        costly=True,
    ),
    "serialisation": Law("a model is its tensors, written and read back", _serialises, costly=True),
}
