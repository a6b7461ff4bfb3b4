"""A recording on disk answers an index as one in memory does, and refuses to be read as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diffusion import DDPM
from symdiff.errors import StoreError
from symdiff.trajectories import (
    Trajectories,
    cut,
    fitting,
    is_on_disk,
    load_store,
    open_store,
    read_store,
    record,
    record_store,
    write_store,
)
from symdiff_affine.family import AffineFamily

COUNT, TIMES = 11, 8


@pytest.fixture(scope="module")
def eager(gaussian) -> Trajectories:
    return record(gaussian, DDPM(), steps=TIMES - 1, trajectories=COUNT, seed=4, device="cpu")


@pytest.fixture(scope="module")
def stores(eager: Trajectories, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Trajectories]:
    """The same recording on disk, in shards of 1, 3 and all trajectories."""
    found = {}
    for size in (1, 3, COUNT):
        store = tmp_path_factory.mktemp("stores") / str(size)
        write_store(store, eager, shard_bytes=size * 4 * 16 * (2 * TIMES - 1))
        assert len(list(store.glob("0*.safetensors"))) == -(-COUNT // size)
        found[size] = open_store(store)
    return found


def places(n: int) -> st.SearchStrategy[int]:
    return st.integers(-n, n - 1)


def slices(n: int) -> st.SearchStrategy[slice]:
    ends = st.none() | st.integers(-n - 2, n + 2)
    return st.builds(slice, ends, ends, st.none() | st.integers(1, 3))


def tensors(n: int, shapes: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Tensor]:
    return shapes.flatmap(
        lambda shape: st.lists(places(n), min_size=torch.Size(shape).numel(), max_size=torch.Size(shape).numel()).map(
            lambda numbers: torch.tensor(numbers, dtype=torch.long).reshape(shape)
        )
    )


def one_axis(n: int) -> st.SearchStrategy[object]:
    return places(n) | slices(n) | tensors(n, st.sampled_from([(), (1,), (4,), (2, 3)]))


@st.composite
def indices(draw: st.DrawFn) -> tuple[object, object]:
    """Integers, slices and tensors in any combination that a tensor takes, windows of consecutive times among them."""
    if draw(st.booleans()):
        n, length = draw(st.integers(0, 5)), draw(st.integers(1, TIMES))
        which = torch.tensor(draw(st.lists(places(COUNT), min_size=n, max_size=n)), dtype=torch.long)
        first = torch.tensor(draw(st.lists(st.integers(0, TIMES - length), min_size=n, max_size=n)), dtype=torch.long)
        return which[:, None], first[:, None] + torch.arange(length)
    which, times = draw(one_axis(COUNT)), draw(one_axis(TIMES))
    if isinstance(which, Tensor) and isinstance(times, Tensor):
        times = draw(tensors(TIMES, st.just(tuple(which.shape))))
    return which, times


@settings(max_examples=300)
@given(index=indices(), size=st.sampled_from([1, 3, COUNT]))
def test_the_states_at_an_index_are_those_of_the_recording_in_memory(eager, stores, index, size) -> None:
    found, expected = stores[size].states[index], eager.states[index]
    assert type(found) is Tensor
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@settings(max_examples=60)
@given(selections=st.lists(slices(COUNT) | tensors(COUNT, st.just((5,))), min_size=1, max_size=3), when=slices(TIMES))
def test_a_selection_of_a_selection_is_still_on_disk_and_the_same(eager, stores, selections, when) -> None:
    lazy, whole = stores[3], eager
    for selection in selections:
        if len(whole) < COUNT and isinstance(selection, Tensor):
            selection = slice(None)  # numbers beyond a selection are refused, by both
        lazy, whole = lazy.select(selection), whole.select(selection)
    assert is_on_disk(lazy)
    assert len(lazy) == len(whole)
    assert torch.equal(lazy.states[:, when], whole.states[:, when])
    assert torch.equal(lazy.denoised[:, -1], whole.denoised[:, -1])


@pytest.mark.parametrize("index", [(COUNT, 0), (0, TIMES), (torch.tensor([0, COUNT]), 0), (0, torch.tensor([TIMES]))])
def test_an_index_beyond_the_end_is_an_error(stores, index) -> None:
    with pytest.raises(IndexError):
        stores[3].states[index]


def test_windows_parts_and_actions_are_those_of_the_recording_in_memory(eager, stores) -> None:
    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    for lazy in stores.values():
        for a, b in zip(cut(lazy, 3, 40, generator()), cut(eager, 3, 40, generator()), strict=True):
            assert torch.equal(a, b)
        for part, expected in zip(lazy.split(), eager.split(), strict=True):
            assert is_on_disk(part)
            assert torch.equal(part.states[:, :], expected.states)
        family = AffineFamily((1, 4, 4))
        found, expected_sequences = (family.sequences(r, 3, 20, generator()) for r in (lazy, eager))
        assert torch.equal(found.actions, expected_sequences.actions)


def test_what_is_read_is_a_copy(stores, eager) -> None:
    for index in ((0, 0), (0, slice(None)), (slice(None), slice(None))):
        stores[3].states[index].zero_()
        assert torch.equal(stores[3].states[index], eager.states[index])


@pytest.mark.parametrize(
    "use",
    [
        lambda states: states.double(),
        lambda states: states.sum(),
        lambda states: states + 1,
        lambda states: states.flatten(0, 1),
        lambda states: torch.stack([states, states]),
        lambda states: list(states),
        lambda states: states.numpy(),
    ],
)
def test_what_would_read_all_of_it_is_refused(stores, use: Callable[[Tensor], object]) -> None:
    with pytest.raises((StoreError, RuntimeError)) as caught:
        use(stores[3].states)
    if isinstance(caught.value, StoreError):
        assert "states[which, times]" in caught.value.hint


def test_it_looks_like_the_tensor_it_stands_for(stores, eager) -> None:
    states = stores[3].states
    assert isinstance(states, Tensor)
    assert (states.shape, states.dtype, len(states)) == (eager.states.shape, torch.float32, COUNT)
    assert states.numel() == eager.states.numel()
    assert repr(states) == f"<StoredTensor ({COUNT}, {TIMES}, 1, 4, 4) on disk>"


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_on_disk_is_single_precision_in_memory(gaussian, eager, tmp_path: Path, dtype: str) -> None:
    record_store(tmp_path / "store", gaussian, DDPM(), TIMES - 1, COUNT, 4, "cpu", dtype=dtype)
    lazy, whole = open_store(tmp_path / "store"), read_store(tmp_path / "store")
    rounded = {"bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    assert torch.equal(whole.states, eager.states.to(rounded).float())
    assert torch.equal(lazy.states[:, 2:5], whole.states[:, 2:5])


def test_a_recording_is_read_into_memory_if_it_fits_there(eager, tmp_path: Path) -> None:
    write_store(tmp_path / "store", eager)
    size = 4 * (eager.states.numel() + eager.denoised.numel())
    assert not is_on_disk(load_store(tmp_path / "store"))
    assert not is_on_disk(load_store(tmp_path / "store", memory=size))
    assert is_on_disk(load_store(tmp_path / "store", memory=size - 1))


def test_as_many_trajectories_are_taken_into_memory_as_fit_and_at_least_two(eager, stores) -> None:
    each = 4 * 16 * (2 * TIMES - 1)
    for memory, count in ((0, 2), (3 * each, 3), (3 * each + 1, 3), (100 * each, COUNT)):
        found = fitting(stores[3], memory)
        assert not is_on_disk(found)
        assert torch.equal(found.states, eager.states[:count])
        assert torch.equal(found.denoised, eager.denoised[:count])


def test_a_damaged_shard_is_found_before_anything_is_read(eager, tmp_path: Path) -> None:
    write_store(tmp_path / "store", eager, shard_bytes=1)
    shard = tmp_path / "store" / "00007.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match=r"00007.safetensors fails its checksum"):
        open_store(tmp_path / "store")
