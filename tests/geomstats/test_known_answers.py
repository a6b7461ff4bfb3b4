"""Groups made for the purpose: what is trained on them is the representation they are known to have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from symdiff.checkpoint import Checkpoint
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE
from symdiff.training import Data, Stage, train_stage
from symdiff_geomstats.representations import ManifoldLie
from tests.geomstats.subjects import FREQUENCIES, Moving, Turning, recorded

OPTIONS = FamilyOptions(hidden=8, learning_rate=2e-2, batch=64, gamma=3.0)


def trained(family: GroupFamily, latent: int, states: torch.Tensor, directory: Path, steps: int) -> HAE:
    torch.manual_seed(0)
    recording = recorded(states)
    data = Data(family, recording, recording, 3, 0, torch.device("cpu"))
    model = family.model(latent)
    family.initialise(model, family.sequences(recording, 3, 512, torch.Generator().manual_seed(0)))
    if isinstance(family, Moving):  # homogeneous coordinates: rigid motions of (x, 1)
        with torch.no_grad():
            model.encoder.linear.weight.copy_(torch.eye(3, 2))
            model.encoder.linear.bias.copy_(torch.tensor([0.0, 0, 1]))
    train_stage(model, data, Stage("lie", steps, OPTIONS.learning_rate, 0.1), Checkpoint(directory, ""))
    return model


def test_one_parameter_rotations_are_recovered_with_their_frequencies(tmp_path: Path) -> None:
    widths = torch.tensor([1.0, 0.7, 0.5])  # principal components then find the planes
    states = widths * torch.randn(64, 4, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    model = trained(Turning((1, 2, 3), OPTIONS), 6, states, tmp_path, 400)
    rho = model.representation
    assert isinstance(rho, ManifoldLie)
    found = rho.generators[0].detach().abs().flatten().sort().values
    torch.testing.assert_close(found, torch.tensor(FREQUENCIES), rtol=0.01, atol=0)


def test_planar_rigid_motions_are_recovered_with_translations_in_the_unipotent_part(tmp_path: Path) -> None:
    states = torch.randn(64, 4, 1, 1, 2, generator=torch.Generator().manual_seed(1))
    model = trained(Moving((1, 1, 2), OPTIONS), 3, states, tmp_path, 250)
    rho = model.representation
    assert isinstance(rho, ManifoldLie)
    [turn, *moves] = rho.generators[0][0].detach()  # coordinates: the turn, then the two translations
    assert abs(float(turn[0])) == pytest.approx(1, rel=0.01)
    size = torch.stack(moves)[:, 1:].norm()
    assert float(size) > 0.5
    assert float(torch.stack(moves)[:, 0].norm() / size) < 0.01
    assert rho.bracket_error() < 0.02
    pure = torch.tensor([[0.0, 1.0, -0.5]])
    N = rho(pure)[0].detach() - torch.eye(3)
    assert float((N @ N).norm() / N.norm()) < 0.02
