"""One run, from a model to a report: what the command line, batch workers and notebooks all call."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays

from symdiff import __version__
from symdiff.checkpoint import Checkpoint
from symdiff.config import RunConfig
from symdiff.diagnostics import (
    HEADLINE,
    Diagnosis,
    Evaluation,
    action_energy,
    diagnose,
    guarantees,
    headline,
    pca_row,
    shared_affine_r2,
    verdict,
)
from symdiff.errors import ConfigError, OutputError
from symdiff.fitting import STEPS, Fit, Fitting
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.illustrations import illustrations
from symdiff.modelfile import States, read_models, write_models
from symdiff.models import find_denoiser, find_sampler
from symdiff.plugins import load_plugins, resolve
from symdiff.progress import Progress, Silent
from symdiff.report import write_report
from symdiff.result import Estimate, Result
from symdiff.rundir import RunDirectory
from symdiff.structure import Structure, split
from symdiff.training import objective
from symdiff.trajectories import Sequences, Trajectories, affordable, is_recording, load_store, recorded, resolve_device
from symdiff.trajectories.appearing import disk_errors
from symdiff.trajectories.parts import parts

log = logging.getLogger(__name__)

HELD_OUT_SEQUENCES = 1024
HELD_OUT_LENGTH = 10
ELEMENTS = 64
RESAMPLES = 20
"""Bootstrap resamples behind the stability of the decomposition."""

LONGER = "longer-"
"""Begins the names of the models of the longer run that `--thorough` compares with."""

THOROUGH = 4
"""How many times more optimiser steps and resamples `--thorough` takes."""


def analyze(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    rescore: bool = False,
    progress: Progress | None = None,
    memory: int | None = None,
) -> Result:
    """Record trajectories, train the autoencoder, diagnose it, and write a run directory.

    Parameters
    ----------
    config
        What to do; options of the family may be left out.
    out
        Run directory; ``runs/<run id>`` if ``None``. A finished run of the same configuration is answered from it,
        an unfinished one is gone on with.
    force
        Overwrite what the directory holds.
    rescore
        Compute diagnostics, verdict and report of a finished run again, from its trained models.
    progress
        Told of every phase and step.
    memory
        Bytes that states may take up in memory, a quarter of the machine's by default: a larger recording is trained on
        from disk, and diagnostics rest on the held-out trajectories that fit.

    Raises
    ------
    SymdiffError
        By kind: refused before work starts, failed while running, plugin unavailable, interrupted.
    """
    config, family, options = resolve(config)
    directory = RunDirectory(config, out, force=force)
    if directory.state == "finished" and not rescore:
        return directory.result()
    if rescore and directory.state != "finished":
        raise OutputError(f"{directory.path} holds no finished run to rescore", "run it first, without --rescore")
    device = resolve_device(config.device)
    earlier = directory.result().warnings if rescore else []
    with directory.writing(), _collected() as caught:
        run = _Run(config, directory, device, progress or Silent(), memory)
        run.record()
        run.open(family(run.recording.observation_shape, options))
        run.train(read_models(directory / "hae.safetensors") if rescore else None, earlier)
        result = run.judge(caught).model_copy(update={"timing": dict(run.timing)})
        with run.phase("report"):
            result.write(directory / "result.json")
            write_report(directory.path)
        result = result.model_copy(update={"timing": run.timing})
        directory.finish(result)
    load_plugins().run_finished(result, directory.path)
    return result


@dataclass
class _Run:
    """The state a run builds up, phase by phase."""

    config: RunConfig
    directory: RunDirectory
    device: torch.device
    progress: Progress
    memory: int | None = None
    timing: dict[str, float] = field(default_factory=dict)

    recording: Trajectories = field(init=False)
    family: GroupFamily = field(init=False)
    latent: int = field(init=False)
    fit: Fit = field(init=False)
    longer: Fit | None = None
    training_caveats: list[str] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce a phase and time it."""
        self.progress.phase(name)
        start = time.perf_counter()
        yield
        self.timing[name] = round(time.perf_counter() - start, 3)
        log.info("%s took %.1f s", name, self.timing[name])

    def record(self) -> None:
        """The trajectories: of a recorded directory, of the cache, or of the model."""
        with self.phase("record"):
            if is_recording(self.config.model):
                self.recording = load_store(self.config.model, self.memory)
                self._warn_of_settings_without_effect()
                return
            self.recording, cached = recorded(
                find_denoiser(self.config.model),
                find_sampler(self.config.sampler),
                self.config.steps,
                self.config.trajectories,
                self.config.seed,
                self.device,
                memory=self.memory,
                on_progress=self.progress.update,
            )
            log.info("%d trajectories %s", len(self.recording), "from the cache" if cached else "recorded")

    def _warn_of_settings_without_effect(self) -> None:
        found = {"steps": self.recording.steps, "trajectories": len(self.recording)}
        ours = self.config.model_dump(include=set(found))
        changed = [name for name in found if ours[name] not in (found[name], RunConfig.model_fields[name].default)]
        if changed or self.config.sampler is not None:
            warnings.warn(
                f"{self.config.model} is a recording of {len(self.recording)} trajectories of {self.recording.steps} "
                "steps: --trajectories, --steps and --sampler do not change it",
                stacklevel=2,
            )

    def open(self, family: GroupFamily) -> None:
        """Fix the family and split the recording: 70% to train on, 10% to choose by, 20% to judge by."""
        self.family = family
        self.latent = family.latent_dimension(self.config.latent)
        self.train_part, self.validation_part, self.train_sample, self.test_part = parts(
            self.recording, self.config.seed, self.memory
        )
        family.sequences(self.train_part, self.config.length, 1)  # refuses a length that does not fit, before training

    def train(self, trained: States | None, earlier: list[str]) -> None:
        """Train, or rebuild the models of a finished run; references are closed forms and always made anew.

        Parameters
        ----------
        trained
            The weights of a finished run, by form.
        earlier
            Its warnings: those about training are kept.
        """
        self.training_caveats = [warning for warning in earlier if warning.startswith("stage ")]
        with self.phase("train"), self._metrics(trained is None) as on_line:
            steps = (self.config.train_steps or STEPS) * (THOROUGH if self.config.thorough else 1)
            self.fit = self._fit(self.family, steps, "", trained, on_line)
            if self.config.compare_forms:
                for name, family in self.family.other_forms().items():
                    other = self._fit(family, steps, f"{name}-", trained, on_line)
                    self.fit.models = self.fit.models | {
                        k: v for k, v in other.models.items() if k not in self.fit.models
                    }
                    self.fit.outcomes = other.outcomes | self.fit.outcomes
            if self.config.thorough:
                of_longer = trained and {k.removeprefix(LONGER): v for k, v in trained.items() if k.startswith(LONGER)}
                self.longer = self._fit(self.family, 2 * steps, LONGER, of_longer)
            self.training_caveats += [
                f"stage {name}: {outcome.reason}"
                for name, outcome in self.fit.outcomes.items()
                if outcome.best_step == 0 and outcome.steps
            ]
            if trained is None:
                longer = {LONGER + name: model for name, model in self.longer.models.items()} if self.longer else {}
                with self.directory.file("hae.safetensors") as temporary:
                    write_models(temporary, {**self.fit.models, **longer})

    @contextmanager
    def _metrics(self, training: bool) -> Iterator[Callable[[dict[str, Any]], None] | None]:
        """Write ``metrics.jsonl`` as training goes on; a resumed stage tells its earlier lines again."""
        if not training:
            yield None
            return
        file = self.directory / "metrics.jsonl"
        with disk_errors(file), file.open("w", encoding="utf-8", buffering=1) as stream:

            def on_line(line: dict[str, Any]) -> None:
                stream.write(json.dumps(line) + "\n")

            yield on_line

    def _fit(
        self,
        family: GroupFamily,
        steps: int,
        prefix: str,
        trained: States | None,
        on_line: Callable[[dict[str, Any]], None] | None = None,
    ) -> Fit:
        def on_step(done: int, total: int, loss: float) -> None:
            self.progress.update(done, total, loss=loss)

        return Fitting(
            family, self.latent, self.config.length, steps, self.config.seed, self.device,
            Checkpoint(self.directory.path, prefix), on_step, on_line, trained,
        ).fit(self.train_part, self.validation_part)  # fmt: skip

    def judge(self, caught: Callable[[], list[str]]) -> Result:
        """Every figure on the held-out trajectories, the parts of rho, the verdict, and what the report draws."""
        with self.phase("diagnose"):
            evaluation = self.evaluation()
            diagnosis = diagnose(evaluation)
            estimates = {**diagnosis.estimates, **self._of_plugins(evaluation)}
            forms = self._forms(evaluation, estimates)
            conditions = list(guarantees(evaluation, estimates, floor=self._floor(evaluation)))
            process = shared_affine_r2(
                self.train_sample, self.test_part, seed=self.config.seed, replicates=evaluation.bootstrap
            )
        with self.phase("decompose"):
            structure = self._decompose(evaluation)
        estimates |= structure.estimates
        self._write_figures(evaluation, diagnosis, structure)
        return Result(
            symdiff_version=__version__,
            group=self.family.name,
            model=self.config.model,
            config=self._configuration(),
            diagnostics=estimates,
            forms=forms,
            decomposition=structure.document,
            guarantees=conditions,
            process=process,
            verdict=verdict(
                estimates,
                process,
                decomposition=structure.document,
                actions_are_steps=self.family.actions_are_steps,
            ),
            warnings=[*caught(), *self.family.caveats(self.recording), *self.training_caveats],
        )

    def _decompose(self, evaluation: Evaluation) -> Structure:
        """How the trained rho decomposes, beside the closed forms of the same dimension."""
        references = {name: _double(model) for name, model in self.fit.references.items()}
        return split(evaluation, references, self.fit.form, RESAMPLES * (THOROUGH if self.config.thorough else 1))

    def _configuration(self) -> dict[str, Any]:
        """The configuration as the result shows it: flat, keys are flags, with the numbers really in use."""
        used = {"steps": self.recording.steps, "trajectories": len(self.recording), "latent": self.latent}
        return {**self.config.model_dump(mode="json"), **used, "run_id": self.config.run_id}

    @torch.no_grad()
    def evaluation(self) -> Evaluation:
        """The model of the run with all held-out data, in float64 on the CPU."""
        seed = self.config.seed
        sequences = self._held_out(HELD_OUT_LENGTH, HELD_OUT_SEQUENCES)
        elements = self._held_out(1, ELEMENTS).actions[:, 0]
        untrained = self.family.model(self.latent, seed + 1).double().eval()
        exact = self.fit.references.get("exact")
        reference = None if exact is None else _double(exact)
        evaluation = Evaluation(
            family=self.family,
            model=_double(self.fit.model),
            trajectories=self.test_part,
            sequences=sequences,
            elements=elements,
            untrained=untrained,
            seed=seed,
            bootstrap=400 * (THOROUGH if self.config.thorough else 1),
            reference=reference,
        )
        if reference is None:
            return evaluation
        return replace(evaluation, reference_energy=action_energy(evaluation.with_model(reference)).value)

    def _held_out(self, length: int, n: int) -> Sequences:
        """`n` held-out sequences of `length` actions, shorter where steps outside the group leave no such run."""
        n = affordable(n, length, math.prod(self.recording.observation_shape))
        while True:
            generator = torch.Generator().manual_seed(self.config.seed + 1)
            try:
                return self.family.sequences(self.test_part, length, n, generator)
            except ConfigError:
                if length == 1:
                    raise
                length -= 1

    def _of_plugins(self, evaluation: Evaluation) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        for name, diagnostic in load_plugins().diagnostics.items():
            try:
                found[name] = Estimate.model_validate(diagnostic(evaluation))
            except Exception as error:  # a plugin's defect costs its figure, not the run
                warnings.warn(f"diagnostic {name} of a plugin failed: {type(error).__name__}: {error}", stacklevel=2)
        return found

    def _forms(self, evaluation: Evaluation, estimates: dict[str, Estimate]) -> dict[str, dict[str, Any]]:
        """One row a form: the reported one, what training started from, the stages and other forms, closed forms."""
        models = {self.fit.form: self.fit.model}
        if self.fit.start is not None:
            models["start"] = self.fit.start
        models |= self.fit.models
        for name, reference in self.fit.references.items():
            models[name if name not in models else f"{name} (closed form)"] = reference
        rows: dict[str, dict[str, Any]] = {}
        for name, model in models.items():
            found = estimates if name == self.fit.form else headline(evaluation.with_model(_double(model)))
            rows[name] = {key: found[key].value for key in HEADLINE if key in found}
            rows[name]["caution"] = found["action_energy"].caution
        rows["pca"] = dict(pca_row(evaluation, self.train_sample, self.latent))
        return rows

    def _floor(self, evaluation: Evaluation) -> tuple[float, float] | None:
        """Held-out losses of our training and of a longer one; without a longer one nothing is known of the floor."""
        if self.longer is None:
            return None

        def loss(model: HAE) -> float:
            with torch.no_grad():
                return float(objective(_double(model), evaluation.sequences, self.family.options, 0.0).loss)

        return loss(self.fit.model), loss(self.longer.model)

    def _write_figures(self, evaluation: Evaluation, diagnosis: Diagnosis, structure: Structure) -> None:
        arrays = {name: np.asarray(curve, dtype=np.float32) for name, curve in diagnosis.curves.items()}
        arrays |= {**illustrations(evaluation.model, self.test_part, evaluation.sequences), **structure.arrays}
        with self.directory.file("figures.safetensors") as temporary:
            save_arrays(arrays, temporary)


def _double(model: HAE) -> HAE:
    return copy.deepcopy(model).cpu().double().eval()


@contextmanager
def _collected() -> Iterator[Callable[[], list[str]]]:
    """Keep what is warned of on the way, so that the result can repeat it; it is shown all the same."""
    messages: list[str] = []
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category in (UserWarning, RuntimeWarning):
            messages.append(" ".join(str(message).split()))
        shown(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        yield lambda: list(dict.fromkeys(messages))
    finally:
        warnings.showwarning = shown
