"""The worlds, and how each is analysed: dimension given, blocks to be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.published.laws import Rotations, ScrambledSums, Sums, TrueLaw

CONVOLUTIONS = {"network": "conv", "likelihood": "bernoulli"}


@dataclass(frozen=True)
class Task:
    """A world and what is said of it to the command line.

    Attributes
    ----------
    latent, steps, options, length
        ``--latent``, ``--train-steps``, ``-o`` besides convolutions and their likelihood, ``--length``.
    law
        The true one, for figures; the model knows what its option ``law`` says.
    blocks
        What is to be found.
    """

    latent: int
    steps: int
    options: Mapping[str, Any]
    law: TrueLaw
    blocks: str
    length: int = 2


FOUND_FIRST = {"features": "standardised", "spread": 12.0, "faithful": 10.0, "search": 150, "alone": 0.12}
"""A faithful rho first, with an encoder that is thrown away; an encoder that sees what does not hang on position."""

TURNED = {"features": "standardised", "spread": 16.0, "scale_of_rho": 0.6, "alone": 0.3}
"""For rotations of space, whose rho has to start from frequencies of about 1."""

TASKS = {
    "displaced": Task(4, 2000, {"law": "additive"}, Sums(), "2C + 2C"),
    "oriented": Task(6, 2000, {"law": "additive", **FOUND_FIRST}, Sums(), "2C + 2C + 2C"),
    "points": Task(6, 2000, {"law": "rotation", **TURNED}, Rotations(), "3R + 3R", length=3),
    "scrambled": Task(6, 2000, {"rho": "mlp-skew", **FOUND_FIRST}, ScrambledSums(), "2C + 2C + 2C"),
}

COLLAPSE = Task(4, 300, {"law": "additive", "spread": 0.0, "gamma": 1e5}, Sums(), "none")
"""Nothing keeps the latents apart, and all that counts is that they are predicted."""

PUBLISHED: dict[str, Any] = {
    "run": "published, 6000 steps", "homomorphism": 0.0079, "identity": 0.0067, "inverse": 0.0089, "commutator": 0.0073,
    "orthogonality": 0.109, "r2": 0.9995, "bce": 6.2, "bce_1": 5.6, "bce_8": 15.0, "bce_16": 30.0, "bce_64": 1183.0,
    "least response": 0.006, "largest response": 1.575,
}  # fmt: skip
"""What the authors' code prints on `displaced`, one seed, measured."""
