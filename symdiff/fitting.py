"""From training trajectories to trained models: the stages a form of rho goes through."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from symdiff.checkpoint import Checkpoint
from symdiff.closed_form import fit_linear_decoder
from symdiff.groups import START_SEQUENCES, GroupFamily
from symdiff.hae import HAE, Decoder
from symdiff.modelfile import States
from symdiff.representations import LieRepresentation
from symdiff.training import Data, Outcome, Stage, train_stage
from symdiff.trajectories import Sequences, Trajectories, affordable

log = logging.getLogger(__name__)

STEPS = 600
"""Default budget of optimiser steps."""


@dataclass
class Fit:
    """The models of a run by form, and how their training went.

    Attributes
    ----------
    models
        Trained ones by name of the form, in the order of training.
    form
        The form asked for; ``models[form]`` is the one the run reports.
    references
        Closed-form models of the same latent dimension.
    start
        The closed form that training of the reported form started from, if it did.
    outcomes
        One a trained form.
    moved
        Relative change of ``d rho`` in the projection, if there was one.
    """

    models: dict[str, HAE]
    form: str
    references: dict[str, HAE] = field(default_factory=dict)
    start: HAE | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    moved: float | None = None

    @property
    def model(self) -> HAE:
        """The model the run reports."""
        return self.models[self.form]


@dataclass(frozen=True)
class Fitting:
    """How to train.

    Parameters
    ----------
    family, latent
        What is trained.
    length, steps, seed, device
        Actions of a sequence N, budget of optimiser steps, seed, where.
    checkpoint
        Where unfinished stages are kept.
    on_step
        Called with (steps done, steps in all, training loss).
    on_line
        Called with every line of ``metrics.jsonl``.
    trained
        Weights by form: stages found there are not trained but restored.
    plain
        Train by the plain algorithm (`symdiff.plain`).
    """

    family: GroupFamily
    latent: int
    length: int
    steps: int
    seed: int
    device: torch.device
    checkpoint: Checkpoint
    on_step: Callable[[int, int, float], None] | None = None
    on_line: Callable[[dict[str, Any]], None] | None = None
    trained: States | None = None
    plain: bool = False

    def fit(self, train: Trajectories, validation: Trajectories) -> Fit:
        """Train the form the family asks for, with its closed-form references beside it.

        A ``lie-projected`` rho is trained as ``lie`` with the bracket penalty annealed up, projected onto the
        Lie-algebra homomorphisms, and encoder and decoder are then tuned with d rho fixed, keeping whichever is
        better on validation sequences.
        """
        data = Data(self.family, train, validation, self.length, self.seed, self.device)
        start = self._start(train)
        model = self.family.model(self.latent, self.seed).to(self.device)
        form = model.representation.form
        fit = Fit({}, form)
        if self.family.initialises:
            self.family.initialise(model, start)
            fit.start = copy.deepcopy(model)
        projecting = form == "lie-projected" and isinstance(model.representation, LieRepresentation)
        tuning = round(self.steps * self.family.recipe().tuning) if projecting else 0
        options = self.family.options
        first = Stage("lie" if projecting else form, self.steps - tuning, options.learning_rate, options.penalty)
        model.representation.form = first.name
        self._run(fit, model, data, first, 0)
        if projecting:
            projected, fit.moved = self._project(model, start)
            log.info("projection moved d rho by %.2g of its norm", fit.moved)
            self._run(fit, projected, data, Stage(form, tuning, options.learning_rate), first.steps)
            if fit.start is not None:
                fit.start, _ = self._project(fit.start, start)
        for name, reference in self.family.references(self.latent, start).items():
            fit.references[name] = reference.to(self.device)
        return fit

    def _start(self, train: Trajectories) -> Sequences:
        """The sequences closed forms are computed from."""
        n = affordable(START_SEQUENCES, self.length, math.prod(train.observation_shape))
        generator = torch.Generator().manual_seed(self.seed)
        return self.family.sequences(train, self.length, n, generator).to(self.device)

    def _run(self, fit: Fit, model: HAE, data: Data, stage: Stage, before: int) -> None:
        def on_step(step: int, loss: float) -> None:
            if self.on_step is not None:
                self.on_step(before + step, self.steps, loss)

        fit.models[stage.name] = model
        weights = (self.trained or {}).get(stage.name)
        if weights is not None:
            model.load_state_dict(weights)
            return
        fit.outcomes[stage.name] = outcome = train_stage(
            model, data, stage, self.checkpoint, on_step, self.on_line, plain=self.plain
        )
        log.info(
            "stage %s: %s after %d steps; validation loss %.4g -> %.4g (step %d)",
            stage.name, outcome.reason, outcome.steps, outcome.start, outcome.validation, outcome.best_step,
        )  # fmt: skip

    def _project(self, model: HAE, start: Sequences) -> tuple[HAE, float]:
        """A copy of `model` with rho projected onto the homomorphisms, and how far d rho moved."""
        result, moved = copy.deepcopy(model), 0.0
        if isinstance(result.representation, LieRepresentation):
            result.representation, moved = result.representation.projected()
        if isinstance(result.decoder, Decoder):
            fit_linear_decoder(result, start)  # the latents it is asked to decode have changed
        return result, moved
