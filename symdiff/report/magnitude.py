"""How large the entries of some matrices are, apart from their pictures: matplotlib takes long to import."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray


def mean_magnitude(matrices: Float[NDArray[Any], "k m m"]) -> Float[NDArray[Any], "m m"]:
    """Root mean square of every entry over the matrices."""
    magnitude: NDArray[np.float64] = np.sqrt(np.square(matrices, dtype=np.float64).mean(0))
    return magnitude
