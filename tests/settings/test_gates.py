"""Gates: a name, an operator, a number; nothing is evaluated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.errors import UsageError
from symdiff.gates import OPERATORS, Gate, parse_gate
from symdiff.result import Estimate

NAMES = ("homomorphism_error", "faithfulness")

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    name=st.sampled_from(NAMES),
    operator=st.sampled_from(sorted(OPERATORS)),
    threshold=finite,
    space=st.sampled_from(["", " ", "  "]),
)
def test_a_gate_is_read_as_it_is_written(name, operator, threshold, space):
    assert parse_gate(f"{space}{name}{space}{operator}{space}{threshold}", NAMES) == Gate(name, operator, threshold)


@given(value=finite, threshold=finite)
def test_a_gate_trips_exactly_where_its_comparison_holds(value, threshold):
    diagnostics = {"faithfulness": Estimate(value=value, n=1)}
    tripped = {op for op in OPERATORS if Gate("faithfulness", op, threshold).explain(diagnostics) is not None}
    expected = {">", ">="} if value > threshold else {"<", "<="} if value < threshold else {">=", "<="}
    assert tripped == expected


def test_a_figure_that_is_not_there_trips():
    gate = Gate("faithfulness", "<", 0.5)
    for diagnostics in ({}, {"faithfulness": Estimate(value=None, n=1)}):
        assert gate.explain(diagnostics) == "--fail-on 'faithfulness<0.5': faithfulness could not be computed"


@pytest.mark.parametrize(
    "text",
    ["", "faithfulness", "faithfulness>", ">1", "faithfulness==1", "faithfulness>one", "faithfulness>nan",
     "faithfulness>1 or faithfulness<0", "1>faithfulness", "f()>1"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="is not a condition"):
        parse_gate(text, NAMES)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="no diagnostic 'faithfullness'") as caught:
        parse_gate("faithfullness>1", NAMES)
    assert caught.value.hint == "did you mean 'faithfulness'? known: faithfulness, homomorphism_error"
