"""A run that trains a homomorphism autoencoder on the steps and judges it on held-out ones."""

from __future__ import annotations

import copy
import inspect
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from symdiff import __version__
from symdiff.checkpoint import Checkpoint
from symdiff.diagnostics import (
    HEADLINE,
    Evaluation,
    action_energy,
    diagnose,
    guarantees,
    headline,
    pca_row,
    verdict,
)
from symdiff.diagnostics.evaluation import Curve
from symdiff.errors import ConfigError, OutputError
from symdiff.fitting import STEPS, Fit, Fitting
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.illustrations import illustrations
from symdiff.modelfile import States, read_models, write_models
from symdiff.plugins import load_plugins
from symdiff.result import Estimate, Result
from symdiff.run import THOROUGH, Run
from symdiff.structure import Structure, split
from symdiff.trajectories import ObservedSequences, Sequences, affordable
from symdiff.trajectories.appearing import disk_errors

HELD_OUT_SEQUENCES = 1024
HELD_OUT_LENGTH = 10
ELEMENTS = 64

LONGER = "longer-"
"""Begins the names of the models of the longer run that `--thorough` compares with."""


@dataclass
class LearnedRun(Run):
    """Encoder, representation and decoder are trained; rho is decomposed."""

    latent: int = field(init=False)
    fit: Fit = field(init=False)
    longer: Fit | None = None
    training_caveats: list[str] = field(default_factory=list)

    def open(self, family: GroupFamily) -> None:
        """Refuse a latent dimension or a length that does not fit before training."""
        super().open(family)
        self.latent = family.latent_dimension(self.config.latent)
        family.sequences(self.train_part, self.config.length, 1)

    def answer(self, caught: Callable[[], list[str]], earlier: Result | None) -> Result:
        """Train, or rebuild the models of a finished run, and judge."""
        with self.described_beside():
            if earlier is None:
                self.train(None, [])
            else:
                self.train(read_models(self.directory / "hae.safetensors"), earlier.warnings)
            return self.judge(caught)

    def autoencoder(self, form: str | None = None) -> HAE:
        """The model of a finished run in a form that was trained, by default the reported one, as it is evaluated.

        Raises
        ------
        OutputError
            No such form was trained.
        """
        self.train(read_models(self.directory / "hae.safetensors"), [])
        models = self.fit.models
        if form is not None and form not in models:
            raise OutputError(f"{self.directory.path} has no form {form!r}", f"choose from {', '.join(models)}")
        return self._evaluated(models[form or self.fit.form])

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
            Checkpoint(self.directory.path, prefix), on_step, on_line, trained, self.config.plain,
        ).fit(self.train_part, self.validation_part)  # fmt: skip

    def judge(self, caught: Callable[[], list[str]]) -> Result:
        """Every figure on the held-out trajectories, the parts of rho, the verdict, and what the report draws."""
        with self.phase("diagnose"):
            evaluation = self.evaluation()
            decomposed = self.later(lambda: self._decompose(evaluation))
            diagnosis = diagnose(evaluation)
            estimates = {**diagnosis.estimates, **self._of_plugins(evaluation)}
            forms = self._forms(evaluation, estimates)
            conditions = list(guarantees(evaluation, estimates, floor=self._floor(evaluation)))
            described = self.family.describe(evaluation)
        with self.phase("decompose"):
            structure = decomposed.result(self.progress)
        process = {**self.describe(), **described.document}
        estimates |= structure.estimates
        self._write_figures(evaluation, {**diagnosis.curves, **described.arrays}, structure)
        return Result(
            symdiff_version=__version__,
            group=self.family.name,
            title=self.family.title,
            model=self.config.model,
            config=self.configuration(latent=self.latent),
            diagnostics=estimates,
            forms=forms,
            descriptions={**_of_diagnostics(estimates), **self.family.descriptions()},
            decomposition=structure.document,
            guarantees=conditions,
            process=process,
            verdict=verdict(
                estimates,
                process,
                decomposition=structure.document,
                actions_are_steps=self.family.actions_are_steps,
                free_form=self.family.free_form,
                obstruction=self.family.obstruction(evaluation.elements),
                actions_are_observed=self.family.actions_are_observed,
                law_known=self.family.law_known,
            ),
            warnings=[*caught(), *self._caveats(), *self.training_caveats],
        )

    def _caveats(self) -> list[str]:
        found = [*self.model_caveats, *self.family.caveats(self.recording)]
        if isinstance(self.recording, ObservedSequences) and not self.family.actions_are_observed:
            found.append(
                f"the observed actions are not used: elements of {self.family.title} act on the observations, and "
                "nothing is said of how observations follow one another"
            )
        return found

    def _decompose(self, evaluation: Evaluation) -> Structure:
        """How the trained rho decomposes, beside the closed forms of the same dimension."""
        references = {name: self._evaluated(model) for name, model in self.fit.references.items()}
        return split(evaluation, references, self.fit.form, self.resamples, pictures_of=self.pictures_of)

    @torch.no_grad()
    def evaluation(self) -> Evaluation:
        """The model of the run with all held-out data, in float64."""
        seed = self.config.seed
        sequences = self._held_out(HELD_OUT_LENGTH, HELD_OUT_SEQUENCES)
        elements = self._held_out(1, ELEMENTS).actions[:, 0]
        untrained = self._evaluated(self.family.model(self.latent, seed + 1))
        exact = self.fit.references.get("exact")
        reference = None if exact is None else self._evaluated(exact)
        evaluation = Evaluation(
            family=self.family,
            model=self._evaluated(self.fit.model),
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

    def _evaluated(self, model: HAE) -> HAE:
        """A copy in float64, in the form in which the family evaluates it."""
        return self.family.for_evaluation(copy.deepcopy(model).to(self._judged_on).double().eval())

    @property
    def _judged_on(self) -> torch.device:
        """The device of the run, where it knows float64."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    def _held_out(self, length: int, n: int) -> Sequences:
        """`n` held-out sequences of `length` actions, shorter where steps outside the group leave no such run."""
        n = affordable(n, length, math.prod(self.recording.observation_shape))
        while True:
            generator = torch.Generator().manual_seed(self.config.seed + 1)
            try:
                return self.family.sequences(self.test_part, length, n, generator).to(self._judged_on)
            except ConfigError:
                if length == 1:
                    raise
                length -= 1

    def _of_plugins(self, evaluation: Evaluation) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        for name, diagnostic in load_plugins().diagnostics.items():
            try:
                answer = diagnostic(evaluation)
                if answer is not None:  # it does not apply to this family
                    found[name] = Estimate.model_validate(answer)
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
            found = estimates if name == self.fit.form else headline(evaluation.with_model(self._evaluated(model)))
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
                return float(self.family.objective(self._evaluated(model), evaluation.sequences, 0.0).loss)

        return loss(self.fit.model), loss(self.longer.model)

    def _write_figures(self, evaluation: Evaluation, curves: dict[str, Curve], structure: Structure) -> None:
        shown = illustrations(evaluation.model, self.test_part, evaluation.sequences, self.pictures_of)
        self.write_figures({**curves, **shown, **structure.arrays})


def _of_diagnostics(estimates: Mapping[str, Estimate]) -> dict[str, str]:
    """What plugins say of their diagnostics: the first paragraphs of the functions' docstrings."""
    documented = {name: inspect.getdoc(diagnostic) for name, diagnostic in load_plugins().diagnostics.items()}
    return {
        name: " ".join(text.split("\n\n")[0].replace("``", "").split())
        for name, text in documented.items()
        if text and name in estimates
    }
