"""Tests for your own group family: `GroupFamilySuite`, and the laws one by one.

pytest and hypothesis are imported when a test of the suite runs; the ``assert_`` functions need neither.
"""

from symdiff.testing.action_laws import (
    assert_factors,
    assert_haar_average,
    assert_haar_closed,
    assert_isotypic,
    assert_left_action,
    assert_linear_action,
    assert_observed,
)
from symdiff.testing.data_laws import assert_sample, assert_sequences
from symdiff.testing.failure import LawError, NotApplicableError
from symdiff.testing.group_laws import (
    assert_associative,
    assert_distance,
    assert_features,
    assert_identity,
    assert_inverse,
)
from symdiff.testing.laws import LAWS, Law
from symdiff.testing.lie_laws import assert_bracket, assert_exponential, assert_finite_gradients
from symdiff.testing.model_laws import (
    assert_finite_losses,
    assert_homomorphism,
    assert_representation,
    assert_same_by_seed,
    assert_serialises,
)
from symdiff.testing.option_laws import assert_options
from symdiff.testing.stand_in import StandIn, Transfer, stand_in_device
from symdiff.testing.subject import Subject, made_up
from symdiff.testing.suite import GroupFamilySuite
from symdiff.testing.tensor_laws import assert_batches, assert_dtype_and_device_kept, assert_pure

__all__ = [
    "LAWS",
    "GroupFamilySuite",
    "Law",
    "LawError",
    "NotApplicableError",
    "StandIn",
    "Subject",
    "Transfer",
    "assert_associative",
    "assert_batches",
    "assert_bracket",
    "assert_distance",
    "assert_dtype_and_device_kept",
    "assert_exponential",
    "assert_factors",
    "assert_features",
    "assert_finite_gradients",
    "assert_finite_losses",
    "assert_haar_average",
    "assert_haar_closed",
    "assert_homomorphism",
    "assert_identity",
    "assert_inverse",
    "assert_isotypic",
    "assert_left_action",
    "assert_linear_action",
    "assert_observed",
    "assert_options",
    "assert_pure",
    "assert_representation",
    "assert_same_by_seed",
    "assert_sample",
    "assert_sequences",
    "assert_serialises",
    "made_up",
    "stand_in_device",
]
