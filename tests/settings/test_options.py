"""Options of families: typed by the family, refused by name."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from symdiff.errors import ConfigError
from symdiff.options import check_options, overlay, parse_pairs


class Some(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    block: int | Literal["free"] = 2
    eta: float = Field(0.5, ge=0, le=1)
    sizes: tuple[int, ...] = ()
    flag: bool = False


def test_values_become_what_the_family_declares():
    [given] = parse_pairs(["block=4", "eta=.25", "sizes=[2,2,4]", "flag=true"], ["fam"]).values()
    options = check_options(Some, {key: values[0] for key, values in given.items()}, "fam")
    assert options == Some(block=4, eta=0.25, sizes=(2, 2, 4), flag=True)


def test_a_value_may_hold_an_equals_sign_and_spaces():
    assert parse_pairs([" expression = a=b "], ["fam"]) == {"fam": {"expression": ["a=b"]}}


def test_brackets_that_are_not_json_stay_text():
    assert parse_pairs(["name=[a"], ["fam"]) == {"fam": {"name": ["[a"]}}


def test_a_repeated_key_collects_candidates():
    assert parse_pairs(["a=1", "b=2", "a=3"], ["fam"]) == {"fam": {"a": ["1", "3"], "b": ["2"]}}


def test_an_upper_layer_replaces_all_candidates_of_a_key():
    lower = {"f": {"a": [1, 2], "b": [3]}, "g": {"c": [4]}}
    assert overlay(lower, {"f": {"a": [9]}, "h": {"d": [5]}}) == {
        "f": {"a": [9], "b": [3]},
        "g": {"c": [4]},
        "h": {"d": [5]},
    }


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"blok": 1}, "fam has no option 'blok'", "did you mean 'block'? options of fam: block, eta, flag, sizes"),
        ({"zzz": 1}, "fam has no option 'zzz'", "options of fam: block, eta, flag, sizes"),
        ({"eta": 7, "blok": 1}, "fam has no option 'blok'", "did you mean 'block'?"),
        ({"eta": 2}, "option eta of fam is 2: must be less than or equal to 1", "see `symdiff plugins show fam`"),
        ({"block": "big"}, "option block of fam is 'big': must be a valid integer", "symdiff plugins show fam"),
        ({"block": "big"}, "must be 'free'", ""),
    ],
)
def test_what_is_wrong_is_named(given, message, hint):
    with pytest.raises(ConfigError) as caught:
        check_options(Some, given, "fam")
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("pair", ["", "a", "=1", "fam.=1"])
def test_a_pair_has_a_key_and_a_value(pair):
    with pytest.raises(ConfigError, match="not of the form key=value"):
        parse_pairs([pair], ["fam"])


def test_with_several_groups_a_pair_says_which():
    assert parse_pairs(["b.x=1"], ["a", "b"]) == {"b": {"x": ["1"]}}
    with pytest.raises(ConfigError) as caught:
        parse_pairs(["x=1"], ["a", "b"])
    assert caught.value.hint == "write the family first: -o a.x=1"
    with pytest.raises(ConfigError) as caught:
        parse_pairs(["c.x=1"], ["a", "b"])
    assert caught.value.hint == "add --group c"
