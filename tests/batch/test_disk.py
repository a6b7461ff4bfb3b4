"""A disk that is full costs what was being written, and the same command goes on once there is room."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys

import pytest

from symdiff.errors import DiskError
from symdiff.rundir import write_document
from tests.batch.conftest import states
from tests.batch.test_faults import PARENT

SMALL = """
set -e
mount -t tmpfs -o size=1m none "$1"
cp "$2" "$1/tiny.toml"
cd "$1"
"$3" -c "$4" tiny.toml > out 2> "$5/err" && code=0 || code=$?
echo $code > "$5/code"
rm tiny/filler
export FAKE={}
for file in tiny/*.json; do "$3" -S -c 'import json, sys; json.load(open(sys.argv[1]))' "$file"; done
"$3" -c "$4" tiny.toml --retry-failed --json > "$5/again"
"""


def can_mount() -> bool:
    """Whether a file system of our own can be had without being root, by namespaces."""
    if shutil.which("unshare") is None:
        return False
    asked = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /tmp"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.long
@pytest.mark.skipif(not can_mount(), reason="the system does not let users mount a small file system of their own")
def test_a_full_disk_is_told_and_the_study_is_finished_once_there_is_room(file, tmp_path, behaviour):
    behaviour(s1="fill")
    mount = tmp_path / "mount"
    mount.mkdir()
    given = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL, "sh"]
    told = [str(mount), str(file), sys.executable, PARENT, str(tmp_path)]
    ran = subprocess.run([*given, *told], capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stderr + (tmp_path / "err").read_text()
    assert int((tmp_path / "code").read_text()) == 1  # the command cannot note anything any more, and stops
    assert "No space left on device" in (tmp_path / "err").read_text()
    assert json.loads((tmp_path / "again").read_text())["counts"]["done"] == 3


def test_a_document_that_does_not_fit_leaves_the_one_before(tmp_path):
    file = tmp_path / "status.json"
    write_document(file, {"runs": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DiskError):
            write_document(file, {"runs": "x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads(file.read_text()) == {"runs": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["status.json"]


def test_a_run_whose_disk_is_full_fails_alone(go, behaviour):
    behaviour(s1="full")
    directory = go()
    assert states(directory) == ["done", "failed", "done"]
    cause = directory.records[directory.study.runs[1].run_id].cause
    assert (cause.code, "File too large" in cause.message) == ("disk", True)
    assert not (directory.run_directory(directory.study.runs[1]) / "result.json").exists()
