"""The group of affine steps and its action; what differs between families is the representation alone."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from symdiff.affine_steps.closed_form import exact_model
from symdiff.diffusion import affine
from symdiff.errors import ConfigError
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE
from symdiff.trajectories import Sequences, Trajectories, cut


class StepOptions(FamilyOptions):
    """Options of every family whose actions are affine steps."""

    gauge: Literal["v", "eps", "x0"] = Field("v", description="What is held fixed while a step is differentiated.")


class AffineSteps(GroupFamily):
    """``R_{>0} x| R^d``, one element a reverse step: ``x' = a x + v`` with a from the sampler and v from the states.

    The element is the tensor ``(a, v_1, ..., v_d)``; see `symdiff.diffusion.affine`. Subclasses give `name`, `summary`
    and a `representation`; their `Options` derive from `StepOptions`.
    """

    Options: ClassVar[type[FamilyOptions]] = StepOptions
    options: StepOptions
    actions_are_steps: ClassVar[bool] = True

    # --- the group ----------------------------------------------------------------------------

    @property
    def element_shape(self) -> tuple[int, ...]:
        """``(d+1,)``."""
        return (math.prod(self.observation_shape) + 1,)

    def identity(self) -> Tensor:
        """``(1, 0)``."""
        return affine.identity(self.element_shape[0] - 1)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """``(a2 a1, a2 v1 + v2)``."""
        return affine.compose(g2, g1)

    def inverse(self, g: Tensor) -> Tensor:
        """``(1/a, -v/a)``."""
        return affine.inverse(g)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``log a`` normal with spread 0.1, v normal with spread 0.3: the size of steps on data of unit variance."""
        numbers = torch.randn(n, *self.element_shape, generator=generator)
        return torch.cat([(0.1 * numbers[:, :1]).exp(), 0.3 * numbers[:, 1:]], dim=1)

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """The left-invariant geodesic distance."""
        return affine.distance(g1, g2)

    def log(self, g: Tensor) -> Tensor:
        """``(log a, v log(a)/(a-1))``."""
        return affine.log(g)

    def exp(self, X: Tensor) -> Tensor:
        """The inverse of `log`."""
        return affine.exp(X)

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """``[(s, w), (s', w')] = (0, s w' - s' w)``."""
        return affine.bracket(X, Y)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """``a x + v``."""
        return affine.act(g, x)

    # --- the data -----------------------------------------------------------------------------

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        """Random windows of recorded steps; a step that is not in the group is in none of them."""
        a = trajectories.gauges[self.gauge_in_use(trajectories)]
        windows = cut(trajectories, length, n, generator, usable=in_group(a))
        x = windows.observations
        steps = a[windows.times[:, :-1]].to(x.dtype)
        return Sequences(x, affine.from_step(x[:, :-1], x[:, 1:], steps), windows.times, windows.trajectory)

    def usable_steps(self, trajectories: Trajectories) -> Int[Tensor, " usable"]:
        """Steps of a recording that are in the group, in their order."""
        return in_group(trajectories.gauges[self.gauge_in_use(trajectories)]).nonzero().squeeze(1).cpu()

    def steps(
        self, trajectories: Trajectories, which: Int[Tensor, " n"], when: Int[Tensor, " t"]
    ) -> Float[Tensor, "n t e"]:
        """The elements of the steps `when` of the trajectories `which`, float64.

        Raises
        ------
        GroupElementError
            One of the steps has an infinite a, or none.
        """
        x, following = (trajectories.states[which[:, None], when + later].double() for later in (0, 1))
        return affine.from_step(x, following, trajectories.gauges[self.gauge_in_use(trajectories)][when].to(x))

    def gauge_in_use(self, trajectories: Trajectories) -> str:
        """The option ``gauge``, or ``eps`` where it was left at its default and the sampler has no such gauge.

        Raises
        ------
        ConfigError
            The gauge asked for is one the sampler has none of.
        """
        gauge: str = self.options.gauge
        if not bool(trajectories.gauges[gauge].isnan().all()):
            return gauge
        there = [name for name, a in trajectories.gauges.items() if not bool(a.isnan().all())]
        if "gauge" in self.options.model_fields_set or "eps" not in there:
            raise ConfigError(
                f"sampler {trajectories.info.get('sampler')} has no gauge {gauge}",
                f"choose -o gauge= one of {', '.join(there)}",
            )
        return "eps"

    # --- the model ----------------------------------------------------------------------------

    def features(self, g: Tensor) -> Tensor:
        """The logarithm: ``[..., d+1]``."""
        return affine.log(g)

    def references(self, latent: int, sequences: Sequences) -> dict[str, HAE]:
        """The exact forms of the same m: ``[[a I_{m-1}, P v], [0, 1]]``, and blocks of size 2."""
        shape, hidden = self.observation_shape, self.options.hidden
        found = {"exact": exact_model(sequences, (latent,), shape, hidden)}
        if latent >= 2 and latent % 2 == 0:
            found["exact-blocks"] = exact_model(sequences, (2,) * (latent // 2), shape, hidden)
        return found

    def caveats(self, trajectories: Trajectories) -> list[str]:
        """Steps that are not in the group in this gauge, gauges there are none of, and clipped denoised images."""
        found = []
        gauge = self.gauge_in_use(trajectories)
        a = trajectories.gauges[gauge]
        if gauge != self.options.gauge:
            found.append(f"the sampler has no gauge {self.options.gauge}: gauge {gauge} was used")
        if not trajectories.one_step:
            found.append(
                "the sampler also uses earlier estimates or a second call of the model: a is that of its first-order "
                "form"
            )
        outside = [int(i) for i in (~in_group(a)).nonzero().flatten()]
        if outside:
            named = ", ".join(f"step {i} (a = {float(a[i]):.3g})" for i in outside[:4])
            found.append(
                f"gauge {gauge}: {len(outside)} of {len(a)} steps are not in GL(d+1) and were left out of "
                f"training and diagnostics: {named}"
            )
        if trajectories.info.get("clip"):
            how = trajectories.info.get("clipping") or "x0hat was clipped"
            found.append(f"{how}: the step is then no affine function of the network's output")
        return found


def in_group(a: Float[Tensor, " steps"]) -> Bool[Tensor, " steps"]:
    """Whether a step of this scale is in the group: it is positive and finite."""
    return a.isfinite() & (a > 0)
