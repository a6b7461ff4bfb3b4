"""Where rho starts: found with an encoder that is thrown away."""

from __future__ import annotations

import copy

import torch

from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.trajectories import Sequences

SEED = 0
"""Of the batches: the sequences are a sample that has been drawn with the seed of the run."""


@torch.enable_grad()
def find_rho(family: GroupFamily, model: HAE, sequences: Sequences, steps: int, batch: int, rate: float) -> None:
    """Train rho for some steps without a decoder, and leave the encoder as it was.

    While rho turns at wrong frequencies most features cannot be predicted, and the encoder loses them for good or
    takes to others. Once rho is right a fresh encoder finds what the first one has lost.

    Parameters
    ----------
    family
        Whose objective and recipe are used.
    model
        Its representation is changed in place, nothing else.
    sequences
        A sample of the training sequences.
    steps, batch, rate
        Optimiser steps, sequences in a batch, and the learning rate, warmed up as the recipe says.
    """
    recipe = family.recipe()
    trial = HAE(copy.deepcopy(model.encoder), model.representation, model.decoder)
    of_rho = list(trial.representation.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": list(trial.encoder.parameters()), "scale": 1.0}, {"params": of_rho, "scale": recipe.rate_of_rho}],
        lr=rate, betas=recipe.betas, weight_decay=0.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(SEED)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / recipe.warm_up) * group["scale"]
        rows = torch.randint(len(sequences.actions), (batch,), generator=generator).to(sequences.actions.device)
        drawn = Sequences(
            sequences.observations[rows], sequences.actions[rows], sequences.times[rows], sequences.trajectory[rows]
        )
        optimiser.zero_grad(set_to_none=True)
        family.objective(trial, drawn, 0.0, False).loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in trial.parameters() if p.grad is not None], recipe.clip_norm)
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
