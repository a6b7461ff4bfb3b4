"""The conformance suite of group families: a class to derive a test from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from symdiff.errors import MissingExtraError, UnknownLawError
from symdiff.groups import GroupFamily
from symdiff.testing.failure import NotApplicableError
from symdiff.testing.group_laws import TOLERANCE
from symdiff.testing.laws import LAWS, Law
from symdiff.testing.subject import Subject, made_up
from symdiff.trajectories import Trajectories


class GroupFamilySuite:
    """Every law of a group family as a property test; a subclass says how to make the family.

    The name of the subclass begins with ``Test``, so that pytest collects it::

        class TestMyFamily(GroupFamilySuite):
            def family(self):
                return MyFamily((1, 8, 8))

    Elements are drawn by the family's `sample`, and laws hold to `tolerance` in float64. A law that says nothing about
    the family is skipped with the reason.

    Attributes
    ----------
    examples
        Examples of each law; laws that cost more are tested on a quarter of them.
    tolerance
        What counts as rounding, relative where numbers exceed 1. A family that computes in float32 sets 1e-5.
    latent
        Latent dimension of the models; ``None`` for the family's own.
    linear
        Whether `act` is linear; ``None``: where there are `haar_elements`.
    finite
        Whether `haar_elements` are closed under multiplication: those of a finite group, or a finite subgroup.
    symmetric
        Whether `distance` is symmetric.
    not_applicable
        Laws that are not to be tested, by name, with the reason.
    """

    examples: ClassVar[int] = 12
    tolerance: ClassVar[float] = TOLERANCE
    latent: ClassVar[int | None] = None
    linear: ClassVar[bool | None] = None
    finite: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    not_applicable: ClassVar[Mapping[str, str]] = {}

    def family(self) -> GroupFamily:
        """A fresh family.

        Raises
        ------
        NotImplementedError
            The subclass does not say how to make one.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define family(), which returns a GroupFamily")

    def trajectories(self) -> Trajectories:
        """The recording that sequences are cut from; by default one of no model, a few steps from noise."""
        return made_up(self.family().observation_shape)

    def subject(self, seed: int = 0) -> Subject:
        """The family, with what the suite says of it."""
        return Subject(
            self.family(),
            self.family,
            seed,
            self.tolerance,
            self.latent,
            self.linear,
            self.finite,
            self.symmetric,
            self.trajectories,
        )


def _test(name: str, law: Law) -> Callable[[GroupFamilySuite], None]:
    def test(self: GroupFamilySuite) -> None:
        hypothesis, pytest = libraries()
        if name in self.not_applicable:
            pytest.skip(self.not_applicable[name])
        subject = self.subject()

        def holds(seed: int) -> None:
            subject.seed = seed
            law.check(subject)

        given = hypothesis.given(seed=hypothesis.strategies.integers(0, 2**20))
        property_test = _settings(hypothesis, self.examples, law)(given(hypothesis.example(seed=0)(holds)))
        try:
            property_test()
        except NotApplicableError as reason:
            pytest.skip(str(reason))
        except UnknownLawError as reason:
            family = self.family()
            if family.law_known and not family.actions_are_observed:
                raise  # of observed actions the law, or how they act on anything else, may not be known
            pytest.skip(str(reason))

    test.__name__ = f"test_{name}"
    test.__qualname__ = f"GroupFamilySuite.test_{name}"
    test.__doc__ = law.statement
    return test


def _settings(hypothesis: Any, examples: int, law: Law) -> Any:
    # Seeds are all there is to choose, so that a smaller one is no simpler: nothing is gained by shrinking.
    return hypothesis.settings(
        max_examples=max(1, examples // 4) if law.costly else examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def libraries() -> tuple[Any, Any]:
    """The modules hypothesis and pytest, which only a test of the suite needs.

    Raises
    ------
    MissingExtraError
        One is not installed.
    """
    try:
        import hypothesis
        import hypothesis.strategies
        import pytest
    except ImportError as error:
        raise MissingExtraError(
            f"the conformance suite needs {error.name}, which is not installed",
            "pip install 'symdiff-toolkit[testing]'",
        ) from error
    return hypothesis, pytest


for _name, _law in LAWS.items():
    setattr(GroupFamilySuite, f"test_{_name}", _test(_name, _law))
