"""The Jacobians as matrices, and everything said about them without an estimate."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.process.commuting import commutators, squared_norm, traceless
from symdiff.process.moments import Moments
from symdiff.process.subspace import Compressed, leading_subspace


class ExactRoute:
    """Jacobians of n trajectories at some levels.

    Parameters
    ----------
    J
        The matrices, in the order of sampling.
    shown
        Eigenvalues kept.
    rounding
        Relative error of an entry.
    """

    def __init__(self, J: Float[Tensor, "n levels d d"], shown: int, rounding: float) -> None:
        # The linear algebra needs float64, which one kind of device has not.
        self.J, self.shown = (J.cpu() if J.is_mps else J).double(), shown
        self.X = traceless(self.J, rounding)

    def moments(self) -> Moments:
        """Spectra, norms and all commutators."""
        J, X = self.J, self.X
        symmetric = (J + J.mT) / 2
        values = torch.linalg.eigvalsh(symmetric).flip(-1)
        trace = J.diagonal(dim1=-2, dim2=-1).sum(-1)
        along = [commutators(levels, levels) for levels in X]
        across = [commutators(states, states) for states in X.transpose(0, 1)]
        return Moments(
            dimension=J.shape[-1],
            eigenvalues=values[..., : self.shown].cpu(),
            lowest=values[..., -1].cpu(),
            doubt=torch.zeros_like(values[..., : self.shown]).cpu(),
            trace=trace.cpu(),
            trace_square=trace.square().cpu(),
            symmetric=squared_norm(symmetric).cpu(),
            antisymmetric=squared_norm((J - J.mT) / 2).cpu(),
            traceless=squared_norm(X).cpu(),
            along=torch.stack([pair[0] for pair in along]).cpu(),
            along_products=torch.stack([pair[1] for pair in along]).cpu(),
            across=torch.stack([pair[0] for pair in across]).cpu(),
            across_products=torch.stack([pair[1] for pair in across]).cpu(),
        )

    def compressed(self, fitted: list[int], judged: list[int], weights: Float[Tensor, " levels"], k: int) -> Compressed:
        """The traceless parts on the k directions that hold most of their energy on the trajectories `fitted`."""
        weights = weights.to(self.X)
        X = self.X[fitted]
        d = X.shape[-1]
        if d <= k:
            return Compressed(torch.eye(d, dtype=X.dtype, device=X.device), X, self.X[judged])
        symmetric = (X + X.mT) / 2
        basis = leading_subspace((weights.sqrt()[:, None, None] * symmetric).transpose(0, -1).flatten(1), k)
        return Compressed(basis, basis.T @ X @ basis, basis.T @ self.X[judged] @ basis)
