"""What every command keeps to: one document on stdout, exit codes, help without torch."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symdiff import __version__, errors
from symdiff.cli.running import translate

FAMILIES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SymdiffError)]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["analyze", "--help"], ["--version"]])
def test_help_does_not_import_torch(arguments):
    code = (
        "import sys\nfrom symdiff.cli.running import run\n"
        f"code = run({arguments!r})\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules], code)"
    )
    ran = python(code)
    assert ran.stdout.splitlines()[-1] == "[] 0", ran.stderr
    assert "Usage: symdiff" in ran.stdout or __version__ in ran.stdout


def test_public_names_are_there_whatever_was_imported_first():
    ran = python(
        "import symdiff.analyze; from symdiff.analyze import analyze; import symdiff; "
        "print(symdiff.analyze is analyze, [n for n in symdiff.__all__ if not hasattr(symdiff, n)])"
    )
    assert ran.stdout == "True []\n", ran.stderr
    assert python("from symdiff import analyze; print(callable(analyze))").stdout == "True\n"


def test_importing_symdiff_does_not_import_torch():
    ran = python(
        "import sys, symdiff; print('torch' in sys.modules, symdiff.Estimate.__name__, 'torch' in sys.modules)"
    )
    assert ran.stdout.split() == ["False", "Estimate", "False"]


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_error_ends_with_its_exit_code_and_its_document(symdiff, analysis, kind):
    error = kind("what happened", "what to do")
    Path("run").mkdir()
    analysis.errors["run"] = error
    ran = symdiff("analyze", "--out", "run", "--json")
    assert ran.code == kind.exit_code
    assert ran.document == {
        "schema": "symdiff.error/1",
        "code": kind.code,
        "message": "what happened",
        "hint": "what to do",
    }


def test_exit_codes_are_as_documented():
    documented = {
        errors.RunError: 1, errors.NonFiniteError: 1, errors.DivergedError: 1, errors.DiskError: 1,
        errors.UsageError: 2, errors.ConfigError: 2, errors.ModelError: 2, errors.StoreError: 2,
        errors.DeviceError: 2, errors.OutputError: 2, errors.PluginError: 3, errors.UnknownGroupError: 3,
        errors.GateError: 5, errors.InterruptedRunError: 130,
    }  # fmt: skip
    assert {kind: kind.exit_code for kind in documented} == documented


def test_an_error_nobody_foresaw_is_one_line_and_a_traceback_only_with_debug(symdiff, analysis):
    analysis.errors["run"] = ZeroDivisionError("by zero")
    ran = symdiff("analyze", "--out", "run", "--json")
    assert (ran.code, ran.document["code"]) == (1, "internal")
    assert ran.document["message"] == "ZeroDivisionError: by zero"
    assert "Traceback" not in ran.err
    assert "Traceback" in symdiff("analyze", "--out", "run", "--debug").err


def test_a_full_disk_is_called_a_full_disk():
    error = translate(OSError(errno.ENOSPC, "No space left on device", "here"))
    assert (error.code, error.exit_code, error.message) == ("disk", 1, "cannot write here: No space left on device")


def test_ctrl_c_ends_with_130(symdiff, analysis):
    analysis.errors["run"] = KeyboardInterrupt()
    ran = symdiff("analyze", "--out", "run", "--json")
    assert (ran.code, ran.document["code"]) == (130, "interrupted")


def test_what_libraries_print_stays_out_of_the_document(symdiff, analysis):
    ran = symdiff("analyze", "--json")
    assert ran.document["schema"] == "symdiff.result/1"
    assert "a library prints" in ran.err


@pytest.mark.parametrize(("flags", "told"), [([], []), (["-v"], ["done\n"]), (["-vv"], ["done\n", "debug: why\n"])])
def test_verbose_shows_more_and_the_log_file_has_it_anyway(symdiff, analysis, monkeypatch, flags, told):
    def talk(self: object) -> None:
        logging.getLogger("symdiff.training").info("done")
        logging.getLogger("symdiff.training").debug("why")

    monkeypatch.setattr(type(analysis), "talk", talk)
    ran = symdiff("analyze", "--out", "run", *flags)
    assert [line for line in ("done\n", "debug: why\n") if line in ran.err] == told
    assert "INFO symdiff.training: done" in Path("run/run.log").read_text()


def test_progress_goes_to_stderr_and_quiet_silences_it(symdiff, analysis):
    ran = symdiff("analyze")
    assert "train\n" in ran.err
    assert "train" not in ran.out.replace("trained", "")
    assert symdiff("analyze", "--quiet", "--force").err == "a library prints\n"


def test_a_reader_that_leaves_early_is_no_error_message():
    command = f'{sys.executable} -c \'from symdiff.cli import main; main(["plugins", "list"])\' | true'
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stderr == ""


@pytest.mark.parametrize("value", ["", "1"])
def test_no_colour_reaches_a_pipe(value):
    ran = python("from symdiff.cli import main; main(['plugins', 'list'])", NO_COLOR=value)
    assert "\x1b" not in ran.stdout
    assert "affine" in ran.stdout


def test_python_warnings_become_messages():
    ran = python(
        "import warnings; from symdiff.cli.verbosity import start_logging; start_logging();"
        "warnings.warn('cache is\\n damaged', RuntimeWarning); warnings.warn('for developers', DeprecationWarning)"
    )
    assert ran.stderr == "warning: cache is damaged\n"


def test_a_broken_plugin_costs_one_line_and_nothing_else(tmp_path):
    (tmp_path / "bad_plugin.py").write_text("raise SystemExit('goodbye')")
    info = tmp_path / "bad-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[symdiff]\nbad = bad_plugin\n")
    command = "from symdiff.cli import main; main(['analyze', '--dry-run', '--json'])"
    ran = python(command, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 0
    assert ran.stderr == "warning: plugin 'bad' (bad 1.2) is broken: SystemExit: goodbye\n"
    ran = python(command, PYTHONPATH=str(tmp_path), SYMDIFF_STRICT_PLUGINS="1")
    assert ran.returncode == 3
    assert '"code": "plugin"' in ran.stdout


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 262 GB")])
def test_too_little_memory_is_called_that(error):
    found = translate(error)
    assert (found.code, found.exit_code) == ("memory", 1)
    assert "--trajectories" in found.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("flags", ["", "--json"])
def test_a_stdout_that_cannot_be_written_is_an_error_without_a_traceback(flags):
    command = f"{sys.executable} -c 'from symdiff.cli import main; main(\"plugins list {flags}\".split())' > /dev/full"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "error: cannot write to the disk: No space left on device\nhint: free some room\n"


def test_a_closed_stdout_is_no_error():
    command = f'{sys.executable} -c \'from symdiff.cli import main; main(["plugins", "list"])\' >&-'
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_ctrl_c_before_a_command_begins_ends_with_130():
    ran = python(
        "import symdiff.cli.running as running\n"
        "def run(arguments): raise KeyboardInterrupt\n"
        "running.run = run\nfrom symdiff.cli import main\nmain([])"
    )
    assert (ran.returncode, ran.stderr) == (130, "error: interrupted\n")
