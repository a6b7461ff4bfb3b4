"""The reader: which images can be read as a digit."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion import datasets
from symdiff.diffusion.reader import Reader


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.fit(datasets.digits()[0], datasets.digits_labels()[0])


def test_unseen_digits_are_read(reader: Reader) -> None:
    held_out, labels = datasets.digits()[1], datasets.digits_labels()[1]
    assert reader.accuracy(held_out, labels) > 0.95
    assert 0.05 <= float(reader.unreadable(held_out, held_out).double().mean()) <= 0.1


@pytest.mark.parametrize("spoil", ["noise", "superposition", "upper-half-of-another"])
def test_what_is_no_digit_is_not(reader: Reader, spoil: str) -> None:
    held_out, labels = datasets.digits()[1], datasets.digits_labels()[1]
    partner = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(1))
    other = held_out[partner]
    spoilt = {
        "noise": torch.randn(held_out.shape, generator=torch.Generator().manual_seed(0)),
        "superposition": torch.maximum(held_out, other),
        "upper-half-of-another": torch.cat([other[..., :4, :], held_out[..., 4:, :]], dim=-2),
    }[spoil]
    of_two_digits = labels != labels[partner]
    assert float(reader.unreadable(spoilt[of_two_digits], held_out).double().mean()) > 0.8


def test_a_margin_is_the_least_lead_over_another_class(reader: Reader) -> None:
    """So that at most one class has a positive one."""
    held_out = datasets.digits()[1]
    margins = reader.margins(held_out)
    assert margins.shape == (len(held_out), 10)
    assert int((margins > 0).sum(dim=1).max()) == 1
    training, labels = datasets.digits()[0], datasets.digits_labels()[0]
    three = labels < 3
    few = Reader.fit(training[three], labels[three])
    decisions = torch.from_numpy(few.classifier.decision_function(few.components(held_out).numpy()))
    zero_one, zero_two, one_two = decisions.T
    expected = [
        torch.minimum(zero_one, zero_two),
        torch.minimum(-zero_one, one_two),
        torch.minimum(-zero_two, -one_two),
    ]
    torch.testing.assert_close(few.margins(held_out), torch.stack(expected, dim=1))
