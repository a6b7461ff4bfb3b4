"""
Is a denoiser equivariant? A group of your own
==============================================

A group family in 30 lines, and the question whether a trained model commutes with it.
"""

# %%
# Left and right exchanged: two elements, acting on images.
import matplotlib.pyplot as plt
import torch

from symdiff import GroupFamily, symmetrize
from symdiff.diffusion import load_denoiser


class Mirror(GroupFamily):
    """The group of order 2."""

    name = "mirror"
    summary = "left and right exchanged"
    element_shape = ()

    def identity(self):
        """1."""
        return torch.ones(())

    def compose(self, g2, g1):
        """The product of signs."""
        return g2 * g1

    def inverse(self, g):
        """Every element is its own."""
        return g

    def sample(self, n, generator=None):
        """Signs."""
        return torch.randint(0, 2, (n,), generator=generator) * 2.0 - 1

    def distance(self, g1, g2):
        """0 or 2."""
        return (g1 - g2).abs()

    def act(self, g, x):
        """-1 exchanges left and right."""
        return torch.where(g[..., None, None, None] > 0, x, x.flip(-1))

    def haar_elements(self):
        """Both."""
        return torch.tensor([1.0, -1.0])


# %%
# The laws of a group and of its action are functions, and raise an error that says what does not hold.
from symdiff.testing import assert_associative, assert_left_action

family = Mirror((1, 8, 8))
elements = family.sample(3, torch.Generator().manual_seed(0))
images = torch.randn(3, 1, 8, 8, dtype=torch.float64)
assert_associative(family, elements, elements.roll(1), elements.roll(2))
assert_left_action(family, elements, elements.flip(0), images)

# %%
# Denoise a state and its mirror image. The embedded digits are not symmetric, and neither is their model; averaged
# over the group it is, to rounding.
model = load_denoiser("digits")
symmetric = symmetrize(model, family)
x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(1))
flip = -torch.ones(64)
times = range(100, 1000, 100)
figure, axis = plt.subplots(figsize=(6, 3))
for label, denoiser in {"digits": model, "averaged over the group": symmetric}.items():
    errors = []
    for t in times:
        # A state of this level would be a noisy image; pure noise is enough to see a difference.
        there, back = denoiser.denoise(family.act(flip, x), t), family.act(flip, denoiser.denoise(x, t))
        errors.append(float((there - back).square().sum() / back.square().sum()))
    axis.semilogy(times, [max(error, 1e-16) for error in errors], marker=".", label=label)
    print(f"{label}: largest error {max(errors):.1e}")
axis.set(xlabel="t", ylabel="‖x̂₀(gx) − g x̂₀(x)‖² / ‖x̂₀‖²")
axis.legend()
figure.tight_layout()
