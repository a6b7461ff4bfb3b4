"""What a page tells of the machine it was made on: nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.batch.pages import Pages
from symdiff.batch.recorded import read_recorded
from symdiff.batch.scrubbing import Scrubber, visible
from tests.batch.written import figures, grid, settings, write_study

MODELS = [{"model": "diffusers:/home/me/my models/pipe", "data": "held out/x.npy"}, {"model": "diffusers:/mnt/pipe"}]

STUDY = Path("/data/my study")


@pytest.fixture
def scrub() -> Scrubber:
    return Scrubber(STUDY, MODELS, {"API_KEY": "sk-1", "TOKEN": "hunter2", "LONG": "a value of mine", "USER": "zed"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("diffusers:/home/me/my models/pipe failed at ~/x/y.py:3", "diffusers:…/pipe failed at …/y.py:3"),
        ("[Errno 2] no such file: '/srv/some one/my dir/w.pt'", "[Errno 2] no such file: '…/w.pt'"),
        ("'../x/y z.npy' or \"~/a b/c d.npy\"", "'…/y z.npy' or \"…/c d.npy\""),
        ("/srv/a b/c d/e.py:3: bad", "…/e.py:3: bad"),
        ("../up er/x is", "…/x is"),
        ("at /home/jo", "at …"),
        ("file:///home/me/x", "…/x"),
        (f"{STUDY}/runs/a/result.json is bad", "runs/a/result.json is bad"),
        (f"{os.getcwd()}/my file.npy and {sys.prefix}", "…/my file.npy and …"),
        ("held out/x.npy has 3 images", "…/x.npy has 3 images"),
        ("hunter2 and a value of mine", "… and …"),
    ],
)
def test_folders_and_variables_are_cut(scrub, text, told):
    assert scrub(text) == told


@pytest.mark.parametrize("text", ["https://example.org/a/b", "models/pipe", "3/4 of the runs", "don't, or w/o it", "ᾱ"])
def test_what_is_no_path_is_left(scrub, text):
    assert scrub(text) == text


def test_files_of_one_name_are_told_apart(scrub):
    assert scrub("diffusers:/mnt/pipe") == "diffusers:…/pipe (2)"


FOLDERS = st.lists(
    st.text("abcXYZ09 _-.", min_size=1).filter(lambda part: part.strip() == part), min_size=1, max_size=4
)


@given(FOLDERS, st.sampled_from(["{}/x.npy is bad", "cannot read '{}/x.npy'", "in {}/x.npy: 3", "\n{}/x.npy\n"]))
def test_no_folder_of_an_absolute_path_is_left_whatever_it_is_called(parts, sentence):
    told = Scrubber(STUDY, (), {})(sentence.format("/qqq/" + "/".join(parts)))
    assert "qqq" not in told
    assert told.count("/") == 1
    assert "…/x.npy" in told


@given(st.text())
def test_what_is_shown_is_one_line_that_does_not_turn(text):
    assert not set(visible(text)) & set("\n\r\t\x00\u202e\u2066\u200f")


def test_nothing_local_is_in_any_file_that_is_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k-123-secret")
    here = tmp_path / "secret place" / "study"
    here.parent.mkdir()
    model = f"diffusers:{tmp_path}/other place/pipe"
    runs = [
        {"settings": settings(model), "diagnostics": figures(0.1)},
        {
            "settings": settings(model, seed=1) | {"data": "private set/images.npy"},
            "cause": f"cannot read '{tmp_path}/very private/my file.npy' with k-123-secret in {Path.home()}/.cache",
        },
    ]
    pages = Pages(read_recorded(write_study(here, runs)))
    pages.write()
    for name in ("index.html", "results.jsonl", "summary.csv"):
        text = (here / name).read_text()
        for secret in ("secret", "private", "other place", str(tmp_path), str(Path.home()) + "/", "k-123"):
            assert secret not in text, (name, secret)
        assert "pipe" in text
    pytest.importorskip("pyarrow")
    from symdiff.batch.exports import write_parquet

    assert b"private" not in write_parquet(pages.lines(), here / "results.parquet").read_bytes()


HOSTILE = '<script>alert("1")</script>\u202e\n\'"&{{7*7}}</style>'


def test_what_models_settings_and_messages_say_is_text_on_the_page(tmp_path):
    runs = [
        {
            "settings": settings(HOSTILE, seed=seed, rho=HOSTILE + str(rho)),
            "diagnostics": figures(0.1 + rho) | {HOSTILE: {"value": 1.0, "n": 1}},
            "fields": {"title": HOSTILE, "decomposition": HOSTILE},
            "plugins": {"p": HOSTILE},
        }
        for rho in range(2)
        for seed in range(2)
    ]
    runs.append({"settings": settings(HOSTILE, seed=5), "cause": HOSTILE})
    pages = Pages(read_recorded(write_study(tmp_path / "s", runs)))
    pages.write()
    text = (tmp_path / "s" / "index.html").read_text()
    assert text.count("<script") == 1
    assert text.count("</style") == 1
    assert "alert(&#34;1&#34;)" in text
    assert "\u202e" not in text
    assert "49" not in [part.strip() for part in text.split("alert")[1:]]
    assert all(json.loads(line) for line in (tmp_path / "s" / "results.jsonl").read_text().splitlines())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "s" / "summary.csv").read_text())))
    assert {None} not in [set(row) for row in rows]
    assert all("\n" not in row["model"] for row in rows)


def test_a_page_of_200_runs_is_small(tmp_path):
    path = write_study(tmp_path / "s", grid(seeds=1, models=("gaussian", "digits", "mixture", "mnist"), rhos=50))
    Pages(read_recorded(path)).write()
    assert 50_000 < (path / "index.html").stat().st_size < 1_000_000
