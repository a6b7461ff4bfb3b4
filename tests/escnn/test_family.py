"""The family as the core sees it: data, forms, caveats, and a whole run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from symdiff.checkpoint import Checkpoint
from symdiff.errors import ConfigError
from symdiff.fitting import Fitting
from symdiff.groups import GroupFamily
from symdiff.hae import Encoder
from symdiff.representations import MLPRepresentation
from symdiff.trajectories import Trajectories
from symdiff_escnn.elements import rotation
from symdiff_escnn.family import EscnnFamily, RotationFamily
from symdiff_escnn.options import EscnnOptions
from symdiff_escnn.representations import IrrepRepresentation, PeriodicRepresentation
from tests.escnn.makers import GROUPS, SHAPE, family


@pytest.mark.parametrize("group", GROUPS)
def test_every_action_leads_to_the_next_observation_and_the_first_is_the_observed_state(
    recording: Trajectories, generator: torch.Generator, group: str
) -> None:
    f = family(group)
    found = f.sequences(recording, 6, 40, generator)
    reached = f.act(found.actions, found.observations[:, :-1])
    torch.testing.assert_close(reached, found.observations[:, 1:], rtol=0, atol=1e-5)
    states = recording.states[found.trajectory, found.times[:, 0]]
    torch.testing.assert_close(found.observations[:, 0], f.observed(states))
    torch.testing.assert_close(f.observed(found.observations), found.observations, rtol=0, atol=1e-5)


def test_levels_choose_the_states(recording: Trajectories, generator: torch.Generator) -> None:
    found = family("D4", levels="0.5-1").sequences(recording, 1, 300, generator)
    levels = recording.alpha_bar[found.times[:, 0]]
    assert float(levels.min()) >= 0.5
    assert len(levels.unique()) == int((recording.alpha_bar >= 0.5).sum())
    with pytest.raises(ConfigError, match=r"no recorded state has a signal share within 0\.2 and 0\.2"):
        family("D4", levels="0.2-0.2").sequences(recording, 1, 3, generator)


def test_a_family_can_be_made_before_the_shape_is_known() -> None:
    for group in GROUPS:
        assert EscnnFamily.of((1, 1, 1), EscnnOptions(group=group)).linearisation() is None
    assert isinstance(family("SO2"), RotationFamily)
    assert repr(EscnnFamily((1, 8, 8))).startswith("EscnnFamily((1, 8, 8), EscnnOptions(")


@pytest.mark.parametrize(
    ("group", "forms"),
    [("D4", {"mlp": "plain"}), ("SO2", {"mlp": "plain", "lie": "plain"})],
)
def test_other_forms_are_learned_ones_of_the_same_size(group: str, forms: dict[str, str]) -> None:
    others = family(group).other_forms()
    assert {name: other.options.encoder for name, other in others.items()} == forms
    for name, other in others.items():
        assert other.model(16).representation.form == name
        assert isinstance(other.model(16).encoder, Encoder)
    [learned] = [others["mlp"].representation(16)]
    assert isinstance(learned, MLPRepresentation)
    back = others["mlp"].other_forms()["exact"]
    assert isinstance(back.representation(16), IrrepRepresentation)


@pytest.mark.parametrize(("group", "rho"), [("C4", "exact"), ("D3", "exact"), ("SO2", "exact"), ("SO2", "lie")])
def test_the_plain_encoder_starts_from_the_same_closed_form(
    recording: Trajectories, generator: torch.Generator, group: str, rho: str
) -> None:
    f = family(group, encoder="plain", rho=rho)
    sequences = f.sequences(recording, 2, 200, generator)
    model = f.model(12)
    f.initialise(model, sequences)
    assert isinstance(model.encoder, Encoder)
    linear = model.encode(sequences.observations) - model.encoder.network(sequences.observations.flatten(-3))
    reference = f.references(12, sequences)["exact"]
    torch.testing.assert_close(linear, reference.encode(sequences.observations), rtol=0, atol=1e-4)
    actions = sequences.actions[:5, 0]
    torch.testing.assert_close(model.representation(actions), reference.representation(actions), rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_full_turn_is_penalised_until_generators_turn_by_whole_numbers() -> None:
    f = family("SO2", rho="lie", encoder="plain", irreps="irrep_0:1,irrep_1:2,irrep_3:1")
    rho = f.representation(7)
    assert isinstance(rho, PeriodicRepresentation)
    rho.turn_by([0, 1, 1, 3])
    rho.generators[1].mul_(1.2)
    assert float(rho.penalty(torch.zeros(1, 2, 2))) > 1
    rho.turn_by([0, 1, 1, 3])
    assert float(rho.penalty(torch.zeros(1, 2, 2))) < 1e-9
    assert rho.bracket_error() == 0
    g = f.group.sample(6, torch.Generator().manual_seed(0)).float()
    torch.testing.assert_close(rho(g), IrrepRepresentation(f.latent_fields(7))(g), rtol=0, atol=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_the_exact_representation_is_a_homomorphism_in_float32(group: str) -> None:
    f = family(group)
    rho = f.representation(16)
    a, b = f.sample(20, torch.Generator().manual_seed(0)), f.sample(20, torch.Generator().manual_seed(1))
    torch.testing.assert_close(rho(f.compose(a, b)), rho(a) @ rho(b), rtol=0, atol=1e-5)
    torch.testing.assert_close(rho(f.inverse(a)), rho(a).mT, rtol=0, atol=1e-5)
    assert rho.dimension == 16


def test_what_is_left_out_is_told_beside_every_result_and_nothing_where_there_is_nothing(
    recording: Trajectories,
) -> None:
    [told] = family("O2").caveats(recording)
    assert "is left out of training and diagnostics" in told
    for i in (0, recording.steps // 2, recording.steps):
        share = family("O2").interpolation_error(recording.states[:, i])
        assert share is not None
        assert f"{float(share.mean()):.1%} (timestep {recording.time(i)})" in told
    assert family("D4").caveats(recording) == []
    assert "positive determinant" in family("D4", rho="mlp").caveats(recording)[0]
    assert family("C4").factors()["rotation"].shape == (4, 2, 2)
    assert family("D4").factors() == {}


@pytest.mark.parametrize(
    "options",
    [
        {"group": "D4"},
        {"group": "SO2"},
        {"group": "C3", "rho": "mlp"},
        {"group": "SO2", "rho": "lie", "encoder": "plain"},
    ],
)
def test_every_form_trains_and_can_be_read_back(
    recording: Trajectories, tmp_path: Path, options: dict[str, str]
) -> None:
    f: GroupFamily = family(**options, hidden=16, batch=16)
    train, validation, _ = recording.split()

    def fitting(trained: dict[str, dict[str, torch.Tensor]] | None = None) -> Fitting:
        return Fitting(f, 8, 3, 20, 0, torch.device("cpu"), Checkpoint(tmp_path, "x"), trained=trained)

    fit = fitting().fit(train, validation)
    assert fit.form == (options.get("rho") or "exact")
    weights = {name: dict(model.state_dict()) for name, model in fit.models.items()}
    again = fitting(weights).fit(train, validation)
    x = torch.randn(3, *SHAPE)
    torch.testing.assert_close(again.model.encode(x), fit.model.encode(x))


@pytest.mark.parametrize(
    ("name", "title", "degrees", "flipped", "called"),
    [
        ("C4", "C4", 90, False, "rotation by 90°"),
        ("D4", "D4", 0, True, "mirror"),
        ("D8", "D8", 315, True, "mirror, then rotation by 315°"),
        ("SO2", "SO(2)", 22.5, False, "rotation by 22.5°"),
        ("O2", "O(2)", 0, False, "identity"),
    ],
)
def test_groups_and_elements_are_called_by_what_they_are(name, title, degrees, flipped, called) -> None:
    made = EscnnFamily.of((1, 8, 8), EscnnOptions(group=name))
    turn = rotation(torch.tensor(math.radians(degrees), dtype=torch.float64))
    g = turn @ torch.diag(torch.tensor([-1.0 if flipped else 1.0, 1.0], dtype=torch.float64))
    assert (made.title, made.element_name(g)) == (title, called)
