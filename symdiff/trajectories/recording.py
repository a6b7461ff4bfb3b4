"""Running the reverse process and keeping every state of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from symdiff.diffusion import Denoiser, Sampler
from symdiff.errors import ConfigError, RunError
from symdiff.trajectories.conveyor import Conveyor, Write
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.device import resolve_device
from symdiff.trajectories.noise import BatchNoise
from symdiff.trajectories.recipe import Recipe
from symdiff.trajectories.shards import ranges_of
from symdiff.trajectories.watched import Watched

OnProgress = Callable[[int, int], None]
"""Called with the reverse steps done and to do, counted over all trajectories."""

MAX_BATCH = 256
BATCH_NUMBERS = 2**22
"""Numbers in the states of a default batch: 256 images of up to 64 x 64 x 4, 21 of 3 x 256 x 256."""


def record(
    denoiser: Denoiser,
    sampler: Sampler,
    steps: int,
    trajectories: int,
    seed: int = 0,
    device: str | torch.device = "auto",
    *,
    batch_size: int | None = None,
    clip: bool = False,
    every: int = 1,
    on_progress: OnProgress | None = None,
) -> Trajectories:
    """Sample `trajectories` images and keep every state on the way.

    Starts from noise of the sampler's first level (``x_T ~ N(0, I)`` for DDPM and DDIM) and applies the sampler's step,
    ``x' = P x + Q x0hat + s z`` (Ho et al. 2020, Algorithm 2; Song et al. 2021, Eq. 12). Trajectory i is a function of
    ``(seed, i)``: a recording of 100 trajectories is the beginning of one of 200, whatever the batch size, up to
    float32 rounding in the model.

    Parameters
    ----------
    denoiser, sampler
        The model and the rule of its steps.
    steps
        Reverse steps, 1 ... T of the model's schedule.
    trajectories, seed
        How many, and which.
    device
        Where the model runs; the recording itself is on the CPU.
    batch_size
        Trajectories sampled at once; by default up to 256, fewer for large images. Halved, with a warning, when
        CUDA runs out of memory.
    clip
        Clip x0hat to [-1, 1] before the step; `denoised` then holds the clipped image, the one the step used. Nothing
        changes where the sampler limits x0hat already (`Sampler.clips`).
    every
        Keep every k-th state, the first and the last; see `symdiff.trajectories.thinning`.
    on_progress
        Called after every step of every batch.

    Returns
    -------
    Trajectories
        float32, in memory.

    Raises
    ------
    NonFiniteError
        The model returned, or a state became, NaN or infinite.
    ModelError
        The model returned something that is not an image of the state's shape.
    DeviceError
        The device is not there.
    ConfigError
        A number is out of range.
    """
    recipe = Recipe(denoiser, sampler, steps, trajectories, seed, clip, every)
    recorder = Recorder(recipe, device, batch_size, on_progress)
    recording = recipe.allocate(trajectories)

    def write(first: int, time: int, states: Tensor, denoised: Tensor) -> None:
        for kept, new in ((recording.states, states), (recording.denoised, denoised)):
            kept[first : first + len(new), time : time + new.shape[1]] = new

    recorder.run(recorder.batches, write, torch.float32)
    recording.info["device"] = str(recorder.device)
    return recording


class Recorder:
    """Samples the trajectories of one recording, batch by batch, remembering the batch size that fits.

    Parameters
    ----------
    recipe
        What to record.
    device, batch_size, on_progress
        As in `record`.
    """

    def __init__(
        self,
        recipe: Recipe,
        device: str | torch.device = "auto",
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", "choose at least 1, or leave it out")
        self.recipe = recipe
        self.device = resolve_device(device)
        self.denoiser = Watched(recipe.denoiser.to(self.device), recipe.steps)
        c, h, w = recipe.denoiser.shape
        self.batch_size = batch_size or max(1, min(MAX_BATCH, BATCH_NUMBERS // (c * h * w)))
        self.on_progress = on_progress

    @property
    def batches(self) -> list[range]:
        """The trajectories of the recording, as they are sampled together."""
        return ranges_of(range(self.recipe.trajectories), self.batch_size)

    def run(self, batches: Iterable[range], write: Write, dtype: torch.dtype) -> None:
        """Sample some of the batches and hand their states, in this dtype, to `write`.

        Raises what `record` does, and what `write` does.
        """
        recipe = self.recipe
        with Conveyor(write, len(recipe.times), recipe.denoiser.shape, dtype, self.device) as conveyor:
            for batch in batches:
                rows = batch
                while rows:
                    together = rows[: self.batch_size]
                    try:
                        self._sample(together, conveyor)
                    except torch.cuda.OutOfMemoryError as error:
                        conveyor.release()
                        self._halve(len(together), error)
                    else:
                        rows = rows[len(together) :]
            conveyor.settle()

    @torch.no_grad()
    def _sample(self, rows: range, conveyor: Conveyor) -> None:
        recipe, table, finite = self.recipe, self.recipe.table, self.denoiser.finite
        times = set(recipe.times)
        noise = BatchNoise(recipe.seed, rows, recipe.denoiser.shape, self.device, recipe.steps)
        stepper = recipe.sampler.start(self.denoiser, table, noise, recipe.clip)
        finite.forget()
        conveyor.begin(rows.start, len(rows))
        x = noise.normal(-1) * table.start
        conveyor.state(x)
        for i in range(recipe.steps):
            self.denoiser.step = i
            x0hat, x = stepper(x, i)
            finite.note(x, f"the state after step {i + 1} of {recipe.steps}", table.time(i))
            if i in times:
                conveyor.denoised(x0hat)
            if i + 1 in times:
                conveyor.state(x)
            if self.on_progress is not None:
                self.on_progress(rows.start * recipe.steps + len(rows) * (i + 1), recipe.trajectories * recipe.steps)
        finite.look()
        conveyor.end()

    def _halve(self, size: int, error: Exception) -> None:
        if size == 1:
            raise RunError(
                f"{self.device} has not enough memory for one trajectory of shape {self.recipe.denoiser.shape}",
                "use a device with more memory, or --device cpu",
            ) from error
        self.batch_size = size // 2
        warnings.warn(
            f"{self.device} ran out of memory with {size} trajectories at once: going on with {self.batch_size}",
            RuntimeWarning,
            stacklevel=4,
        )
        torch.cuda.empty_cache()
