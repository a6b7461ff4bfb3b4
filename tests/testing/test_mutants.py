"""Every planted bug is caught, by the law that the documentation names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from symdiff.errors import MissingExtraError
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


def test_without_hypothesis_a_test_names_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingExtraError, match="the conformance suite needs hypothesis") as caught:
        GroupFamilySuite().test_identity()
    assert caught.value.hint == "pip install 'symdiff-toolkit[testing]'"


def test_importing_the_suite_imports_neither_pytest_nor_hypothesis() -> None:
    code = "import sys, symdiff.testing; sys.exit(bool({'pytest', 'hypothesis'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_suite_without_a_family_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match=r"has to define family\(\)"):
        GroupFamilySuite().test_identity()
