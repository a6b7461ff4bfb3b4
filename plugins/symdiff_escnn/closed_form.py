"""Equivariant principal components: the best linear encoder whose latents are a given sum of irreps.

Averaged over the group, the covariance of images is ``S_psi (x) 1`` on the copies of each irrep psi and 0 between
different ones (Schur). So principal components are taken irrep by irrep: of S_psi, real for type R; for type C, where a
copy is one complex number, of a Hermitian matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.hae import HAE
from symdiff_escnn.irreps import Irrep
from symdiff_escnn.layers import IrrepLinear
from symdiff_escnn.networks import EquivariantDecoder, EquivariantEncoder

NEGLIGIBLE = 1e-3
"""Latents of a standard deviation below this share of the largest are not scaled up any further for the decoder."""


class Components(NamedTuple):
    """Principal components of one irrep.

    Attributes
    ----------
    directions
        ``[e, k, copies]``: weights of an `IrrepLinear` to their coordinates, the largest variance first.
    variances
        ``[k]``: of each of their dimensions.
    """

    directions: Float[Tensor, "e k copies"]
    variances: Float[Tensor, " k"]


def components(irrep: Irrep, copies: Float[Tensor, "n copies s"]) -> Components:
    """The principal components of the copies of an irrep, centred where it is the trivial one."""
    if irrep.type == "C":
        z = torch.complex(copies[..., 0], copies[..., 1])
        values, vectors = torch.linalg.eigh(z.T @ z.conj() / (2 * len(z)))
        rows = vectors.flip(1).mH  # the commutant of psi is a + i b: a unitary row acts by conj
        return Components(torch.stack([rows.real, rows.imag]), values.flip(0).clamp_min(0))
    centred = copies - copies.mean(0) if irrep.trivial else copies
    values, vectors = torch.linalg.eigh(torch.einsum("nis,njs->ij", centred, centred) / (len(copies) * irrep.size))
    return Components(vectors.flip(1).T[None], values.flip(0).clamp_min(0))


@torch.no_grad()
def start(encoder: EquivariantEncoder, decoder: EquivariantDecoder, states: Float[Tensor, "n c h w"]) -> None:
    """Set the linear maps to equivariant principal components, and what is left to learn to nothing.

    Latents are scaled so that the largest has unit variance.
    """
    c = encoder.image(states).double()
    found = {irrep: components(irrep, copies) for irrep, copies in encoder.image.fields.split(c)}
    latent = encoder.linear.target
    used = [float(found[irrep].variances[0]) for irrep, _ in latent.parts if irrep in found]
    scale = max(max(used, default=0.0) ** 0.5, 1e-6)
    spread = [
        _fill(irrep, count, found.get(irrep), scale, encoder.linear, decoder.linear) for irrep, count in latent.parts
    ]
    decoder.spread.copy_(torch.cat(spread))
    mean = c.mean(0)[: len(decoder.linear.bias)]  # the trivial irrep comes first
    decoder.linear.bias.copy_(mean)
    encoder.linear.bias.copy_(-(encoder.linear.matrix().double()[: len(encoder.linear.bias), : len(mean)] @ mean))
    for network in (encoder.network, decoder.network):
        last = network[-1] if isinstance(network, torch.nn.Sequential) else None
        if isinstance(last, IrrepLinear):
            for parameter in last.parameters():
                parameter.zero_()


def _fill(
    irrep: Irrep, count: int, found: Components | None, scale: float, forward: IrrepLinear, backward: IrrepLinear
) -> Float[Tensor, " n"]:
    """Set the weights of one irrep; return the standard deviations of its latents. Copies without a component are 0."""
    spread = torch.ones(count, device=forward.bias.device)
    if found is not None:
        k = min(count, len(found.variances))
        spread[:k] = (found.variances[:k].sqrt() / scale).clamp_min(NEGLIGIBLE).float()
        for weights in (forward.weights[irrep.name], backward.weights[irrep.name]):
            weights.zero_()
        forward.weights[irrep.name][:, :k] = (found.directions[:, :k] / scale).float()
        back = found.directions[:, :k].mT * (scale * spread[:k])
        if irrep.type == "C":
            back = back * torch.tensor([1.0, -1.0]).to(back)[:, None, None]  # the inverse of a + ib on unit vectors
        backward.weights[irrep.name][:, :, :k] = back.float()
    return spread.repeat_interleave(irrep.size)


@torch.no_grad()
def flattened(model: HAE) -> tuple[Tensor, Tensor]:
    """Weight ``[m, d]`` and bias of a linear equivariant encoder on flattened images."""
    encoder = model.encoder
    if not isinstance(encoder, EquivariantEncoder) or encoder.network is not None:
        raise TypeError(f"no matrix is known for {type(encoder).__name__}")
    shape = encoder.image.shape
    pixels = torch.eye(shape[0] * shape[1] * shape[2]).unflatten(-1, shape)
    return (encoder.linear.matrix() @ encoder.image(pixels.to(encoder.image.basis)).T), encoder.linear.offset()
