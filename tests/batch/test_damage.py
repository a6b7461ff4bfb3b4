"""Files of a study that something else wrote over, and words that were not foreseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from symdiff.batch.comparing import Compared, cautions
from symdiff.batch.directory import StudyDirectory, difference
from symdiff.batch.study import read_study
from tests.batch.conftest import TEXT
from tests.batch.written import grid, write_study
from tests.cli.conftest import symdiff  # noqa: F401 - a fixture

DAMAGED = ["", "xx", "[]", "null", '{"schema": "SCHEMA"}', '{"schema": "SCHEMA", "name": "t", "runs": [3]}']


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_status_is_named_and_costs_no_page(symdiff, tmp_path, text):  # noqa: F811
    study = write_study(tmp_path / "study", grid(seeds=2))
    (study / "status.json").write_text(text.replace("SCHEMA", "symdiff.study-status/1"))
    told = symdiff("batch", "status", study)
    assert (told.code, "status.json is damaged" in told.err) == (2, True)
    reported = symdiff("report", study, "--format", "md")
    assert (reported.code, "2 of 2 done" in reported.out) == (0, True)
    assert "status.json is damaged" in reported.err


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_description_is_named_and_written_again_when_adopted(symdiff, file, tmp_path, text):  # noqa: F811
    path = tmp_path / "tiny"
    path.mkdir()
    (path / "study.json").write_text(text.replace("SCHEMA", "symdiff.study/1"))
    for ran in (symdiff("batch", "run", file, "--out", path), symdiff("report", path), symdiff("compare", path)):
        assert (ran.code, "study.json is damaged" in ran.err) == (2, True)
    with StudyDirectory(read_study(file), path, adopt=True).held():
        pass
    assert len(json.loads((path / "study.json").read_text())["runs"]) == 3


def test_a_run_directory_is_no_study(symdiff, tmp_path):  # noqa: F811
    study = write_study(tmp_path / "study", grid(seeds=1))
    told = symdiff("batch", "status", next((study / "runs").iterdir()))
    assert (told.code, "no study at" in told.err) == (2, True)


def test_a_study_file_may_begin_with_a_byte_order_mark(file):
    plain = read_study(file)
    file.write_text("\ufeff" + TEXT, encoding="utf-8")
    assert read_study(file) == plain


def test_memory_without_bound_is_refused(symdiff, file):  # noqa: F811
    ran = symdiff("batch", "run", file, "--memory", "inf", "--dry-run")
    assert (ran.code, "--memory" in ran.err) == (2, True)


def test_a_difference_of_many_values_shows_the_first_ones_and_the_last():
    def runs(count):
        return {str(n): {"label": str(n), "settings": {"seed": n}, "plugins": {}} for n in range(count)}

    told = difference(runs(1), runs(3000))
    assert told == "2999 runs here only; seed 0 there, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..., 2999 here"


def test_a_condition_of_compare_is_not_called_only(symdiff, tmp_path):  # noqa: F811
    study = write_study(tmp_path / "study", grid(seeds=2))
    ran = symdiff("compare", f"{study}:", study)
    assert (ran.code, "--only" in ran.err, "'' is no condition" in ran.err) == (2, False, True)


def test_no_two_sides_of_a_comparison_have_one_name(symdiff, tmp_path):  # noqa: F811
    one, other = (write_study(tmp_path / name, grid(2, ("gaussian",), rhos=1)) for name in ("one", "other"))
    seeds = symdiff("compare", f"{one}:seed=0", f"{one}:seed=1", "--json").document
    assert [run["name"] for run in seeds["runs"]] == ["gaussian affine seed=0", "gaussian affine seed=1"]
    studies = symdiff("compare", one, other, "--json").document
    assert [run["name"] for run in studies["runs"]] == [f"gaussian affine of {one}", f"gaussian affine of {other}"]


def test_a_caution_that_several_figures_share_is_told_once():
    def figure(name, *told):
        return Compared(name, "lower", (), (), told)

    figures = [figure("law", "few", "few; blind"), figure("skill", None, "few"), figure("energy", None, None)]
    assert cautions(["A", "B"], figures) == {"few": {"law": ["A", "B"], "skill": ["B"]}, "blind": {"law": ["B"]}}


@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
def test_a_closed_output_is_no_file_that_is_opened_later(tmp_path, closed):
    told = tmp_path / "told"
    code = f"""
import os, sys
from symdiff.cli import _open_what_is_closed
_open_what_is_closed()
opened = os.open({str(told)!r}, os.O_CREAT | os.O_WRONLY)
print("out", flush=True), print("err", file=sys.stderr, flush=True)
os.write(opened, str(opened > 2).encode())
"""
    redirected = " ".join(f"{number}>&-" for number in closed.split())
    subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {redirected}', sys.executable, code], check=True)
    assert told.read_text() == "True"


def test_the_number_of_seeds_stands_below_the_interval_so_that_five_figures_fit_a_window(symdiff, tmp_path):  # noqa: F811
    study = write_study(tmp_path / "study", grid(seeds=2))
    assert symdiff("report", study).code == 0
    cells = re.findall(r'<span class="small">\[[^<]*<br>n = 2', (study / "index.html").read_text())
    assert len(cells) == 5 * 4  # figures and rows
