"""Number formats of a store: what is stored, how far it is from float32, and what is said of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from symdiff.diffusion import DDIM, DDPM, load_denoiser
from symdiff.errors import ConfigError
from symdiff.trajectories import read_manifest, read_store, record, record_store
from symdiff.trajectories.parts import caveats, parts
from symdiff.trajectories.precision import COST, DTYPES, cost
from symdiff.trajectories.shards import ShardFile

SETTINGS = {"steps": 6, "trajectories": 5, "seed": 2, "device": "cpu"}
BITS = {"fp32": 24, "bf16": 8, "fp16": 11}
SMALLEST = {"fp32": 2.0**-149, "bf16": 2.0**-133, "fp16": 2.0**-24}


@given(numbers=st.lists(st.floats(-6e4, 6e4, width=32), min_size=6, max_size=6), dtype=st.sampled_from(sorted(DTYPES)))
def test_a_stored_number_is_off_by_half_a_unit_in_its_last_place_at_most(tmp_path_factory, numbers, dtype) -> None:
    states = torch.tensor(numbers, dtype=torch.float32).reshape(1, 6, 1, 1, 1)
    file = tmp_path_factory.mktemp("shard") / "00000.safetensors"
    shard = ShardFile(file, range(1), 6, (1, 1, 1), DTYPES[dtype])
    shard.write(0, 0, states.to(DTYPES[dtype]), states[:, :5].to(DTYPES[dtype]))
    shard.finish()
    found = load_file(file)
    assert found["states"].dtype == DTYPES[dtype]
    assert torch.equal(found["denoised"], found["states"][:, :5])
    off = (found["states"].double() - states.double()).abs()
    assert (off <= torch.maximum(states.double().abs() * 2.0 ** -BITS[dtype], torch.tensor(SMALLEST[dtype] / 2))).all()


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_a_store_holds_the_recording_rounded_to_its_format_and_says_so(gaussian, tmp_path: Path, dtype: str) -> None:
    record_store(tmp_path / "store", gaussian, DDPM(), **SETTINGS, dtype=dtype)
    plain, stored = record(gaussian, DDPM(), **SETTINGS), read_store(tmp_path / "store")
    manifest = read_manifest(tmp_path / "store")
    for found, expected in ((stored.states, plain.states), (stored.denoised, plain.denoised)):
        assert found.dtype == torch.float32
        assert torch.equal(found, expected.to(DTYPES[dtype]).float())
    assert manifest["dtype"] == stored.info["dtype"] == dtype
    numbers = plain.states.numel() + plain.denoised.numel()
    assert 0 <= manifest["shards"][0]["bytes"] - DTYPES[dtype].itemsize * numbers < 500


def test_an_unknown_format_is_refused(gaussian, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dtype is 'fp8'") as caught:
        record_store(tmp_path / "store", gaussian, DDPM(), **SETTINGS, dtype="fp8")
    assert "bf16" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("sampler", "steps", "place"), [(DDPM(), 50, 0), (DDPM(), 1000, 1), (DDIM(), 50, 2)])
@pytest.mark.parametrize("dtype", sorted(COST))
def test_what_a_format_is_said_to_cost_is_what_it_costs(sampler, steps: int, place: int, dtype: str) -> None:
    recording = record(load_denoiser("gaussian"), sampler, steps, 16, device="cpu")
    a = recording.gauges["v"].float()[:, None, None, None]

    def translations(states: torch.Tensor) -> torch.Tensor:
        return (states[:, 1:] - a * states[:, :-1]).flatten(2)

    exact = translations(recording.states)
    off = (translations(recording.states.to(DTYPES[dtype]).float()) - exact).norm(dim=2) / exact.norm(dim=2)
    said = float(COST[dtype].split("), ")[place].split("%")[0])
    assert math.isclose(100 * float(off.median()), said, rel_tol=0.2)


def test_who_reads_a_result_is_told_of_the_format_and_of_composites(gaussian, tmp_path: Path) -> None:
    record_store(tmp_path / "store", gaussian, DDPM(), **{**SETTINGS, "trajectories": 12}, dtype="bf16", every=2)
    recording = read_store(tmp_path / "store")
    rounded, composites = caveats(recording)
    assert rounded == cost("bf16")
    assert "2% (DDPM, 1000 steps)" in rounded
    assert "every 2nd state" in composites
    with pytest.warns(UserWarning, match="bf16|every 2nd state") as told:
        parts(recording, seed=0)
    assert [str(warning.message) for warning in told] == [rounded, composites]
    assert caveats(record(gaussian, DDPM(), **SETTINGS)) == []
