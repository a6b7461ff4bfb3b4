"""One network for every block, as published, computed for all blocks at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.perceptron import at_once, many_perceptrons


class SeparateNetworks(nn.Module):
    """k networks with two hidden layers of rectifiers, one a block; a layer of all is one tensor ``[k, in, out]``.

    Parameters
    ----------
    inputs
        Number of features.
    hidden
        Width of the hidden layers.
    runs
        ``[(count, size), ...]``: the networks of blocks of size b have b*b outputs.
    """

    def __init__(self, inputs: int, hidden: int, runs: list[tuple[int, int]]) -> None:
        super().__init__()
        self.counts = [count for count, _ in runs]
        k = sum(self.counts)
        self.weights = nn.ParameterList(_uniform(k, fan_in, hidden) for fan_in in (inputs, hidden))
        self.biases = nn.ParameterList(_uniform(k, 1, hidden, fan_in) for fan_in in (inputs, hidden))
        # Near the identity, so that products of many factors start bounded.
        self.last_weights = nn.ParameterList(
            nn.Parameter(torch.randn(count, hidden, size * size) * 0.01 / hidden**0.5) for count, size in runs
        )
        self.last_biases = nn.ParameterList(nn.Parameter(torch.zeros(count, 1, size * size)) for count, size in runs)

    def forward(self, features: Float[Tensor, "*batch f"]) -> list[Tensor]:
        """Outputs ``[..., count, b*b]``, one tensor for each run of blocks."""
        flat = features.flatten(0, -2)
        if at_once(flat):
            return [part.movedim(0, 1).unflatten(0, features.shape[:-1]) for part in self._each_by_itself(flat)]
        x = flat.expand(sum(self.counts), *flat.shape)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = torch.baddbmm(bias, x, weight).relu()
        return [
            torch.baddbmm(bias, part, weight).movedim(0, 1).unflatten(0, features.shape[:-1])
            for part, weight, bias in zip(x.split(self.counts), self.last_weights, self.last_biases, strict=True)
        ]

    def _each_by_itself(self, features: Tensor) -> list[Tensor]:
        """Outputs ``[count, n, b*b]`` of the runs."""
        hidden = [
            list(zip(self._runs(weight), self._runs(bias), strict=True))
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]
        last = zip(self.last_weights, self.last_biases, strict=True)
        return [many_perceptrons(features, layers) for layers in zip(*hidden, last, strict=True)]

    def _runs(self, parameter: Tensor) -> Sequence[Tensor]:
        """The parts of a tensor of all networks that belong to each run; the gradient of a part is copied."""
        return parameter.split(self.counts) if len(self.counts) > 1 else (parameter,)

    def one(self, i: int, features: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch o"]:
        """Outputs of network `i` alone, layer by layer."""
        x = features
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = (x @ weight[i] + bias[i, 0]).relu()
        run = 0
        while i >= self.counts[run]:
            i -= self.counts[run]
            run += 1
        output: Tensor = x @ self.last_weights[run][i] + self.last_biases[run][i, 0]
        return output


def _uniform(k: int, rows: int, columns: int, fan_in: int | None = None) -> nn.Parameter:
    """As `nn.Linear` starts."""
    bound = (fan_in or rows) ** -0.5
    return nn.Parameter(torch.empty(k, rows, columns).uniform_(-bound, bound))
