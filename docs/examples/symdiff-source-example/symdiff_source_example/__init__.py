"""A diffusion model in closed form: blobs on a torus, for symdiff."""

from functools import partial

from symdiff import hookimpl

PLUGIN_API = 1

SIZES = (8, 12, 16, 32)


def _load(size):
    from symdiff_source_example.blobs import Blobs  # here, so that `symdiff --help` does not import torch

    return Blobs(size)


@hookimpl
def symdiff_sources():
    """One model a size: `blobs:8`, `blobs:12`, ... A source is a function without arguments, hence `partial`."""
    return {f"blobs:{size}": partial(_load, size) for size in SIZES}
