"""Run directories: to whom they belong, and what they hold whatever happens to the process that writes."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from symdiff.config import RunConfig
from symdiff.errors import DiskError, InterruptedRunError, ModelError, NonFiniteError, OutputError
from symdiff.result import Claim, Result, Verdict
from symdiff.rundir import RunDirectory

CONFIG = RunConfig(model="gaussian")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


def result():
    verdict = Verdict(
        structured="inconclusive", reason="a test", claims={"law": Claim(status="supported", evidence="")}
    )
    return Result(symdiff_version="0.1.0", group="affine", model="gaussian", config={}, verdict=verdict)


def status(out: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((out / "status.json").read_text())
    return document


def finish(out: Path, config: RunConfig = CONFIG) -> None:
    with RunDirectory(config, out).writing() as run:
        run.finish(result())


def test_the_default_is_named_after_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RunDirectory(CONFIG).path == Path("runs") / CONFIG.run_id


def test_looking_changes_nothing(out):
    assert RunDirectory(CONFIG, out).state == "new"
    assert not out.exists()


def test_a_run_says_what_it_is_and_where_it_happened(out):
    with RunDirectory(CONFIG, out).writing():
        assert status(out)["state"] == "running"
        assert status(out)["pid"] == os.getpid()
    config = json.loads((out / "config.json").read_text())
    assert config["config_hash"] == CONFIG.config_hash()
    assert RunConfig(**config["config"]) == CONFIG
    environment = json.loads((out / "environment.json").read_text())
    assert environment["packages"]["torch"]


def test_a_finished_run_is_answered_from_its_directory(out):
    finish(out)
    again = RunDirectory(CONFIG, out)
    assert (again.state, again.result(), status(out)["state"]) == ("finished", result(), "done")


def test_a_finished_run_is_finished_on_another_device_too(out):
    finish(out)
    assert RunDirectory(CONFIG.model_copy(update={"device": "cpu"}), out).state == "finished"


def test_a_run_whose_result_is_damaged_is_not_finished(out):
    finish(out)
    (out / "result.json").write_text("{")
    assert RunDirectory(CONFIG, out).state == "unfinished"


def test_a_failed_run_says_why_and_is_resumed(out):
    with pytest.raises(NonFiniteError), RunDirectory(CONFIG, out).writing() as run:
        (run / "checkpoint.safetensors").write_bytes(b"so far")
        raise NonFiniteError("NaN at step 7", "lower the learning rate")
    assert status(out)["state"] == "failed"
    assert status(out)["error"] == {"code": "non-finite", "message": "NaN at step 7", "hint": "lower the learning rate"}
    again = RunDirectory(CONFIG, out)
    assert again.state == "unfinished"
    with again.writing() as run:
        assert (run / "checkpoint.safetensors").read_bytes() == b"so far"
        run.finish(result())
    assert not (out / "checkpoint.safetensors").exists()


def test_ctrl_c_is_recorded_and_the_run_resumed(out):
    with (
        pytest.raises(InterruptedRunError, match="the state is saved in") as caught,
        RunDirectory(CONFIG, out).writing(),
    ):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert status(out)["state"] == "interrupted"
    assert RunDirectory(CONFIG, out).state == "unfinished"


def test_a_defect_is_recorded_too(out):
    with pytest.raises(ZeroDivisionError), RunDirectory(CONFIG, out).writing():
        raise ZeroDivisionError("by zero")
    assert status(out)["error"] == {"code": "internal", "message": "ZeroDivisionError: by zero", "hint": ""}


def test_a_request_that_is_refused_leaves_nothing_behind(tmp_path):
    with pytest.raises(ModelError), RunDirectory(CONFIG, tmp_path / "a" / "b").writing():
        raise ModelError("no such model")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_a_refusal_stays(out):
    finish(out)
    with pytest.raises(ModelError), RunDirectory(CONFIG, out).writing():
        raise ModelError("no such model")
    assert (out / "result.json").exists()


def test_another_run_is_refused_and_the_difference_named(out):
    finish(out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(OutputError, match=f"holds another run, {CONFIG.run_id}: seed 0 there, 1 here"):
        RunDirectory(CONFIG.model_copy(update={"seed": 1}), out)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_force_overwrites_the_files_of_a_run_and_no_others(out):
    finish(out)
    (out / "letter.txt").write_text("dear")
    (out / "checkpoint-3").write_text("old")
    other = CONFIG.model_copy(update={"seed": 1})
    with RunDirectory(other, out, force=True).writing():
        assert not (out / "result.json").exists()
        assert not (out / "checkpoint-3").exists()
    assert (out / "letter.txt").read_text() == "dear"
    assert json.loads((out / "config.json").read_text())["run_id"] == other.run_id


def test_force_starts_a_finished_run_anew(out):
    finish(out)
    assert RunDirectory(CONFIG, out, force=True).state == "new"


def test_a_directory_of_other_things_is_refused(out):
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"is not empty and holds no run: letter\.txt"):
        RunDirectory(CONFIG, out)
    assert RunDirectory(CONFIG, out, force=True).state == "new"


def test_leftovers_are_no_run_and_are_removed(out):
    out.mkdir()
    (out / ".config.json.123.tmp").write_text("{")
    with RunDirectory(CONFIG, out).writing():
        assert not (out / ".config.json.123.tmp").exists()


def test_a_directory_that_cannot_be_written_is_refused(out, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="permission denied"):
        RunDirectory(CONFIG, out)


def test_two_processes_do_not_write_to_one_directory(out):
    with RunDirectory(CONFIG, out).writing():
        with pytest.raises(OutputError, match=f"process {os.getpid()} is writing"), RunDirectory(CONFIG, out).writing():
            pass
        assert (out / "config.json").exists()
    finish(out)


def test_a_directory_that_changed_hands_in_the_meantime_is_refused(out):
    late = RunDirectory(CONFIG.model_copy(update={"seed": 1}), out)
    finish(out)
    with pytest.raises(OutputError, match="holds another run"), late.writing():
        pass
    assert RunDirectory(CONFIG, out).state == "finished"


def test_a_file_appears_complete_or_not_at_all(out):
    with RunDirectory(CONFIG, out).writing() as run:
        with pytest.raises(RuntimeError), run.file("figures.safetensors") as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError
        assert not (out / "figures.safetensors").exists()
        with run.file("figures.safetensors") as temporary:
            temporary.write_bytes(b"whole")
        assert (out / "figures.safetensors").read_bytes() == b"whole"
    assert list(out.glob(".*")) == []


def test_a_file_can_be_read_by_whom_the_user_lets(out):
    with RunDirectory(CONFIG, out).writing() as run, run.file("hae.safetensors") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)
    assert (out / "hae.safetensors").stat().st_mode == (out / "config.json").stat().st_mode


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_with_a_name(out, number):
    with pytest.raises(DiskError, match="cannot write") as caught, RunDirectory(CONFIG, out).writing() as run:
        with run.file("hae.safetensors") as temporary:
            temporary.write_bytes(b"half")
            raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 1
    assert status(out)["state"] == "failed"
    assert not list(out.glob(".*"))
    assert not (out / "hae.safetensors").exists()


def test_a_full_disk_is_recognised_wherever_it_is_met(out):
    with pytest.raises(DiskError), RunDirectory(CONFIG, out).writing():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_of_the_system_keep_their_name(out):
    with pytest.raises(FileNotFoundError), RunDirectory(CONFIG, out).writing():
        raise FileNotFoundError("a model")


def test_a_disk_too_full_for_the_status_still_names_the_first_error(out, monkeypatch):
    with pytest.raises(NonFiniteError), RunDirectory(CONFIG, out).writing():

        def full(*arguments: object, **keywords: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        raise NonFiniteError("NaN")


def test_the_log_of_a_run_goes_with_it(out):
    logger = logging.getLogger("symdiff.training")
    with RunDirectory(CONFIG, out).writing():
        logger.warning("the learning rate is high")
    logger.warning("afterwards")
    log = (out / "run.log").read_text()
    assert "WARNING symdiff.training: the learning rate is high" in log
    assert "afterwards" not in log


def test_a_killed_run_is_unfinished_and_unlocked(out):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from symdiff.config import RunConfig\nfrom symdiff.rundir import RunDirectory\n"
        "with RunDirectory(RunConfig(model='gaussian'), Path(sys.argv[1])).writing() as run:\n"
        "    (run / '.result.json.1.tmp').write_text('{')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(out)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert status(out)["state"] == "running"
    again = RunDirectory(CONFIG, out)
    assert again.state == "unfinished"
    with again.writing() as run:
        run.finish(result())
    assert not list(out.glob(".*"))


def test_a_run_whose_configuration_is_unreadable_is_refused(out):
    out.mkdir()
    (out / "config.json").write_text("{")
    with pytest.raises(OutputError, match=r"holds a run whose config\.json is unreadable"):
        RunDirectory(CONFIG, out)


def test_a_run_of_another_version_is_told_from_a_run_of_other_settings(out):
    with RunDirectory(CONFIG, out).writing():
        pass
    held = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**held, "config_hash": "0"}))
    with pytest.raises(OutputError, match="the same settings, but written by a version of symdiff"):
        RunDirectory(CONFIG, out)
