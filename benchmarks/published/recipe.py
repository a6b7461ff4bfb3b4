"""Training in 2000 steps: two losses as published, and one that keeps the latents spread over all of their space.

``L = BCE(d(z_t), o_t) + GAMMA |h(o_t) - z_t|^2 + SPREAD |m E[h h^T] - I|_F^2 + penalty``, with
``z_t = rho(g_{t-1}) ... rho(g_1) h(o_1)`` (Keurti et al. 2023, section 3).

The third term is what makes it fast. The second alone is least where all latents are one point; held to the gauge
``E[h h^T] = I/m`` they cannot be, and encoder and rho find the torus together in a few hundred steps, the first of them
without any decoder. It asks for nothing that a change of basis could not give to any latents of full rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.published.figures import cross_entropy
from benchmarks.published.networks import ConvDecoder, ConvEncoder, SkewLieRepresentation
from symdiff.hae import HAE
from symdiff.worlds import Episodes

STEPS = 2000
WITHOUT_DECODER = 150
WARM_UP = 100
BATCH = 50
LENGTH = 2
RATE = 4e-3
RATE_OF_RHO = 2.0
"""Times the rate of the networks."""

GAMMA = 100.0
SPREAD = 100.0
PENALTY = 100.0
"""Final weight of the bracket penalty, annealed up linearly from 0."""

CLIP_NORM = 100.0


def build(episodes: Episodes, latent: int) -> HAE:
    """A model for actions that are vectors and compose by addition, rho dense ``m x m``."""
    channels, size = episodes.observations.shape[2], episodes.actions.shape[-1]
    rho = SkewLieRepresentation(lambda g: g, lambda x, y: torch.zeros_like(x + y), size, (latent,))
    return HAE(ConvEncoder(channels, latent), rho, ConvDecoder(latent, channels))


def spread(latents: Tensor) -> Tensor:
    """``|m E[h h^T] - I|_F^2`` of latents ``[n, m]``: 0 in the gauge ``E[h h^T] = I/m``."""
    n, m = latents.shape
    return (m * latents.T @ latents / n - torch.eye(m)).square().sum()


def train(model: HAE, episodes: Episodes, seed: int, spreading: float = SPREAD, steps: int = STEPS) -> None:
    """Train `model` in place on random windows of `episodes`."""
    windows = _windows(episodes, torch.Generator().manual_seed(seed))
    rho = list(model.representation.parameters())
    networks = [*model.encoder.parameters(), *model.decoder.parameters()]
    optimiser = torch.optim.Adam(
        [{"params": networks, "scale": 1.0}, {"params": rho, "scale": RATE_OF_RHO}], betas=(0.9, 0.99), foreach=True
    )
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * group["scale"] * _schedule(step, steps)
        observations, actions = windows()
        latents = model.encode(observations)
        paths = model.representation.rollout(actions, latents[:, 0])
        loss = GAMMA * (latents[:, 1:] - paths[:, 1:]).square().sum(-1).mean()
        loss = loss + spreading * spread(latents.flatten(0, 1))
        loss = loss + PENALTY * step / steps * model.representation.penalty(actions)
        if step >= WITHOUT_DECODER:
            loss = loss + cross_entropy(model.decode(paths), observations).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimiser.step()


def _schedule(step: int, steps: int) -> float:
    """Warm-up, then a cosine to 1% of the peak."""
    return min(1.0, (step + 1) / WARM_UP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _windows(episodes: Episodes, generator: torch.Generator) -> Callable[[], tuple[Tensor, Tensor]]:
    images, moves = torch.from_numpy(episodes.observations), torch.from_numpy(episodes.actions)

    def draw() -> tuple[Tensor, Tensor]:
        which = torch.randint(0, len(images), (BATCH, 1), generator=generator)
        at = torch.randint(0, moves.shape[1] - LENGTH + 1, (BATCH, 1), generator=generator) + torch.arange(LENGTH + 1)
        return images[which, at].float() / 255, moves[which, at[:, :-1]]

    return draw
