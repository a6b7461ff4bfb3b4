"""Every planted bug is caught, by the law that the documentation names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from symdiff.testing import LAWS, GroupFamilySuite, LawError
from tests.testing.mutants import MUTANTS, Mutant, Steps

GUIDE = Path(__file__).parents[2] / "docs" / "testing-plugins.md"


class TestTheAffineFamilyThatBugsArePlantedIn(GroupFamilySuite):
    examples = 4
    latent = 4

    def family(self) -> Steps:
        return Steps((1, 2, 2))


def suite_of(mutant: Mutant) -> GroupFamilySuite:
    class TestMutant(GroupFamilySuite):
        latent = 4

        def family(self):
            return mutant.make()

    return TestMutant()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_suite_catches(mutant: Mutant) -> None:
    with pytest.raises(LawError) as caught:
        getattr(suite_of(mutant), f"test_{mutant.law}")()
    message = str(caught.value)
    assert "does not hold" in message
    # a name has no definition to look at but itself
    assert "look at" in message or mutant.law == "names"


def test_every_law_catches_a_bug_that_is_planted() -> None:
    assert set(LAWS) - {mutant.law for mutant in MUTANTS} == set()


def test_no_bug_is_planted_twice() -> None:
    assert len({mutant.bug for mutant in MUTANTS}) == len(MUTANTS)


def test_the_table_in_the_guide_is_the_table_of_these_tests() -> None:
    rows = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(mutant.bug, mutant.law) for mutant in MUTANTS]


def test_the_laws_in_the_guide_are_the_laws() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(name, law.statement) for name, law in LAWS.items()]


def test_a_failing_law_prints_the_elements_and_the_definition() -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.bug == "an inverse that returns the element"]
    with pytest.raises(LawError) as caught:
        suite_of(mutant).test_inverse()
    lines = str(caught.value).splitlines()
    assert lines[0] == "g^-1 g = e does not hold"
    assert re.fullmatch(r"off by [\d.]+, allowed are 1e-09", lines[1])
    assert [line.split(" = ")[0].strip() for line in lines[2:-1]] == ["g", "inverse(g)", "left", "right"]
    assert re.match(r"look at inverse \(mutants\.py:\d+\), compose \(toys\.py:\d+\), identity", lines[-1])


def test_laws_that_say_nothing_are_skipped_with_the_reason() -> None:
    class TestBare(GroupFamilySuite):
        latent = 4
        not_applicable = {"seed": "its weights are drawn elsewhere"}  # noqa: RUF012

        def family(self):
            return Steps((1, 2, 2))

    with pytest.raises(pytest.skip.Exception, match="haar_elements is not given"):
        TestBare().test_haar_elements()
    with pytest.raises(pytest.skip.Exception, match="drawn elsewhere"):
        TestBare().test_seed()


def test_a_suite_without_a_family_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match=r"has to define family\(\)"):
        GroupFamilySuite().test_identity()
