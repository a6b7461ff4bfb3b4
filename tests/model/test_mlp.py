"""The published form of rho, and the penalty that families without a logarithm train it with."""

from __future__ import annotations

import torch
from torch import Tensor

from symdiff.representations import MLPRepresentation


def rotation_features(g: Tensor) -> Tensor:
    return torch.stack([g.cos(), g.sin()], dim=-1)


def add(g2: Tensor, g1: Tensor) -> Tensor:
    return g2 + g1


def make(compose: bool) -> MLPRepresentation:
    torch.manual_seed(0)
    return MLPRepresentation(rotation_features, 2, (2, 2), hidden=32, compose=add if compose else None)


def test_it_starts_near_the_identity() -> None:
    g = torch.rand(50, generator=torch.Generator().manual_seed(0)) * 6
    assert float((make(False)(g) - torch.eye(4)).detach().abs().max()) < 0.1


def test_without_composition_there_is_no_penalty() -> None:
    assert float(make(False).penalty(torch.rand(8)).detach()) == 0


def test_the_penalty_is_zero_for_a_homomorphism_and_positive_otherwise() -> None:
    rho = make(True)
    g = torch.rand(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in rho.phi.parameters():
            parameter.zero_()
    assert float(rho.penalty(g).detach()) < 1e-12  # rho = 1
    with torch.no_grad():
        rho.phi[-1].bias.copy_(torch.tensor([0.5, 0.0, 0.0, 0.5] * 2))
    assert float(rho.penalty(g).detach()) > 0.1  # a constant other than 1 is no homomorphism


def test_minimising_the_penalty_makes_it_more_of_a_homomorphism() -> None:
    rho = make(True)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        rho.phi[-1].weight.normal_(std=0.1, generator=generator)
    held_out = torch.rand(64, generator=generator) * 2
    before = float(rho.penalty(held_out).detach())
    optimiser = torch.optim.Adam(rho.parameters(), lr=3e-3)
    for _ in range(100):
        optimiser.zero_grad()
        rho.penalty(torch.rand(64, generator=generator) * 2).backward()
        optimiser.step()
    assert float(rho.penalty(held_out).detach()) < 0.2 * before
