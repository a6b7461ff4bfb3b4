"""Toy groups whose representations are known, and curves on manifolds."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.representations import Representation
from symdiff.representations.lie import whole_algebra
from symdiff.trajectories import Trajectories
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.manifolds import Manifold, RigidMotions, Rotations
from symdiff_geomstats.options import GeomstatsOptions
from symdiff_geomstats.representations import ManifoldLie

FREQUENCIES = (0.4, 1.0, 1.7)


def recorded(states: Tensor, a: float = 1.0) -> Trajectories:
    """A recording of these states ``[traj, time, C, H, W]``, in which only they and one gauge mean anything."""
    steps = states.shape[1] - 1
    one = torch.ones(steps, dtype=torch.float64)
    return Trajectories(
        states=states,
        denoised=states[:, 1:],
        timesteps=torch.arange(steps, -1, -1),
        alpha_bar=torch.linspace(0.1, 1, steps + 1, dtype=torch.float64),
        scale=torch.ones(steps + 1, dtype=torch.float64),
        state_coefficient=one,
        denoised_coefficient=one,
        noise_std=0 * one,
        gauges={name: a * one for name in ("v", "eps", "x0")},
    )


def affine(manifold: str, n: int, shape: tuple[int, int, int] = (1, 2, 3), **options: object) -> GeomstatsFamily:
    return GeomstatsFamily(shape, GeomstatsOptions.model_validate({"manifold": manifold, "n": n, **options}))


class Turning(GroupFamily):
    """R turning three planes at once, at three frequencies; the states lie in different widths in each."""

    name = "turning"
    summary = "t turns plane j by w_j t"
    Options: ClassVar[type[FamilyOptions]] = FamilyOptions
    element_shape = (1,)
    manifold: Manifold = Rotations(2)

    def identity(self) -> Tensor:
        return torch.zeros(1)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return g2 + g1

    def inverse(self, g: Tensor) -> Tensor:
        return -g

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, 1, generator=generator)

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        return (g1 - g2).abs().squeeze(-1)

    def log(self, g: Tensor) -> Tensor:
        return g

    def exp(self, X: Tensor) -> Tensor:
        return X

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        return torch.zeros_like(X + Y)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        angle = g * torch.tensor(FREQUENCIES).to(g)
        u, v = x[..., 0, 0, :], x[..., 0, 1, :]
        turned = torch.stack([angle.cos() * u - angle.sin() * v, angle.sin() * u + angle.cos() * v], dim=-2)
        return turned.unsqueeze(-3)

    def representation(self, latent: int) -> Representation:
        return ManifoldLie(self.manifold, self.log, self.bracket, 1, latent // 2, whole_algebra)


class Moving(GroupFamily):
    """SE(2) moving a point of the plane: an element is ``(w, t_1, t_2)``, turn first."""

    name = "moving"
    summary = "rigid motions of the plane"
    Options: ClassVar[type[FamilyOptions]] = FamilyOptions
    element_shape = (3,)
    manifold: Manifold = RigidMotions(2)

    def identity(self) -> Tensor:
        return torch.zeros(3)

    def matrix(self, g: Tensor) -> Tensor:
        rotation = self.manifold.exp(torch.tensordot(g[..., :1], self.manifold.algebra[:1].to(g), dims=1))
        move = torch.zeros_like(rotation)
        move[..., :2, 2] = g[..., 1:]
        return rotation + move

    def element(self, A: Tensor) -> Tensor:
        return torch.cat([torch.atan2(A[..., 1, 0], A[..., 0, 0])[..., None], A[..., :2, 2]], dim=-1)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return self.element(self.matrix(g2) @ self.matrix(g1))

    def inverse(self, g: Tensor) -> Tensor:
        return self.element(self.manifold.inverse(self.matrix(g)))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, 3, generator=generator) * torch.tensor([0.4, 0.5, 0.5])

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        return self.manifold.distance(self.matrix(g1), self.matrix(g2))

    def log(self, g: Tensor) -> Tensor:
        X = self.manifold.log(self.matrix(g))
        return torch.stack([X[..., 1, 0], X[..., 0, 2], X[..., 1, 2]], dim=-1)

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        A, B = (torch.tensordot(Z, self.manifold.algebra.to(Z), dims=1) for Z in (X, Y))
        C = A @ B - B @ A
        return torch.stack([C[..., 1, 0], C[..., 0, 2], C[..., 1, 2]], dim=-1)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        A = self.matrix(g)
        return (A[..., :2, :2] @ x.flatten(-3)[..., None] + A[..., :2, 2:]).reshape(x.shape)

    def representation(self, latent: int) -> Representation:
        return ManifoldLie(self.manifold, self.log, self.bracket, 3, latent // 3, whole_algebra)
