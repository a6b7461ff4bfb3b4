"""Equivariant principal components are what they claim to be, and where training starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from symdiff.closed_form import principal_components
from symdiff.hae import losses
from symdiff.trajectories import Trajectories
from symdiff_escnn.networks import EquivariantEncoder
from tests.escnn.makers import GROUPS, family


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("group", GROUPS)
def test_the_reference_predicts_exactly_and_is_the_start_of_every_exact_form(
    recording: Trajectories, generator: torch.Generator, group: str
) -> None:
    f = family(group)
    sequences = f.sequences(recording, 6, 200, generator)
    reference = f.references(16, sequences)["exact"]
    prediction, reconstruction = losses(reference, sequences.observations, sequences.actions)
    variance = float((sequences.observations - sequences.observations.mean((0, 1))).square().mean())
    assert float(prediction) < 1e-11
    assert float(reconstruction) < 0.9 * variance
    model = f.model(16)
    f.initialise(model, sequences)
    torch.testing.assert_close(model.encode(sequences.observations), reference.encode(sequences.observations))
    started = losses(model, sequences.observations, sequences.actions)
    torch.testing.assert_close(started.reconstruction, reconstruction)


@pytest.mark.parametrize("group", ["C1", "C3", "D4", "SO2"])
def test_components_are_those_of_the_data_turned_by_every_element(
    recording: Trajectories, generator: torch.Generator, group: str
) -> None:
    """With the irreps that ordinary principal components of the augmented data span, the residuals are equal."""
    f = family(group)
    sequences = f.sequences(recording, 1, 400, generator)
    elements = f.haar_elements()
    assert elements is not None
    states = f.act(elements[:, None], sequences.observations.flatten(0, 1)).flatten(0, 1)
    parts = principal_components(states.flatten(1), 34)
    reference = f.references(34, sequences)["exact"]
    assert isinstance(reference.encoder, EquivariantEncoder)
    everything = reference.decode(reference.encode(states))
    residual = float((everything - states).square().flatten(1).sum(1).mean())
    total = float((states - states.mean(0)).square().flatten(1).sum(1).mean())
    assert residual >= total - float(parts.variances.sum()) - 1e-4
    if not f.action.complete:  # 34 dimensions are all there are
        assert residual < 1e-6 * total


def test_trivial_group_gives_ordinary_principal_components(recording: Trajectories, generator: torch.Generator) -> None:
    f = family("C1")
    sequences = f.sequences(recording, 1, 400, generator)
    states = sequences.observations.flatten(0, 1)
    reference = f.references(10, sequences)["exact"]
    residual = float((reference.decode(reference.encode(states)) - states).square().flatten(1).sum(1).mean())
    parts = principal_components(states.flatten(1), 64)
    assert residual == pytest.approx(float(parts.variances[10:].sum()), rel=1e-3)


def test_complex_components_mix_copies_by_complex_numbers(recording: Trajectories, generator: torch.Generator) -> None:
    """Copies of type C whose relation is a phase: one complex component holds all of them."""
    f = family("SO2", irreps="irrep_1:1")
    sequences = f.sequences(recording, 1, 300, generator)
    fields = f.action.coordinates.fields
    z = torch.randn(300, 2, dtype=torch.float64, generator=generator)
    first, second = dict((i.name, places) for i, places in fields.split(torch.arange(34)))["irrep_1"][:2]
    c = torch.zeros(300, fields.dimension, dtype=torch.float64)
    c[:, first] = z
    c[:, second] = z @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    states = (c @ f.action.coordinates.basis.T).reshape(300, 1, 1, 8, 8).float()
    made = type(sequences)(states, sequences.actions[:, :0], sequences.times[:, :1], sequences.trajectory)
    reference = f.references(2, made)["exact"]
    decoded = reference.decode(reference.encode(states))
    assert float((decoded - states).norm() / states.norm()) < 1e-5
