"""Files of sequences are read as they are, in each of three formats, and refused by name where they are none."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from symdiff import MissingExtraError, SequencesError
from symdiff.illustrations import seen_of
from symdiff.trajectories import digest_of_sequences, read_sequences
from tests.sequences.turning import observed_turns, write

GOOD = observed_turns(sequences=6, length=3)


def refused(file: Path) -> str:
    with pytest.raises(SequencesError) as caught:
        read_sequences(f"sequences:{file}")
    assert caught.value.hint
    return str(caught.value)


def test_the_three_formats_hold_the_same(tmp_path):
    h5py = pytest.importorskip("h5py")
    np.savez(tmp_path / "a.npz", **GOOD)
    save_file({key: np.ascontiguousarray(array) for key, array in GOOD.items()}, tmp_path / "a.safetensors")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key, array in GOOD.items():
            file[key] = array
    found = [read_sequences(f"sequences:{tmp_path / name}") for name in ("a.npz", "a.safetensors", "a.h5")]
    for one in found:
        assert torch.equal(one.states[..., 0, 0], torch.from_numpy(GOOD["observations"]))
        assert torch.equal(one.actions, torch.from_numpy(GOOD["actions"]))
        assert torch.equal(one.factors, torch.from_numpy(GOOD["factors"]))
    assert found[0].observation_shape == (8, 1, 1)


def test_integer_images_become_grey_levels_and_it_is_said(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(6, 4, 1, 5, 5), dtype=np.uint8)
    found = read_sequences(write(tmp_path / "a.npz", **{**GOOD, "observations": images}))
    assert torch.allclose(found.states, torch.from_numpy(images).float() / 255)
    assert "divided by 255" in found.info["caveats"][0]


def test_a_vector_is_seen_as_a_row_from_black_to_white(tmp_path):
    found = read_sequences(write(tmp_path / "a.npz", **GOOD))
    seen = seen_of(found)(found.states.flatten(0, 1))
    assert seen.shape == (6 * 4, 1, 1, 8)
    assert float(seen.min()) == -1
    assert float(seen.max()) == pytest.approx(1)


def test_a_window_holds_the_actions_between_its_observations(tmp_path):
    found = read_sequences(write(tmp_path / "a.npz", **GOOD))
    windows = found.windows(2, 50, torch.Generator().manual_seed(0))
    for i in range(len(windows)):
        which, first = int(windows.trajectory[i]), int(windows.times[i, 0])
        assert torch.equal(windows.actions[i], found.actions[which, first : first + 2])
        assert torch.equal(windows.observations[i], found.states[which, first : first + 3])


def test_parts_keep_observations_actions_and_factors_together(tmp_path):
    found = read_sequences(write(tmp_path / "a.npz", **GOOD))
    parts = found.split((0.5, 0.25, 0.25), seed=1)
    assert sum(map(len, parts)) == 6
    for part in parts:
        for states, actions, factors in zip(part.states, part.actions, part.factors, strict=True):
            [row] = [i for i in range(6) if torch.equal(found.states[i], states)]
            assert torch.equal(found.actions[row], actions)
            assert torch.equal(found.factors[row], factors)
        assert part.double().states.dtype == part.double().denoised.dtype == torch.float64
        assert part.denoised.shape == (len(part), 3, *found.observation_shape)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observations": None}, "no array observations"),
        ({"actions": None}, "no array actions"),
        ({"observations": GOOD["observations"][0]}, r"observations .* has shape \[4, 8\]: 3 or 5 axes"),
        ({"actions": GOOD["actions"][..., None]}, "3 axes are wanted"),
        ({"actions": GOOD["actions"][:, :2]}, "2 actions lie between 3 observations"),
        ({"actions": GOOD["actions"][:4]}, "there are actions of 4 sequences"),
        ({"factors": GOOD["factors"][:, :2]}, "factors .* 3 actions lie between 4 observations"),
        ({"factors": GOOD["factors"][0]}, "factors .* 3 axes"),
        ({"observations": np.where(GOOD["observations"] > 0.3, np.nan, GOOD["observations"])}, "observations .* NaN"),
        ({"actions": np.full_like(GOOD["actions"], np.inf)}, "actions .* NaN or numbers that are infinite"),
        ({"observations": np.ones_like(GOOD["observations"])}, "all observations .* are the same"),
        ({"observations": np.repeat(GOOD["observations"][:, :1], 4, axis=1)}, "no action .* changes an observation"),
        ({"actions": np.zeros_like(GOOD["actions"])}, "every action .* is 0"),
        ({key: array[:1] for key, array in GOOD.items()}, "holds 1 sequence: at least 3"),
        ({key: array[:0] for key, array in GOOD.items()}, "is empty"),
        ({"actions": GOOD["actions"].astype(complex)}, "complex128, not real numbers"),
        ({"actions": GOOD["actions"].astype(object)}, "array of Python objects"),
        ({"actions": GOOD["actions"].astype(str)}, "not real numbers"),
        ({"observations": np.full((6, 4, 1, 2, 2), -3) + np.arange(4)[:, None, None, None]}, "range from -3 to 0"),
    ],
)
def test_arrays_that_are_no_sequences_are_refused_with_what_is_wrong(tmp_path, changes, message):
    model = write(tmp_path / "a.npz", **{**GOOD, **changes})
    with pytest.raises(SequencesError, match=message) as caught:
        read_sequences(model)
    assert caught.value.hint


def test_what_cannot_be_learned_from_such_sequences_is_said(tmp_path):
    short = {"observations": GOOD["observations"][:, :2], "actions": GOOD["actions"][:, :1]}
    found = read_sequences(write(tmp_path / "a.npz", **short, factors=None))
    assert "one action" in found.info["caveats"][0]
    same = read_sequences(write(tmp_path / "b.npz", **{**GOOD, "actions": np.ones_like(GOOD["actions"])}))
    assert "the same one" in same.info["caveats"][0]


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.h5"])
@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(range(256)) * 40])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    if name == "a.h5":
        pytest.importorskip("h5py")
    (tmp_path / name).write_bytes(content)
    assert "cannot be read" in refused(tmp_path / name)


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "a.npz")
    (tmp_path / "folder.npz").mkdir()
    assert "is no file" in refused(tmp_path / "folder.npz")
    assert "is not one of .npz" in refused(tmp_path / "a.csv")


def test_a_group_or_text_of_hdf5_is_no_array(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("observations")
        file["actions"] = GOOD["actions"]
    assert "is a group of HDF5" in refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["observations"] = ["some", "text"]
        file["actions"] = GOOD["actions"]
    assert "Python objects" in refused(tmp_path / "b.h5")


def test_hdf5_without_h5py_names_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"something")
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "h5py":
            raise ImportError("no h5py here")
        return real(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, "h5py", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="h5py") as caught:
        read_sequences(f"sequences:{tmp_path / 'a.h5'}")
    assert "symdiff-toolkit[hdf5]" in caught.value.hint


def test_a_file_that_has_changed_or_does_not_fit_in_memory_is_refused(tmp_path):
    model = write(tmp_path / "a.npz", **GOOD)
    digest = digest_of_sequences(model)
    assert len(read_sequences(model, digest)) == 6
    with pytest.raises(SequencesError, match="more than the"):
        read_sequences(model, memory=100)
    write(tmp_path / "a.npz", **{**GOOD, "actions": GOOD["actions"] + 1})
    with pytest.raises(SequencesError, match="has changed"):
        read_sequences(model, digest)
