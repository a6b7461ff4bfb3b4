"""How far the matrices of rho are from commuting."""

import torch

from symdiff import Estimate
from symdiff.diagnostics.intervals import cautions, few_units, pair_jackknife

DRAWS = 4
"""Sets of random rotations behind the null."""


@torch.no_grad()
def commutators(evaluation):
    """How far values of rho are from commuting: 0 where they do, about 1 for large independent ones.

    ``c^2 = E |[A, B]|^2 / E (|A B|^2 + |B A|^2)`` over pairs of held-out elements, A = rho(g) - 1 and B = rho(g') - 1:
    taking away the identity changes no commutator, but a rho that hardly does anything does not pass for abelian. The
    interval is a jackknife over elements; pairs share elements and are not independent. The null ``haar`` is the same
    figure for random rotations of the same dimension.
    """
    matrices = evaluation.matrices
    m = matrices.shape[-1]
    size = (matrices - torch.eye(m).to(matrices)).square().sum()
    if not float(size) > 0:
        return Estimate(value=None, n=len(matrices), caution="rho is the identity: 0/0")
    value, interval = _ratio(matrices)
    generator = torch.Generator().manual_seed(evaluation.seed)
    draws = [_ratio(_rotations(len(matrices), m, generator))[0] for _ in range(DRAWS)]
    return Estimate(
        value=value,
        interval=interval,
        n=len(matrices),
        null={"haar": sum(draws) / DRAWS},
        better="lower",
        caution=cautions(few_units(len(matrices))),
    )


def _ratio(matrices):
    """The figure and its interval for matrices ``[k, m, m]``."""
    a = matrices.double() - torch.eye(matrices.shape[-1], dtype=torch.float64, device=matrices.device)  # or on a GPU
    products = torch.einsum("iab,jbc->ijac", a, a)
    numerator = (products - products.transpose(0, 1)).square().sum((-2, -1))
    energy = products.square().sum((-2, -1))
    return pair_jackknife(numerator, energy + energy.T, square_root=True)


def _rotations(n, m, generator):
    """Haar-distributed orthogonal matrices: QR of normal ones with the signs of R taken out (Mezzadri 2007)."""
    q, r = torch.linalg.qr(torch.randn(n, m, m, generator=generator, dtype=torch.float64))
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]
