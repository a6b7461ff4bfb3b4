"""Equivariant layers between direct sums of irreps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.fields import Fields
from symdiff_escnn.irreps import endomorphisms, irreps
from symdiff_escnn.library import escnn, plane_group

FREQUENCIES = 3
"""Band limit of hidden features of SO(2) and O(2)."""

SAMPLES = 24 * FREQUENCIES
"""Angles at which their nonlinearity is evaluated. A sigmoid is analytic within pi of the real axis: of features of
amplitude A the error falls off as ``exp(-asinh(pi/A) (SAMPLES/FREQUENCIES - 1))``, below 1e-5 up to A = 6. An ELU has
a kink in its second derivative and stays at 1e-4."""


class IrrepLinear(nn.Module):
    """The general equivariant linear map: copies of one irrep mix, by its commutant (Schur's lemma).

    It is the map that ``escnn.nn.Linear`` parametrises, with the basis written down instead of solved for: that takes
    a minute for D_16 on a fresh machine, is accurate to float32 only, and gives a basis that differs from one machine
    to the next, in which a closed form cannot be stated.

    Parameters
    ----------
    source, target
        The two direct sums.
    """

    def __init__(self, source: Fields, target: Fields) -> None:
        super().__init__()
        self.source, self.target = source, target
        self.weights = nn.ParameterDict()
        for irrep, count in target.parts:
            inputs = source.count(irrep)
            if inputs:
                weight = torch.randn(irrep.commutant, count, inputs) / (inputs * irrep.commutant) ** 0.5
                self.weights[irrep.name] = nn.Parameter(weight)
            self.register_buffer(f"basis_{irrep.name}", endomorphisms(target.group, irrep).float(), persistent=False)
        trivial = sum(count for irrep, count in target.parts if irrep.trivial)
        self.bias = nn.Parameter(torch.zeros(trivial))

    def matrix(self) -> Float[Tensor, "out in"]:
        """The dense matrix."""
        rows = []
        for irrep, count in self.target.parts:
            size = count * irrep.size
            before = 0
            for other, copies in self.source.parts:
                if other == irrep:
                    break
                before += copies * other.size
            inputs = self.source.count(irrep)
            row = self.bias.new_zeros(size, self.source.dimension)
            if inputs:
                basis: Tensor = getattr(self, f"basis_{irrep.name}")
                block = torch.einsum("eoi,est->osit", self.weights[irrep.name], basis).reshape(size, -1)
                row = nn.functional.pad(block, (before, self.source.dimension - before - block.shape[1]))
            rows.append(row)
        return torch.cat(rows)

    def offset(self) -> Float[Tensor, " out"]:
        """The bias: on the trivial irrep, which comes first."""
        return nn.functional.pad(self.bias, (0, self.target.dimension - len(self.bias)))

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The image of vectors."""
        return nn.functional.linear(x, self.matrix(), self.offset())


class Pointwise(nn.Module):
    """escnn's nonlinearity on functions over the group, given and returned as coefficients of irreps.

    On a finite group the function is sampled at every element, an ELU there is exactly equivariant. On SO(2) and O(2)
    it is sampled at `SAMPLES` angles, where a sigmoid is equivariant to rounding at moderate amplitudes.

    Parameters
    ----------
    group
        The group.
    channels
        Number of functions.
    """

    def __init__(self, group: PlaneGroup, channels: int) -> None:
        super().__init__()
        self.fields = hidden_fields(group, channels)
        library, frequencies = escnn(), max(irrep.frequency for irrep, _ in self.fields.parts)
        space = library.gspaces.no_base_space(plane_group(group.kind, group.order, frequencies))
        ids = [irrep.id for irrep, _ in self.fields.parts]
        self.nonlinearity = library.nn.FourierPointwise(
            space, channels, ids, function="p_elu" if group.finite else "p_sigmoid", inplace=False,
            N=group.order or SAMPLES, type="regular",
        )  # fmt: skip
        self.kind = self.nonlinearity.in_type
        self.tensor = library.nn.GeometricTensor
        self.places: Tensor
        self.back: Tensor
        self.register_buffer("places", self._places(channels), persistent=False)
        self.register_buffer("back", self.places.argsort(), persistent=False)

    def _places(self, channels: int) -> Tensor:
        """Where escnn's coefficients, channel after channel, lie among ours, irrep after irrep."""
        ours: dict[tuple[int, ...], Tensor] = {}
        for irrep, copies in self.fields.split(torch.arange(self.fields.dimension)):
            ours[irrep.id] = copies.unflatten(0, (-1, channels))  # [in_regular, channel, size]
        used = dict.fromkeys(ours, 0)
        parts = []
        for raw in self.nonlinearity.rho.irreps:
            key = tuple(map(int, raw))
            parts.append(ours[key][used[key]])
            used[key] += 1
        return torch.cat(parts, dim=1).flatten()

    def forward(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """The coefficients of the functions after the nonlinearity."""
        flat = x.reshape(-1, x.shape[-1])[:, self.places]
        result: Tensor = self.nonlinearity(self.tensor(flat, self.kind)).tensor
        return result[:, self.back].reshape(x.shape)


def hidden_fields(group: PlaneGroup, channels: int) -> Fields:
    """`channels` functions over the group, band-limited on SO(2) and O(2)."""
    known = irreps(group, 0 if group.finite else FREQUENCIES)
    return Fields(group, tuple((irrep, irrep.in_regular * channels) for irrep in known))


def perceptron(source: Fields, hidden: int, target: Fields) -> nn.Sequential:
    """Two hidden layers of about `hidden` features between direct sums of irreps; starts as a small correction."""
    group = source.group
    channels = max(1, hidden // hidden_fields(group, 1).dimension)
    middle = hidden_fields(group, channels)
    last = IrrepLinear(middle, target)
    with torch.no_grad():
        for weight in last.weights.values():
            weight.mul_(0.05)
    return nn.Sequential(
        IrrepLinear(source, middle), Pointwise(group, channels),
        IrrepLinear(middle, middle), Pointwise(group, channels), last,
    )  # fmt: skip
