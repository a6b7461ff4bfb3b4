"""Rotations of space: from a rotation vector, and at random."""

from __future__ import annotations

import numpy as np

from symdiff.worlds.base import Array


def rotations(vectors: Array) -> Array:
    """Matrices ``[..., 3, 3]`` of rotation vectors ``[..., 3]`` in radians (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    zero = np.zeros_like(x)
    K = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    # sinc is sin(pi x)/(pi x), and (1 - cos t)/t^2 is half the square of sin(t/2)/(t/2): neither divides by 0.
    matrices: Array = np.eye(3) + np.sinc(angle / np.pi) * K + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (K @ K)
    return matrices


def random_rotations(rng: np.random.Generator, n: int) -> Array:
    """`n` rotation matrices from the Haar measure: unit quaternions uniform on the sphere."""
    q = rng.normal(size=(n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
