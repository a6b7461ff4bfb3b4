"""What a family gets for free: a group and an action are enough to be trained."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from symdiff.checkpoint import Checkpoint
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.errors import ConfigError
from symdiff.fitting import Fitting
from symdiff.groups import GroupFamily
from symdiff.representations import MLPRepresentation
from symdiff.trajectories import Trajectories, record


class Translations(GroupFamily):
    """Cyclic translations of the image plane."""

    name: ClassVar[str] = "translations"
    summary: ClassVar[str] = "cyclic translations"

    @property
    def element_shape(self) -> tuple[int, ...]:
        return (2,)

    @property
    def sides(self) -> Tensor:
        return torch.tensor(self.observation_shape[1:])

    def identity(self) -> Tensor:
        return torch.zeros(2)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return (g2 + g1) % self.sides.to(g1.device)

    def inverse(self, g: Tensor) -> Tensor:
        return -g % self.sides.to(g.device)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.stack([torch.randint(int(s), (n,), generator=generator) for s in self.sides], dim=-1).float()

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        apart = (g1 - g2) % self.sides
        return torch.minimum(apart, self.sides - apart).norm(dim=-1)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        batch = torch.broadcast_shapes(g.shape[:-1], x.shape[:-3])
        x = x.expand(*batch, *x.shape[-3:]).flatten(0, -4)
        rows = g.expand(*batch, 2).flatten(0, -2).long().tolist()
        moved = [torch.roll(image, (dy, dx), (-2, -1)) for image, (dy, dx) in zip(x, rows, strict=True)]
        return torch.stack(moved).unflatten(0, batch)

    def features(self, g: Tensor) -> Tensor:
        angle = 2 * torch.pi * g / self.sides
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


@pytest.fixture(scope="module")
def recording() -> Trajectories:
    return record(load_denoiser("mixture"), DDPM(), 10, 40, device="cpu")


def test_sequences_are_made_by_letting_sampled_elements_act_on_recorded_states(recording: Trajectories) -> None:
    family = Translations((1, 8, 8))
    found = family.sequences(recording, 3, 20, torch.Generator().manual_seed(0))
    assert found.actions.shape == (20, 3, 2)
    for t in range(3):
        assert torch.equal(family.act(found.actions[:, t], found.observations[:, t]), found.observations[:, t + 1])
    first = recording.states[found.trajectory, found.times[:, 0]]
    assert torch.equal(found.observations[:, 0], first)


def test_a_family_without_a_logarithm_learns_a_network_with_a_homomorphism_penalty(recording: Trajectories) -> None:
    family = Translations((1, 8, 8))
    assert not family.is_lie
    with pytest.raises(ConfigError, match="no logarithm"):
        family.log(family.identity())
    train, validation, _ = recording.split()
    fit = Fitting(family, 6, 2, 100, 0, torch.device("cpu"), Checkpoint(None)).fit(train, validation)
    rho = fit.model.representation
    assert isinstance(rho, MLPRepresentation)
    assert rho.compose is not None
    assert list(fit.models) == ["mlp"]
    assert fit.outcomes["mlp"].validation < fit.outcomes["mlp"].start


def test_the_repr_names_the_family_and_what_it_acts_on() -> None:
    assert repr(Translations((1, 8, 8))).startswith("Translations((1, 8, 8), FamilyOptions(")


def test_a_model_is_the_same_for_the_same_seed_and_leaves_the_global_generator_alone() -> None:
    family = Translations((1, 8, 8))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = family.model(4, 1), family.model(4, 1), family.model(4, 2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.encoder.linear.weight, again.encoder.linear.weight)
    assert not torch.equal(first.encoder.linear.weight, other.encoder.linear.weight)


def test_sequences_begin_with_what_the_group_moves_and_without_more_it_is_everything() -> None:
    class Cropped(Translations):
        def observed(self, x: Tensor) -> Tensor:
            return x * (torch.arange(8) < 4)

    recording = record(load_denoiser("gaussian"), DDPM(), 4, 6, device="cpu")
    cropped = Cropped((1, 8, 8)).sequences(recording, 2, 10, torch.Generator().manual_seed(0))
    assert float(cropped.observations[:, 0, ..., 4:].abs().max()) == 0
    plain = Translations((1, 8, 8))
    whole = plain.sequences(recording, 2, 10, torch.Generator().manual_seed(0))
    assert torch.equal(whole.observations[:, 0, ..., :4], cropped.observations[:, 0, ..., :4])
    x = recording.states[:, 0]
    assert plain.observed(x) is x
    assert plain.haar_elements() is None
    assert plain.interpolation_error(x) is None
    assert plain.isotypic_components(x) == {}
