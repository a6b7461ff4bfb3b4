"""The tests check types and shapes at every call: these would not pass if they did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jaxtyping
import pytest
import torch
from beartype import beartype
from jaxtyping import Float
from torch import Tensor

from symdiff.decomposition.sylvester import commutators
from symdiff.diagnostics.gauge import gauge_of
from symdiff.result import Estimate
from tests.shapes import names_shapes

if TYPE_CHECKING:
    from symdiff.config import RunConfig as NotImported

Pictures = Float[Tensor, "n h w"]


def plain(x: Tensor, n: int = 0) -> Tensor:
    return x


def shaped(x: Tensor) -> Float[Tensor, " n"]:
    return x


def shaped_by_a_name(x: Pictures) -> int:
    return len(x)


def of_type_checkers(x: NotImported) -> int:
    return 0


FUNCTIONS = (plain, shaped, shaped_by_a_name, of_type_checkers)


def test_only_functions_that_name_shapes_are_bound_to_them() -> None:
    assert [names_shapes(function) for function in FUNCTIONS] == [False, True, True, True]


@pytest.mark.parametrize("arguments", [("no tensor",), (torch.ones(2), "no number")])
def test_a_wrong_type_is_refused_where_there_are_no_shapes(arguments: tuple[Any, ...]) -> None:
    checked: Any = jaxtyping.jaxtyped(typechecker=beartype)(plain)
    assert checked(torch.ones(2), 3) is not None
    with pytest.raises(Exception, match="violates type hint"):
        checked(*arguments)


def test_the_hook_is_at_work_on_functions_with_shapes_and_on_those_without() -> None:
    matrices: Any = torch.zeros(2, 3, 3)
    with pytest.raises(Exception, match="violates type hint"):
        commutators(matrices, matrices, [0])  # type: ignore[arg-type]
    with pytest.raises(jaxtyping.TypeCheckError):
        gauge_of(torch.zeros(4))
    assert isinstance(gauge_of(torch.eye(3)).condition, float)
    assert Estimate(value=None, n=1).value is None
