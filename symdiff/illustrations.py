"""The arrays a report draws: a strip of the process, reconstructions, traversals, the gauges along the run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from symdiff.hae import HAE
from symdiff.trajectories import ObservedSequences, Sequences, Trajectories

ROWS = 4
COLUMNS = 11
TRAVERSAL = (-2.0, -1.33, -0.67, 0.0, 0.67, 1.33, 2.0)
"""Displacements in standard deviations of the held-out latents."""

MAX_SIDE = 64
"""Larger images are thinned to this side: a page shows no more."""

Array = Float[NDArray[np.float32], "..."]

Pictures = Callable[[Tensor], Tensor]
"""From states ``[n, C, H, W]`` to what is seen of them: `Denoiser.decode`."""


def show(states: Tensor) -> Tensor:
    """The states themselves: pictures already."""
    return states


def seen_of(recording: ObservedSequences) -> Pictures:
    """How observations are looked at: their smallest number is black and their largest white, a vector is a row."""
    low, high = float(recording.states.min()), float(recording.states.max())

    def pictures_of(states: Tensor) -> Tensor:
        if states.shape[-2:] == (1, 1):
            states = states.transpose(-3, -1)
        return 2 * (states - low) / (high - low) - 1

    return pictures_of


@torch.no_grad()
def illustrations(
    model: HAE, trajectories: Trajectories, sequences: Sequences, pictures_of: Pictures = show
) -> dict[str, Array]:
    """Arrays for ``figures.safetensors``, by name.

    Parameters
    ----------
    model
        The trained autoencoder, in the dtype of `sequences`.
    trajectories, sequences
        Held-out data.
    pictures_of
        Makes pictures of states, where the model works in a latent space.
    """
    found = _arrays(reconstructions(model, sequences, pictures_of))
    return {**recording_pictures(trajectories, pictures_of), **found}


@torch.no_grad()
def recording_pictures(trajectories: Trajectories, pictures_of: Pictures = show) -> dict[str, Array]:
    """The arrays that need no trained model."""
    if isinstance(trajectories, ObservedSequences):  # no process, so no noise levels and no gauges
        return _arrays({"strip": strip(trajectories, pictures_of)["strip"]})
    return _arrays({**strip(trajectories, pictures_of), **gauges_along(trajectories)})


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(tensor.cpu().to(torch.float32).numpy()) for name, tensor in tensors.items()}


def strip(trajectories: Trajectories, pictures_of: Pictures = show) -> dict[str, Tensor]:
    """A few trajectories from noise to image, at evenly spaced times."""
    columns = torch.linspace(0, trajectories.steps, min(COLUMNS, trajectories.steps + 1)).round().long()
    return {
        "strip": seen(trajectories.states[:ROWS][:, columns], pictures_of),
        "strip_alpha_bar": trajectories.alpha_bar[columns],
    }


def gauges_along(trajectories: Trajectories) -> dict[str, Tensor]:
    """``a_t`` in every gauge, and ``|v_t|`` in gauge v with its 5% and 95% quantiles over trajectories."""
    states = trajectories.states[:256]
    norms = []
    for step in range(trajectories.steps):
        a = float(trajectories.gauges["v"][step])
        norms.append((states[:, step + 1] - a * states[:, step]).flatten(1).norm(dim=1))
    table = torch.stack(norms).double()
    low, median, high = torch.quantile(table, torch.tensor([0.05, 0.5, 0.95], dtype=table.dtype), dim=1)
    gauges = {f"gauge_{name}": a for name, a in trajectories.gauges.items()}
    timesteps = trajectories.timesteps[:-1].double()
    return {"step_timestep": timesteps, "v_norm_low": low, "v_norm_median": median, "v_norm_high": high, **gauges}


def reconstructions(model: HAE, sequences: Sequences, pictures_of: Pictures = show) -> dict[str, Tensor]:
    """Observations ``o_t`` and the decoded predictions ``d(z_t)`` of sequences spread over the noise levels."""
    order = sequences.times[:, 0].argsort()
    rows = order[torch.linspace(0, len(order) - 1, min(ROWS, len(order))).round().long()]
    observations = sequences.observations[rows]
    decoded = model.decode(model.predict(observations[:, 0], sequences.actions[rows]))
    return {
        "reconstruction_observations": seen(observations, pictures_of),
        "reconstruction_predictions": seen(decoded, pictures_of),
    }


@torch.no_grad()
def traversals(
    model: HAE, sequences: Sequences, directions: Float[Tensor, "rows m"], pictures_of: Pictures = show
) -> Float[NDArray[np.float32], "rows steps c h w"]:
    """What moving the latent of a late held-out observation along given directions does to the decoded image.

    Parameters
    ----------
    model, sequences, pictures_of
        As for `illustrations`.
    directions
        One a row, as long as a displacement of 1.
    """
    last = sequences.times[:, -1].argmax()
    base = model.encode(sequences.observations[last, -1:])[0]
    values = torch.tensor(TRAVERSAL, dtype=base.dtype, device=base.device)
    images = model.decode(base + values[:, None] * directions[:, None])
    return np.ascontiguousarray(seen(images, pictures_of).cpu().to(torch.float32).numpy())


def seen(states: Tensor, pictures_of: Pictures) -> Tensor:
    """Pictures of states ``[rows, columns, C, H, W]``, small enough for a page."""
    images: Tensor = pictures_of(states.flatten(0, 1)).unflatten(0, states.shape[:2])
    stride = max(-(-images.shape[-2] // MAX_SIDE), -(-images.shape[-1] // MAX_SIDE))
    return images[..., ::stride, ::stride]
