"""Run a command: errors become messages and exit codes, stdout carries the result only."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from typing import Any

from typer.exceptions import TyperException
from typer.main import get_command

from symdiff.cli.app import app
from symdiff.cli.outcome import Outcome, print_error, print_outcome
from symdiff.cli.verbosity import start_logging
from symdiff.errors import DiskError, InterruptedRunError, RunError, SymdiffError, UsageError

INTERNAL = "this is a defect of symdiff or of a plugin; --debug shows where"


class InternalError(SymdiffError):
    """Something nobody foresaw."""

    code = "internal"


class OutOfMemoryError(RunError):
    """The machine or the device has not enough memory for what was asked."""

    code = "memory"


def run(arguments: list[str]) -> int:
    """Run the command line `arguments` and return the exit code."""
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    asks = not {"--help", "-h", "--version"}.isdisjoint(flags) or not flags
    as_json = "--json" in flags and not asks
    start_logging()
    if sys.stdout is None:  # closed by the shell: >&-
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    try:
        # Whatever a model or a plugin prints goes to stderr: stdout is for the result.
        with nullcontext() if asks else redirect_stdout(sys.stderr):
            answer = get_command(app).main(args=arguments or ["--help"], prog_name="symdiff", standalone_mode=False)
        if isinstance(answer, Outcome):
            print_outcome(answer, as_json)
            if answer.failure is not None:
                print_error(answer.failure, False)
                return answer.failure.exit_code
            return 0
        if answer == InterruptedRunError.exit_code:  # Ctrl-C outside a run: typer turned it into this code
            raise InterruptedRunError("interrupted", "nothing was being written")
        return int(answer or 0)
    except BrokenPipeError:
        # The reader of a pipe left.
        _drop_stdout()
        return 1
    except Exception as error:
        if "--debug" in flags:
            traceback.print_exc(file=sys.stderr)
        translated = translate(error)
        try:
            print_error(translated, as_json)
        except OSError:  # stdout is what cannot be written; stderr has been told
            _drop_stdout()
        return translated.exit_code


def _drop_stdout() -> None:
    """Let nothing more be written to stdout; Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def translate(error: BaseException) -> SymdiffError:
    """Return the error as one of ours."""
    if isinstance(error, SymdiffError):
        return error
    if isinstance(error, TyperException):
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "symdiff"
        return UsageError(error.format_message(), f"see `{command} --help`")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(f"cannot write {error.filename or 'to the disk'}: {error.strerror}", "free some room")
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, MemoryError) or re.search(r"can't allocate memory|CUDA out of memory", text):
        return OutOfMemoryError(
            f"not enough memory: {text}", "choose fewer --trajectories, a smaller --latent or shorter sequences"
        )
    return InternalError(text, INTERNAL)
