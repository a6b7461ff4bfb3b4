"""The local linear part of a denoiser and of a reverse step, matrix-free and, for few pixels, as matrices.

``J = d x0hat / d x`` at a state x. For the optimal denoiser it is ``(A/sigma^2) Cov[x_0 | x]``, symmetric and positive
semidefinite (Efron 2011, "Tweedie's formula and selection bias", and its second order); a trained network's is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.schedule import Time
from symdiff.errors import RefusedError, RunError

MAX_DENSE = 256
"""Largest number of pixels d for which `jacobian` forms matrices."""

AT_ONCE = 2**16
"""Numbers in the images of one call of the model: enough to fill a processor, little enough for its memory."""

Product = Callable[[Tensor, Tensor], Tensor]
"""States ``[n, C, H, W]`` and directions ``[k, n, C, H, W]`` to products of the shape of the directions."""


def jacobian_products(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, directions: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """``J u`` at every state for k directions each, by forward-mode differentiation.

    The model itself is evaluated once a state, whatever k: the directions share it. Where an operation of the model has
    no forward-mode derivative, ``J u`` is the derivative of ``J^T w``, which is linear in w, in reverse mode.

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
        The model has neither derivative.
    """

    def push(states: Tensor, tangents: Tensor) -> Tensor:
        product: Tensor = torch.func.jvp(lambda y: denoiser.denoise(y, t), (states,), (tangents,))[1]
        return product

    def push_all(states: Tensor, tangents: Tensor) -> Tensor:
        return torch.func.vmap(lambda tangent: push(states, tangent))(tangents)

    def pull_twice(states: Tensor, tangents: Tensor) -> Tensor:
        with torch.enable_grad():
            states = states.detach().requires_grad_()
            output = denoiser.denoise(states, t)
            cotangent = torch.zeros_like(output).requires_grad_()
            [pulled] = torch.autograd.grad(output, states, cotangent, create_graph=True)
            [product] = torch.autograd.grad(pulled, cotangent, tangents, is_grads_batched=True)
        return product

    return _products((push_all, pull_twice, _repeated(push)), denoiser, x, directions, "forward")


def transposed_products(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, directions: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """``J^T u``, by reverse-mode differentiation; arguments and errors as for `jacobian_products`."""

    def pull(states: Tensor, cotangents: Tensor, several: bool = False) -> Tensor:
        with torch.enable_grad():
            states = states.detach().requires_grad_()
            [product] = torch.autograd.grad(denoiser.denoise(states, t), states, cotangents, is_grads_batched=several)
        return product

    def written_out(states: Tensor, cotangents: Tensor) -> Tensor:
        return denoiser.pullback(states, t)(cotangents)

    differentiated = (partial(pull, several=True), _repeated(pull))
    attempts = (written_out,) if denoiser.has_pullback else differentiated
    return _products(attempts, denoiser, x, directions, "reverse")


def jacobian(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, *, most: int = MAX_DENSE
) -> Float[Tensor, "n d d"]:
    """J at every state as a matrix, ``J[n, i, j] = d x0hat_i / d x_j``, row by row in reverse mode.

    Parameters
    ----------
    denoiser, x, t
        As in `jacobian_products`.
    most
        Largest d for which the matrix is formed.

    Raises
    ------
    RefusedError
        The images have more than `most` pixels: use `jacobian_products`.
    RunError
        The model has no reverse-mode derivative.
    """
    d = x[0].numel()
    if d > most:
        raise RefusedError(
            f"the dense Jacobian of images of {d} numbers is refused (limit {most})",
            "jacobian_products and transposed_products give its products without forming it",
        )
    axes = torch.eye(d, dtype=x.dtype, device=x.device).expand(len(x), d, d)
    return transposed_products(denoiser, x, t, axes)


def step_matrix(J: Float[Tensor, "*batch d d"], P: float, Q: float, scale: float = 1.0) -> Float[Tensor, "*batch d d"]:
    """``A = P I + (Q/scale) J``: the derivative of ``x' = P x + Q x0hat(x/scale)``."""
    return P * torch.eye(J.shape[-1], dtype=J.dtype, device=J.device) + (Q / scale) * J


def _products(attempts: tuple[Product, ...], denoiser: Denoiser, x: Tensor, directions: Tensor, mode: str) -> Tensor:
    """All products, a bounded number of images at a time, by the first of `attempts` that the model admits.

    All of them give the same products, the earlier ones at less cost.
    """
    n, k, d = directions.shape
    images = max(1, AT_ONCE // d)
    together = min(k, images)
    rows = max(1, images // together)
    found = torch.empty_like(directions)
    for i in range(0, n, rows):
        for j in range(0, k, together):
            part = directions[i : i + rows, j : j + together]
            states = x[i : i + rows]
            product = _first(attempts, denoiser, states, part.transpose(0, 1).reshape(-1, *states.shape), mode)
            found[i : i + rows, j : j + together] = product.flatten(2).transpose(0, 1)
    return found


def _first(attempts: tuple[Product, ...], denoiser: Denoiser, x: Tensor, directions: Tensor, mode: str) -> Tensor:
    failures = []
    for attempt in attempts:
        try:
            # The fused attention kernels have no forward-mode and no second derivative.
            with sdpa_kernel(SDPBackend.MATH):
                return attempt(x, directions).detach()
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            failures.append(error)
    raise RunError(
        f"model {denoiser.name!r} has no {mode}-mode derivative: {failures[-1]}",
        "write the operation named above with ones that torch can differentiate",
    ) from failures[-1]


def _repeated(single: Product) -> Product:
    """The same for a product of each state with one direction: states are repeated, the model asked for each again."""

    def product(x: Tensor, directions: Tensor) -> Tensor:
        states = x.repeat(len(directions), 1, 1, 1)
        return single(states, directions.flatten(0, 1)).reshape(directions.shape)

    return product
