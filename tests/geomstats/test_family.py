"""The family: latents that fit, values on the manifold, starts that are what they claim to be, and bad input."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from symdiff.affine_steps import AffineSteps
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.errors import ConfigError
from symdiff.hae import HAE, losses
from symdiff.options import check_options
from symdiff.trajectories import Trajectories, record
from symdiff_affine.family import AffineFamily
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.manifolds import KINDS
from symdiff_geomstats.options import GeomstatsOptions
from symdiff_geomstats.representations import ManifoldLie, ManifoldMLP
from tests.geomstats.subjects import affine, recorded

NAMES = tuple(KINDS)
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def recording() -> Trajectories:
    return record(load_denoiser("gaussian"), DDPM(), 12, 60, seed=3, device="cpu")


def test_it_shares_the_group_and_the_data_with_the_affine_family(recording: Trajectories) -> None:
    one, other = affine("so", 4, (1, 8, 8)), AffineFamily((1, 8, 8))
    assert isinstance(one, AffineSteps)
    assert isinstance(other, AffineSteps)
    found = [f.sequences(recording, 3, 20, torch.Generator().manual_seed(0)) for f in (one, other)]
    assert torch.equal(found[0].actions, found[1].actions)
    g = one.sample(4, torch.Generator().manual_seed(0))
    assert torch.equal(one.compose(g[0], g[1:]), other.compose(g[0], g[1:]))


def test_steps_are_recorded_ones_in_their_order(recording: Trajectories) -> None:
    f = affine("so", 4, (1, 8, 8), gauge="x0")
    usable = f.usable_steps(recording)
    assert usable.tolist() == list(range(recording.steps - 1))  # the last one is singular in this gauge
    g = f.steps(recording, torch.tensor([0, 5]), usable[2:4])
    x = recording.states[[0, 5]].double()
    torch.testing.assert_close(f.act(g, x[:, 2:4]), x[:, 3:5], rtol=1e-12, atol=1e-12)


@every
@pytest.mark.parametrize("rho", ["lie", "mlp"])
def test_values_lie_on_the_manifold_before_and_after_training(name: str, rho: str, recording: Trajectories) -> None:
    f = affine(name, 3, (1, 8, 8), rho=rho)
    model = f.model(f.latent_dimension(None))
    data = f.sequences(recording, 3, 64, torch.Generator().manual_seed(0))
    f.initialise(model, data)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(8):
        optimiser.zero_grad()
        loss = f.objective(model, data, 0.4).loss
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    [blocks] = model.representation.blocks(data.actions[:, 0])
    assert blocks.shape[1:] == (8, f.manifold.size, f.manifold.size)
    assert float(f.manifold.defect(blocks).max().detach()) <= 1e-5
    assert not torch.allclose(blocks[0], blocks[1])


@pytest.mark.parametrize("name", ["triangular", "gl+"])
def test_groups_that_follow_translations_start_as_an_exact_homomorphism(name: str, recording: Trajectories) -> None:
    f = affine(name, 4, (1, 8, 8))
    model = f.model(32).double()
    data = f.sequences(recording, 3, 200, torch.Generator().manual_seed(0)).to("cpu", torch.float64)
    f.initialise(model, data)
    silent(model)
    rho = model.representation
    assert isinstance(rho, ManifoldLie)
    assert rho.bracket_error() < 1e-12
    g1, g2 = data.actions[:20, 0], data.actions[20:40, 0]
    torch.testing.assert_close(rho(f.compose(g2, g1)), rho(g2) @ rho(g1), rtol=1e-9, atol=1e-9)
    prediction = losses(model, data.observations, data.actions).prediction
    assert float(prediction.detach()) < 1e-12
    assert f.obstruction(data.actions[:, 0]) is None


@pytest.mark.parametrize("name", ["so", "se", "rotations-scales"])
def test_groups_that_cannot_follow_both_say_so_unless_nothing_scales(name: str, recording: Trajectories) -> None:
    f = affine(name, 3, (1, 8, 8))
    data = f.sequences(recording, 1, 20, torch.Generator().manual_seed(0))
    obstruction = f.obstruction(data.actions[:, 0])
    assert obstruction is not None
    assert "translation" in obstruction
    assert any(obstruction in caveat for caveat in f.caveats(recording))
    assert affine(name, 3).caveats(recorded(torch.randn(4, 5, 1, 2, 3))) == []


def test_rigid_motions_follow_translations_exactly_where_nothing_scales() -> None:
    f = affine("se", 3)
    walk = torch.randn(40, 6, 1, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(1)
    data = f.sequences(recorded(walk), 4, 100, torch.Generator().manual_seed(0))
    model = f.model(8).double()
    f.initialise(model, data)
    silent(model)
    assert float(losses(model, data.observations, data.actions).prediction.detach()) < 1e-20
    rho = model.representation
    g1, g2 = data.actions[:20, 0], data.actions[20:40, 0]
    torch.testing.assert_close(rho(f.compose(g2, g1)), rho(g2) @ rho(g1), rtol=1e-9, atol=1e-9)
    assert float((rho(g1) - torch.eye(8)).abs().max().detach()) > 0.1


@every
def test_the_default_latent_space_is_eight_blocks_and_an_explicit_one_has_to_fit(name: str) -> None:
    f = affine(name, 4)
    size = f.manifold.size
    assert f.latent_dimension(None) == 8 * size
    assert f.latent_dimension(3 * size) == 3 * size
    assert f.block_sizes(2 * size) == (size, size)
    for wrong in (3 * size + 1, size - 1):
        with pytest.raises(ConfigError, match=f"does not divide --latent {wrong}") as caught:
            f.latent_dimension(wrong)
        assert f"without --latent it is {8 * size}" in caught.value.hint


def test_unknown_manifolds_and_an_n_that_is_too_small_are_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="manifold") as caught:
        check_options(GeomstatsOptions, {"manifold": "su"}, "geomstats")
    said = caught.value.message + caught.value.hint
    assert all(name in said for name in NAMES)
    with pytest.raises(ConfigError, match="n"):
        check_options(GeomstatsOptions, {"n": 1}, "geomstats")
    with pytest.raises(ValidationError):
        GeomstatsOptions.model_validate({"rho": "exact"})


def test_a_rho_on_a_manifold_is_not_projected_off_it() -> None:
    rho = affine("so", 2).representation(4)
    assert isinstance(rho, ManifoldLie)
    assert isinstance(affine("so", 2, rho="mlp").representation(4), ManifoldMLP)
    with pytest.raises(ConfigError, match="not projected"):
        rho.projected()


def silent(model: HAE) -> None:
    with torch.no_grad():
        for parameter in (*model.encoder.network[-1].parameters(), *model.decoder.network[-1].parameters()):
            parameter.zero_()


@pytest.mark.parametrize(
    ("manifold", "title"), [("so", "SO(3)"), ("se", "SE(3)"), ("gl+", "GL+(3)"), ("triangular", "triangular(3)")]
)
def test_a_report_says_on_which_manifold(manifold: str, title: str) -> None:
    family = GeomstatsFamily((1, 2, 2), GeomstatsOptions(manifold=manifold, n=3))
    assert family.title == f"affine steps on {title}"
