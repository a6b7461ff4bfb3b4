"""How good generated images are, and whether they are copies of the training set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Coordinates along the directions in which a set of images varies most.

    Attributes
    ----------
    mean
        ``[d]`` float64.
    directions
        ``[d, k]`` float64, orthonormal.
    """

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "d k"]

    @classmethod
    def fit(cls, images: Float[Tensor, "n c h w"], k: int = 32) -> PrincipalComponents:
        """The first `k` principal components of `images`."""
        flat = images.flatten(1).to(torch.float64)
        mean = flat.mean(dim=0)
        _, _, rows = torch.linalg.svd(flat - mean, full_matrices=False)
        return cls(mean, rows[:k].T)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Coordinates of `images`."""
        return (images.flatten(1).to(torch.float64) - self.mean) @ self.directions


def frechet_distance(x: Float[Tensor, "n k"], y: Float[Tensor, "m k"]) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of features.

    ``|mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^{1/2})`` (Dowson and Landau 1982; Heusel et al. 2017), in the
    squared units of the features.
    """
    c_x, c_y = torch.cov(x.T), torch.cov(y.T)
    # The eigenvalues of C_x C_y are those of the symmetric root_x C_y root_x.
    values, vectors = torch.linalg.eigh(c_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c_y @ root).clamp(min=0).sqrt().sum()
    shift = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(shift + c_x.trace() + c_y.trace() - 2 * cross)


def nearest_distance(x: Float[Tensor, "n c h w"], reference: Float[Tensor, "m c h w"]) -> Float[Tensor, " n"]:
    """Euclidean distance in pixel space from each image to the nearest one of `reference`."""
    return torch.cdist(x.flatten(1), reference.flatten(1)).amin(dim=1)
