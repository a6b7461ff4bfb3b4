"""What a decomposition says: the blocks, the basis that shows them, and the evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
SetVerdict = Literal["irreducible", "decomposable", "reducible-indecomposable", "unresolved"]
BlockVerdict = Literal["irreducible", "reducible-indecomposable", "unresolved"]
RealType = Literal["R", "C", "H"]
Path = Literal["orthogonal", "unitarised", "self-adjoint", "general"]


# Blocks listed by `repr`.
_SHOWN = 12


@dataclass(frozen=True)
class Block:
    """One equivalence class of indecomposable summands.

    Attributes
    ----------
    dim
        Dimension of one copy.
    multiplicity
        Number of equivalent copies.
    type
        The division algebra of endomorphisms modulo their radical: real (``R``), complex (``C``) or quaternionic
        (``H``); ``None`` where the noise does not let one tell.
    verdict
        Whether a copy is irreducible, reducible but indecomposable, or not resolved at this noise.
    flag
        For a reducible-indecomposable copy: the dimensions of its radical filtration, smallest first and ending in
        `dim`, e.g. ``(n, n + 1)`` for the matrices ``[[a I, v], [0, 1]]``. Within the copy's columns of the basis
        the first ``flag[0]`` span the first invariant subspace, and so on.
    obstruction
        For a reducible-indecomposable copy: the share, in [0, 1], of the extension that no complement removes;
        0 would mean that the invariant subspace has an invariant complement.
    columns
        The half-open range of columns of the basis of each copy.
    """

    dim: int
    multiplicity: int
    type: RealType | None
    verdict: BlockVerdict
    flag: tuple[int, ...] | None
    obstruction: float | None
    columns: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition:
    """How the space decomposes under a set of matrices, with the evidence.

    Attributes
    ----------
    verdict
        ``irreducible``, ``decomposable``, ``reducible-indecomposable``, or ``unresolved`` at this noise.
    reason
        One sentence: what the verdict rests on, or what kept it from being given.
    blocks
        One entry an equivalence class, smallest dimension first. Under ``unresolved`` they are what could be
        separated, and the blocks not resolved say so.
    basis
        ``[m, m]``, columns grouped by block and copy; ``inv(basis) @ A_k @ basis`` is block diagonal up to noise.
        Orthogonal where the given matrices are. A tensor on their device, or a numpy array if they came as one.
    count, size
        K and m of the given ``[K, m, m]``.
    noise
        The noise level used: ``A_k + noise * N(0, 1) / sqrt(m)``; ``None`` where it was not given and cannot be told.
    noise_source
        ``given``, or what it was estimated from: ``orthogonality defect``, ``commutator gap``, ``rounding``; or
        ``not known``.
    path
        ``orthogonal``, ``unitarised`` (after a change of basis to an invariant form), ``self-adjoint`` (symmetric
        matrices) or ``general``.
    off_block
        Root mean square over k of the part of ``inv(basis) @ A_k @ basis`` outside the blocks, relative to all of it.
    largest_accepted_cut, smallest_rejected_cut
        Residual of a cut over what noise alone would leave (1 is noise); the largest one accepted and the smallest one
        rejected, ``None`` where there was none. A verdict is given only where they are well apart.
    commutant_dim
        Real dimension of the commutant, {X : X A_k = A_k X for all k}; ``None`` when unresolved.
    stability
        Fraction of bootstrap resamples of the matrices on which the same structure is found; ``None`` if not asked for.
    resamples
        Number of resamples behind `stability`.
    cautions
        When not to trust the verdict, e.g. too few matrices to identify the group they were drawn from.
    """

    verdict: SetVerdict
    reason: str
    blocks: tuple[Block, ...]
    basis: Tensor | Array
    count: int
    size: int
    noise: float | None
    noise_source: str
    path: Path
    off_block: float
    largest_accepted_cut: float | None
    smallest_rejected_cut: float | None
    commutant_dim: int | None
    stability: float | None
    resamples: int
    cautions: tuple[str, ...] = ()

    @property
    def structure(self) -> tuple[tuple[int, int, str | None], ...]:
        """Sorted (dim, multiplicity, type) of the blocks."""
        shapes = [(b.dim, b.multiplicity, b.type) for b in self.blocks]
        return tuple(sorted(shapes, key=lambda s: (s[0], s[1], s[2] or "")))

    @property
    def flag(self) -> tuple[int, ...] | None:
        """The flag of the block with the largest extension, ``None`` where no block has one."""
        flagged = [b for b in self.blocks if b.flag is not None and self.verdict != "unresolved"]
        return max(flagged, key=lambda b: b.dim).flag if flagged else None

    @property
    def obstruction(self) -> float | None:
        """How far from splitting the block nearest to it is: the smallest obstruction, if a block has one."""
        obstructions = [b.obstruction for b in self.blocks if b.obstruction is not None]
        return min(obstructions, default=None) if self.verdict != "unresolved" else None

    def __repr__(self) -> str:
        noise = self.noise_source if self.noise is None else f"{self.noise:.1e} ({self.noise_source})"
        lines = [f"{self.verdict}: {self.count} matrices on {self.size} dimensions, noise {noise}, {self.path} path"]
        for block in self.blocks[:_SHOWN]:
            flag = f", flag {' < '.join(map(str, block.flag))}" if block.flag else ""
            obstruction = f", obstruction {block.obstruction:.2f}" if block.obstruction is not None else ""
            kind = block.type or "?"
            lines.append(f"  {block.multiplicity} x dim {block.dim}, type {kind}, {block.verdict}{flag}{obstruction}")
        if len(self.blocks) > _SHOWN:
            lines.append(f"  ... and {len(self.blocks) - _SHOWN} more")
        accepted, rejected = self.largest_accepted_cut, self.smallest_rejected_cut
        cuts = [f"off-block {self.off_block:.1e}"]
        cuts += [f"cuts accepted up to {accepted:.2g} x noise"] if accepted is not None else []
        cuts += [f"refused from {rejected:.2g} x noise"] if rejected is not None else []
        cuts += [f"commutant {self.commutant_dim}"] if self.commutant_dim is not None else []
        lines.append("  " + ", ".join(cuts))
        if self.stability is not None:
            lines.append(f"  the same structure on {self.stability:.0%} of {self.resamples} resamples")
        if self.verdict == "unresolved":
            lines += wrap(self.reason, 110, initial_indent="  unresolved: ", subsequent_indent="    ", max_lines=4)
        for caution in self.cautions:
            lines += wrap(caution, 110, initial_indent="  caution: ", subsequent_indent="    ")
        return "\n".join(lines)

    def transform(self, matrices: Tensor | Array) -> Tensor | Array:
        """``inv(basis) @ matrices @ basis`` for matrices ``[..., m, m]``, of the kind that was given."""
        if isinstance(matrices, Tensor):
            basis = torch.as_tensor(self.basis).to(matrices)
            transformed: Tensor = torch.linalg.solve(basis, matrices @ basis)
            return transformed
        columns = self.basis.cpu().numpy() if isinstance(self.basis, Tensor) else self.basis
        return np.asarray(np.linalg.solve(columns, matrices @ columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the basis."""
        fields = asdict(self, dict_factory=lambda items: {k: v for k, v in items if k != "basis"})
        return {**fields, "flag": self.flag, "obstruction": self.obstruction}
