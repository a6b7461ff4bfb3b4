"""A device that is not the CPU, for machines that have none: real values, and the rules of an accelerator.

Inside `stand_in_device`, tensors moved to its `device` keep their values, computed on the CPU, and everything else is
as on CUDA: an operation that mixes them with tensors of the CPU is an error, they have no numpy arrays, no generator of
the CPU fills them, and every value that is read back is written down with the line that asked for it.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from symdiff.representations.taylor import coefficients_on
from symdiff.testing.failure import LawError

DEVICE = torch.device("meta")
"""How the code sees it; torch knows this name everywhere, and nobody computes on it."""

_aten = torch.ops.aten
_COPIES = {_aten._to_copy.default, _aten.copy_.default}
_INDEXED = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default, _aten._index_put_impl_.default}
_READING = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "bincount", "allclose", "_linalg_check_errors", "is_nonzero",
}  # fmt: skip
"""Operations whose result, or its shape, the CPU has to know."""


_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__}


@dataclass(frozen=True)
class Transfer:
    """One copy between the device and the CPU that the CPU waits for.

    Attributes
    ----------
    kind
        ``"read"``, from the device, or ``"sent"``, to it.
    operation
        Its name in torch.
    numbers
        How many were copied.
    where
        File and line of the caller, outside torch.
    """

    kind: str
    operation: str
    numbers: int
    where: str


@dataclass
class StandIn:
    """What happened on the device.

    Attributes
    ----------
    transfers
        Those so far, in order.
    """

    device: torch.device = DEVICE
    transfers: list[Transfer] = field(default_factory=list)
    _forbidden: ContextVar[frozenset[str]] = field(
        default_factory=lambda: ContextVar("forbidden transfers", default=frozenset())
    )

    @property
    def reads(self) -> list[Transfer]:
        """What was read back."""
        return [transfer for transfer in self.transfers if transfer.kind == "read"]

    @contextmanager
    def forbid(self, *kinds: str) -> Iterator[None]:
        """Within it a transfer is an error: of these kinds, by default ``"read"``; what other threads do is not.

        Raises
        ------
        LawError
            Where one is asked for.
        """
        token = self._forbidden.set(self._forbidden.get() | set(kinds or ("read",)))
        try:
            yield
        finally:
            self._forbidden.reset(token)

    def _note(self, kind: str, operation: str, numbers: int) -> None:
        transfer = Transfer(kind, operation, numbers, _caller())
        if kind in self._forbidden.get():
            raise LawError(f"{operation} of {numbers} numbers {_DIRECTION[kind]} at {transfer.where}")
        self.transfers.append(transfer)


_DIRECTION = {"read": "waits for the device", "sent": "is a copy to the device"}


@contextmanager
def stand_in_device() -> Iterator[StandIn]:
    """Within it there is one more device; threads of pools that are used within it see it, too.

    Yields
    ------
    StandIn
        The device, and what is read back from it.
    """
    stand_in = StandIn()
    submit = ThreadPoolExecutor.submit

    def submitted(self: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def there(*args: Any, **kwargs: Any) -> Any:
            with _Rules(stand_in):
                return call(*args, **kwargs)

        return submit(self, there, *args, **kwargs)

    optimiser = importlib.import_module("torch.optim.optimizer")
    fused = optimiser._get_fused_kernels_supported_devices()
    with (
        patch.object(ThreadPoolExecutor, "submit", submitted),
        patch.object(optimiser, "_get_fused_kernels_supported_devices", lambda: [*fused, DEVICE.type]),
        _Rules(stand_in),
    ):
        coefficients_on.cache_clear()  # what is kept by device is not kept beyond it
        try:
            yield stand_in
        finally:
            coefficients_on.cache_clear()


class _There(Tensor):
    """A tensor of the device: its values are those of `held`, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> _There:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        del tensor_contents
        return f"there({self.held!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> _There:
        if id(self) not in memo:
            copied = _There(self.held.clone()).requires_grad_(self.requires_grad)
            if hasattr(self, "_is_param"):
                copied._is_param = self._is_param
            memo[id(self)] = copied
        found: _There = memo[id(self)]
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        """It is written as a tensor of the CPU, which is where it is read again."""
        _active().note("read", "write", self.held)
        return self.held.__reduce_ex__(protocol)

    def numpy(self, *args: object, **kwargs: object) -> NoReturn:
        """As on CUDA."""
        del args, kwargs
        raise TypeError("can't convert a tensor of the device to numpy. Use Tensor.cpu() to copy it to the CPU first")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self.numpy(*args, **kwargs)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == Tensor.is_meta.__get__:  # type: ignore[attr-defined]
            return False
        if func is Tensor.tolist:
            return args[0].cpu().tolist()
        if func is Tensor.__getitem__:
            args = args[0], _without_lists(args[1])
        if func in _PRODUCTS and args[0].dim() == 1 and args[1].dim() > 1:
            # Torch squeezes this product in place, which changes nobody's shape but that of what is held.
            args = args[1].mT, args[0]
        del types
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if func == Tensor.data.__set__:  # type: ignore[attr-defined]
            args[0].held = args[1].held
        return result

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        del types
        with _Rules(_active().stand_in):
            return func(*args, **(kwargs or {}))


_entered: list[_Rules] = []


def _active() -> _Rules:
    if not _entered:
        raise RuntimeError("a tensor of a stand-in device is used after the device is gone")
    return _entered[-1]


class _FromData(TorchFunctionMode):
    """Tensors made of Python numbers: torch leaves their values out on a device of this name."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor and isinstance(args[0], _There):
            func, kwargs = torch.tensor, {"dtype": args[0].dtype, "device": DEVICE, **kwargs}
            args = args[1:]
        if func in (torch.tensor, torch.as_tensor, torch.asarray) and kwargs.get("device") is not None:
            device = torch.device(kwargs["device"])
            if device == DEVICE and not (args and isinstance(args[0], Tensor)):
                return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        return func(*args, **kwargs)


class _Rules(TorchDispatchMode):
    """Computes on the tensors held, and refuses what an accelerator refuses."""

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stand_in = stand_in
        self._from_data = _FromData()

    def __enter__(self) -> _Rules:
        _entered.append(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        self._from_data.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        self._from_data.__exit__(*exception)  # type: ignore[no-untyped-call]
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        _entered.remove(self)

    def note(self, kind: str, operation: str, tensor: Tensor) -> None:
        """Write a transfer down, or refuse it."""
        self.stand_in._note(kind, operation, tensor.numel())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func.overloadpacket is _aten.to:  # in inference mode torch leaves it to us to take it apart
            return self._to(func, args, kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in tensors if isinstance(tensor, _There)]
        asked = None if kwargs.get("device") is None else torch.device(kwargs["device"])
        if not there and asked != DEVICE:
            return func(*args, **kwargs)
        name = func.name().split("::")[1].split(".")[0]
        if func in _COPIES:
            self._copy(name, args, asked)
        elif there:
            self._refuse_mixing(func, name, args, kwargs, tensors)
        generator = kwargs.get("generator")
        if generator is not None and generator.device != DEVICE:
            raise RuntimeError(f"{name}: expected a generator of the device, found one of {generator.device}")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        if func is _aten._efficientzerotensor.default:  # has no storage, which only torch's own dispatch knows
            func = _aten.zeros.default
        result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
        if (asked is None and there) or asked == DEVICE:
            same = {id(tensor.held): tensor for tensor in there}
            kept = func is _aten.copy_.default and not isinstance(args[0], _There)
            return args[0] if kept else tree_map(lambda leaf: _wrapped(leaf, same), result)
        return result

    def _to(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        x, like = given["self"], given.get("other")
        dtype = (given.get("dtype") if like is None else like.dtype) or x.dtype
        device = torch.device((given.get("device") if like is None else like.device) or x.device)
        if (device, dtype) == (x.device, x.dtype) and not given.get("copy"):
            return x
        return self.__torch_dispatch__(_aten._to_copy.default, (), (x,), {"dtype": dtype, "device": device})

    def _copy(self, name: str, args: Any, asked: torch.device | None) -> None:
        """Note a transfer; between the tensors of one device there is none."""
        if name == "copy_":
            to, start = isinstance(args[0], _There), isinstance(args[1], _There)
        else:
            start = isinstance(args[0], _There)
            to = start if asked is None else asked == DEVICE
        source = args[1] if name == "copy_" else args[0]
        if start != to:
            self.note("sent" if to else "read", name, _held(source))

    def _refuse_mixing(self, func: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        checked = tensors
        if func in _INDEXED:
            indices = [index for index in args[1] if index is not None]
            for index in indices:
                if index.dtype in (torch.bool, torch.uint8):
                    self.note("read", f"{name} by a mask", _held(index))
                elif not isinstance(index, _There) and index.dim():
                    self.note("sent", f"{name} by an index of the CPU", index)
            # An index of the CPU is sent along; one of the device does not come to the CPU.
            checked = [*args[0:1], *args[2:3], *([] if isinstance(args[0], _There) else indices)]
        elif name in _READING or (name == "repeat_interleave" and kwargs.get("output_size") is None):
            self.note("read", name, _held(tensors[0]))
        # A tensor of no dimensions is a number wherever it is, unless it is put beside others.
        here = [tensor for tensor in checked if not isinstance(tensor, _There)]
        some_there = any(isinstance(tensor, _There) for tensor in checked)
        if some_there and any(tensor.dim() or name in ("cat", "stack") for tensor in here):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {DEVICE} and cpu")


def _without_lists(index: Any) -> Any:
    """An index whose lists are tensors: torch makes them on the device of this name, which loses their values."""
    if isinstance(index, tuple):
        return tuple(_without_lists(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, _There) else leaf


def _wrapped(leaf: Any, same: dict[int, _There]) -> Any:
    if not isinstance(leaf, Tensor) or isinstance(leaf, _There):
        return leaf
    found = same.get(id(leaf))
    # That a tensor is to be conjugated is in torch's own dispatch, which the tensors of the device do not go through.
    return _There(leaf.resolve_conj().resolve_neg()) if found is None else found


def _caller() -> str:
    """File and line nearest to the operation that are neither torch's nor this file's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and "/torch/" not in file and "<" not in file and "jaxtyping" not in file:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return threading.current_thread().name
