"""Layers, encoder and decoder are equivariant by construction, whatever their weights."""

from __future__ import annotations

import copy

import pytest
import torch

from symdiff_escnn.fields import Fields
from symdiff_escnn.layers import IrrepLinear, Pointwise, hidden_fields, perceptron
from symdiff_escnn.library import escnn, plane_group
from symdiff_escnn.networks import EquivariantDecoder, EquivariantEncoder
from tests.escnn.makers import GROUPS, SHAPE, family, mixed

EXACT = 3e-6


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Weights of the size of trained ones, biases included."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape) / max(1, parameter.shape[-1]) ** 0.5)
    return module


@pytest.mark.parametrize("group", [*GROUPS, "C2", "D2", "C7"])
@torch.no_grad()
def test_layers_and_perceptrons_are_equivariant(group: str) -> None:
    torch.manual_seed(0)
    f = family(group)
    fields = mixed(f)
    g = f.group.sample(50, torch.Generator().manual_seed(1)).float()
    x = torch.randn(50, fields.dimension)
    for module in (IrrepLinear(fields, fields), perceptron(fields, 32, fields)):
        y = randomised(module)(x)
        moved = module(fields.act(g, x))
        assert float((moved - fields.act(g, y)).norm() / y.norm()) < EXACT
        assert float((moved - y).norm() / y.norm()) > 0.1 or group == "C1"


@pytest.mark.parametrize("group", GROUPS)
@torch.no_grad()
def test_encoder_and_decoder_are_equivariant_under_the_action_on_images(group: str) -> None:
    torch.manual_seed(0)
    f = family(group, (2, 8, 8))
    encoder, decoder = randomised(f.encoder(24)), randomised(f.decoder(24))
    rho = f.representation(24)
    x = torch.randn(40, 2, 8, 8)
    g = f.group.sample(40, torch.Generator().manual_seed(1)).float()
    z = encoder(x)
    turned = torch.einsum("nij,nj->ni", rho(g), z)
    assert float((encoder(f.act(g, x)) - turned).norm() / z.norm()) < EXACT
    y = decoder(z)
    assert float((decoder(turned) - f.act(g, y)).norm() / y.norm()) < EXACT


@pytest.mark.parametrize("group", ["C5", "D4"])
@torch.no_grad()
def test_a_linear_layer_is_the_most_general_one(group: str) -> None:
    """Its number of weights is that of escnn's own parametrisation, and every weight does something else."""
    f = family(group)
    fields = mixed(f)
    library = escnn()
    space = library.gspaces.no_base_space(plane_group(f.group.kind, f.group.order, 1))
    kind = library.nn.FieldType(space, [space.irrep(*irrep.id) for irrep, count in fields.parts for _ in range(count)])
    theirs = library.nn.Linear(kind, kind)
    ours = IrrepLinear(fields, fields)
    assert sum(weight.numel() for weight in ours.weights.values()) == theirs.weights.numel()
    assert ours.bias.numel() == theirs.bias.numel()
    x = torch.randn(20, fields.dimension)
    g = theirs.space.fibergroup.sample()
    turned = library.nn.GeometricTensor(x, kind).transform_fibers(g).tensor
    expected = library.nn.GeometricTensor(ours(x), kind).transform_fibers(g).tensor
    torch.testing.assert_close(ours(turned), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("group", ["D4", "O2"])
@torch.no_grad()
def test_copies_in_double_precision_stay_equivariant(group: str) -> None:
    f = family(group)
    encoder = copy.deepcopy(f.encoder(16)).double().eval()
    x = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    g = f.group.sample(5, torch.Generator().manual_seed(1))
    expected = f.representation(16)(g) @ encoder(x)
    assert float((encoder(f.act(g, x)) - expected).norm() / expected.norm()) < EXACT


def test_the_nonlinearity_is_one() -> None:
    f = family("C4")
    layer = Pointwise(f.group, 2)
    assert layer.fields == hidden_fields(f.group, 2)
    x = torch.randn(3, 4, layer.fields.dimension)
    assert layer(x).shape == x.shape
    assert not torch.allclose(layer(2 * x), 2 * layer(x))


def test_irreps_an_image_has_not_are_still_a_latent_space() -> None:
    f = family("O2", irreps="irrep_1,0:2,irrep_1,1:2")
    assert f.latent_dimension(None) == 6
    encoder, decoder = f.encoder(6), f.decoder(6)
    assert isinstance(encoder, EquivariantEncoder)
    assert isinstance(decoder, EquivariantDecoder)
    assert isinstance(encoder.linear.target, Fields)
    assert decoder(encoder(torch.randn(2, *SHAPE))).shape == (2, *SHAPE)


def test_what_one_convolutional_encoder_is_converted_to_the_next_is_not() -> None:
    f = family("C4", (1, 6, 6), layers="conv", hidden=16)
    f.encoder(4).double()
    assert f.encoder(4)(torch.randn(2, 1, 6, 6)).dtype == torch.float32


@pytest.mark.parametrize("group", ["C1", "C2", "C4", "D1", "D2", "D4"])
@pytest.mark.parametrize("side", [5, 8])
@torch.no_grad()
def test_the_convolutional_encoder_is_equivariant(group: str, side: int) -> None:
    torch.manual_seed(0)
    f = family(group, (2, side, side), layers="conv", hidden=32)
    encoder = randomised(f.encoder(12))
    x = torch.randn(20, 2, side, side)
    g = f.group.sample(20, torch.Generator().manual_seed(1)).float()
    z = encoder(x)
    turned = torch.einsum("nij,nj->ni", f.representation(12)(g), z)
    assert float((encoder(f.act(g, x)) - turned).norm() / z.norm()) < EXACT
    assert float((encoder(f.act(g, x)) - z).norm() / z.norm()) > 0.1 or group == "C1"
    assert encoder(x[0]).shape == (12,)
