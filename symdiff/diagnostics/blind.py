"""The blind family: representations that see only the scale of an element, fitted as well as they can be.

``(a, 0)(1, v)(a, 0)^-1 = (1, a v)`` forces every finite-dimensional continuous rho of the affine group to be unipotent
on translations, so that every semisimple one ignores them: it is ``exp(M log a)`` for a matrix M. All of these, rho = 1
and ``rho = a^s`` among them, satisfy the homomorphism law exactly and say nothing about the translations. A learned rho
has to beat the best of them. They are fitted on the very data they are judged on, which can only flatter them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics.blind_fit import Scale, fit_blind, fit_scale, scale_moments
from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.gauge import Gauge
from symdiff.groups import GroupFamily
from symdiff.representations import Representation


def scale_of(family: GroupFamily, elements: Shaped[Tensor, "k *element"]) -> Scale | None:
    """What survives of an element when the group is made abelian, as one number: log a for the affine group.

    It is the coordinate of the logarithm that no bracket reaches (the one that varies most, if there are several).
    ``None`` for a group without logarithm, without such a coordinate, or abelian: nothing is lost there.
    """
    if not family.is_lie or len(elements) < 2:
        return None
    coordinates = family.log(elements)
    reached = (family.bracket(coordinates[1:], coordinates[:-1]) != 0).flatten(1).any(0)
    size = torch.where(reached, 0, coordinates.flatten(1).square().sum(0))
    index = int(size.argmax())
    if bool(reached.any()) and float(size[index]) > 0:
        return lambda g: family.log(g).flatten(g.ndim - len(family.element_shape))[..., index]
    return None


class BlindRepresentation(Representation):
    """``rho(g) = exp(M log a)``, blind to translations."""

    form = "exact"

    def __init__(self, scale: Scale, generator: Float[Tensor, "m m"]) -> None:
        super().__init__()
        self.scale, self.generator = scale, generator
        self.block_sizes = (len(generator),)

    def blocks(self, g: Tensor) -> list[Tensor]:
        """The exponential of M, made once for every distinct scale."""
        values, index = torch.unique(self.scale(g), return_inverse=True)
        exponentials: Tensor = torch.linalg.matrix_exp(values.to(self.generator)[:, None, None] * self.generator)
        return [exponentials[index].unsqueeze(-3)]


def blind_representations(evaluation: Evaluation) -> dict[str, Representation]:
    """``scale``: the best ``rho = a^s``; ``blind``: the best ``exp(M log a)``. Empty for a family without a scale."""
    log_scale = scale_of(evaluation.family, evaluation.elements)
    moments = None if log_scale is None else scale_moments(evaluation, log_scale)
    if log_scale is None or moments is None:
        return {}
    gauge, s = evaluation.gauge, fit_scale(moments)
    whole = torch.eye(evaluation.latents.shape[-1]).to(evaluation.latents)
    blind = _to_latents(gauge, fit_blind(moments, s) / moments.unit)
    return {
        "scale": BlindRepresentation(log_scale, s / moments.unit * whole),
        "blind": BlindRepresentation(log_scale, blind),
    }


def _to_latents(gauge: Gauge, matrix: Tensor) -> Tensor:
    return gauge.unwhiten @ matrix @ gauge.whiten
