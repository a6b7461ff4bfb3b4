"""Ridge regression of images on images: exact where it can be, bounded in memory where images are large."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symdiff.process import regression
from symdiff.process.gains import fit_gains
from symdiff.process.regression import Inputs, KernelMap


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_exactly_affine_target_is_recovered_with_more_rows_than_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 30, generator=generator, dtype=torch.float64)
    matrix = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    new = torch.randn(10, 30, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(Inputs(x).fit(x @ matrix + 2)(new), new @ matrix + 2, rtol=1e-5, atol=1e-5)


def test_with_far_more_columns_than_rows_a_map_on_the_span_is_recovered() -> None:
    generator = torch.Generator().manual_seed(0)
    span = torch.randn(5, 3000, generator=generator, dtype=torch.float64)
    x = torch.randn(25, 5, generator=generator, dtype=torch.float64) @ span
    new = torch.randn(6, 5, generator=generator, dtype=torch.float64) @ span
    matrix = torch.randn(3000, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(Inputs(x).fit(x @ matrix)(new), new @ matrix, rtol=1e-5, atol=1e-3)


def test_noise_makes_the_penalty_shrink_the_map() -> None:
    """A target that is pure noise is predicted by its mean, nearly."""
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 60, 40, generator=generator, dtype=torch.float64)
    new = torch.randn(500, 40, generator=generator, dtype=torch.float64)
    fitted = Inputs(x).fit(noise)
    assert float((fitted(new) - noise.mean(0)).square().mean()) < 0.3


@pytest.mark.parametrize(("n", "d"), [(90, 30), (60, 90), (40, 300)], ids=["tall", "square", "wide"])
def test_every_way_of_decomposing_gives_the_same_map(n: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, new = normal(n, d), normal(n, 7, seed=1) + 3, normal(5, d, seed=2)
    y[:, :3] += x[:, :3]
    exact = Inputs(x).fit(y)
    monkeypatch.setattr(regression, "EXACT", 0)
    monkeypatch.setattr(regression, "CHUNK", 64)  # many chunks
    other = Inputs(x).fit(y)
    assert isinstance(other, KernelMap) == (d > n)
    torch.testing.assert_close(other(new), exact(new), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(other.linear(new), exact(new) - exact(torch.zeros_like(new)), rtol=1e-6, atol=1e-6)


def test_large_images_need_no_more_than_a_few_copies_of_the_training_states() -> None:
    """In float32 as recorded: what is kept are references, a matrix of n x n and means."""
    x, y = normal(24, 20000).float(), normal(24, 20000, seed=1).float()
    fitted = Inputs(x).fit(y)
    assert isinstance(fitted, KernelMap)
    assert fitted.x_train.data_ptr() == x.data_ptr()
    assert fitted.y_train.data_ptr() == y.data_ptr()
    assert fitted.weights.shape == (24, 24)
    assert float((fitted(x.double()) - y).square().mean()) < float(y.var())


def test_gains_are_those_of_least_squares_on_each_pixel() -> None:
    x, y = normal(200, 6), normal(200, 6, seed=1)
    y = y + torch.arange(6) * x - 2
    found = fit_gains(x, y)
    for j in range(6):
        design = torch.stack([x[:, j], torch.ones(200, dtype=x.dtype)], 1)
        slope, offset = torch.linalg.lstsq(design, y[:, j, None]).solution.flatten()
        assert float(found["diagonal"].gain[j]) == pytest.approx(float(slope))
        assert float(found["diagonal"](torch.zeros(1, 6, dtype=x.dtype))[0, j]) == pytest.approx(float(offset))
    centred = x - x.mean(0)
    assert float(found["scalar"].gain) == pytest.approx(float((centred * y).sum() / centred.square().sum()))


def test_a_pixel_that_never_changes_has_no_gain() -> None:
    x = normal(20, 3)
    x[:, 1] = 0.5
    assert fit_gains(x, x)["diagonal"].gain.tolist() == pytest.approx([1, 0, 1])
