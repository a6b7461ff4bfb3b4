"""Images in a file: read if they are images in [-1, 1], refused by name otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from symdiff.diffusion import datasets, load_denoiser
from symdiff.errors import DataError
from symdiff.process.images_file import grey_levels, read_images, refuse_other_shape

RANDOM = np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8))


def write(file: Path, array: np.ndarray) -> Path:
    if file.suffix == ".npy":
        np.save(file, array)
    elif file.suffix == ".npz":
        np.savez(file, images=array)
    else:
        save_file({"images": np.ascontiguousarray(array)}, file)
    return file


@pytest.mark.parametrize("ending", [".npy", ".npz", ".safetensors"])
def test_every_kind_of_file_is_read_as_float32(ending: str, tmp_path: Path) -> None:
    found = read_images(write(tmp_path / f"images{ending}", RANDOM))
    assert found.images.dtype == torch.float32
    torch.testing.assert_close(found.images, torch.from_numpy(RANDOM).float())
    assert found.half_bin is None
    assert found.origin == f"5 images from images{ending} (continuous)"


def test_grey_levels_are_recognised() -> None:
    assert grey_levels(datasets.digits()[1]) == pytest.approx(1 / 16)
    rng = np.random.default_rng(0)
    eight_bit = torch.from_numpy(rng.integers(0, 256, (20, 1, 8, 8)) / 127.5 - 1).float()
    assert grey_levels(eight_bit) == pytest.approx(1 / 255)
    few = torch.from_numpy(rng.integers(0, 256, (2, 1, 4, 4)) / 127.5 - 1).float()
    assert grey_levels(few) == pytest.approx(1 / 255)
    assert grey_levels(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)) == 1.0
    assert grey_levels(torch.from_numpy(RANDOM)) is None


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 8, 8)), r"has shape \[5, 8, 8\], not \[n, C, H, W\]"),
        (np.zeros((0, 1, 8, 8)), r"has shape \[0, 1, 8, 8\]"),
        (np.zeros((5, 1, 8, 8), dtype=bool), "holds bool, not numbers"),
        (127 + np.zeros((5, 1, 8, 8)), r"range from 127 to 127, not within \[-1, 1\]"),
        (np.full((5, 1, 8, 8), np.nan), "5 of 5 images in .* hold NaN or infinity"),
    ],
    ids=["shape", "empty", "booleans", "grey levels", "NaN"],
)
def test_what_is_no_image_in_range_is_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_images(write(tmp_path / "images.npy", array))
    assert caught.value.code == "data"
    assert "g / 127.5 - 1" in caught.value.hint


@pytest.mark.parametrize("ending", [".npy", ".npz", ".safetensors"])
def test_a_missing_or_damaged_file_is_named(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"images{ending}"
    with pytest.raises(DataError, match="does not exist"):
        read_images(file)
    file.write_bytes(b"not what it says")
    with pytest.raises(DataError, match="cannot be read as"):
        read_images(file)


def test_other_kinds_several_arrays_and_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not one of \.npy"):
        read_images(tmp_path / "images.png")
    np.savez(tmp_path / "two.npz", a=RANDOM, b=RANDOM)
    with pytest.raises(DataError, match=r"holds a \[5, 1, 8, 8\], b \[5, 1, 8, 8\]: one array is wanted"):
        read_images(tmp_path / "two.npz")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_images(tmp_path / "pickled.npy")


def test_images_of_another_shape_than_the_models_are_refused(tmp_path: Path) -> None:
    found = read_images(write(tmp_path / "images.npy", np.zeros((2, 3, 8, 8))))
    with pytest.raises(DataError, match=r"shape \(3, 8, 8\), model 'gaussian' makes \(1, 8, 8\)"):
        refuse_other_shape(found, load_denoiser("gaussian"))
