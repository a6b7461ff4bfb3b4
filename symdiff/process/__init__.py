"""What a model's reverse steps are as group elements, measured before any representation is learned."""

from symdiff.process.linear_part import linear_part

__all__ = ["linear_part"]
