"""Models know images they were not made from."""

from __future__ import annotations

import types

import pytest
import torch

from symdiff.diffusion import datasets, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser, KernelMixtureDenoiser, SphereDenoiser, held_out
from symdiff.errors import MissingExtraError


@pytest.mark.parametrize("name", ["digits", "mixture"])
def test_digits_are_judged_on_the_digits_that_were_held_out(name: str) -> None:
    found = load_denoiser(name).held_out()
    assert found is not None
    assert torch.equal(found.images, datasets.digits()[1])
    assert found.half_bin == 1 / 16
    assert "180 held-out images of digits" in found.origin


def test_gaussian_data_are_drawn_from_the_law_itself_and_the_same_every_time() -> None:
    denoiser = load_denoiser("gaussian")
    assert isinstance(denoiser, GaussianDenoiser)
    first, again = denoiser.held_out(), denoiser.held_out()
    assert torch.equal(first.images, again.images)
    assert first.half_bin is None
    flat = (first.images.double() - denoiser.mean).flatten(1) @ denoiser.eigenvectors
    large = denoiser.eigenvalues > 0.01
    scaled = flat[:, large].square().mean(0) / denoiser.eigenvalues[large]
    assert float((scaled - 1).abs().mean()) < 0.15
    assert float(flat.mean(0).abs().max()) < 4 * float(denoiser.eigenvalues.max() / len(flat)) ** 0.5


def test_a_mixture_of_other_points_and_a_sphere_know_none() -> None:
    assert KernelMixtureDenoiser(torch.zeros(3, 1, 8, 8), 0.1).held_out() is None
    assert SphereDenoiser((1, 2, 2), 1.0).held_out() is None


def test_a_model_of_the_name_of_a_data_set_but_another_shape_knows_none() -> None:
    assert held_out.of_dataset("digits", (1, 28, 28)) is None
    assert held_out.of_dataset("faces", (1, 8, 8)) is None


def test_a_data_set_that_comes_with_a_missing_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def mnist(seed: int = 0) -> None:
        raise MissingExtraError("the MNIST digits are not here", "pip install something")

    monkeypatch.setattr(held_out, "datasets", types.SimpleNamespace(mnist=mnist))
    with pytest.raises(MissingExtraError, match="not here"):
        held_out.of_dataset("mnist", (1, 28, 28))


def test_mnist_has_eight_bit_grey_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(5, 1, 28, 28)
    monkeypatch.setattr(held_out, "datasets", types.SimpleNamespace(mnist=lambda seed=0: (images, images)))
    found = held_out.of_dataset("mnist", (1, 28, 28))
    assert found is not None
    assert found.half_bin == 1 / 255
