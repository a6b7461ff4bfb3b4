"""What goes into a conveyor comes out of it, in blocks, while more goes in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diffusion import DDPM
from symdiff.errors import NonFiniteError
from symdiff.trajectories import read_store, record, record_store
from symdiff.trajectories.conveyor import Block, Conveyor

SHAPE = (1, 2, 3)
CPU = torch.device("cpu")


class LateBlock(Block):
    """A block whose copy to the CPU is made when it is waited for, as a device's may be."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.kept = torch.empty_like(self.states), torch.empty_like(self.denoised)

    def send(self) -> Callable[[], object]:
        def copy() -> None:
            time.sleep(0.001)
            self.kept[0].copy_(self.states)
            self.kept[1].copy_(self.denoised)

        return copy


def carried(batches: list[int], times: int, block_bytes: int, kind: type[Block], dtype=torch.float32):
    """Random states of some batches, and what a conveyor made of them."""
    n = sum(batches)
    states, denoised = torch.randn(n, times, *SHAPE), torch.randn(n, times - 1, *SHAPE)
    found = torch.full_like(states, torch.nan), torch.full_like(denoised, torch.nan)
    threads = set()

    def write(first: int, at: int, new: torch.Tensor, estimates: torch.Tensor) -> None:
        threads.add(threading.get_ident())
        for kept, block in zip(found, (new, estimates), strict=True):
            kept[first : first + len(block), at : at + block.shape[1]] = block.float()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("symdiff.trajectories.conveyor.BLOCK_BYTES", block_bytes)
        patched.setattr("symdiff.trajectories.conveyor.Block", kind)
        with Conveyor(write, times, SHAPE, dtype, CPU) as conveyor:
            first = 0
            for size in batches:
                conveyor.begin(first, size)
                rows = slice(first, first + size)
                for i in range(times):
                    conveyor.state(states[rows, i])
                    if i < times - 1:
                        conveyor.denoised(denoised[rows, i])
                conveyor.end()
                first += size
            conveyor.settle()
    assert threading.get_ident() not in threads
    return (states, denoised), found


@settings(max_examples=40)
@given(
    batches=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    times=st.integers(2, 9),
    block_bytes=st.integers(1, 2000),
    kind=st.sampled_from([Block, LateBlock]),
)
def test_every_state_arrives_once_at_its_place_whatever_the_size_of_a_block(batches, times, block_bytes, kind) -> None:
    sent, found = carried(batches, times, block_bytes, kind)
    assert all(torch.equal(a, b) for a, b in zip(sent, found, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_states_are_rounded_once(dtype) -> None:
    sent, found = carried([3, 3], 5, 100, Block, dtype)
    assert all(torch.equal(a.to(dtype).float(), b) for a, b in zip(sent, found, strict=True))


def test_what_cannot_be_written_is_told_to_whoever_samples() -> None:
    def write(*block) -> None:
        raise OSError("no room")

    def fill() -> None:
        with Conveyor(write, 5, SHAPE, torch.float32, CPU) as conveyor:
            for first in range(3):
                conveyor.begin(first, 1)
                for _ in range(4):
                    conveyor.state(torch.zeros(1, *SHAPE))
                    conveyor.denoised(torch.zeros(1, *SHAPE))
                conveyor.state(torch.zeros(1, *SHAPE))
                conveyor.end()

    before = threading.active_count()
    with pytest.raises(OSError, match="no room"):
        fill()
    assert threading.active_count() == before


def test_numbers_too_large_for_half_precision_are_an_error_and_not_infinities(scripted, tmp_path: Path) -> None:
    model = scripted(lambda x, t: 1e5 + x)
    with pytest.raises(NonFiniteError, match="beyond 65504") as caught:
        record_store(tmp_path / "store", model, DDPM(), 3, 2, device="cpu", dtype="fp16")
    assert "bf16" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    record_store(tmp_path / "store", model, DDPM(), 3, 2, device="cpu", dtype="bf16")


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("block_bytes", [1, 3000, 2**25])
def test_a_store_written_while_the_gpu_samples_holds_what_is_recorded_in_memory(
    gaussian, tmp_path: Path, monkeypatch, dtype: str, block_bytes: int
) -> None:
    plain = record(gaussian, DDPM(), 20, 64, device="cuda", batch_size=16)
    monkeypatch.setattr("symdiff.trajectories.conveyor.BLOCK_BYTES", block_bytes)
    record_store(tmp_path / "store", gaussian, DDPM(), 20, 64, device="cuda", batch_size=16, dtype=dtype)
    stored = read_store(tmp_path / "store")
    rounded = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    assert torch.equal(stored.states, plain.states.to(rounded).float())
    assert torch.equal(stored.denoised, plain.denoised.to(rounded).float())
