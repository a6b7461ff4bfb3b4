"""`symdiff decompose`: which files it reads, what it refuses, what it prints and what it writes."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from symdiff import decomposition
from symdiff.cli import decompose as command
from symdiff.decomposition import Block, Decomposition
from symdiff.matricesfile import read_matrices


def rotations(count: int = 9) -> np.ndarray:
    """``[count, 3, 3]``: 1 and a rotation of the plane, in a random orthogonal basis."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    matrices = np.zeros((count, 3, 3))
    matrices[:, 0, 0] = 1
    cosine, sine = np.cos(angles), np.sin(angles)
    matrices[:, 1:, 1:] = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    return basis @ matrices @ basis.T


def answer(**changes: Any) -> Decomposition:
    fields: dict[str, Any] = {
        "verdict": "decomposable",
        "reason": "both cuts leave no more than noise",
        "blocks": (
            Block(1, 1, "R", "irreducible", None, None, ((0, 1),)),
            Block(2, 1, None, "reducible-indecomposable", (1, 2), 0.98, ((1, 3),)),
        ),
        "basis": torch.eye(3, dtype=torch.float64),
        "count": 9,
        "size": 3,
        "noise": 0.0123,
        "noise_source": "orthogonality defect",
        "path": "orthogonal",
        "off_block": 0.0101,
        "largest_accepted_cut": 1.04,
        "smallest_rejected_cut": None,
        "commutant_dim": 3,
        "stability": 0.95,
        "resamples": 20,
        "cautions": ("only 9 matrices",),
    }
    return Decomposition(**{**fields, **changes})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every decomposition answers at once; what it was asked for is kept."""
    asked: list[dict[str, Any]] = []

    def fake(matrices: torch.Tensor, noise: float | None, **rest: Any) -> Decomposition:
        asked.append({"matrices": matrices, "noise": noise, **rest})
        return answer()

    monkeypatch.setattr(decomposition, "decompose", fake, raising=False)
    return asked


# --- files ------------------------------------------------------------------------------------


def write(name: str, **arrays: np.ndarray) -> Path:
    """Write arrays to a file of the format its name says."""
    file = Path(name)
    if file.suffix == ".npz":
        np.savez(file, **arrays)
    elif file.suffix == ".npy":
        np.save(file, *arrays.values())
    else:
        save_file({key: torch.from_numpy(value) for key, value in arrays.items()}, file)
    return file


@pytest.mark.parametrize("ending", ["npz", "npy", "safetensors"])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_one_array_is_read_in_the_type_it_is_stored_in(symdiff, ending, kind):
    stored = (10 * rotations()).astype(kind)
    read = read_matrices(write(f"rho.{ending}", whatever=stored))
    assert np.array_equal(read.numpy(), stored)
    assert read.numpy().dtype == kind


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_of_several_arrays_the_one_named_matrices_is_read_or_the_only_one_of_the_shape(symdiff, ending):
    named = write(f"named.{ending}", other=2 * rotations(), matrices=rotations())
    assert np.array_equal(read_matrices(named).numpy(), rotations())
    shaped = write(f"shaped.{ending}", angles=np.zeros(9), rho=rotations(), table=np.zeros((9, 3, 4)))
    assert np.array_equal(read_matrices(shaped).numpy(), rotations())


def test_numbers_torch_does_not_know_are_converted(symdiff):
    for kind in (">f8", np.longdouble):
        assert np.array_equal(read_matrices(write("rho.npz", rho=rotations().astype(kind))).numpy(), rotations())


def test_half_precision_of_safetensors_is_read(symdiff):
    save_file({"rho": torch.from_numpy(rotations()).bfloat16()}, "rho.safetensors")
    assert read_matrices(Path("rho.safetensors")).dtype == torch.bfloat16


class Trap:
    """Unpickling it would leave a trace."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def pickled(file: str, *traps: str) -> None:
    held = np.empty(1, dtype=object)
    held[0] = Trap()
    arrays = dict.fromkeys(traps, held)
    np.savez(file, allow_pickle=True, **arrays) if file.endswith("npz") else np.save(file, held)


UNREADABLE = {
    "a missing file": ("absent.npz", lambda: None, "absent.npz does not exist"),
    "a folder": ("folder.npz", lambda: Path("folder.npz").mkdir(), "folder.npz is a folder"),
    "another format": ("rho.pt", lambda: Path("rho.pt").touch(), "rho.pt is not one of .npz, .npy, .safetensors"),
    "text called npz": ("rho.npz", lambda: Path("rho.npz").write_text("text"), "cannot be read as .npz: it is not an"),
    "text called npy": ("rho.npy", lambda: Path("rho.npy").write_text("text"), "cannot be read as .npy: it does not"),
    "text called safetensors": (
        "rho.safetensors",
        lambda: Path("rho.safetensors").write_text("text"),
        "rho.safetensors cannot be read as .safetensors",
    ),
    "half a file": (
        "rho.npz",
        lambda: Path("rho.npz").write_bytes(write("rho.npz", rho=rotations()).read_bytes()[:300]),
        "rho.npz cannot be read as .npz",
    ),
    "half an array": (
        "rho.npy",
        lambda: Path("rho.npy").write_bytes(write("rho.npy", rho=rotations()).read_bytes()[:300]),
        "rho.npy cannot be read as .npy",
    ),
    "an empty archive": (
        "rho.npz",
        lambda: write("rho.npz"),
        "no array in rho.npz has shape [K, m, m]; it holds nothing",
    ),
    "one matrix": (
        "rho.npy",
        lambda: write("rho.npy", rho=np.eye(3)),
        "the array in rho.npy is not [K, m, m]: array [3, 3]",
    ),
    "a name too long for the file system": ("x" * 300 + ".npz", lambda: None, "x.npz cannot be read: File name"),
    "matrices that are not square": (
        "rho.npz",
        lambda: write("rho.npz", matrices=np.zeros((2, 3, 4)), rho=rotations()),
        "the array in rho.npz is not [K, m, m]: matrices [2, 3, 4], rho [9, 3, 3]",
    ),
    "no stack of matrices": (
        "rho.npz",
        lambda: write("rho.npz", a=np.eye(3), b=np.zeros((0, 3, 3))),
        "no array in rho.npz has shape [K, m, m]; it holds a [3, 3], b [0, 3, 3]",
    ),
    "several stacks": (
        "rho.safetensors",
        lambda: write("rho.safetensors", left=rotations(), right=rotations(4)),
        "several arrays [K, m, m] and none named 'matrices'; it holds left [9, 3, 3], right [4, 3, 3]",
    ),
    "words": ("rho.npy", lambda: write("rho.npy", rho=np.full((2, 3, 3), "a")), "does not hold numbers but <U1"),
    "a pickle called npy": ("rho.npy", lambda: pickled("rho.npy"), "rho.npy holds pickled objects"),
    "a pickle in an archive": ("rho.npz", lambda: pickled("rho.npz", "matrices", "b"), "rho.npz holds pickled objects"),
}


@pytest.mark.parametrize(("file", "make", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused_with_its_name(symdiff, answers, file, make, message):
    make()
    ran = symdiff("decompose", file, "--json")
    assert (ran.code, ran.document["schema"], ran.document["code"]) == (2, "symdiff.error/1", "matrices")
    assert message in ran.document["message"]
    assert ran.document["hint"]
    assert not Path("sprung").exists()
    assert answers == []


def test_matrices_beside_something_pickled_are_read(symdiff):
    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    np.savez("rho.npz", rho=rotations(), notes=trap)
    assert np.array_equal(read_matrices(Path("rho.npz")).numpy(), rotations())
    assert not Path("sprung").exists()


# --- flags ------------------------------------------------------------------------------------


REFUSED = {
    "negative noise": (["--noise", "-1"], "usage", "Invalid value for '--noise'"),
    "infinite noise": (["--noise", "inf"], "usage", "--noise is inf"),
    "negative resamples": (["--resamples", "-1"], "usage", "Invalid value for '--resamples'"),
    "a negative seed": (["--seed", "-1"], "config", "--seed is -1"),
    "an unknown device": (["--device", "gpu"], "config", "--device is 'gpu'"),
    "a picture of another kind": (["--plot", "out.pdf"], "usage", "--plot is out.pdf: must end in .svg or .png"),
    "a picture in a file": (["--plot", "rho.npz/out.svg"], "output", "rho.npz is a file"),
    "a picture in place of a folder": (["--plot", "folder.svg"], "output", "folder.svg is a folder"),
    "a picture of too long a name": (["--plot", "x" * 300 + ".svg"], "output", "x.svg: File name too long"),
    "a basis of another kind": (["--basis", "out.npy"], "usage", "--basis is out.npy: must end in .npz"),
    "a basis over the matrices": (["--basis", "rho.npz"], "output", "would overwrite the matrices in rho.npz"),
}


@pytest.mark.parametrize(("flags", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_cannot_be_carried_out_is_refused_before_work(symdiff, answers, flags, code, message):
    write("rho.npz", rho=rotations())
    Path("folder.svg").mkdir()
    ran = symdiff("decompose", "rho.npz", *flags, "--json")
    assert (ran.code, ran.document["code"]) == (2, code)
    assert message in ran.document["message"]
    assert answers == []
    assert sorted(path.name for path in Path().iterdir()) == ["folder.svg", "rho.npz"]


@pytest.mark.parametrize(("flag", "ending"), [("--plot", "svg"), ("--basis", "npz")])
def test_a_folder_that_cannot_be_written_is_refused_before_work(symdiff, answers, monkeypatch, flag, ending):
    write("rho.npz", rho=rotations())
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.R_OK)
    ran = symdiff("decompose", "rho.npz", flag, f"out.{ending}", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")
    assert "permission denied" in ran.document["message"]
    assert answers == []


def test_what_is_asked_for_reaches_the_decomposition(symdiff, answers, monkeypatch):
    write("rho.npz", rho=rotations())
    monkeypatch.setenv("SYMDIFF_DEVICE", "cpu")
    symdiff("decompose", "rho.npz")
    symdiff("decompose", "rho.npz", "--noise", "0", "--seed", "3", "--resamples", "5", "--device", "cpu")
    first, second = answers
    assert (first["noise"], first["seed"], first["resamples"]) == (None, 0, 20)
    assert (second["noise"], second["seed"], second["resamples"]) == (0.0, 3, 5)
    assert second["matrices"].device.type == "cpu"


def test_matrices_the_decomposition_refuses_are_an_error_of_the_same_kind(symdiff):
    write("rho.npz", rho=np.zeros((2, 3, 3)))
    ran = symdiff("decompose", "rho.npz", "--json")
    assert (ran.code, ran.document["code"]) == (2, "matrices")
    assert "singular" in ran.document["message"]


# --- what is printed and written --------------------------------------------------------------


def test_the_document_is_that_of_the_decomposition(symdiff, answers):
    write("rho.npz", rho=rotations())
    ran = symdiff("decompose", "rho.npz", "--json")
    assert ran.code == 0
    assert set(ran.document) == {"schema", "decomposition"}
    assert ran.document["schema"] == "symdiff.decomposition/1"
    found = ran.document["decomposition"]
    assert (found["verdict"], found["commutant_dim"], found["flag"]) == ("decomposable", 3, [1, 2])
    assert "basis" not in found
    assert found["blocks"][1] == {
        "dim": 2,
        "multiplicity": 1,
        "type": None,
        "verdict": "reducible-indecomposable",
        "flag": [1, 2],
        "obstruction": 0.98,
        "columns": [[1, 3]],
    }


def test_the_summary_has_the_blocks_the_evidence_and_the_cautions(symdiff, answers):
    write("rho.npz", rho=rotations())
    out = symdiff("decompose", "rho.npz").out
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith("rho.npz: 9 matrices 3 x 3\ndecomposable: both cuts leave no more than noise\n")
    assert "1 1 R irreducible - - 0".split() in lines
    assert "2 1 - reducible-indecomposable 1 < 2 0.98 1-2".split() in lines
    for said in (
        "noise 0.0123 (estimated from: orthogonality defect), orthogonal path",
        "largest accepted 1.04, smallest rejected -",
        "dimension of the commutant: 3",
        "the same structure on 95% of 20 resamples",
        "caution: only 9 matrices",
    ):
        assert said in out


def test_unresolved_is_a_result(symdiff, monkeypatch):
    block = Block(3, 1, None, "unresolved", None, None, ((0, 3),))
    unresolved = answer(verdict="unresolved", blocks=(block,), commutant_dim=None, stability=None, resamples=0)
    monkeypatch.setattr(decomposition, "decompose", lambda *matrices, **rest: unresolved, raising=False)
    write("rho.npz", rho=rotations())
    ran = symdiff("decompose", "rho.npz")
    assert ran.code == 0
    assert "unresolved" in ran.out
    assert "commutant" not in ran.out
    assert "resamples" not in ran.out
    assert symdiff("decompose", "rho.npz", "--json").document["decomposition"]["commutant_dim"] is None


def test_quiet_and_verbose(symdiff, answers):
    write("rho.npz", rho=rotations())
    assert symdiff("decompose", "rho.npz", "-q").err == ""
    assert "rho.npz: 9 matrices 3 x 3, float64" in symdiff("decompose", "rho.npz", "-v").err


@pytest.mark.parametrize("ending", ["svg", "png", "PNG"])
def test_the_picture_is_drawn_the_same_every_time(symdiff, answers, ending):
    write("rho.npz", rho=rotations())
    assert f"picture: deep/out.{ending}" in symdiff("decompose", "rho.npz", "--plot", f"deep/out.{ending}").out
    first = Path(f"deep/out.{ending}").read_bytes()
    symdiff("decompose", "rho.npz", "--plot", f"deep/out.{ending}")
    assert Path(f"deep/out.{ending}").read_bytes() == first
    assert [path.name for path in Path("deep").iterdir()] == [f"out.{ending}"]
    if ending == "svg":
        said = re.findall(r">([^<>]*[×◥][^<>]*)<", first.decode())
        assert said[:2] == ["1 × 1 R", "2 × 1 ? ◥"]
        assert said[2:] == ["labels: dimension × copies, type", "◥ reducible but indecomposable"]
    else:
        assert Image.open(io.BytesIO(first)).width == 1376


def test_a_full_disk_has_a_name(symdiff, answers, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    write("rho.npz", rho=rotations())
    monkeypatch.setattr(command.Path, "write_bytes", full)
    ran = symdiff("decompose", "rho.npz", "--basis", "basis.npz", "--json")
    assert (ran.code, ran.document["code"]) == (1, "disk")
    assert [path.name for path in Path().iterdir()] == ["rho.npz"]


def test_a_file_is_decomposed_from_end_to_end(symdiff):
    matrices = rotations(12)
    write("rho.safetensors", rho=matrices)
    ran = symdiff("decompose", "rho.safetensors", "--json", "--basis", "basis.npz", "--plot", "out.svg")
    assert ran.code == 0
    found = ran.document["decomposition"]
    assert [(b["dim"], b["multiplicity"], b["type"], b["verdict"]) for b in found["blocks"]] == [
        (1, 1, "R", "irreducible"),
        (2, 1, "C", "irreducible"),
    ]
    basis = np.load("basis.npz")["basis"]
    after = np.linalg.solve(basis, matrices @ basis)
    assert np.abs(after[:, 0, 1:]).max() < 1e-9
    assert np.abs(after[:, 1:, 0]).max() < 1e-9
    assert Path("out.svg").read_text().count("1 × 1 R") == 1
