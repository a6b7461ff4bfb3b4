"""Train the embedded network on 8x8 handwritten digits: ``python -m symdiff.diffusion.digits``."""

from __future__ import annotations

import sys

from symdiff.diffusion import train

if __name__ == "__main__":
    sys.exit(train.main(["digits", *sys.argv[1:]]))
