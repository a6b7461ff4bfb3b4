"""What every manifold of values has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import ConfigError, NonFiniteError

FEWEST = 2
"""Smallest n: below it the groups are trivial or a half-line."""


class Manifold(ABC):
    """A closed subgroup of GL(size) with a left-invariant distance ``d(A, B) = |Log(A^-1 B)|``.

    Two exponentials are told apart: `exp` is that of matrices, whose curves ``exp(t X)`` are the one-parameter
    subgroups; `geodesic_exp` follows the geodesic from the identity, which is another curve where the metric is not
    bi-invariant. Tensors keep their dtype and device; logarithms are computed in float64.

    Parameters
    ----------
    n
        As in the name of the group.

    Raises
    ------
    ConfigError
        n is below 2.
    """

    name: ClassVar[str]
    sees: ClassVar[str]
    """What a homomorphism of ``R_{>0} x| R^d`` into the group can depend on: a sentence."""

    follows_translations: ClassVar[bool] = False
    """Whether some homomorphism of ``R_{>0} x| R^d`` into the group is not blind to translations."""

    def __init__(self, n: int) -> None:
        if n < FEWEST:
            raise ConfigError(f"the manifold {self.name} needs n of at least {FEWEST}, not {n}", "-o n=4, for example")
        self.n = n

    def __repr__(self) -> str:
        """A form that can be read back."""
        return f"{type(self).__name__}({self.n})"

    # --- the group ----------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Rows of a matrix."""
        return self.n

    @property
    @abstractmethod
    def algebra(self) -> Float[Tensor, "dim size size"]:
        """A basis of the Lie algebra, orthogonal in the Frobenius product, float64."""

    @property
    def dimension(self) -> int:
        """Dimension of the group."""
        return len(self.algebra)

    def identity(self) -> Float[Tensor, "size size"]:
        """The identity, float64."""
        return torch.eye(self.size, dtype=torch.float64)

    def exp(self, X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The matrix exponential of elements of the Lie algebra, on the manifold to rounding; differentiable.

        Raises
        ------
        NonFiniteError
            On the CPU, if an exponential overflows the dtype, or is of something infinite or NaN. A GPU is not waited
            for: there it stays infinite or NaN, which stops training at the next look at the loss.
        """
        result = self._exp(X)
        if X.device.type == "cpu" and not bool(result.isfinite().all()):
            size = X.detach().abs().amax() if X.numel() else X.new_zeros(())
            raise NonFiniteError(
                f"exp of an element of the Lie algebra of {self!r} with entries up to {float(size):.3g} is not finite "
                f"in {str(X.dtype).removeprefix('torch.')}",
                "lower -o learning_rate, shorten --length, or look for extreme steps in the recording",
            )
        return result

    @abstractmethod
    def _exp(self, X: Tensor) -> Tensor:
        """`exp` without its check."""

    @abstractmethod
    def log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The logarithm that is nearest 0: the inverse of `exp`; differentiable.

        Raises
        ------
        CutLocusError
            A matrix has none, or is so near one that has several that rounding decides between them.
        """

    def inverse(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The inverse of every matrix."""
        inverse: Tensor = torch.linalg.inv(A)
        return inverse

    @abstractmethod
    def defect(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """How far matrices are from lying on the manifold: the largest violation of one of its equations."""

    # --- the geometry -------------------------------------------------------------------------

    @property
    def tangents(self) -> Float[Tensor, "dim size size"]:
        """A basis of what `geodesic_log` returns, orthonormal in the metric and orthogonal in the Frobenius product."""
        basis = self.algebra
        found: Tensor = basis / basis.flatten(1).norm(dim=1)[:, None, None]
        return found

    def geodesic_exp(self, X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """Where the geodesic from the identity with velocity X is at time 1."""
        return self.exp(X)

    def geodesic_log(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
        """The inverse of `geodesic_exp`."""
        return self.log(A)

    def coordinates(self, X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch dim"]:
        """Coordinates of a velocity in `tangents`: their Euclidean norm is its length."""
        basis = self.tangents.to(X).flatten(1)
        return X.flatten(-2) @ (basis / basis.square().sum(1, keepdim=True)).T

    def velocity(self, coordinates: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch s s"]:
        """The velocity with these `coordinates`."""
        found: Tensor = torch.tensordot(coordinates, self.tangents.to(coordinates), dims=1)
        return found

    def distance(self, A: Float[Tensor, "*batch1 s s"], B: Float[Tensor, "*batch2 s s"]) -> Float[Tensor, "*batch"]:
        """The left-invariant distance; broadcasts over leading dimensions."""
        return self.length(self.inverse(A) @ B)

    def length(self, A: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch"]:
        """The distance from the identity."""
        found: Tensor = self.coordinates(self.geodesic_log(A)).norm(dim=-1)
        return found

    def reference_distance(self, A: Float[Tensor, "k s s"], B: Float[Tensor, "k s s"]) -> Float[Tensor, " k"] | None:
        """`distance` as geomstats computes it, ``None`` where it has no such metric; float64 on the CPU."""
        return None

    # --- a closed-form start ------------------------------------------------------------------

    constants: ClassVar[int] = 0
    """Coordinates of a block that hold the constant 1 where a translation is to act: the first (or last) ones."""
