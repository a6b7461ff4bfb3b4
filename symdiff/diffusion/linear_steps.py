"""Closed forms of the reverse process on Gaussian data ``N(mu, C)``, where every step is affine in the state.

All steps share the eigenvectors of C. Per eigenvalue lambda the state at time t has the variance
``s_t = alpha_bar_t lambda + 1 - alpha_bar_t``, and everything below is a function of lambda.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.elbo import prior_term, transition_term
from symdiff.diffusion.samplers import StepTable, posterior_coefficients


def marginal_variance(alpha_bar: Float[Tensor, " time"], eigenvalues: Float[Tensor, " d"]) -> Float[Tensor, "time d"]:
    """``s_t(lambda)``, the variance of x_t along each eigenvector of C."""
    return alpha_bar[:, None] * eigenvalues + (1 - alpha_bar)[:, None]


def step_eigenvalues(table: StepTable, eigenvalues: Float[Tensor, " d"]) -> Float[Tensor, "steps d"]:
    """Eigenvalues of the linear part of every step, ``P + (Q/scale) A lambda / s_t``.

    They equal ``sqrt(alpha_t) s_{t-1} / s_t`` for DDPM, ``kappa/sigma + (A' - kappa A/sigma) A lambda / s_t`` for DDIM,
    ``(lambda + S S') / (lambda + S^2)`` for Euler's rule on ``x_0 + S eps``, and ``1 + (s' - s) (s - (1-s) lambda) /
    ((1-s)^2 lambda + s^2)`` for that of flow matching; `eigenvalues` are those of C. Where the table is not all of a
    step (`StepTable.one_step`) they are those of its first-order form.
    """
    now = table.alpha_bar[:-1]
    gain = now.sqrt()[:, None] * eigenvalues / marginal_variance(now, eigenvalues)
    return table.P[:, None] + (table.Q / table.scale[:-1])[:, None] * gain


def step_offsets(
    table: StepTable, eigenvalues: Float[Tensor, " d"], mean: Float[Tensor, " d"]
) -> Float[Tensor, "steps d"]:
    """The translation of every step, ``A' mu - A_t A mu``, in the eigenbasis of C; `mean` is mu in that basis.

    A is the coefficient of x_0 in a state, in the coordinates of the sampler.
    """
    signal = (table.scale * table.alpha_bar.sqrt())[:, None]
    return (signal[1:] - step_eigenvalues(table, eigenvalues) * signal[:-1]) * mean


def reverse_variance(alpha_bar: Float[Tensor, " time"], eigenvalues: Float[Tensor, " d"]) -> Float[Tensor, "steps d"]:
    """Exact variance of ``q(x_{t-1} | x_t)``, ``beta_t s_{t-1} / s_t``, for states in the order of sampling."""
    spread = marginal_variance(alpha_bar, eigenvalues)
    _, _, _, beta = posterior_coefficients(alpha_bar)
    return beta[:, None] * spread[1:] / spread[:-1]


def expected_bound(
    alpha_bar: Float[Tensor, " time"],
    eigenvalues: Float[Tensor, " d"],
    mean: Float[Tensor, " d"],
    reverse: Float[Tensor, "steps d"] | None = None,
) -> Float[Tensor, ""]:
    """``E[-ELBO]`` of the optimal denoiser in nats, with a continuous ``L_0``.

    With the exact reverse variances it equals ``H(x_0) + KL(q(x_T) || N(0, I))``: then the bound loses nothing but
    the mismatch of the prior.

    Parameters
    ----------
    alpha_bar
        ``[steps+1]`` in the order of sampling, ending at 1.
    eigenvalues, mean
        Of C, and mu in the eigenbasis of C.
    reverse
        Variances of the modelled reverse steps; the exact ones if ``None``.
    """
    _, denoised, posterior, _ = posterior_coefficients(alpha_bar)
    variance = reverse_variance(alpha_bar, eigenvalues) if reverse is None else reverse
    spread = marginal_variance(alpha_bar[:-1], eigenvalues)
    error = eigenvalues * (1 - alpha_bar[:-1])[:, None] / spread  # posterior variance of x_0 given x_t
    prior = prior_term(alpha_bar[0], eigenvalues + mean**2).sum()
    steps = transition_term(posterior[:-1, None], denoised[:-1, None], variance[:-1], error[:-1]).sum()
    last = 0.5 * (torch.log(2 * torch.pi * variance[-1]) + error[-1] / variance[-1]).sum()
    return prior + steps + last
