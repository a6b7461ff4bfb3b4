"""
Decompose a representation of S4
================================

A representation hidden by a change of basis and by noise, and the blocks that are found in it.
"""

# %%
# Permutations of four letters act on R⁴, and on R⁴ ⊗ R⁴. The second splits into irreducible parts: the trivial one
# twice, the standard one three times, one of dimension 2 and one of dimension 3. We hide them.
from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

from symdiff import decompose

random = np.random.default_rng(0)
natural = np.array([np.eye(4)[list(p)] for p in permutations(range(4))])
squared = np.einsum("kij,kab->kiajb", natural, natural).reshape(-1, 16, 16)
basis, _ = np.linalg.qr(random.normal(size=(16, 16)))
noise = 0.02
hidden = basis @ squared @ basis.T + noise * random.normal(size=squared.shape) / 4

found = decompose(hidden, noise=noise)
print(found.verdict)
for dimension, multiplicity, kind in found.structure:
    print(f"dimension {dimension}, {multiplicity} times, type {kind}")

# %%
# The mean size of the entries, before and after the change of basis. What is left outside the blocks is the noise.
after = found.transform(hidden)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
for axis, matrices, title in zip(axes, (hidden, after), ("given", "in the basis found"), strict=True):
    axis.imshow(np.sqrt((matrices**2).mean(axis=0)), cmap="magma")
    axis.set(title=title, xticks=[], yticks=[])
figure.tight_layout()
print(f"outside the blocks: {found.off_block:.3f} of all")
