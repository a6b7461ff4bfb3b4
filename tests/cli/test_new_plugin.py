"""`symdiff new-plugin` as it is typed."""

from __future__ import annotations

from pathlib import Path


def test_it_says_what_it_wrote_and_the_three_commands_that_follow(symdiff):
    ran = symdiff("new-plugin", "colour-turns")
    assert ran.code == 0
    assert Path("symdiff-colour-turns/symdiff_colour_turns/family.py").exists()
    assert ran.out.splitlines() == [
        "written: symdiff-colour-turns (7 files)",
        "",
        "next:",
        "  pip install -e 'symdiff-colour-turns[test]'",
        "  pytest symdiff-colour-turns",
        "  symdiff analyze --group colour-turns",
    ]
    again = symdiff("new-plugin", "colour-turns", "--json")
    assert (again.code, again.document["code"]) == (2, "output")


def test_with_json_it_is_one_document(symdiff):
    document = symdiff("new-plugin", "mine", "--dest", "there", "--kind", "source", "--json").document
    assert document["schema"] == "symdiff.new-plugin/1"
    assert document["folder"] == str(Path("there") / "symdiff-mine")
    assert all((Path(document["folder"]) / file).is_file() for file in document["files"])
    assert document["next"][-1] == "symdiff analyze mine"


def test_a_bad_name_or_kind_is_refused(symdiff):
    ran = symdiff("new-plugin", "My Group", "--json")
    assert (ran.code, ran.document["code"]) == (2, "usage")
    assert ran.document["hint"].endswith("try 'my-group'")
    assert symdiff("new-plugin", "mine", "--kind", "engine", "--json").code == 2
    assert list(Path().iterdir()) == []
