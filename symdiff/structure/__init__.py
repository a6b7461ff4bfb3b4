"""Into which parts a trained representation decomposes, and what each part does to an image."""

from symdiff.structure.splitting import Structure, split

__all__ = ["Structure", "split"]
