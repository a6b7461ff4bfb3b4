"""A recording and a whole run on another device are those of the CPU: nothing is mixed, and little is read back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import symdiff.analyze  # noqa: F401  (the module, which the function of its name hides)
from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.groups import Linearisation
from symdiff.result import Result
from symdiff.structure.linear_parts import linear_parts
from symdiff.testing import StandIn, Transfer, stand_in_device
from symdiff.trajectories import record

SMALL = {"model": "gaussian", "trajectories": 30, "steps": 12, "latent": 8, "train_steps": 12, "length": 2}
RUNS: dict[str, dict[str, object]] = {
    "affine": {"group": "affine"},
    "escnn": {"group": "escnn", "options": {"group": "C4"}},
    "geomstats": {"group": "geomstats", "options": {"manifold": "so"}},
}
STATES_ARE_READ = {"conveyor.py"}
"""Where states leave the device: on their way to be kept."""
FIGURES_ARE_READ = {
    "checkpoint.py", "modelfile.py", "illustrations.py", "bound.py", "common_basis.py", "linear_parts.py",
    "exact_route.py", "eigenvalues.py",
}  # fmt: skip
"""Where weights are kept, what is drawn, and figures; no state is among them, and none of it is sent again."""


def read_by(transfers: list[Transfer]) -> set[str]:
    return {Path(transfer.where.rpartition(":")[0]).name for transfer in transfers}


@pytest.mark.parametrize("model", ["mixture", "digits"])
def test_a_recording_on_another_device_is_that_of_the_cpu_and_reads_back_what_it_keeps(model: str) -> None:
    expected = record(load_denoiser(model), DDPM(), 6, 5, device="cpu")
    with stand_in_device() as there:
        found = record(load_denoiser(model), DDPM(), 6, 5, device=there.device)
        reads = list(there.reads)
    assert found.states.device.type == "cpu"
    torch.testing.assert_close(found.states, expected.states)
    torch.testing.assert_close(found.denoised, expected.denoised)
    assert read_by(reads) <= {*STATES_ARE_READ, "watched.py"}
    kept = found.states.numel() + found.denoised.numel()
    counted = sum(transfer.numbers for transfer in reads if read_by([transfer]) <= STATES_ARE_READ)
    assert counted <= 2 * kept  # blocks have room for more than the last of them holds
    assert sum(transfer.numbers for transfer in reads) - counted <= 3 * 6  # a count a step and tensor


def test_linear_parts_taken_on_another_device_are_those_of_the_cpu() -> None:
    denoiser = load_denoiser("gaussian")
    recording = record(denoiser, DDPM(), 6, 5, device="cpu")
    at = Linearisation(levels=2, states=2, subspace=64, at_mean=False)
    expected = linear_parts(denoiser, recording, at)
    with stand_in_device() as there:
        found = linear_parts(load_denoiser("gaussian"), recording, at, device=there.device)
    assert found.matrices.device.type == "cpu"
    torch.testing.assert_close(found.matrices, expected.matrices)
    torch.testing.assert_close(found.offsets, expected.offsets)


def run(name: str, out: Path, monkeypatch: pytest.MonkeyPatch, there: StandIn | None = None) -> Result:
    monkeypatch.setenv("SYMDIFF_CACHE", str(out / "cache"))
    if there is not None:
        monkeypatch.setattr(sys.modules["symdiff.analyze"], "resolve_device", lambda name: there.device)
    device = "cpu" if there is None else "cuda"
    return analyze(RunConfig.model_validate({**SMALL, **RUNS[name], "device": device}), out / "run")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:the closed form")
@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_another_device_is_that_of_the_cpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(name, tmp_path / "cpu", monkeypatch)
    with stand_in_device() as there:
        found = run(name, tmp_path / "there", monkeypatch, there)
        reads = list(there.reads)
    assert found.verdict.structured == expected.verdict.structured
    for key, estimate in expected.diagnostics.items():
        if estimate.value is not None:
            assert found.diagnostics[key].value == pytest.approx(estimate.value, rel=2e-2, abs=1e-4), key
    # Operations that only tell the CPU a size (distinct values, a mask) are not copies.
    copied = [transfer for transfer in reads if transfer.operation in ("_to_copy", "copy_")]
    large = [transfer for transfer in copied if transfer.numbers >= 6 * 13 * 64]  # the states of the held-out part
    assert read_by(large) <= {*STATES_ARE_READ, *FIGURES_ARE_READ}
