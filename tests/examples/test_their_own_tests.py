"""The tests that come with every example pass, in one process, with what is installed from the wheels."""

from __future__ import annotations

import pytest

from tests.examples.conftest import EXAMPLES, examples

__all__ = ["examples"]


@pytest.mark.long
def test_they_pass_without_a_warning(examples, tmp_path):
    folders = [example / "tests" for example in EXAMPLES]
    flags = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--import-mode=importlib", "-W", "error"]
    out = examples.run("-m", "pytest", *flags, f"--rootdir={tmp_path}", "-c", "/dev/null", *folders, cwd=tmp_path)
    assert "failed" not in out
    assert all(folder.is_dir() for folder in folders)
