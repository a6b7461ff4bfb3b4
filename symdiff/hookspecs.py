"""Every hook a plugin can implement. Hooks only register; behaviour lives in the classes they return.

A plugin is a package with an entry point in group ``symdiff`` whose module has functions marked with `hookimpl`::

    from symdiff import hookimpl

    @hookimpl
    def symdiff_group_families():
        from my_plugin.family import MyFamily  # here, so that `symdiff --help` does not import torch
        return [MyFamily]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from symdiff.groups import GroupFamily
    from symdiff.result import Result

NAMESPACE = "symdiff"
"""Entry point group and pluggy project name."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def symdiff_group_families() -> Sequence[type[GroupFamily]]:  # type: ignore[empty-body]
    """Group families this plugin provides, as classes.

    .. versionadded:: 0.1
    """


@hookspec
def symdiff_sources() -> Mapping[str, Callable[[], Any]]:  # type: ignore[empty-body]
    """Diffusion models this plugin provides: the name given as MODEL, and what loads its `Denoiser`.

    .. versionadded:: 0.1
    """


@hookspec
def symdiff_diagnostics() -> Mapping[str, Callable[[Any], Any]]:  # type: ignore[empty-body]
    """Diagnostics this plugin provides: the name in the result, and a function from `Evaluation` to `Estimate`.

    A diagnostic is asked in every run, whatever its group; it returns ``None`` where it does not apply.

    .. versionadded:: 0.1
    """


@hookspec
def symdiff_engines() -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Engines that run the runs of a study: the name given to ``--engine``, and what constructs it.

    .. versionadded:: 0.1
    """


@hookspec
def symdiff_run_finished(result: Result, run_dir: Path) -> None:
    """A run finished and its directory is complete.

    Parameters
    ----------
    result
        What the run found.
    run_dir
        The directory holding ``result.json``, ``report.html`` and the rest.


    .. versionadded:: 0.1
    """
