"""Closed-form encoders of affine steps: where training starts, and the exact references.

The states' leading principal components p_i are equivariant under ``[[a, p v], [0, 1]]`` without any error. A block
of size b follows b-1 of them exactly; its last coordinate is the constant 1 those need, and it also carries one more
component q with a small amplitude, which rho moves only to first order (``lie``) or not at all (``lie-projected``).
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from symdiff.affine_steps.exact import ExactRepresentation
from symdiff.closed_form import PrincipalComponents, fit_linear_decoder, principal_components
from symdiff.hae import HAE, Decoder, Encoder
from symdiff.representations import LieRepresentation
from symdiff.trajectories import Sequences

CARRIED = 0.08
"""Amplitude of the component carried beside the constant 1; the prediction error it costs grows with its square."""

NEGLIGIBLE = 1e-6
"""Components below this share of the largest variance are rounding, as where there are fewer states than latents."""

FOLLOWED = 0.8
"""Share of its translation that the `lie` start gives the carried component: less bends the law less."""


def components(sequences: Sequences, k: int) -> PrincipalComponents:
    """The k leading principal components of the observations; fewer if there are fewer pixels."""
    states = sequences.observations.flatten(0, 1).flatten(1)
    return principal_components(states, min(k, states.shape[1]))


def start(encoder: Encoder, rho: LieRepresentation | None, parts: PrincipalComponents, sizes: tuple[int, ...]) -> None:
    """Set encoder and, if given, ``d rho`` to the closed form; components beyond those there are, are left out."""
    followed = sum(size - 1 for size in sizes)
    scale = parts.variances[:followed].mean().clamp_min(1e-12).rsqrt() if followed else 1.0
    weight, bias = torch.zeros_like(encoder.linear.weight), torch.zeros_like(encoder.linear.bias)
    generators = [torch.zeros_like(p) for p in rho.generators] if rho is not None else []
    row, exact, carried = 0, 0, followed
    run, within = 0, 0
    for size in sizes:
        exact_rows = min(size - 1, max(len(parts.directions) - exact, 0))
        p = parts.directions[exact : exact + exact_rows] * scale
        weight[row : row + exact_rows] = p
        last = row + size - 1
        bias[last] = 1
        q = torch.zeros_like(parts.mean)
        if carried < len(parts.directions) and parts.variances[carried] > NEGLIGIBLE * parts.variances[0]:
            q = CARRIED * parts.directions[carried] / parts.variances[carried].sqrt()
            weight[last] = q
            bias[last] -= q @ parts.mean
        if rho is not None:
            if within == len(generators[run]):
                run, within = run + 1, 0
            block = generators[run][within].unflatten(-1, (size, size))
            block[0].diagonal()[: size - 1] = 1
            block[1:, :exact_rows, -1] = p.T
            block[1:, -1, -1] = FOLLOWED * q
            within += 1
        row, exact, carried = row + size, exact + exact_rows, carried + 1
    with torch.no_grad():
        encoder.linear.weight.copy_(weight)
        encoder.linear.bias.copy_(bias)
        if rho is not None:
            for target, value in zip(rho.generators, generators, strict=True):
                target.copy_(value)


def exact_model(
    sequences: Sequences, sizes: tuple[int, ...], observation_shape: tuple[int, int, int], hidden: int
) -> HAE:
    """``h(x) = (P x, 1)`` with P the principal components, in blocks; prediction error 0."""
    parts = components(sequences, sum(size - 1 for size in sizes))
    encoder = Encoder(observation_shape, sum(sizes), hidden).to(parts.mean)
    start(encoder, None, parts, sizes)  # with no component left over to be carried
    constants = {end - 1 for end in accumulate(sizes)}
    moving = [row for row in range(sum(sizes)) if row not in constants]
    rho = ExactRepresentation(encoder.linear.weight.detach()[moving], sizes)
    return finish(HAE(encoder, rho, Decoder(sum(sizes), observation_shape, hidden)), sequences)


def finish(model: HAE, sequences: Sequences) -> HAE:
    """Silence the perceptrons, which start at random, and solve for the linear decoder."""
    model = model.to(sequences.observations.device)
    for module in (model.encoder, model.decoder):
        silence(module)
    fit_linear_decoder(model, sequences)
    return model


def silence(module: torch.nn.Module) -> None:
    """Set the last layer of the module's perceptron to 0."""
    network = getattr(module, "network", None)
    if isinstance(network, torch.nn.Sequential):
        with torch.no_grad():
            for parameter in network[-1].parameters():
                parameter.zero_()


def sufficient_basis(generators: Tensor) -> Tensor:
    """A small subalgebra on which the bracket equations of ``d rho`` imply all others.

    The translations enter only through the row space of ``d rho``, of dimension at most b^2: with an orthonormal
    basis q_1 ... q_r of it, span(e_0, q_1, ..., q_r) is closed under ``[e_0, w] = w, [w, w'] = 0``.

    Parameters
    ----------
    generators
        ``[k, d+1, b*b]``.

    Returns
    -------
    Tensor
        ``[k, d+1, r+1]`` with ``r = min(d, b*b)``.
    """
    directions = torch.linalg.qr(generators[:, 1:]).Q
    k, n, _ = generators.shape
    basis = generators.new_zeros(k, n, 1 + directions.shape[-1])
    basis[:, 0, 0] = 1
    basis[:, 1:, 1:] = directions
    return basis
