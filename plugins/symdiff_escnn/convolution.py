"""escnn's steerable convolutions as the body of the encoder, for groups that permute pixels."""

from __future__ import annotations

import copy
import sys
from contextlib import redirect_stdout

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.errors import ConfigError
from symdiff_escnn.action import Action
from symdiff_escnn.fields import Fields
from symdiff_escnn.layers import IrrepLinear
from symdiff_escnn.library import escnn
from symdiff_escnn.networks import ImageFields


class ConvolutionalNetwork(nn.Module):
    """Two steerable convolutions with regular fields and ELU, and one over the whole image onto the latent irreps.

    Weiler, Cesa 2019, "General E(2)-Equivariant Steerable CNNs". Padding keeps the square, so that quarter turns and
    flips are exact. Building the bases of kernels takes seconds the first time on a machine; escnn keeps them on disk.

    Parameters
    ----------
    action, channels
        The action on images, and their number of channels.
    latent
        The irreps of the latent space.
    features
        About how many channels the hidden fields have.
    kernel
        Width of the kernels in pixels, odd.

    Raises
    ------
    ConfigError
        The group turns by other angles, or the image is smaller than the kernel.
    """

    def __init__(self, action: Action, channels: int, latent: Fields, features: int, kernel: int) -> None:
        super().__init__()
        group = action.group
        refuse_unfit(action, kernel)
        self.image = ImageFields(action, channels)
        library = escnn()
        library_nn = library.nn
        space = (library.gspaces.flipRot2dOnR2 if group.reflects else library.gspaces.rot2dOnR2)(group.order)
        count = max(1, features // len(group.elements))
        self.source = library_nn.FieldType(space, channels * [space.trivial_repr])
        middle = library_nn.FieldType(space, count * [space.regular_repr])
        ids = [irrep.id for irrep, n in latent.parts for _ in range(n)]
        if group.name == "D1":  # in the plane it is C2 to escnn, with the mirror for its generator
            ids = [i[:1] for i in ids]
        target = library_nn.FieldType(space, [space.irrep(*i) for i in ids])
        self.tensor = library_nn.GeometricTensor
        before = np.random.get_state()  # noqa: NPY002
        np.random.seed(0)  # noqa: NPY002  # escnn draws from the global state: the same bases on every machine
        with redirect_stdout(sys.stderr):  # escnn prints while it solves for its bases
            body = library_nn.SequentialModule(
                library_nn.R2Conv(self.source, middle, kernel, padding=kernel // 2), library_nn.ELU(middle),
                library_nn.R2Conv(middle, middle, kernel, padding=kernel // 2), library_nn.ELU(middle),
                library_nn.R2Conv(middle, target, action.side),
            )  # fmt: skip
        np.random.set_state(before)  # noqa: NPY002
        # Layers of one kind share their bases through escnn's cache: what one is converted to, all would be.
        self.body = copy.deepcopy(body)

    def forward(self, c: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """Latents of the coordinates of images."""
        x = self.image.inverse(c.reshape(-1, c.shape[-1]))
        latents: Tensor = self.body(self.tensor(x, self.source)).tensor
        return latents.reshape(*c.shape[:-1], -1)


def refuse_unfit(action: Action, kernel: int) -> None:
    """Refuse groups and images that such convolutions are not for.

    Raises
    ------
    ConfigError
        The group turns by other angles, or the image is smaller than the kernel.
    """
    if not action.complete:
        raise ConfigError(
            f"layers=conv is for groups that permute the pixels (C1, C2, C4, D1, D2, D4), not for {action.group.name}",
            "take -o layers=irreps, which is equivariant under every group",
        )
    if kernel > action.side:
        raise ConfigError(
            f"images of {action.side} x {action.side} pixels are smaller than a kernel of {kernel}",
            f"choose -o kernel={action.side - 1 + action.side % 2} or less, or -o layers=irreps",
        )


def convolutional(action: Action, channels: int, latent: Fields, features: int, kernel: int) -> nn.Sequential:
    """The network with a last equivariant layer; starts as a small correction."""
    last = IrrepLinear(latent, latent)
    with torch.no_grad():
        for weight in last.weights.values():
            weight.mul_(0.05)
    return nn.Sequential(ConvolutionalNetwork(action, channels, latent, features, kernel), last)
