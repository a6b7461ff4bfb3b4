"""`symdiff world` as it is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def test_it_writes_a_file_and_says_what_is_in_it(symdiff):
    ran = symdiff("world", "displaced", "--out", "there/d.npz", "--sequences", "4", "--length", "3", "--seed", "7")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"written: {Path('there/d.npz')}",
        "  observations [4, 4, 1, 32, 32]",
        "  actions [4, 3, 2]",
        "  factors [4, 4, 2]",
    ]
    with np.load("there/d.npz", allow_pickle=False) as stored:
        assert sorted(stored) == ["actions", "factors", "meta", "observations"]


def test_with_json_it_is_one_document(symdiff):
    document = symdiff("world", "points", "--out", "p.npz", "--sequences", "2", "--json").document
    assert document["schema"] == "symdiff.world/1"
    assert document["shapes"]["factors"] == [2, 9, 9]
    assert document["meta"]["group"] == "SO(3)"


def test_list_shows_every_world_and_its_group(symdiff):
    names = [line.split()[0] for line in symdiff("world", "--list").out.splitlines()]
    assert names == ["displaced", "oriented", "points", "scrambled"]
    worlds = symdiff("world", "--list", "--json").document["worlds"]
    assert {entry["name"]: entry["group"] for entry in worlds}["oriented"] == "SO(2)xSO(2)xSO(2)"


def test_what_cannot_be_made_is_refused_before_anything_is_written(symdiff):
    Path("folder.npz").mkdir()
    for arguments in (
        ["displaced"],
        ["--out", "a.npz"],
        ["displaced", "--list"],
        ["displaced", "--out", "a.npy"],
        ["displaced", "--out", "folder.npz"],
        ["displaced", "--out", "a.npz", "--length", "0"],
        ["displaced", "--out", "a.npz", "--seed", "-1"],
        ["nowhere", "--out", "a.npz"],
    ):
        assert symdiff("world", *arguments).code == 2, arguments
    assert [path.name for path in Path().iterdir()] == ["folder.npz"]
