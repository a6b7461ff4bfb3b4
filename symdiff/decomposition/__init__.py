"""Numerical representation theory: how a set of noisy matrices decomposes, with evidence. Arrays in, verdict out."""

from symdiff.decomposition.decompose import decompose
from symdiff.decomposition.structure import Block, Decomposition

__all__ = ["Block", "Decomposition", "decompose"]
