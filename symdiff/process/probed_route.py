"""The Jacobians by their products with a few directions, for images of any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import Denoiser
from symdiff.diffusion.jacobian import jacobian_products, transposed_products
from symdiff.diffusion.schedule import Time
from symdiff.process.effort import Effort
from symdiff.process.moments import Moments, beyond_rounding
from symdiff.process.spectrum import Ritz, block_krylov, rayleigh_ritz
from symdiff.process.subspace import Compressed, leading_subspace
from symdiff.process.traces import Sizes, sizes

OnLevel = Callable[[int, int], None]
"""Called with the levels done and to do, over all passes."""


class ProbedRoute:
    """Jacobians of n trajectories at some levels.

    Parameters
    ----------
    denoiser
        The model, on the device of the states.
    states
        Divided by the scale of the recording.
    times
        One a level.
    effort
        How many directions.
    seed
        Of all random directions.
    rounding
        Relative error of an entry of J.
    on_level
        Told of progress.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        states: Float[Tensor, "n levels c h w"],
        times: list[Time],
        effort: Effort,
        seed: int,
        rounding: float,
        on_level: OnLevel | None = None,
    ) -> None:
        self.denoiser, self.states, self.times, self.effort, self.rounding = denoiser, states, times, effort, rounding
        self.n, self.levels, *shape = states.shape
        self.d = torch.Size(shape).numel()
        self.generator = torch.Generator().manual_seed(seed)
        self.probes = max(effort.probes, 2)
        self.on_level, self.done = on_level, 0
        self.ritz: list[Ritz] = []
        self.sizes: list[Sizes] = []

    def moments(self) -> Moments:
        """Spectra, norms and commutators, the latter from as many directions for every pair of Jacobians."""
        shown = min(self.effort.shown, self.d)
        probes = self._random(self.probes)
        images = []
        across = []
        for level in range(self.levels):
            space = block_krylov(
                partial(self._push, level),
                partial(self._pull, level),
                self._random(self.effort.block),
                self.effort.depth,
            )
            pushed = self._push(level, probes)
            self.ritz.append(rayleigh_ritz(space))
            self.sizes.append(sizes(space, probes, pushed, self._pull(level, probes)))
            images.append(pushed)
            across.append(self._across(level))
            self._tell()
        along = self._along(probes, torch.stack(images, dim=1))
        values = torch.stack([ritz.values for ritz in self.ritz], dim=1)
        residuals = torch.stack([ritz.residuals for ritz in self.ritz], dim=1)[..., :shown]
        largest = values.abs().amax(-1).clamp(min=torch.finfo(values.dtype).tiny)
        size = Sizes(*(torch.stack(part, dim=1) for part in zip(*self.sizes, strict=True)))
        traceless = beyond_rounding(size.traceless, size.symmetric + size.antisymmetric, self.d, self.rounding)
        said = traceless > 0
        pairs_along = (said[:, :, None] & said[:, None]).to(values)
        pairs_across = (said.T[:, :, None] & said.T[:, None]).to(values)
        figures = {
            "eigenvalues": values[..., :shown],
            "lowest": values[..., -1],
            "doubt": residuals / largest[..., None],
            **(size._asdict() | {"traceless": traceless}),
            "along": along[0] * pairs_along,
            "along_products": along[1] * pairs_along,
            "across": torch.stack([pair[0] for pair in across]) * pairs_across,
            "across_products": torch.stack([pair[1] for pair in across]) * pairs_across,
        }
        return Moments(dimension=self.d, **{name: value.cpu().double() for name, value in figures.items()})

    def compressed(self, fitted: list[int], judged: list[int], weights: Float[Tensor, " levels"], k: int) -> Compressed:
        """The Jacobians on the k directions that hold most of their energy on the trajectories `fitted`.

        Those the basis is fitted to are taken from their leading eigenvectors, ``V (theta - c) V^T + c I`` with the
        mean c of the other eigenvalues; those it is judged on are asked for their products.
        """
        columns, matrices = [], []
        for level, ritz in enumerate(self.ritz):
            theta, V = ritz.values[fitted], ritz.vectors[fitted]
            m = theta.shape[1]
            trace = self.sizes[level].trace[fitted]
            rest = (trace - theta.sum(1)) / (self.d - m) if m < self.d else torch.zeros_like(trace)
            mean = trace / self.d
            columns.append(float(weights[level]) ** 0.5 * ((theta - mean[:, None])[..., None] * V).flatten(0, 1))
            matrices.append((theta - rest[:, None], V, rest))
        basis = leading_subspace(torch.cat(columns).T, min(k, self.d))
        eye = torch.eye(basis.shape[1], dtype=basis.dtype, device=basis.device)
        on_fitted = []
        for theta, V, rest in matrices:
            inside = V @ basis
            on_fitted.append(inside.mT @ (theta[..., None] * inside) + rest[:, None, None] * eye)
        on_judged = []
        for level in range(self.levels):
            directions = basis.T.expand(len(judged), -1, -1)
            on_judged.append(self._push(level, directions, judged) @ basis)
            self._tell()
        return Compressed(basis, torch.stack(on_fitted, dim=1), torch.stack(on_judged, dim=1).mT)

    def _along(self, g: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Commutators of all pairs of levels of each trajectory, from ``images[:, l] = J_l g``."""
        mean = (torch.stack([part.trace for part in self.sizes], dim=1) / self.d)[..., None, None]
        # X_l X_m g = J_l J_m g - mean_l J_m g - mean_m J_l g + mean_l mean_m g
        products = images.new_zeros(self.n, self.levels, self.levels, g.shape[1], self.d)
        for level in range(self.levels):
            here = mean[:, level, None]
            raw = self._push(level, images.flatten(1, 2)).reshape(images.shape)
            products[:, level] = raw - here * images - mean * images[:, level, None] + here * mean * g[:, None]
            self._tell()
        return _squares(products, products.transpose(1, 2))

    def _across(self, level: int) -> tuple[Tensor, Tensor]:
        """Commutators of each trajectory with the next one, the last with the first, at one level."""
        pairs = self.states.new_zeros(2, self.n, self.n)
        if self.n < 2:
            return pairs[0], pairs[1]
        mean = (self.sizes[level].trace / self.d)[:, None, None]
        following = mean.roll(-1, 0)
        own = self._random(self.probes)
        # Row s belongs to the pair (s, s+1); the second half of each call is that of the pair (s-1, s).
        first = self._push(level, torch.cat([own, own.roll(1, 0)], dim=1)).unflatten(1, (2, -1))
        here = first[:, 0] - mean * own  # X_s g_s
        after = first[:, 1].roll(-1, 0) - following * own  # X_{s+1} g_s
        second = self._push(level, torch.cat([after, here.roll(1, 0)], dim=1)).unflatten(1, (2, -1))
        there = second[:, 0] - mean * after
        back = second[:, 1].roll(-1, 0) - following * here
        index = torch.arange(self.n)
        pairs[:, index, (index + 1) % self.n] = torch.stack(_squares(there, back))
        return pairs[0], pairs[1]

    def _push(self, level: int, directions: Tensor, chosen: list[int] | None = None) -> Tensor:
        states = self.states[:, level] if chosen is None else self.states[chosen, level]
        return jacobian_products(self.denoiser, states, self.times[level], directions)

    def _pull(self, level: int, directions: Tensor) -> Tensor:
        return transposed_products(self.denoiser, self.states[:, level], self.times[level], directions)

    def _random(self, directions: int) -> Tensor:
        """Standard normal directions at every state, drawn on the CPU: the same ones on every device."""
        drawn = torch.randn(self.n, directions, self.d, generator=self.generator, dtype=torch.float64)
        return drawn.to(self.states)

    def _tell(self) -> None:
        self.done += 1
        if self.on_level is not None:
            self.on_level(self.done, 3 * self.levels)


def _squares(there: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """``|there - back|^2`` and ``|there|^2 + |back|^2``, summed over the directions."""
    return (there - back).square().sum((-2, -1)), (there.square() + back.square()).sum((-2, -1))
