"""The noise of a representation is what its products show, and never below the rounding of its weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.structure.noise import noise_of
from symdiff.structure.words import words
from symdiff.trajectories import Trajectories
from symdiff_affine.family import AffineFamily


class Noisy(Representation):
    """Another rho, with independent errors ``sigma N(0, 1) / sqrt(m)`` in every matrix it gives."""

    form = "mlp"

    def __init__(self, rho: Representation, sigma: float) -> None:
        super().__init__()
        self.rho, self.sigma, self.block_sizes = rho, sigma, (rho.dimension,)
        self.generator = torch.Generator().manual_seed(0)

    def blocks(self, g: Tensor) -> list[Tensor]:
        clean = self.rho(g)
        noise = torch.randn(clean.shape, dtype=clean.dtype, generator=self.generator)
        return [(clean + self.sigma * noise / self.dimension**0.5).unsqueeze(-3)]


@pytest.mark.parametrize("sigma", [1e-4, 1e-2])
def test_independent_errors_of_known_size_are_measured(
    sigma: float, recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE]
) -> None:
    """Also for a rho far from orthogonal: its matrices have norms between 0.3 and 5."""
    rho = Noisy(exact(9).representation, sigma)
    elements = words(family, recording, rho.rho).elements
    noise = noise_of(family, rho, elements, rho(elements))
    assert noise.level == pytest.approx(sigma, rel=0.1)
    assert "homomorphism defect" in noise.source


def test_a_homomorphism_is_as_noisy_as_its_weights_are_rounded(
    recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE]
) -> None:
    rho = exact(9).representation
    elements = words(family, recording, rho).elements
    noise = noise_of(family, rho, elements, rho(elements))
    assert 5e-8 < noise.level < 1e-6
    assert "float32" in noise.source
