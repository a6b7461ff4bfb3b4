"""A perceptron in one operation is its layers one after the other."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.hae import HAE, Decoder, Encoder
from symdiff.objective import Objective, Recipe
from symdiff.perceptron import Perceptron, at_once
from symdiff.plainly import plainly
from symdiff.representations import MLPRepresentation
from symdiff.representations.separate import SeparateNetworks
from symdiff.representations.two_by_two import _TERMS, _by_series, _even_and_odd, _slope
from symdiff.training import descend, make_optimiser

WIDTH = st.sampled_from([1, 3, 15, 16, 17, 40])


@settings(max_examples=40)
@given(
    widths=st.lists(WIDTH, min_size=2, max_size=4),
    batch=st.sampled_from([(), (5,), (2, 3), (0,)]),
    activation=st.sampled_from(["silu", "relu"]),
    frozen=st.sets(st.integers(0, 5)),
    seed=st.integers(0, 2**31),
)
def test_outputs_and_gradients_are_those_of_the_layers(widths, batch, activation, frozen, seed) -> None:
    torch.manual_seed(seed)
    network = Perceptron(*widths, activation=activation).double()
    for i, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(i not in frozen)
    x = torch.randn(*batch, widths[0], dtype=torch.float64, requires_grad=True)
    wanted = [x, *(p for p in network.parameters() if p.requires_grad)]
    ours = network(x)
    with plainly():
        layered = network(x)
    torch.testing.assert_close(ours, layered, rtol=1e-13, atol=1e-13)
    weights = torch.randn_like(ours)
    for found, expected in zip(
        torch.autograd.grad(ours, wanted, weights), torch.autograd.grad(layered, wanted, weights), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(
    runs=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=3),
    hidden=WIDTH,
    seed=st.integers(0, 2**31),
)
def test_networks_of_blocks_are_each_its_layers(runs, hidden, seed) -> None:
    torch.manual_seed(seed)
    networks = SeparateNetworks(3, hidden, runs).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    wanted = [x, *networks.parameters()]
    ours = torch.cat([part.flatten(2) for part in networks(x)], -1)
    with plainly():
        one_by_one = torch.cat([networks.one(i, x) for i in range(sum(count for count, _ in runs))], -1)
    torch.testing.assert_close(ours, one_by_one, rtol=1e-12, atol=1e-13)
    weights = torch.randn_like(ours)
    for found, expected in zip(
        torch.autograd.grad(ours, wanted, weights), torch.autograd.grad(one_by_one, wanted, weights), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_second_derivatives_are_those_of_the_layers(activation) -> None:
    torch.manual_seed(0)
    network = Perceptron(3, 5, 4, 2, activation=activation).double()
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    found = []
    for plain in (False, True):
        with plainly() if plain else nullcontext():
            [slope] = torch.autograd.grad(network(x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [x, *list(network.parameters())[:-1]]))
    for ours, layered in zip(*found, strict=True):
        torch.testing.assert_close(ours, layered, rtol=1e-11, atol=1e-12)


def test_off_the_cpu_layers_are_taken_one_by_one() -> None:
    assert not at_once(torch.empty(2, device="meta"))
    assert Perceptron(3, 5, 1).to("meta")(torch.empty(4, 3, device="meta")).shape == (4, 1)


def test_weights_have_the_names_of_the_layers() -> None:
    assert list(Perceptron(3, 5, 1).state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("h", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("bound", _TERMS)
def test_the_series_of_small_blocks_are_the_closed_form(bound: float, h: float) -> None:
    q = torch.linspace(-bound, bound, 401, dtype=torch.float64)
    h = torch.full_like(q, h)
    even, odd = _even_and_odd(h, q)
    for found, expected in zip(_by_series(h, q, _TERMS[bound]), (even, odd, _slope(h, q, even, odd)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14 * float(expected.abs().max()))


@pytest.mark.parametrize("most", [1e-3, 1e3])
def test_a_step_clips_as_the_plain_one(most: float) -> None:
    after = []
    for plain in (False, True):
        torch.manual_seed(0)
        rho = MLPRepresentation(lambda g: g, 3, (2, 2), hidden=8, separate=True)
        model = HAE(Encoder((1, 2, 3), 4, hidden=8), rho, Decoder(4, (1, 2, 3), hidden=8))
        optimiser = make_optimiser(model, 1e-3, Recipe(), plain)
        for _ in range(3):
            loss = sum(p.square().sum() for p in model.parameters())
            descend(model, optimiser, Objective(loss, loss, loss, loss), most, plain)
        moments = [optimiser.state[p]["exp_avg"] for p in model.parameters()]
        after.append(torch.cat([t.detach().flatten() for t in (*model.parameters(), *moments)]))
    torch.testing.assert_close(after[0], after[1], rtol=1e-5, atol=1e-9)
