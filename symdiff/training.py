"""Training: one loop that every form of rho goes through, seeded, resumable, with a stated reason to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from symdiff.adamw import AdamW
from symdiff.checkpoint import Checkpoint
from symdiff.errors import ConfigError, DivergedError, NonFiniteError
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.objective import Objective, Recipe, Weight, published_objective
from symdiff.plain import plain_clip
from symdiff.static_step import StaticStep, recorder_of
from symdiff.trajectories import Sequences, Trajectories, affordable
from symdiff.trajectories.stream import AHEAD, prefetched

LOG_EVERY = 10
EVALUATE_EVERY = 50
PATIENCE = 8
VALIDATION_SEQUENCES = 512
EXPLOSION = 1e3


@dataclass(frozen=True)
class Stage:
    """One round of training.

    Attributes
    ----------
    name
        Form of rho it trains; the ``stage`` of ``metrics.jsonl``.
    steps
        Budget of optimiser steps.
    learning_rate
        Peak; warmed up, then a cosine down, by the family's `recipe`.
    penalty
        Final weight of `Representation.penalty`, annealed up linearly from 0.
    """

    name: str
    steps: int
    learning_rate: float
    penalty: float = 0.0


@dataclass(frozen=True)
class Data:
    """What a stage trains on: sequences of `length` actions cut from training and validation trajectories."""

    family: GroupFamily
    train: Trajectories
    validation: Trajectories
    length: int
    seed: int
    device: torch.device

    def batch(self, step: int) -> Sequences:
        """The batch of a step, on the CPU.

        It is a function of the seed and the step alone, so that a resumed run sees the same, and so that it may be
        made before its turn.
        """
        generator = torch.Generator().manual_seed((self.seed << 24) + step)
        n = affordable(self.family.options.batch, self.length, math.prod(self.train.observation_shape))
        return self.family.sequences(self.train, self.length, n, generator)

    def held_out(self) -> Sequences:
        """The validation sequences, always the same."""
        generator = torch.Generator().manual_seed(self.seed)
        n = affordable(VALIDATION_SEQUENCES, self.length, math.prod(self.validation.observation_shape))
        return self.family.sequences(self.validation, self.length, n, generator).to(self.device)


@dataclass
class Outcome:
    """How a stage ended.

    Attributes
    ----------
    reason
        Why it stopped.
    best_step
        Step whose weights were kept; 0 means that training improved on the start nowhere.
    start, validation
        Validation loss at the start and of the weights kept, at the final penalty weight.
    """

    reason: str
    best_step: int
    start: float
    validation: float
    steps: int
    history: list[dict[str, Any]] = field(default_factory=list)


def objective_of(family: GroupFamily, plain: bool = False) -> Callable[..., Objective]:
    """The loss of a family, as a function of model, sequences, penalty and whether it decodes; or its plain form.

    Raises
    ------
    ConfigError
        The family has a loss of its own, which has no plain form.
    """
    if not plain:
        return family.objective
    if type(family).objective is not GroupFamily.objective:
        raise ConfigError(f"--plain: {family.name} has a loss of its own, not the published one", "leave out --plain")
    return partial(published_objective, family.options, plain=True)


def train_stage(
    model: HAE,
    data: Data,
    stage: Stage,
    checkpoint: Checkpoint,
    on_step: Callable[[int, float], None] | None = None,
    on_line: Callable[[dict[str, Any]], None] | None = None,
    ahead: int = AHEAD,
    plain: bool = False,
    static: bool | None = None,
) -> Outcome:
    """Train `model` in place and leave it with the weights that did best on validation sequences.

    Parameters
    ----------
    model
        Parameters with ``requires_grad`` False stay as they are.
    checkpoint
        Where the state is saved; a state of this stage found there is gone on from, with the same result as if it
        had never stopped.
    on_step
        Called with the steps done and the last training loss.
    on_line
        Called with every line of ``metrics.jsonl``, those of the steps before a resumption included.
    ahead
        Batches a thread makes ahead; 0 for none. The result does not depend on it.
    plain
        Take every step as the algorithm is written (`symdiff.plain`); slower, with the same result up to rounding.
    static
        Take the steps on fixed buffers (`symdiff.static_step`), on CUDA recorded and repeated; by default everywhere
        but on the CPU, and never with `plain`.

    Raises
    ------
    NonFiniteError
        The loss became NaN or infinite.
    DivergedError
        The loss grew a thousandfold.
    """
    family, recipe = data.family, data.family.recipe()
    objective = objective_of(family, plain)
    optimiser = make_optimiser(model, stage.learning_rate, recipe, plain)
    held_out = data.held_out()

    def validate() -> float:
        with torch.no_grad():
            return float(objective(model, held_out, stage.penalty).loss)

    saved = checkpoint.load(stage.name)
    if saved is None:
        start = _finite(validate(), stage, 0)
        step, best, weights = 0, (start, 0), _copy(model)
        history = [_line(stage, 0, None, start, 0.0)]
    else:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        for group in optimiser.param_groups:
            group["capturable"] = False  # it was saved on a GPU, perhaps, and is gone on with elsewhere
        step, start, weights, history = saved["step"], saved["start"], saved["weights"], saved["history"]
        best = (saved["best"], saved["best_step"])
    tell = on_line or _ignore
    for line in history:
        tell(line)
    reason = f"step budget of {stage.steps} spent"
    take = _steps(
        model, optimiser, objective, stage, recipe, plain, data.device.type != "cpu" if static is None else static
    )
    with prefetched(data.batch, range(step, stage.steps), data.device, 0 if plain else ahead) as batches:
        while step < stage.steps:
            rate = _schedule(step, stage, recipe)
            decoding = step >= recipe.without_decoder * stage.steps
            terms = take(next(batches), rate, stage.penalty * step / stage.steps, decoding)
            step += 1
            if step % LOG_EVERY == 0 or step == stage.steps:
                loss = _finite(float(terms.loss.detach()), stage, step)
                if loss > EXPLOSION * max(abs(start), 1e-3):
                    raise DivergedError(
                        f"stage {stage.name}: the training loss grew from {start:.3g} to {loss:.3g} at step {step}",
                        "lower -o learning_rate or -o gamma, or shorten --length",
                    )
                evaluate = step % EVALUATE_EVERY == 0 or step == stage.steps
                validation = _finite(validate(), stage, step) if evaluate else None
                history.append(_line(stage, step, terms, validation, rate))
                tell(history[-1])
                if on_step is not None:
                    on_step(step, loss)
                if validation is not None:
                    if validation < best[0]:
                        best, weights = (validation, step), _copy(model)
                    elif step - best[1] >= PATIENCE * EVALUATE_EVERY:
                        reason = f"validation loss has not improved since step {best[1]}"
                        break
                    checkpoint.save(
                        stage.name,
                        {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "start": start,
                         "best": best[0], "best_step": best[1], "weights": weights, "history": history},
                    )  # fmt: skip
    model.load_state_dict(weights)
    if best[1] == 0 and step:
        reason += "; the start was not improved on and is kept"
    return Outcome(reason, best[1], start, best[0], step, history)


def _steps(
    model: HAE,
    optimiser: torch.optim.Optimizer,
    objective: Callable[..., Objective],
    stage: Stage,
    recipe: Recipe,
    plain: bool,
    static: bool,
) -> Callable[[Sequences, float, float, bool], Objective]:
    """What takes a step: on a batch, at a learning rate, with a weight of the penalty, decoding or not."""

    def take(batch: Sequences, penalty: Weight, decoding: bool) -> Objective:
        terms = objective(model, batch, penalty, decoding)
        descend(model, optimiser, terms, recipe.clip_norm, plain)
        return terms

    def eagerly(batch: Sequences, rate: float, penalty: float, decoding: bool) -> Objective:
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        return take(batch, penalty, decoding)

    if plain or not static:
        return eagerly
    return StaticStep(take, model, optimiser, recorder_of(next(model.parameters()).device), stage.name)


def descend(
    model: HAE, optimiser: torch.optim.Optimizer, terms: Objective, clip_norm: float, plain: bool = False
) -> None:
    """One step down the gradient of a loss; nothing is read back from the device."""
    optimiser.zero_grad(set_to_none=True)
    terms.loss.backward()
    if plain:
        plain_clip(model, clip_norm)
    elif terms.loss.device.type == "cpu":
        _clip_in_step(optimiser, clip_norm)
    else:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimiser.step()


def _clip_in_step(optimiser: torch.optim.Optimizer, most: float) -> None:
    """Leave the scaling of the gradient to the optimiser's one pass over it; one norm instead of one a parameter."""
    gradients = [p.grad.flatten() for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    excess = (float(torch.cat(gradients).norm()) + 1e-6) / most
    scale = None if excess <= 1 else torch.tensor(excess, dtype=torch.float32)  # NaN stays NaN
    optimiser.grad_scale = scale  # type: ignore[attr-defined]


def make_optimiser(model: HAE, rate: float, recipe: Recipe, plain: bool = False) -> torch.optim.Optimizer:
    """AdamW; weight decay on the networks, none on rho, whose scale is fixed by the group.

    Adam moves every weight by the learning rate, so a layer's output moves by rate times fan-in: the rate of a layer
    with a large fan-in (images of many pixels) is lowered in proportion (Yang et al. 2022, "Tensor Programs V").
    """
    of_rho = {id(p) for p in model.representation.parameters()}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for p in model.parameters():
        if p.requires_grad:
            fan_in = math.prod(p.shape[1:2] if p.dim() < 4 else p.shape[1:])
            scale = 1.0 if recipe.fan_in is None else min(1.0, recipe.fan_in / fan_in)
            scale *= recipe.rate_of_rho if id(p) in of_rho else 1.0
            groups.setdefault((scale, 0.0 if id(p) in of_rho else recipe.weight_decay), []).append(p)
    return AdamW(
        [{"params": ps, "weight_decay": decay, "scale": scale} for (scale, decay), ps in groups.items()],
        lr=rate, betas=recipe.betas, foreach=False, fused=not plain,
    )  # fmt: skip


def _schedule(step: int, stage: Stage, recipe: Recipe) -> float:
    low = recipe.final_share
    decay = low + (1 - low) * 0.5 * (1 + math.cos(math.pi * step / stage.steps))
    return stage.learning_rate * min(1.0, (step + 1) / recipe.warm_up) * decay


def _finite(loss: float, stage: Stage, step: int) -> float:
    if not math.isfinite(loss):
        raise NonFiniteError(
            f"stage {stage.name}: the loss is {loss} at step {step}",
            "lower -o learning_rate, shorten --length, or check the recording for extreme values",
        )
    return loss


def _ignore(line: dict[str, Any]) -> None:
    """Nobody follows."""


def _copy(model: HAE) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _line(stage: Stage, step: int, terms: Objective | None, validation: float | None, rate: float) -> dict[str, Any]:
    """One line of ``metrics.jsonl``."""
    numbers = [None] * 4 if terms is None else [float(term.detach()) for term in terms]
    keys = ("loss", "prediction", "reconstruction", "bracket")
    terms_by_name = dict(zip(keys, numbers, strict=True))
    return {"stage": stage.name, "step": step, **terms_by_name, "lr": rate, "validation": validation}
