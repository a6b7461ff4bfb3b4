"""The local linear part of a denoiser and of a reverse step, matrix-free and, for few pixels, as matrices.

``J = d x0hat / d x`` at a state x. For the optimal denoiser it is ``(A/sigma^2) Cov[x_0 | x]``, symmetric and positive
semidefinite (Efron 2011, "Tweedie's formula and selection bias", and its second order); a trained network's is not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.schedule import Time
from symdiff.errors import RefusedError, RunError

MAX_DENSE = 256
"""Largest number of pixels d for which `jacobian` forms matrices."""

AT_ONCE = 2**19
"""Numbers in the images of one call of the model."""


def jacobian_products(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, directions: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """``J u`` at every state for k directions each, by forward-mode differentiation.

    Parameters
    ----------
    denoiser
        The model; on the device of `x`.
    x
        States ``A x_0 + sigma eps`` at time t, that is divided by `Trajectories.scale`.
    t
        Training time.
    directions
        k flat images a state.

    Raises
    ------
    RunError
        The model has no forward-mode derivative.
    """

    def push(states: Tensor, tangents: Tensor) -> Tensor:
        product: Tensor = torch.func.jvp(lambda y: denoiser.denoise(y, t), (states,), (tangents,))[1]
        return product

    return _each(push, denoiser, x, directions, "forward")


def transposed_products(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, directions: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """``J^T u``, by reverse-mode differentiation; arguments and errors as for `jacobian_products`."""

    def pull(states: Tensor, cotangents: Tensor) -> Tensor:
        with torch.enable_grad():
            states = states.detach().requires_grad_()
            [product] = torch.autograd.grad(denoiser.denoise(states, t), states, cotangents)
        return product

    return _each(pull, denoiser, x, directions, "reverse")


def jacobian(denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time) -> Float[Tensor, "n d d"]:
    """J at every state as a matrix, ``J[n, i, j] = d x0hat_i / d x_j``.

    Raises
    ------
    RefusedError
        The images have more than `MAX_DENSE` pixels: use `jacobian_products`.
    """
    d = x[0].numel()
    if d > MAX_DENSE:
        raise RefusedError(
            f"the dense Jacobian of images of {d} numbers is refused (limit {MAX_DENSE})",
            "jacobian_products and transposed_products give its products without forming it",
        )
    axes = torch.eye(d, dtype=x.dtype, device=x.device).expand(len(x), d, d)
    return jacobian_products(denoiser, x, t, axes).mT


def step_matrix(J: Float[Tensor, "*batch d d"], P: float, Q: float, scale: float = 1.0) -> Float[Tensor, "*batch d d"]:
    """``A = P I + (Q/scale) J``: the derivative of ``x' = P x + Q x0hat(x/scale)``."""
    return P * torch.eye(J.shape[-1], dtype=J.dtype, device=J.device) + (Q / scale) * J


def _each(
    product: Callable[[Tensor, Tensor], Tensor], denoiser: Denoiser, x: Tensor, directions: Tensor, mode: str
) -> Tensor:
    """Apply `product` to every pair of a state and one of its directions, a bounded number of images at a time."""
    n, k, d = directions.shape
    states = x.repeat_interleave(k, dim=0)
    tangents = directions.reshape(n * k, *x.shape[1:]).contiguous()
    size = max(1, AT_ONCE // d)
    try:
        # The fused attention kernels have no forward-mode derivative.
        with sdpa_kernel(SDPBackend.MATH):
            parts = [product(states[i : i + size], tangents[i : i + size]).detach() for i in range(0, n * k, size)]
    except (RuntimeError, NotImplementedError) as error:
        if isinstance(error, torch.cuda.OutOfMemoryError):
            raise
        raise RunError(
            f"model {denoiser.name!r} has no {mode}-mode derivative: {error}",
            "write the operation named above with ones that torch can differentiate",
        ) from error
    return torch.cat(parts).reshape(n, k, d)
