"""Denoisers made by the user's own code: ``python:package.module:factory`` and ``FILE.py:factory``."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ModelError, SymdiffError
from symdiff.nearest import did_you_mean

log = logging.getLogger(__name__)

WHERE = "--debug shows where"
EXPECTED = "it must return a symdiff.Denoiser, such as symdiff.from_network(network, shape=..., betas=...) makes"


def denoiser_of_file(file: str, factory: str) -> Denoiser:
    """What the function `factory` of a file of Python makes; the file is run, which is said on stderr.

    Raises
    ------
    ModelError
        There is no such file or function, the code fails, or it makes no denoiser.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ModelError(f"there is no file {file}", f"relative paths start at {Path.cwd()}")
    text = path.read_bytes()
    # A module of its own for every path and content: the same is run once a process.
    name = f"symdiff_file_{hashlib.sha256(str(path.resolve()).encode() + text).hexdigest()[:24]}"
    with _found_here(path.resolve().parent):
        module = sys.modules.get(name) or _run(name, path)
        return _made(module, factory, f"{file}:{factory}", path)


def denoiser_of_module(module: str, factory: str) -> Denoiser:
    """What the function `factory` of an importable module makes; modules in the current folder count.

    Raises
    ------
    ModelError
        There is no such module or function, the code fails, or it makes no denoiser.
    """
    with _found_here(Path.cwd()):
        if module not in sys.modules:
            log.warning("running code of module %s", module)
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                raise ModelError(
                    f"there is no module {error.name!r}", "modules are looked for where Python does, and in this folder"
                ) from error
            raise _failed(f"importing {module}", error) from error
        except (Exception, SystemExit) as error:
            raise _failed(f"importing {module}", error) from error
        file = getattr(found, "__file__", None)
        return _made(found, factory, f"python:{module}:{factory}", None if file is None else Path(file))


def _run(name: str, path: Path) -> ModuleType:
    log.warning("running code from %s", path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is no file of Python", "its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes look up their module, in dataclasses for one
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, SymdiffError) or not isinstance(error, Exception | SystemExit):
            raise
        raise _failed(f"running {path}", error) from error
    return module


def _made(module: ModuleType, factory: str, model: str, file: Path | None) -> Denoiser:
    make = getattr(module, factory, None)
    if not callable(make):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        what = "has no function" if make is None else "has, as a value that is no function,"
        guess = did_you_mean(factory, functions)
        raise ModelError(
            f"{model.rpartition(':')[0]} {what} {factory!r}", guess or f"it has: {', '.join(functions) or 'none'}"
        )
    try:
        denoiser = make()
    except SymdiffError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(f"{factory}() of model {model}", error) from error
    if not isinstance(denoiser, Denoiser):
        raise ModelError(f"{factory}() of model {model} returned {denoiser!r:.80}, which is no denoiser", EXPECTED)
    _check(denoiser, model)
    source = b"" if file is None else file.read_bytes()
    denoiser = copy.copy(denoiser)  # a factory may give the same one again
    denoiser.digest = hashlib.sha256(denoiser.digest.encode() + b"|" + source).hexdigest()
    denoiser.caveats = (*denoiser.caveats, f"the model was made by running code: {model}")
    return denoiser


def _check(denoiser: Denoiser, model: str) -> None:
    """Refuse a denoiser whose author forgot ``super().__init__``, or gave it something else than it takes."""
    kinds = {"name": str, "shape": tuple, "schedule": Schedule, "digest": str}
    for attribute, kind in kinds.items():
        value = getattr(denoiser, attribute, None)
        if not isinstance(value, kind):
            raise ModelError(
                f"{attribute} of the denoiser of model {model} is {value!r:.80}, not a {kind.__name__}",
                "call super().__init__(name, shape, schedule, digest) in its __init__",
            )
    if len(denoiser.shape) != 3:
        raise ModelError(f"shape of the denoiser of model {model} is {denoiser.shape}", "it must be (C, H, W)")


@contextmanager
def _found_here(folder: Path) -> Iterator[None]:
    """Let modules of `folder` be imported, after all others, so that no file here takes the place of a library."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _failed(doing: str, error: BaseException) -> ModelError:
    return ModelError(f"{doing} failed: {type(error).__name__}: {error}", WHERE)
