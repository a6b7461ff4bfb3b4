"""A run without an autoencoder: the reverse steps, linearised at their states, are decomposed themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symdiff import __version__
from symdiff.diagnostics import verdict
from symdiff.errors import ConfigError, MatricesError
from symdiff.groups import GroupFamily
from symdiff.illustrations import recording_pictures
from symdiff.result import Claim, Result
from symdiff.run import Run
from symdiff.structure import Structure, linear_parts, split_steps

LAW = Claim(
    status="inconclusive",
    evidence="no autoencoder was trained: linear parts are matrices already, and satisfy the law by definition",
)


@dataclass
class LinearisedRun(Run):
    """The linear parts ``A_t(x)`` of the steps are taken from the model and decomposed."""

    def open(self, family: GroupFamily) -> None:
        """Refuse a recording whose model is not at hand.

        Raises
        ------
        ConfigError
            The model cannot be asked for derivatives.
        """
        super().open(family)
        if self.denoiser is None:
            raise ConfigError(
                f"linear=jacobian needs the model of {self.config.model}, which is not at hand: {self.model_absent}",
                "give the model itself instead of its recording",
            )

    def answer(self, caught: Callable[[], list[str]], earlier: Result | None) -> Result:
        """Linearise, decompose, describe."""
        del earlier  # nothing was trained that could be kept
        structure = self._decompose()
        process = self.describe()
        self.write_figures({**recording_pictures(self.test_part, self.pictures_of), **structure.arrays})
        judged = verdict(structure.estimates, process, decomposition=structure.document, law_claim=LAW)
        return Result(
            symdiff_version=__version__,
            group=self.family.name,
            title=self.family.title,
            model=self.config.model,
            config=self.configuration(latent=self.family.element_shape[0]),
            diagnostics=structure.estimates,
            decomposition=structure.document,
            process=process,
            verdict=judged,
            warnings=[*caught(), *self.model_caveats, *self.family.caveats(self.recording), *self._caveats(structure)],
        )

    def _decompose(self) -> Structure:
        at = self.family.linearisation()
        if at is None or self.denoiser is None:
            raise TypeError("a linearised run needs a family that linearises, and a model")
        with self.phase("linearise"):
            model, seed = self.denoiser, self.config.seed
            device = "cpu" if self.device.type == "mps" else self.device  # which has no float64
            parts = linear_parts(model, self.recording, at, seed=seed, device=device, progress=self.progress.update)
        with self.phase("decompose"):
            try:
                return split_steps(
                    parts, self.recording, seed=seed, resamples=self.resamples, pictures_of=self.pictures_of
                )
            except MatricesError as error:
                raise ConfigError(f"the linear parts cannot be decomposed: {error}", error.hint) from error

    def _caveats(self, structure: Structure) -> list[str]:
        about = (structure.document or {}).get("linear_parts") or {}
        found = []
        if left_out := about.get("left_out"):
            named = ", ".join(str(time) for time in left_out[:4])
            found.append(f"{len(left_out)} steps are left out, their linear part being singular: timestep {named}")
        if about and about["subspace"] < about["pixels"]:
            found.append(
                f"linear parts were taken in a common subspace of {about['subspace']} of {about['pixels']} dimensions, "
                f"which keeps {about['captured']:.1%} of what the denoiser's derivatives do"
            )
        if not self.recording.one_step:
            found.append(
                "the sampler's steps use more than their own state: linear parts are of their first-order form"
            )
        return found
