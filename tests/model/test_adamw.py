"""The optimiser is torch's, step for step, without what torch imports for it."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symdiff.adamw import AdamW


def parameters(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((5, 3), (7,), ())]


def groups(of: list[torch.nn.Parameter], decay: float) -> list[dict[str, object]]:
    return [{"params": of[:2], "weight_decay": decay, "scale": 0.5}, {"params": of[2:], "weight_decay": 0.0}]


def descend(optimiser: torch.optim.Optimizer, of: list[torch.nn.Parameter], seed: int) -> None:
    optimiser.zero_grad(set_to_none=True)
    assert all(p.grad is None for p in of)
    generator = torch.Generator().manual_seed(seed)
    loss: Tensor = sum((p * torch.randn(p.shape, generator=generator)).square().sum() for p in of)  # type: ignore[assignment]
    loss.backward()
    optimiser.step()


def same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@pytest.mark.parametrize("fused", [False, True])
@settings(max_examples=20, deadline=None)
@given(
    rate=st.floats(1e-5, 0.1), decay=st.floats(0, 0.1), beta=st.floats(0.5, 0.99), steps=st.integers(1, 6),
    clipped=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_steps_and_state_are_those_of_torch_bit_for_bit_and_may_be_exchanged(
    fused: bool, rate: float, decay: float, beta: float, steps: int, clipped: bool, seed: int
) -> None:
    ours, theirs = parameters(seed), parameters(seed)
    optimisers = [
        kind(groups(of, decay), lr=rate, betas=(beta, 0.999), foreach=False, fused=fused)
        for kind, of in ((AdamW, ours), (torch.optim.AdamW, theirs))
    ]
    for step in range(2 * steps):
        if step == steps:  # from here on each goes on from what the other one left
            states = [copy.deepcopy(optimiser.state_dict()) for optimiser in optimisers]
            assert same(states[0], states[1])
            for optimiser, state in zip(optimisers, reversed(states), strict=True):
                optimiser.load_state_dict(state)
        for optimiser, of in zip(optimisers, (ours, theirs), strict=True):
            if clipped and fused:
                optimiser.grad_scale = torch.tensor(1.5)  # type: ignore[union-attr]
            optimiser.param_groups[0]["lr"] = rate / (step + 1)
            descend(optimiser, of, seed + step)
        assert same([p.data for p in ours], [p.data for p in theirs])


def test_training_imports_no_compiler() -> None:
    program = (
        "import sys, torch; from symdiff.adamw import AdamW\n"
        "p = torch.nn.Parameter(torch.ones(3)); optimiser = AdamW([p], fused=True)\n"
        "p.sum().backward(); optimiser.step(); optimiser.zero_grad()\n"
        "optimiser.load_state_dict(optimiser.state_dict())\n"
        "sys.exit(float(p[0]) == 1.0 or 'torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_closure_is_evaluated_with_gradients() -> None:
    [p, *_] = parameters(0)
    optimiser = AdamW([p])

    def closure() -> float:
        optimiser.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return float(loss.detach())

    before = float(p.detach().square().sum())
    assert optimiser.step(closure) == pytest.approx(before)
    assert float(p.detach().square().sum()) < before


def test_parameters_without_a_gradient_stay_and_do_not_count_the_step() -> None:
    ours, theirs = parameters(0), parameters(0)
    optimisers = [
        kind(groups(of, 0.1), lr=0.1, foreach=False, fused=True)
        for kind, of in ((AdamW, ours), (torch.optim.AdamW, theirs))
    ]
    for absent in (None, 0, 0, 1, None):
        for optimiser, of in zip(optimisers, (ours, theirs), strict=True):
            for i, p in enumerate(of):
                p.grad = None if i == absent else torch.full_like(p, 0.5 + i)
            optimiser.step()
        assert same([p.data for p in ours], [p.data for p in theirs])
    assert same(*(optimiser.state_dict() for optimiser in optimisers))


def test_a_copy_of_the_optimiser_goes_on_from_where_it_is() -> None:
    of = parameters(0)
    optimiser = AdamW(groups(of, 0.1), lr=0.1, fused=True)
    descend(optimiser, of, 0)
    other, others = copy.deepcopy((optimiser, of))
    for kind, its in ((optimiser, of), (other, others)):
        descend(kind, its, 1)
    assert same([p.data for p in of], [p.data for p in others])
    assert same(optimiser.state_dict(), other.state_dict())
