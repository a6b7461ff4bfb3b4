"""Pictures of a trained autoencoder: its latents as tori, traversals along each block, rollouts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.published import held_out
from benchmarks.published.figures import HORIZONS, decomposed
from benchmarks.published.runs import analysed
from benchmarks.published.worlds import TASKS
from symdiff import HAE, Decomposition
from symdiff.worlds import make_world

DOTS = 2048
TURNS = 9
ROLLOUTS = 4


@torch.no_grad()
def draw(world: str, folder: Path, pictures: Path) -> None:
    """``published-WORLD-{latents,traversals,rollouts}.png`` of the run of seed 0, in `pictures`.

    Raises
    ------
    SystemExit
        The blocks of the run could not be told apart: there is nothing to turn.
    """
    found = analysed(folder, world, 0, TASKS[world])
    observations, actions, meta = held_out(world, 0)
    structure = decomposed(found.reported.representation, actions[:, 0])
    if not isinstance(structure, Decomposition):
        raise SystemExit(f"{world}: {structure}")
    pictures.mkdir(parents=True, exist_ok=True)
    name = f"published-{world}"
    _latents(found.reported, structure, world, meta).savefig(pictures / f"{name}-latents.png", dpi=110)
    _traversals(found.reported, structure, observations[0, 0]).savefig(pictures / f"{name}-traversals.png", dpi=110)
    _rollouts(found.reported, observations, actions).savefig(pictures / f"{name}-rollouts.png", dpi=110)


def _latents(model: HAE, structure: Decomposition, world: str, meta: dict[str, Any]) -> Any:
    """Planes of the blocks, coloured by each factor, and for a torus of two circles the torus itself."""
    from matplotlib.figure import Figure

    made = make_world(world, DOTS, 1, seed=2000)
    coordinates = _in_basis(model.encode(torch.from_numpy(made.observations[:, 0]).double() / 255), structure).numpy()
    factors, names = made.factors[:, 0], list(meta["factors"])
    planes = [copy for block in structure.blocks for copy in block.columns if copy[1] - copy[0] == 2]
    torus = len(planes) == 2
    figure = Figure(figsize=(2.6 * (len(planes) + torus), 2.6 * len(names)), layout="constrained")
    for row, factor in enumerate(names):
        for column, (start, _) in enumerate(planes):
            axes = figure.add_subplot(len(names), len(planes) + torus, row * (len(planes) + torus) + column + 1)
            x, y = coordinates[:, start], coordinates[:, start + 1]
            dots = axes.scatter(x, y, c=factors[:, row], cmap="twilight", s=3, vmin=0, vmax=2 * math.pi)
            axes.set(aspect="equal", title=f"block {column + 1}, coloured by {factor}", xticks=[], yticks=[])
            axes.title.set_fontsize(9)
        if torus:
            space = figure.add_subplot(len(names), 3, row * 3 + 3, projection="3d")
            space.scatter(*_on_a_ring(coordinates, planes), c=factors[:, row], cmap="twilight", s=2)
            space.set_axis_off()
            space.set_box_aspect((1, 1, 0.4))
            space.set_title(f"both, as a torus, by {factor}", fontsize=9)
        figure.colorbar(dots, ax=figure.axes[-1], ticks=[0, math.pi, 2 * math.pi]).set_ticklabels(["0", "π", "2π"])
    return figure


def _on_a_ring(coordinates: np.ndarray[Any, Any], planes: list[tuple[int, int]]) -> list[np.ndarray[Any, Any]]:
    """Two planes as a ring in space: the first one's angle goes round it, the second plane is its section."""
    (a, _), (b, _) = planes
    angle = np.arctan2(coordinates[:, a + 1], coordinates[:, a])
    scale = 1 / np.abs(coordinates).max()
    out = 2.2 + scale * coordinates[:, b]
    return [out * np.cos(angle), out * np.sin(angle), scale * coordinates[:, b + 1]]


def _traversals(model: HAE, structure: Decomposition, observation: Tensor) -> Any:
    """One row a plane: what is decoded as it is turned once round and the others are left."""
    latent = model.encode(observation[None])[0]
    basis = structure.basis.double()
    rows = []
    for block in structure.blocks:
        for start, stop in block.columns:
            if stop - start < 2:
                continue
            turned = []
            for angle in torch.linspace(0, 2 * math.pi, TURNS).tolist():
                turn = torch.eye(len(basis), dtype=torch.float64)
                turn[start : start + 2, start : start + 2] = torch.tensor(
                    [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
                )
                turned.append(basis @ turn @ torch.linalg.solve(basis, latent))
            rows.append(model.decode(torch.stack(turned)))
    titles = [f"{360 * i / (TURNS - 1):.0f}°" for i in range(TURNS)]
    return _images(torch.stack(rows), titles, [f"block {i + 1}" for i in range(len(rows))])


def _rollouts(model: HAE, observations: Tensor, actions: Tensor) -> Any:
    """Pairs of rows: what was seen, and what is decoded of the first latent moved by all actions until then."""
    paths = model.representation.rollout(actions[:ROLLOUTS], model.encode(observations[:ROLLOUTS, 0]))
    times = [0, *HORIZONS]
    seen, decoded = observations[:ROLLOUTS, times], model.decode(paths[:, times])
    rows = torch.stack([seen, decoded], dim=1).flatten(0, 1)
    return _images(rows, [f"{n} step{'s' * (n != 1)}" for n in times], ["seen", "decoded"] * ROLLOUTS)


def _images(rows: Tensor, titles: list[str], labels: list[str]) -> Any:
    """A grid of images ``[rows, columns, C, H, W]`` in [0, 1]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * rows.shape[1] + 0.6, 1.1 * rows.shape[0] + 0.3), layout="constrained")
    grid = figure.subplots(*rows.shape[:2], squeeze=False)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            axes = grid[i, j]
            axes.imshow(image.movedim(0, -1).squeeze(-1).clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            if i == 0:
                axes.set_title(titles[j], fontsize=9)
        grid[i, 0].set_ylabel(labels[i], fontsize=9)
    return figure


def _in_basis(latents: Tensor, structure: Decomposition) -> Tensor:
    coordinates: Tensor = torch.linalg.solve(structure.basis.double(), latents.T).T
    return coordinates
