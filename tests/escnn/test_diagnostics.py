"""What is known of the groups is found again in the representations, and is not found where it is not there."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from symdiff import decompose
from symdiff.diagnostics import Evaluation
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.representations import MLPRepresentation, Representation
from symdiff.trajectories import Trajectories
from symdiff_affine.family import AffineFamily
from symdiff_escnn import symdiff_diagnostics
from symdiff_escnn.diagnostics import multiplicities
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.representations import IrrepRepresentation
from tests.escnn.makers import GROUPS, family

DIAGNOSTICS = symdiff_diagnostics()


class Conjugated(Representation):
    """Another representation in another basis."""

    form = "mlp"

    def __init__(self, inner: Representation, basis: Tensor, noise: float = 0.0) -> None:
        super().__init__()
        self.inner, self.basis, self.noise = inner, basis, noise
        self.block_sizes = (inner.dimension,)

    def blocks(self, g: Tensor) -> list[Tensor]:
        matrix = self.basis.to(g) @ self.inner(g) @ torch.linalg.inv(self.basis).to(g)
        generator = torch.Generator().manual_seed(0)
        return [(matrix + self.noise * torch.randn(matrix.shape, generator=generator).to(g)).unsqueeze(-3)]


def evaluation(f: GroupFamily, recording: Trajectories, latent: int, model: HAE | None = None) -> Evaluation:
    sequences = f.sequences(recording, 3, 100, torch.Generator().manual_seed(0))
    if model is None:
        model = f.model(latent)
        f.initialise(model, sequences)
    model = copy.deepcopy(model).double().eval()
    sequences = sequences.to("cpu", torch.float64)
    return Evaluation(f, model, recording, sequences, sequences.actions[:, 0], model)


def values(found: Evaluation) -> dict[str, float]:
    return {name: diagnostic(found).value for name, diagnostic in DIAGNOSTICS.items()}


@pytest.mark.parametrize("group", GROUPS)
def test_the_exact_form_satisfies_everything(recording: Trajectories, group: str) -> None:
    f = family(group)
    found = values(evaluation(f, recording, 16))
    for name in ("relator_error", "character_error"):
        assert found[name] < 1e-6
    for name in ("encoder_equivariance_error", "decoder_equivariance_error"):
        assert found[name] < 1e-10
    fields = f.representation(16).fields
    assert found["invariant_dimension"] == pytest.approx(fields.count(f.known[0]), abs=1e-6)
    expected = sum(count**2 * irrep.commutant for irrep, count in fields.parts)
    assert found["character_norm"] == pytest.approx(expected, abs=1e-5)


def test_a_representation_that_is_none_satisfies_none_of_it(recording: Trajectories) -> None:
    f = family("D4", encoder="plain", rho="mlp")
    model = f.model(16)
    with torch.no_grad():
        for parameter in model.representation.parameters():
            parameter.mul_(3).add_(0.02)
    found = values(evaluation(f, recording, 16, model))
    assert found["relator_error"] > 0.1
    assert found["encoder_equivariance_error"] > 0.1
    assert found["decoder_equivariance_error"] > 1e-3
    assert found["character_error"] > 1e-3


def test_they_do_not_apply_to_another_family(recording: Trajectories) -> None:
    f = AffineFamily(recording.observation_shape)
    assert all(diagnostic(evaluation(f, recording, 8)) is None for diagnostic in DIAGNOSTICS.values())


@pytest.mark.parametrize("group", ["C3", "C4", "D3", "D4"])
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_multiplicities_read_off_by_characters_are_those_decompose_finds(group: str, noise: float) -> None:
    f = family(group)
    rho = IrrepRepresentation(f.latent_fields(12))
    basis = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    elements = f.group.elements
    matrices = Conjugated(rho, basis, noise)(elements)
    read = multiplicities(f, matrices.diagonal(dim1=-2, dim2=-1).sum(-1))
    assert {irrep: round(value) for irrep, value in read.items()} == {i: rho.fields.count(i) for i in f.known}
    found = decompose(np.asarray(matrices), noise=noise * 12**0.5 if noise else None)
    blocks = Counter((block.dim, block.multiplicity, block.type) for block in found.blocks)
    assert blocks == Counter((irrep.size, round(value), irrep.type) for irrep, value in read.items() if round(value))


def test_a_learned_representation_comes_to_the_irreps_that_characters_and_decompose_both_name() -> None:
    """An MLP rho fitted to C3 in an unknown basis: exp(phi) reaches it, C3 having no irrep of negative determinant."""
    f = family("C3")
    assert isinstance(f, EscnnFamily)
    elements = f.group.elements.float()
    basis = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(3))).Q
    truth = Conjugated(IrrepRepresentation(f.latent_fields(5)), basis)(elements)
    torch.manual_seed(0)
    rho = MLPRepresentation(f.features, 4, (5,), 32, compose=f.compose)
    optimiser = torch.optim.Adam(rho.parameters(), 1e-2)
    for _ in range(250):
        optimiser.zero_grad()
        ((rho(elements) - truth).square().sum() + rho.penalty(elements)).backward()
        optimiser.step()
    with torch.no_grad():
        matrices = rho(elements).double()
    read = multiplicities(f, matrices.diagonal(dim1=-2, dim2=-1).sum(-1))
    found = decompose(np.asarray(matrices), noise=1e-2)
    assert sum(block.dim * block.multiplicity for block in found.blocks) == 5
    blocks = Counter((block.dim, block.multiplicity, block.type) for block in found.blocks)
    assert blocks == Counter((irrep.size, round(value), irrep.type) for irrep, value in read.items())
    assert max(abs(value - round(value)) for value in read.values()) < 1e-2
