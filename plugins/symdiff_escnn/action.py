"""The action on images: exact, linear, orthogonal, and a homomorphism for every group.

For subgroups of D4 it permutes the pixels of the whole square. For all others

    act(g) = Q R(g) Q^T + (1 - Q Q^T),

R(g) turning each steerable function by its frequency (`symdiff_escnn.steerable`): quarter turns and flips come out as
the permutation of pixels on the span of Q; what lies outside (corners, frequencies beyond the band limit) stays in
place. Nothing is interpolated. A cheaper way to turn images by other angles, interpolation, is no homomorphism: its
error would look like a broken symmetry.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff_escnn.coordinates import Coordinates, coordinates, permutations
from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.steerable import steerable

SILENT = 1e-24
"""An image of less energy has none to share out."""


class Action:
    """A group acting on square images.

    Parameters
    ----------
    group
        The group.
    side
        Pixels across.
    band
        Share of the Nyquist limit that is turned; without effect for subgroups of D4.

    Raises
    ------
    ConfigError
        The image is too small or too large.
    """

    def __init__(self, group: PlaneGroup, side: int, band: float) -> None:
        self.group, self.side, self.band = group, side, band
        self.coordinates: Coordinates = coordinates(group, side, band)
        self.complete = self.coordinates.complete
        self._sources = permutations(group, side) if self.complete else None
        self._bases: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def basis(self, like: Tensor) -> Float[Tensor, "p n"]:
        """Q in the dtype and on the device of a tensor."""
        key = (like.dtype, like.device)
        if key not in self._bases:
            self._bases[key] = self.coordinates.basis.to(like)
        return self._bases[key]

    def act(self, g: Float[Tensor, "*#b 2 2"], x: Float[Tensor, "*#b c h w"]) -> Float[Tensor, "*b c h w"]:
        """``g x``; leading dimensions broadcast."""
        shape = torch.broadcast_shapes(g.shape[:-2], x.shape[:-3])
        flat = x.flatten(-2).expand(*shape, x.shape[-3], -1)
        if self._sources is not None:
            sources = self._sources.to(x.device)[self.group.index(g)].unsqueeze(-2)
            permuted: Tensor = flat.gather(-1, sources.expand(flat.shape)).unflatten(-1, x.shape[-2:])
            return permuted
        Q = self.basis(x)
        c = flat @ Q
        moved = self.coordinates.fields.act(g.to(x).unsqueeze(-3), c)
        turned: Tensor = (flat + (moved - c) @ Q.T).unflatten(-1, x.shape[-2:])
        return turned

    def observed(self, x: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b c h w"]:
        """The part the group turns: ``Q Q^T x``, all of x for subgroups of D4."""
        if self.complete:
            return x
        Q = self.basis(x)
        inside: Tensor = (x.flatten(-2) @ Q @ Q.T).unflatten(-1, x.shape[-2:])
        return inside

    def outside(self, x: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b"]:
        """Share of the energy of x that is not turned; 0 for subgroups of D4."""
        if self.complete:
            return x.new_zeros(x.shape[:-3])
        energy = x.square().sum((-3, -2, -1))
        left = (x - self.observed(x)).square().sum((-3, -2, -1))
        return left / energy.clamp_min(SILENT)

    def components(self, x: Float[Tensor, "*b c h w"]) -> dict[str, Float[Tensor, "*b c h w"]]:
        """The isotypic parts of `observed`, by name of the irrep."""
        Q = self.basis(x)
        c = x.flatten(-2) @ Q
        parts, start = {}, 0
        for irrep, copies in self.coordinates.fields.split(c):
            columns = Q[:, start : start + copies.shape[-2] * irrep.size]
            parts[irrep.name] = (copies.flatten(-2) @ columns.T).unflatten(-1, x.shape[-2:])
            start += columns.shape[1]
        return parts

    def rotation_error(self, g: Float[Tensor, "n 2 2"], x: Float[Tensor, "m c h w"]) -> Float[Tensor, " n"]:
        """How far the action is from the true rotation of the band-limited functions, on given images.

        The samples B of the functions are orthogonal but for aliasing, and Q makes them orthonormal; the function that
        an image samples is ``B^+ x``, and turning it gives ``B R B^+ x``. The difference to ``Q R Q^T x``, as a share
        ``E|difference|^2 / E|Q Q^T x|^2``; 0 at quarter turns, where both permute the pixels.
        """
        if self.complete:
            return x.new_zeros(len(g))
        x = x.double().flatten(-2)
        functions = steerable(self.side, self.band)
        inverse = torch.linalg.pinv(functions.samples)
        moved = []
        for element in g.double():
            R = self.coordinates.fields.act(element, torch.eye(self.coordinates.basis.shape[1], dtype=torch.float64))
            turned = self.coordinates.basis @ R.T @ self.coordinates.basis.T
            between = functions.basis.T @ turned @ functions.basis  # R in the order of the modes
            true = functions.samples @ between @ inverse
            moved.append((x @ (turned - true).T).square().sum())
        return torch.stack(moved) / (x @ self.coordinates.basis).square().sum()
