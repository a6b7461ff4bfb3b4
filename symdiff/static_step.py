"""A training step on buffers that stay where they are, so that a GPU can record it once and repeat it as one command.

A step on small blocks is hundreds of kernels of a few microseconds each, and starting them takes longer than running
them. A CUDA graph starts all of them at once. For that, everything that changes from step to step is in a fixed tensor
of the device: the batch, the learning rates, the weight of the penalty. Everything here but the recording itself
(`cuda_graph`) is the same on every device.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from symdiff.hae import HAE
from symdiff.objective import Objective
from symdiff.trajectories import Sequences

WARM_UP = 3
"""Steps before the recording, taken back afterwards: what is made once (states of Adam, handles, constants) is made."""

Take = Callable[[Sequences, float | Tensor, bool], Objective]
"""Takes one step: on a batch, with a weight of the penalty, decoding or not."""


class Recorded(NamedTuple):
    """A step that can be repeated.

    Attributes
    ----------
    replay
        Takes the step with what is in the buffers.
    terms
        Where the terms of its loss are left.
    """

    replay: Callable[[], object]
    terms: Objective


Record = Callable[[Callable[[], Objective]], Recorded]
"""Records a step without taking it."""


def recorder_of(device: torch.device) -> Record | None:
    """What records steps on a device: nothing but CUDA does."""
    return cuda_graph(device) if device.type == "cuda" else None


def cuda_graph(device: torch.device) -> Record:
    """Records steps as CUDA graphs, which share their memory; only one of them runs at a time.

    What other threads do on the device meanwhile, copies of batches, does not spoil a recording.
    """
    pool = torch.cuda.graph_pool_handle()

    def record(step: Callable[[], Objective]) -> Recorded:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device), torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            terms = step()
        return Recorded(graph.replay, terms)

    return record


class StaticStep:
    """Steps on fixed buffers; with `record`, each kind of step is recorded when it first comes, and repeated.

    There is one kind for decoding or not, with the penalty or without. Nothing is read back from the device.

    Parameters
    ----------
    take
        Takes a step. It may look at no value of a tensor.
    model, optimiser
        What a step changes. The learning rates of `optimiser`, whose groups have a ``scale``, become tensors.
    record
        ``None`` takes every step as it comes. Where recording fails, a warning says so and steps are then taken as
        they come.
    name
        Of the stage; the warning begins with it.

    Attributes
    ----------
    recorded
        How many kinds of steps are recorded.
    """

    def __init__(
        self, take: Take, model: HAE, optimiser: torch.optim.Optimizer, record: Record | None = None, name: str = ""
    ) -> None:
        self._take, self._model, self._optimiser, self._record, self._name = take, model, optimiser, record, name
        self._device = next(model.parameters()).device
        self._penalty = torch.zeros((), device=self._device)
        self._data: Sequences | None = None
        self._kinds: dict[tuple[bool, bool], Recorded] = {}
        for group in optimiser.param_groups:
            group["lr"] = torch.zeros((), device=self._device)
        self._let_it_be_captured(record is not None and self._device.type == "cuda")

    @property
    def recorded(self) -> int:
        """Kinds of steps that are repeated from a recording."""
        return len(self._kinds)

    def __call__(self, batch: Sequences, rate: float, penalty: float, decoding: bool = True) -> Objective:
        """Take a step; its terms stay valid until the next one.

        Parameters
        ----------
        batch
            On the device.
        rate
            Times the scale of a group, its learning rate.
        penalty
            Weight of the penalty; 0 leaves it out.
        """
        for group in self._optimiser.param_groups:
            group["lr"].fill_(rate * group["scale"])
        self._penalty.fill_(penalty)
        if not self._load(batch):  # of another size: no recording is of it
            return _without_history(self._take(batch, self._penalty if penalty else 0.0, decoding))
        kind = decoding, penalty != 0
        if self._record is not None and kind not in self._kinds:
            self._begin(kind, self._record)
        if kind not in self._kinds:
            return self._step(kind)
        replay, terms = self._kinds[kind]
        replay()
        return terms

    def _step(self, kind: tuple[bool, bool]) -> Objective:
        decoding, penalised = kind
        if self._data is None:
            raise RuntimeError("a step before any batch")
        return _without_history(self._take(self._data, self._penalty if penalised else 0.0, decoding))

    def _load(self, batch: Sequences) -> bool:
        """Copy a batch into the buffers, made for the first one; not if it does not fit them."""
        given = {item.name: getattr(batch, item.name) for item in fields(batch)}
        if self._data is None:
            self._data = replace(batch, **{name: torch.empty_like(tensor) for name, tensor in given.items()})
        if any(getattr(self._data, name).shape != tensor.shape for name, tensor in given.items()):
            return False
        for name, tensor in given.items():
            getattr(self._data, name).copy_(tensor, non_blocking=True)
        return True

    def _begin(self, kind: tuple[bool, bool], record: Record) -> None:
        """Record a kind of step, or warn that it cannot be."""
        self._warm_up(kind)
        try:
            self._kinds[kind] = record(lambda: self._step(kind))
        except RuntimeError as error:  # all that CUDA says of a capture, memory included
            self._record = None
            self._kinds.clear()
            self._optimiser.zero_grad(set_to_none=True)  # they may lie in the memory of what was not recorded
            self._let_it_be_captured(False)
            warnings.warn(
                f"stage {self._name}: the training step could not be recorded as a CUDA graph and is taken kernel by "
                f"kernel, with the same result: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
                RuntimeWarning,
                stacklevel=4,
            )

    def _warm_up(self, kind: tuple[bool, bool]) -> None:
        """Take some steps on a stream of their own, and take them back."""
        before = {id(tensor): tensor.detach().clone() for tensor in self._changed()}
        with _aside(self._device):
            for _ in range(WARM_UP):
                self._step(kind)
        with torch.no_grad():
            for tensor in self._changed():
                if id(tensor) in before:
                    tensor.copy_(before[id(tensor)])
                else:
                    tensor.zero_()  # a state of Adam, which begins at 0
        self._optimiser.zero_grad(set_to_none=True)

    def _changed(self) -> list[Tensor]:
        states = self._optimiser.state.values()
        of_optimiser = [value for state in states for value in state.values() if isinstance(value, Tensor)]
        return [*self._model.parameters(), *self._model.buffers(), *of_optimiser]

    def _let_it_be_captured(self, allowed: bool) -> None:
        for group in self._optimiser.param_groups:
            group["capturable"] = allowed


@contextmanager
def _aside(device: torch.device) -> Iterator[None]:
    """On CUDA a stream of its own, as a warm-up has to be; elsewhere nothing."""
    if device.type != "cuda":
        yield
        return
    stream, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        yield
    current.wait_stream(stream)


def _without_history(terms: Objective) -> Objective:
    return Objective(*(term.detach() for term in terms))
