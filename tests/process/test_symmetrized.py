"""Averaging a model over a group makes it equivariant, and changes no model that is."""

from __future__ import annotations

import pytest
import torch

import symdiff
from symdiff.diffusion import Denoiser
from symdiff.diffusion.denoisers import HeldOut, load_denoiser
from symdiff.errors import ConfigError
from symdiff.process import equivariance
from symdiff.process.acting import Budget
from symdiff.process.symmetrized import symmetrized_change
from tests.process.acting import Circle, SampledTurns, Turns, TurnsAndFlips
from tests.process.subjects import Linear, draw, quarter_turn_mixture, recording


@pytest.mark.parametrize("kind", [Turns, TurnsAndFlips])
def test_the_average_over_a_finite_group_is_equivariant_to_rounding(kind: type[Turns] | type[TurnsAndFlips]) -> None:
    family = kind((1, 8, 8))
    averaged = symdiff.symmetrize(load_denoiser("mixture"), family)
    process = equivariance(family, averaged, recording(averaged, 8, 10), budget=Budget(levels=4, replicates=50))
    for level in process["levels"]:
        assert level["error"]["value"] < 1e-20
    assert process["run"]["value"] < 1e-20


def test_an_equivariant_model_is_not_changed() -> None:
    denoiser = quarter_turn_mixture()
    averaged = symdiff.symmetrize(denoiser, Turns(denoiser.shape))
    x = draw(5, 1, 4, 4)
    for t in (0, 30, 500, 1000):
        torch.testing.assert_close(averaged.denoise(x, t), denoiser.denoise(x, t), rtol=0, atol=1e-12)
    assert averaged.digest != denoiser.digest
    assert "averaged over 4 elements of the C4 group" in averaged.caveats[-1]


def test_the_average_of_a_linear_model_is_the_projection_of_its_matrix() -> None:
    matrix = draw(1, 16, 16)
    family = Turns((1, 4, 4))
    images = torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)
    turns = [family.act(g, images).reshape(16, 16).T for g in family.haar_elements()]
    expected = torch.stack([turn.T @ matrix[0] @ turn for turn in turns]).mean(0)
    averaged = symdiff.symmetrize(Linear(matrix, (1, 4, 4)), family)
    torch.testing.assert_close(averaged.denoise(images, 1).reshape(16, 16).T, expected)


def test_on_closed_data_averaging_helps_a_model_that_is_not_equivariant_and_on_raw_digits_it_harms() -> None:
    class Skewed(Denoiser):
        """The right answer and an error that is not equivariant."""

        def __init__(self, right: Denoiser) -> None:
            self.right = right
            super().__init__("skewed", right.shape, right.schedule, "skewed")

        def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
            return self.right.denoise(x, t) + 0.3 * self.schedule.sigma(t) * torch.linspace(-1, 1, 4).to(x)

    mixture = quarter_turn_mixture()
    images = mixture.points[torch.randint(12, (64,), generator=torch.Generator().manual_seed(0))]
    data = HeldOut((images + 0.2 * draw(64, 1, 4, 4)).float(), None, "64 drawn images")
    better = symmetrized_change(Skewed(mixture), Turns((1, 4, 4)), data)
    assert better["bits_per_dim"]["difference"]["interval"][1] < 0
    assert all(level["difference"]["value"] < 0 for level in better["levels"])

    same = symmetrized_change(mixture, Turns((1, 4, 4)), data)
    assert abs(same["bits_per_dim"]["difference"]["value"]) < 1e-5

    digits = load_denoiser("mixture")
    held_out = digits.held_out()
    assert held_out is not None
    worse = symmetrized_change(digits, Turns((1, 8, 8)), HeldOut(held_out.images[:48], 1 / 16, "digits"))
    assert worse["bits_per_dim"]["difference"]["interval"][0] > 0.5
    assert worse["images"] == 48
    assert worse["bits_per_dim"]["after"]["value"] > worse["bits_per_dim"]["before"]["value"]


def test_a_group_of_unknown_elements_or_of_other_images_is_refused() -> None:
    denoiser = quarter_turn_mixture()
    with pytest.raises(ConfigError, match="knows no elements"):
        symdiff.symmetrize(denoiser, SampledTurns(denoiser.shape))
    with pytest.raises(ConfigError, match="acts on images of shape"):
        symdiff.symmetrize(denoiser, Circle((2, 4, 4)))
