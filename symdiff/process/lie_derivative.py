"""The Lie derivative of a denoiser: how equivariance fails to first order, a generator at a time.

``L_X x0hat = d/ds [exp(-sX) x0hat(exp(sX) x)]`` at s = 0, which vanishes for every generator iff the denoiser commutes
with the connected component of the group (Gruver, Finzi, Goldblum and Wilson, "The Lie Derivative for Measuring Learned
Equivariance", ICLR 2023, Eq. 4). It needs no finite element, so that interpolation over large angles has no say in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from symdiff.diffusion import Denoiser
from symdiff.diffusion.schedule import Time
from symdiff.errors import ConfigError
from symdiff.groups import GroupFamily

DIFFERENCE = {torch.float64: 1e-4, torch.float32: 1e-2}
"""Step of a central difference: its error grows as the square, rounding as the inverse."""


def lie_derivative(
    family: GroupFamily, denoiser: Denoiser, x: Float[Tensor, "n c h w"], t: Time, *, forward: bool = True
) -> tuple[Float[Tensor, "generators n c h w"], bool]:
    """``L_X x0hat`` at states x along every coordinate of the Lie algebra.

    Parameters
    ----------
    family
        With `exp`.
    denoiser
        On the device of x.
    x, t
        States in the model's coordinates, and their training time.
    forward
        Try forward-mode differentiation; where the model or the action refuses it, or if not asked for, central
        differences are taken.

    Returns
    -------
    tuple
        The derivatives, and whether they are exact ones rather than differences.

    Raises
    ------
    ConfigError
        The family has no exponential.
    """
    if not family.is_lie:
        raise ConfigError(f"group {family.name!r} has no Lie algebra", "finite groups are judged by their elements")
    generators = torch.eye(family.log(family.identity()).shape[-1], dtype=x.dtype, device=x.device)

    def along(X: Tensor) -> Callable[[Tensor], Tensor]:
        def pulled_back(s: Tensor) -> Tensor:
            there, back = family.exp(s * X), family.exp(-s * X)
            return family.act(back[None], denoiser.denoise(family.act(there[None], x), t))

        return pulled_back

    if forward:
        try:
            # The fused attention kernels have no forward-mode derivative.
            with sdpa_kernel(SDPBackend.MATH):
                return torch.stack([_jvp(along(X), x) for X in generators]), True
        except (RuntimeError, NotImplementedError) as error:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
    h = DIFFERENCE.get(x.dtype, DIFFERENCE[torch.float32])
    ahead, behind = x.new_tensor(h), x.new_tensor(-h)
    with torch.no_grad():
        return torch.stack([(along(X)(ahead) - along(X)(behind)) / (2 * h) for X in generators]), False


def _jvp(path: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    zero = x.new_zeros(())
    derivative: Tensor = torch.func.jvp(path, (zero,), (torch.ones_like(zero),))[1]
    return derivative.detach()
