"""`symdiff decompose`: how a set of matrices decomposes, from a file."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.flags import Debug, Device, Json, Quiet, Seed, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import DiskError, OutputError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from symdiff.decomposition import Block, Decomposition

SCHEMA = "symdiff.decomposition/1"

PICTURES = (".svg", ".png")


def decompose(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An .npz, .npy or .safetensors with one array [K, m, m], or one named matrices."
        ),
    ],
    *,
    noise: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="Noise of the matrices, A + S N(0, 1)/sqrt(m); default: estimated."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Draw the matrices before and after: .svg or .png.")
    ] = None,
    basis: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="Save the change of basis, an array named basis.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Resamples of the matrices the stability is from.")] = 20,
    seed: Seed = None,
    device: Device = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Decompose K matrices under which a space transforms, and say how sure that is.

    The answer is irreducible, decomposable into blocks, reducible but indecomposable, or unresolved at this noise.
    A block has a dimension, a number of equivalent copies, a type (R real, C complex, H quaternionic) and a verdict
    of its own.
    """
    from symdiff.settings import gather

    settings = gather({"seed": seed, "device": device}, command="decompose")
    if noise is not None and not math.isfinite(noise):
        raise UsageError(f"--noise is {noise}: must be a number", "leave it out to have the noise estimated")
    if plot is not None:
        _refuse_output("--plot", plot, PICTURES, file)
    if basis is not None:
        _refuse_output("--basis", basis, (".npz",), file)
    from symdiff import decomposition
    from symdiff.cli.progress import progress_on_stderr
    from symdiff.matricesfile import read_matrices
    from symdiff.trajectories.device import resolve_device

    matrices = read_matrices(file).to(resolve_device(settings.device))
    with progress_on_stderr() as progress:
        progress.phase("decompose")
        found = decomposition.decompose(matrices, noise, seed=settings.seed, resamples=resamples)
    written = []
    if plot is not None:
        _write(plot, _picture(matrices, found, plot.suffix.lower().removeprefix(".")))
        written.append(f"picture: {plot}")
    if basis is not None:
        _write(basis, _archive(found))
        written.append(f"basis: {basis}")
    return Outcome({"schema": SCHEMA, "decomposition": found.to_dict()}, _summary(file, found, written))


# --- what is written --------------------------------------------------------------------------


def _refuse_output(flag: str, path: Path, endings: tuple[str, ...], source: Path) -> None:
    """Raise before any work if `path` cannot be written, or is not of a kind that can."""
    if path.suffix.lower() not in endings:
        raise UsageError(
            f"{flag} is {path}: must end in {' or '.join(endings)}", f"for example: {path.stem}{endings[0]}"
        )
    try:
        folder = next(place for place in path.absolute().parents if place.exists())
        if not folder.is_dir():
            raise OutputError(f"{folder} is a file, so {path} cannot be written", f"give {flag} another folder")
        if path.is_dir():
            raise OutputError(f"{path} is a folder", f"give {flag} a file")
        if path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{flag} would overwrite the matrices in {source}", "give it another name")
    except OSError as error:  # a folder on the way is closed to us, or the name is no name
        raise OutputError(f"cannot write to {path}: {error.strerror}", f"give {flag} another file") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {folder}: permission denied", f"give {flag} a folder you can write to")


def _write(path: Path, content: bytes) -> None:
    """Write to a temporary name beside `path`, then rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DiskError(f"{path} could not be written: {error}", "free some room or choose another folder") from error


def _picture(matrices: Tensor, found: Decomposition, kind: str) -> bytes:
    import numpy as np

    from symdiff.report.figures.blocks import block_picture_file
    from symdiff.report.magnitude import mean_magnitude

    before = matrices.double().cpu().numpy()
    after = np.asarray(found.transform(before))
    return block_picture_file(mean_magnitude(before), mean_magnitude(after), found.to_dict()["blocks"], kind)


def _archive(found: Decomposition) -> bytes:
    import numpy as np
    import torch

    buffer = io.BytesIO()
    np.savez(buffer, basis=torch.as_tensor(found.basis).cpu().numpy())
    return buffer.getvalue()


# --- what is told -----------------------------------------------------------------------------


def _summary(file: Path, found: Decomposition, written: list[str]) -> Any:
    """Verdict first, then the blocks, then the evidence."""
    from rich.console import Group

    lines = [
        f"noise {'' if found.noise is None else f'{found.noise:.3g} '}({_source(found)}), {found.path} path",
        f"left outside the blocks: {found.off_block:.3g} of the matrices' size",
        f"cuts, 1 being what noise leaves: largest accepted {_number(found.largest_accepted_cut)}, "
        f"smallest rejected {_number(found.smallest_rejected_cut)}",
    ]
    if found.commutant_dim is not None:
        lines.append(f"dimension of the commutant: {found.commutant_dim}")
    if found.stability is not None:
        lines.append(f"stability: the same structure on {found.stability:.0%} of {found.resamples} resamples")
    return Group(
        f"{file}: {found.count} matrices {found.size} x {found.size}",
        f"{found.verdict}: {found.reason}",
        "",
        _blocks(found),
        "",
        *lines,
        *(f"caution: {caution}" for caution in found.cautions),
        *written,
    )


def _blocks(found: Decomposition) -> Any:
    from rich.table import Column, Table

    right = (Column(name, justify="right", no_wrap=True) for name in ("dim", "copies"))
    left = (Column(name, no_wrap=True) for name in ("type", "verdict", "flag", "obstruction", "columns"))
    table = Table(*right, *left, box=None, pad_edge=False)
    for block in found.blocks:
        table.add_row(
            str(block.dim),
            str(block.multiplicity),
            block.type or "-",
            block.verdict,
            " < ".join(map(str, block.flag)) if block.flag else "-",
            _number(block.obstruction),
            _span(block),
        )
    return table


def _span(block: Block) -> str:
    """First and last column of the basis that belong to a block."""
    first, last = min(low for low, _ in block.columns), max(high for _, high in block.columns) - 1
    return str(first) if first == last else f"{first}-{last}"


def _source(found: Decomposition) -> str:
    told = found.noise_source in ("given", "not known")
    return found.noise_source if told else f"estimated from: {found.noise_source}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
