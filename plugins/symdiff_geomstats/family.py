"""The geomstats family: affine steps represented on a matrix Lie group."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from symdiff.affine_steps import AffineSteps, sufficient_basis
from symdiff.closed_form import fit_linear_decoder
from symdiff.errors import ConfigError
from symdiff.groups import Description, FamilyOptions, GroupFamily
from symdiff.hae import HAE, Decoder, Encoder
from symdiff.representations import MLPRepresentation, Representation
from symdiff.trajectories import Sequences, Trajectories
from symdiff_geomstats import library
from symdiff_geomstats.manifolds import Manifold, manifold
from symdiff_geomstats.options import GeomstatsOptions
from symdiff_geomstats.representations import ManifoldLie, ManifoldMLP
from symdiff_geomstats.start import start

SCALES = 1e-6
"""Largest ``|a - 1|`` that is rounding."""

BLOCKS = 8
"""Blocks of the default latent space."""


class GeomstatsFamily(AffineSteps):
    """Affine steps with rho on SO(n), SE(n), GL+(n), the triangular matrices, or rotations and scales.

    Raises
    ------
    BackendError
        geomstats was imported earlier with another backend.
    """

    name = "geomstats"
    summary = "affine steps on a matrix Lie group: SO(n), SE(n), GL+(n), triangular, rotations and scales"
    Options: ClassVar[type[FamilyOptions]] = GeomstatsOptions
    options: GeomstatsOptions

    def __init__(self, observation_shape: tuple[int, int, int], options: Any = None) -> None:
        super().__init__(observation_shape, options)
        library.refuse_other_backend()

    @property
    def title(self) -> str:
        """With the manifold: ``affine steps on SO(4)``."""
        n = self.options.n
        called = {"so": f"SO({n})", "se": f"SE({n})", "gl+": f"GL+({n})"}
        return f"affine steps on {called.get(self.options.manifold, f'{self.options.manifold}({n})')}"

    @cached_property
    def manifold(self) -> Manifold:
        """The group of the blocks."""
        return manifold(self.options.manifold, self.options.n)

    # --- the model ----------------------------------------------------------------------------

    def latent_dimension(self, requested: int | None) -> int:
        """8 blocks by default.

        Raises
        ------
        ConfigError
            The one asked for is no multiple of the size of a block.
        """
        size = self.manifold.size
        if requested is None:
            return BLOCKS * size
        if requested % size or requested < size:
            below = max(requested // size, 1) * size
            raise ConfigError(
                f"blocks of {self.manifold!r} have size {size}, which does not divide --latent {requested}",
                f"--latent {below} or {below + size} would fit; without --latent it is {BLOCKS * size}",
            )
        return requested

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        """Blocks of the size of the manifold's matrices."""
        self.latent_dimension(latent)
        return (self.manifold.size,) * (latent // self.manifold.size)

    def representation(self, latent: int) -> Representation:
        """Rho in the form of the option ``rho``."""
        count, n = len(self.block_sizes(latent)), self.element_shape[0]
        if self.options.rho == "mlp":
            return ManifoldMLP(self.manifold, self.features, n, count)
        return ManifoldLie(self.manifold, self.log, self.bracket, n, count, sufficient_basis)

    def initialise(self, model: HAE, sequences: Sequences) -> None:
        """Principal components with what the manifold can do for them: see `symdiff_geomstats.start`."""
        rho, encoder = model.representation, model.encoder
        if isinstance(rho, MLPRepresentation):
            rho.standardise(sequences.actions.flatten(0, 1))
        if not isinstance(encoder, Encoder) or not isinstance(model.decoder, Decoder):
            raise TypeError(f"no closed-form start for {type(encoder).__name__}")
        start(encoder, rho if isinstance(rho, ManifoldLie) else None, self.manifold, sequences)
        fit_linear_decoder(model, sequences)

    def other_forms(self) -> dict[str, GroupFamily]:
        """The other of ``lie`` and ``mlp`` on the same manifold."""
        form = "mlp" if self.options.rho == "lie" else "lie"
        return {form: GeomstatsFamily(self.observation_shape, self.options.model_copy(update={"rho": form}))}

    # --- what is said of a run ----------------------------------------------------------------

    def describe(self, evaluation: Any) -> Description:
        """The curve of the values of rho, under ``process.manifold``: see `symdiff_geomstats.describe`."""
        from symdiff_geomstats.describe import describe

        return describe(evaluation)

    def obstruction(self, elements: Tensor) -> str | None:
        """What the manifold cannot see, where a step scales: ``(a, 0)(1, v)(a, 0)^-1 = (1, a v)`` then forbids it.

        Translations alone, all a being 1, are an abelian group, and any of these manifolds can see them.
        """
        if self.manifold.follows_translations or not float((elements[:, 0] - 1).abs().max()) > SCALES:
            return None
        return self.manifold.sees

    def caveats(self, trajectories: Trajectories) -> list[str]:
        """Those of all affine steps, and what the manifold cannot see."""
        found = super().caveats(trajectories)
        a = trajectories.gauges[self.gauge_in_use(trajectories)][self.usable_steps(trajectories)]
        obstruction = self.obstruction(a[:, None])
        if obstruction is not None:
            found.append(
                f"{obstruction}. A rho that sees translations all the same breaks the law, the more the longer the "
                "words: a small homomorphism error on single steps means that it moves little"
            )
        return found
