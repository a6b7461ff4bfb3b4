"""States that stay on disk until they are indexed, so that a recording may be larger than memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor

from symdiff.errors import StoreError
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.paging import fetch_ahead


class StoredTensor(Tensor):
    """A float32 tensor ``[traj, time, C, H, W]`` whose numbers lie in mapped files.

    ``states[which, times]`` reads the states asked for and is an ordinary tensor; which and times are integers, slices
    or index tensors, with the meaning they have for any tensor. ``states[which]`` alone, with a slice or a list of
    trajectories, is a selection that is still on disk. Everything else is refused: it would read all of it.
    """

    pages: Pages
    places: NDArray[np.int64]

    # Indexing is all there is, and it is ours.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, pages: Pages, places: NDArray[np.int64] | None = None) -> StoredTensor:
        """A tensor that has a shape and holds no numbers.

        Parameters
        ----------
        pages
            The mapped files.
        places
            ``[n]``: where the trajectories begin, of those in ``pages.places``; all if ``None``.
        """
        chosen = pages.places if places is None else places
        shape = (len(chosen), *pages.shape)
        made: StoredTensor = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32)
        made.pages, made.places = pages, chosen
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Refuse whatever would need all of the numbers.

        Raises
        ------
        StoreError
            Always.
        """
        raise StoreError(
            f"{func} would read a whole recording, which is on disk because of its size",
            "index it first: states[which, times]",
        )

    def __repr__(self) -> str:  # type: ignore[override]
        """The shape: to print numbers would be to read them."""
        return f"<StoredTensor {tuple(self.shape)} on disk>"

    def __getitem__(self, index: Any) -> Tensor:
        """The states at an index, or a selection of trajectories; see the class."""
        if isinstance(index, int):
            index = (index, slice(None))
        if not isinstance(index, tuple):
            return StoredTensor(self.pages, self.places[_plain(index)])
        which, times = map(_plain, index)
        places, times = np.asarray(self.places[which]), np.asarray(np.arange(self.shape[1])[times])
        if any(isinstance(item, int | slice) for item in index):  # every trajectory at every time
            places = places.reshape(places.shape + (1,) * times.ndim)
        return self.pages.read(places, times)


@dataclass(frozen=True, eq=False)
class Pages:
    """Mapped tensors ``[k, time, C, H, W]`` of one dtype, one after the other the trajectories of a recording.

    The files are mapped wherever the system puts them. `numbers` reaches from the first to the last of them in one
    address space, so that any states of any files are read by one call, at the offsets `places` that hold states.
    """

    tensors: Sequence[Tensor]
    shape: tuple[int, ...]
    numbers: NDArray[Any]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> Pages:
        """The pages of contiguous tensors; they are kept, and with them their mapping."""
        dtype = tensors[0].dtype
        views = [tensor.view(torch.int16 if dtype.itemsize == 2 else dtype).numpy() for tensor in tensors]
        each, size = math.prod(tensors[0].shape[1:]), dtype.itemsize
        starts = [view.ctypes.data for view in views]
        lowest = min(starts)
        end = max(start + view.nbytes for start, view in zip(starts, views, strict=True))
        numbers = as_strided(views[starts.index(lowest)], ((end - lowest) // size,), (size,))
        places = [
            (start - lowest) // size + each * np.arange(len(view)) for start, view in zip(starts, views, strict=True)
        ]
        return cls(tensors, tuple(tensors[0].shape[1:]), numbers, np.concatenate(places))

    def read(self, places: NDArray[np.int64], times: NDArray[np.int64]) -> Tensor:
        """States ``[..., C, H, W]`` as float32: where their trajectories begin and their times, to be broadcast."""
        each = math.prod(self.shape[1:])
        lead, run = np.broadcast_shapes(places.shape, times.shape), 1
        # Consecutive times of one trajectory lie side by side: they are read in one piece.
        along = times.size > 0 and times.ndim > 0 and (places.ndim < times.ndim or places.shape[-1] == 1)
        if along and bool((times[..., 1:] - times[..., :-1] == 1).all()):
            run, times = times.shape[-1], times[..., :1]
        offsets = np.asarray(places + each * times)
        found = self.pieces(offsets.reshape(-1), run * each)
        return found.view(*lead, *self.shape[1:])

    def pieces(self, offsets: NDArray[np.int64], length: int) -> Tensor:
        """Float32 numbers ``[n, length]`` from each offset on."""
        start, size = self.numbers.ctypes.data, self.numbers.itemsize
        fetch_ahead((start + size * offsets).astype(np.uint64), size * length)
        found = torch.from_numpy(pieces(self.numbers, offsets, length))
        dtype = self.tensors[0].dtype
        return found if dtype == torch.float32 else found.view(dtype).float()


def pieces(numbers: NDArray[Any], offsets: NDArray[np.int64], length: int) -> NDArray[Any]:
    """Copies ``[n, length]`` of the numbers from each offset on; `numbers` is flat, `offsets` has one axis."""
    size = numbers.itemsize
    all_pieces: NDArray[Any] = np.ndarray(
        (len(numbers) - length + 1, length), numbers.dtype, numbers, strides=(size, size)
    )
    found: NDArray[Any] = all_pieces[offsets]
    return found


def windows(
    states: Float[Tensor, "traj time c h w"], which: Int[Tensor, " n"], first: Int[Tensor, " n"], count: int
) -> Float[Tensor, "n count c h w"]:
    """``states[which[:, None], first[:, None] + arange(count)]``, in memory or on disk.

    A window is one piece of memory, and copied as such: several times as fast as state by state where they are large.
    """
    _, time, *shape = states.shape
    each, at = math.prod(shape), first.numpy()
    if isinstance(states, StoredTensor):
        places = states.places[which.numpy()]
        found = states.pages.pieces(places + each * at, count * each)
    elif states.is_contiguous():
        offsets = each * (time * which.numpy() + at)
        found = torch.from_numpy(pieces(states.view(-1).numpy(), offsets, count * each))
    else:
        return states[which[:, None], first[:, None] + torch.arange(count)]
    return found.view(len(which), count, *shape)


def in_memory(trajectories: Trajectories) -> Trajectories:
    """The same recording with its states and estimates in memory."""
    if not isinstance(trajectories.states, StoredTensor):
        return trajectories
    return replace(trajectories, states=trajectories.states[:, :], denoised=trajectories.denoised[:, :])


def _plain(index: Any) -> Any:
    return index.numpy() if isinstance(index, Tensor) else index
