"""From a recording to logarithms of the linear maps its steps have in common, in few whitened coordinates."""

from dataclasses import dataclass

import torch

from symdiff import ConfigError

MOST = 1024
"""Trajectories that are looked at."""

FEWEST = 4
"""Trajectories for every coordinate that a regression needs at least."""


class TooFewError(ConfigError):
    """There are too few trajectories to learn generators from."""

    code = "too-few"


@dataclass(frozen=True)
class Coordinates:
    """``y = W x`` with ``W V = 1``; ``V W`` projects on the r leading principal directions of the estimates x0hat.

    Attributes
    ----------
    down, up
        W ``[r, d]`` and V ``[d, r]``.
    """

    down: torch.Tensor
    up: torch.Tensor

    @classmethod
    def of(cls, states, denoised, r):
        """Coordinates in which states ``[n, d]`` have the second moment 1, along principal directions of `denoised`.

        States are noise to begin with, the same in all directions; what they become is seen in the estimates. Moments
        are uncentred, as a group that acts linearly keeps 0 and not a mean.
        """
        values, vectors = torch.linalg.eigh(denoised.mT @ denoised / len(denoised))
        if r > len(values) or not float(values[-r]) > 1e-12 * float(values[-1]):
            raise TooFewError(f"estimates do not fill {r} dimensions", "choose a smaller -o dimension=")
        directions = vectors[:, -r:].flip(1)
        inside = states @ directions
        scale, turn = torch.linalg.eigh(inside.mT @ inside / len(inside))
        directions, scale = directions @ turn, scale.sqrt()
        return cls((directions / scale).mT.contiguous(), directions * scale)


@dataclass(frozen=True)
class Steps:
    """Where steps start and end, centred at each step, ``[n, T, r]``."""

    before: torch.Tensor
    after: torch.Tensor

    def moments(self, weights=None):
        """``C_yy, C_y'y, C_y'y'``, each ``[T, r, r]``, trajectories counting `weights` times."""
        w = torch.ones(len(self.before), dtype=torch.float64) if weights is None else weights
        mean = [torch.einsum("n,ntr->tr", w, y) / w.sum() for y in (self.before, self.after)]
        y, z = self.before - mean[0], self.after - mean[1]
        return tuple(torch.einsum("n,nti,ntj->tij", w / w.sum(), a, b) for a, b in ((y, y), (z, y), (z, z)))

    def halves(self):
        """Every second trajectory, and the others."""
        return Steps(self.before[::2], self.after[::2]), Steps(self.before[1::2], self.after[1::2])


def read(trajectories, r):
    """Coordinates and steps of a recording.

    A step ends at its mean ``P x + Q x0hat`` where the recording says how it was made: noise that the sampler injects
    is known there and need not be averaged away.

    Raises
    ------
    TooFewError
        There are fewer than 2 x `FEWEST` trajectories a coordinate, or states fill fewer dimensions.
    """
    count = min(len(trajectories), MOST)
    if count < 2 * FEWEST * r:
        raise TooFewError(
            f"{count} trajectories are too few to learn generators in {r} dimensions from",
            f"record at least {2 * FEWEST * r}, or choose a smaller -o dimension=",
        )
    states = trajectories.states[:count].flatten(2).double()
    denoised = trajectories.denoised[:count].flatten(2).double()
    before, after = states[:, :-1], states[:, 1:]
    if trajectories.one_step:
        p, q = trajectories.state_coefficient[:, None], trajectories.denoised_coefficient[:, None]
        after = p * before + q * denoised
    coordinates = Coordinates.of(states.flatten(0, 1), denoised.flatten(0, 1), r)
    return coordinates, Steps(before @ coordinates.down.mT, after @ coordinates.down.mT)


def logarithms(moments):
    """``L_t = log A_t`` of the least-squares maps ``A_t = C_y'y C_yy^-1``, ``[T, r, r]``, and where it exists ``[T]``.

    The principal logarithm, by eigenvectors. A step has none that is real where an eigenvalue of A_t is negative or 0,
    and none is used where states at its start do not fill all coordinates.
    """
    yy, zy, _ = moments
    spread = torch.linalg.eigvalsh(yy)
    filled = spread[:, 0] > 1e-8 * spread[:, -1]
    eye = torch.eye(yy.shape[-1], dtype=yy.dtype)
    maps = torch.where(
        filled[:, None, None], torch.linalg.solve(torch.where(filled[:, None, None], yy, eye), zy.mT).mT, eye
    )
    values, vectors = torch.linalg.eig(maps)
    logs = (vectors * values.log()[:, None, :] @ torch.linalg.inv(vectors)).real
    off = (torch.linalg.matrix_exp(logs) - maps).flatten(1).norm(dim=1) / maps.flatten(1).norm(dim=1)
    usable = filled & off.isfinite() & (off < 1e-6)
    return torch.where(usable[:, None, None], logs, 0.0), usable
