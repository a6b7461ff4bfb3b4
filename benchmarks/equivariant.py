"""An equivariant encoder as it is, against the same function in plain PyTorch, and against a plain network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.limits import counted, share
from benchmarks.measure import Table, seconds
from symdiff.hae import Encoder
from symdiff_escnn.export import PlainEncoder
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.options import EscnnOptions

SHAPE, LATENT = (1, 8, 8), 32


@torch.no_grad()
def run() -> Table:
    """Times of a call, by group and batch; exported, every weight is a dense matrix that was put together before."""
    rows = []
    for group in ("D4", "C8", "SO2", "O2"):
        family = EscnnFamily.of(SHAPE, EscnnOptions(group=group))
        encoder = family.model(LATENT).encoder.eval()
        plain = Encoder(SHAPE, LATENT, family.options.hidden).eval()
        for batch in (128, 2048):
            x = torch.randn(batch, *SHAPE)
            exported = PlainEncoder(encoder).eval()
            rows.append(_row(group, batch, encoder, exported, plain, x))
    return Table(
        title="Encoders of 1x8x8 images, equivariant by construction",
        rows=rows,
        conclusions={"largest gain of an export": max(row["of exported"] for row in rows)},
        notes=(
            "of arithmetic: the dense products of the exported encoder at the speed of a large one, of the time spent.",
            "exported: dense matrices put together once, and escnn's FourierPointwise written out, which has no "
            "export of its own; differs: the largest absolute difference from that.",
        ),
    )


def _row(
    group: str, batch: int, encoder: nn.Module, exported: nn.Module, plain: nn.Module, x: Tensor
) -> dict[str, Any]:
    times = [seconds(lambda module=module: module(x)) for module in (encoder, exported, plain)]
    return {
        "group": group,
        "batch": batch,
        "equivariant ms": 1e3 * times[0],
        "of exported": times[0] / times[1],
        "of a plain network": times[0] / times[2],
        "of arithmetic %": share(times[0], counted(lambda: exported(x))),
        "differs": float((encoder(x) - exported(x)).abs().max()),
    }
