"""How a trained representation, or the reverse steps themselves, decompose."""

from symdiff.structure.linear_parts import LinearParts, linear_parts
from symdiff.structure.splitting import Structure, split
from symdiff.structure.steps import split_steps

__all__ = ["LinearParts", "Structure", "linear_parts", "split", "split_steps"]
