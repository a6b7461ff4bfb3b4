"""Every fast path gives the loss and the gradient of the algorithm written plainly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from symdiff.hae import HAE, Decoder, Encoder, losses
from symdiff.plain import plain_clip, plain_losses, plain_penalty
from symdiff.representations import LieRepresentation, MLPRepresentation, Representation
from symdiff.representations.orbit import SCAN_FROM, orbit

SHAPE = (1, 2, 3)
BLOCKS = st.lists(st.sampled_from([1, 2, 2, 3, 5]), min_size=1, max_size=4).map(tuple)


def representation(kind: str, sizes: tuple[int, ...]) -> Representation:
    if kind == "lie":
        rho: Representation = LieRepresentation(lambda g: g, lambda x, y: torch.zeros_like(x + y), 3, sizes)
    else:
        rho = MLPRepresentation(lambda g: g, 3, sizes, hidden=8, separate=kind == "a network a block")
    with torch.no_grad():
        for parameter in rho.parameters():
            parameter.normal_(std=0.3)
    return rho


def model_of(kind: str, sizes: tuple[int, ...], seed: int) -> HAE:
    torch.manual_seed(seed)
    m = sum(sizes)
    return HAE(Encoder(SHAPE, m, hidden=8), representation(kind, sizes), Decoder(m, SHAPE, hidden=8))


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["lie", "one network", "a network a block"]),
    sizes=BLOCKS,
    length=st.integers(1, 5),
    norm=st.sampled_from(["squared", "l2"]),
    seed=st.integers(0, 2**31),
)
def test_loss_and_gradient_are_those_of_the_plain_algorithm(
    kind: str, sizes: tuple[int, ...], length: int, norm: str, seed: int
) -> None:
    model = model_of(kind, sizes, seed)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        model.to(dtype)
        observations = torch.randn(4, length + 1, *SHAPE, dtype=dtype)
        actions = torch.randn(4, length, 3, dtype=dtype)
        gradients = []
        for of in (losses, plain_losses):
            model.zero_grad()
            terms = of(model, observations, actions, norm)
            (terms.prediction + terms.reconstruction).backward()
            gradients.append([term.item() for term in terms])
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        assert gradients[0] == pytest.approx(gradients[2], rel=tolerance)
        # The gradient of torch.matrix_exp at small blocks is right to 2e-8 in float64; at 1x1 that is seen from exp(x).
        assert float((gradients[1] - gradients[3]).norm()) <= max(10 * tolerance, 1e-7) * float(gradients[3].norm())


def test_both_walk_through_a_network_a_block_alike() -> None:
    rho = representation("a network a block", (2, 2, 3, 1))
    g = torch.randn(5, 3)
    one_by_one = list(rho.each_block(g))
    assert [block.shape[-1] for block in one_by_one] == [2, 2, 3, 1]
    torch.testing.assert_close(torch.block_diag(*(block[2] for block in one_by_one)), rho(g)[2])


@given(sizes=BLOCKS, separate=st.booleans(), seed=st.integers(0, 2**31))
def test_the_penalty_is_that_of_the_plain_algorithm(sizes: tuple[int, ...], separate: bool, seed: int) -> None:
    torch.manual_seed(seed)
    rho = MLPRepresentation(lambda g: g, 3, sizes, hidden=8, compose=torch.add, separate=separate).double()
    with torch.no_grad():
        for parameter in rho.parameters():
            parameter.normal_(std=0.3)
    actions = torch.randn(6, 3, dtype=torch.float64)
    ours, plainly = (
        (penalty, torch.autograd.grad(penalty, list(rho.parameters())))
        for penalty in (rho.penalty(actions), plain_penalty(rho, actions))
    )
    torch.testing.assert_close(ours[0], plainly[0], rtol=1e-11, atol=0)
    for found, expected in zip(ours[1], plainly[1], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7 * float(expected.abs().max()))


@given(
    steps=st.integers(1, SCAN_FROM - 1) | st.integers(SCAN_FROM, 100),
    size=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_walk_and_scan_go_where_the_loop_goes(steps: int, size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    near_one = 0.1 * torch.randn(2, steps, 3, size, size, generator=generator, dtype=torch.float64)
    matrices = (torch.eye(size, dtype=torch.float64) + near_one).requires_grad_()
    first = torch.randn(2, 3, size, generator=generator, dtype=torch.float64).requires_grad_()
    expected = [first]
    for t in range(steps):
        expected.append((matrices[:, t] @ expected[-1][..., None])[..., 0])
    whole = torch.stack(expected, dim=1)
    found = orbit(matrices, first)
    torch.testing.assert_close(found, whole, rtol=1e-9, atol=1e-9 * float(whole.detach().abs().max()))
    weights = torch.randn(whole.shape, generator=generator, dtype=torch.float64)
    for ours, plain in zip(
        torch.autograd.grad((weights * found).sum(), (matrices, first)),
        torch.autograd.grad((weights * whole).sum(), (matrices, first)),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-8, atol=1e-8 * float(plain.abs().max()))


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_an_orbit_has_its_second_derivative(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    matrices = torch.randn(2, 2, 2, size, size, generator=generator, dtype=torch.float64).requires_grad_()
    first = torch.randn(2, 2, size, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(orbit, (matrices, first))


@pytest.mark.parametrize("most", [1e-3, 1e3])
def test_the_plain_clip_is_that_of_torch(most: float) -> None:
    model = model_of("lie", (2, 2), 0)
    sum(p.square().sum() for p in model.parameters()).backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    plain_clip(model, most)
    found = [p.grad.clone() for p in model.parameters()]
    for p, g in zip(model.parameters(), gradients, strict=True):
        p.grad.copy_(g)
    nn.utils.clip_grad_norm_(model.parameters(), most)
    for p, ours in zip(model.parameters(), found, strict=True):
        torch.testing.assert_close(ours, p.grad)
