"""The affine family: its laws, its data, and closed forms that are what they claim to be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.closed_form import principal_components
from symdiff.diffusion import DDIM, DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.diffusion.samplers import Heun
from symdiff.errors import ConfigError
from symdiff.groups import GroupFamily
from symdiff.trajectories import Trajectories, record
from symdiff_affine.family import AffineFamily
from symdiff_affine.options import AffineOptions

SHAPE = (1, 2, 3)


@pytest.fixture(scope="module")
def recording() -> Trajectories:
    return record(load_denoiser("gaussian"), DDPM(), 12, 40, seed=3, device="cpu")


def family(**options: object) -> AffineFamily:
    return AffineFamily((1, 8, 8), AffineOptions.model_validate(options))


@given(seed=st.integers(0, 2**31))
def test_the_laws_of_a_group_and_of_an_action(seed: int) -> None:
    g = AffineFamily(SHAPE)
    generator = torch.Generator().manual_seed(seed)
    a, b, c = g.sample(3, generator).double()
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    e = g.identity().double()
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(g.compose(a, g.compose(b, c)), g.compose(g.compose(a, b), c), **close)
    torch.testing.assert_close(g.compose(a, e), a, **close)
    torch.testing.assert_close(g.compose(g.inverse(a), a), e, **close)
    torch.testing.assert_close(g.act(g.compose(a, b), x), g.act(a, g.act(b, x)), **close)
    torch.testing.assert_close(g.act(e, x), x, **close)
    torch.testing.assert_close(g.exp(g.log(a)), a, **close)
    assert float(g.distance(a, a)) < 1e-7
    assert float(g.distance(a, b)) > 0
    X, Y = g.log(a), g.log(b)
    torch.testing.assert_close(g.bracket(X, Y), -g.bracket(Y, X), **close)


@pytest.mark.parametrize("gauge", ["v", "eps", "x0"])
def test_sequences_are_recorded_steps_and_every_action_leads_to_the_next_observation(
    recording: Trajectories, gauge: str
) -> None:
    f = family(gauge=gauge)
    found = f.sequences(recording, 4, 50, torch.Generator().manual_seed(0))
    reached = f.act(found.actions, found.observations[:, :-1])
    torch.testing.assert_close(reached, found.observations[:, 1:], rtol=1e-5, atol=1e-5)
    states = recording.states[found.trajectory[:, None], found.times]
    torch.testing.assert_close(found.observations, states)
    a = recording.gauges[gauge][found.times[:, :-1]]
    torch.testing.assert_close(found.actions[..., 0].double(), a, rtol=1e-6, atol=0)


def test_the_singular_last_step_of_gauge_x0_is_left_out_and_said_so(recording: Trajectories) -> None:
    f = family(gauge="x0")
    assert float(recording.gauges["x0"][-1]) == 0
    found = f.sequences(recording, 4, 500, torch.Generator().manual_seed(0))
    assert int(found.times.max()) == recording.steps - 1
    [caveat] = f.caveats(recording)
    assert "1 of 12 steps are not in GL(d+1)" in caveat
    assert family(gauge="v").caveats(recording) == []


def test_a_clipped_recording_is_mentioned() -> None:
    clipped = record(load_denoiser("gaussian"), DDIM(), 5, 4, device="cpu", clip=True)
    assert any("x0hat clipped to ±1: the step is then" in caveat for caveat in family().caveats(clipped))


@pytest.fixture(scope="module")
def by_heun() -> Trajectories:
    return record(load_denoiser("gaussian"), Heun(), 8, 10, device="cpu")


def test_a_gauge_the_sampler_has_none_of_is_refused(by_heun: Trajectories) -> None:
    for ask in (family(gauge="x0").caveats, lambda recording: family(gauge="x0").sequences(recording, 3, 5)):
        with pytest.raises(ConfigError, match="sampler heun has no gauge x0") as error:
            ask(by_heun)
        assert error.value.hint == "choose -o gauge= one of v, eps"


def test_a_sampler_with_a_memory_is_mentioned(by_heun: Trajectories) -> None:
    [caveat] = family().caveats(by_heun)
    assert "a is that of its first-order form" in caveat


def test_the_default_gauge_gives_way_where_the_sampler_has_none(recording: Trajectories) -> None:
    without_v = replace(recording, gauges={**recording.gauges, "v": torch.full_like(recording.gauges["v"], math.nan)})
    f = family()
    assert f.gauge_in_use(without_v) == "eps"
    assert f.gauge_in_use(recording) == "v"
    assert "the sampler has no gauge v: gauge eps was used" in f.caveats(without_v)
    found = f.sequences(without_v, 4, 50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.actions[..., 0].double(), recording.gauges["eps"][found.times[:, :-1]])
    with pytest.raises(ConfigError, match="sampler ddpm has no gauge v"):
        family(gauge="v").sequences(without_v, 4, 50)


@pytest.mark.parametrize(
    ("block", "latent", "sizes"),
    [("2", 6, (2, 2, 2)), ("free", 6, (6,)), ("2,3", 5, (2, 3)), ("1", 3, (1, 1, 1)), (3, 6, (3, 3))],
)
def test_block_sizes_follow_the_option(block: object, latent: int, sizes: tuple[int, ...]) -> None:
    assert family(block=block).block_sizes(latent) == sizes


def test_block_sizes_that_do_not_fit_are_refused_with_what_to_change() -> None:
    with pytest.raises(ConfigError, match="do not fill a latent space of dimension 7"):
        family(block="2").latent_dimension(7)
    assert family(block="2,2,3").latent_dimension(None) == 7
    assert family().latent_dimension(None) == 32


@pytest.mark.parametrize(
    "options",
    [
        {"rho": "exact", "exact": "joint"},
        {"rho": "exact", "exact": "blocks"},
        {"rho": "exact", "exact": "blocks", "block": "2,3,3"},
        {"rho": "exact", "exact": "symmetric", "power": 1},
        {"rho": "exact", "exact": "symmetric", "power": 2},
        {"rho": "exact", "exact": "symmetric", "power": 3},
    ],
    ids=str,
)
def test_exact_forms_are_homomorphisms_and_their_closed_form_encoder_is_equivariant(
    recording: Trajectories, options: dict[str, object]
) -> None:
    f = family(**options)
    latent = f.latent_dimension(8 if options["exact"] == "blocks" else 12)
    model = f.model(latent)
    start = f.sequences(recording, 3, 200, torch.Generator().manual_seed(0))
    f.initialise(model, start)
    for parameter in model.encoder.network[-1].parameters():
        parameter.data.zero_()
    model = model.double()
    g = f.sample(6, torch.Generator().manual_seed(1)).double()
    rho = model.representation
    assert rho.form == "exact"
    assert rho.dimension == latent
    product = rho(g[:3]) @ rho(g[3:])
    torch.testing.assert_close(rho(f.compose(g[:3], g[3:])), product, rtol=1e-11, atol=1e-11)
    assert float((product - torch.eye(latent)).detach().norm()) > 0.1
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    moved = model.encode(f.act(g[:3], x))
    predicted = (rho(g[:3]) @ model.encode(x)[..., None])[..., 0]
    torch.testing.assert_close(moved, predicted, rtol=1e-10, atol=1e-10)
    # The rollout that forms no matrix is the product of the matrices.
    actions, z = g.unflatten(0, (2, 3)), model.encode(x[:2])
    expected = (rho(actions[:, 2]) @ rho(actions[:, 1]) @ rho(actions[:, 0]) @ z[..., None])[..., 0]
    torch.testing.assert_close(rho.rollout(actions, z)[:, -1], expected, rtol=1e-10, atol=1e-10)


def test_symmetric_powers_have_the_dimension_of_the_monomials() -> None:
    f = family(rho="exact", exact="symmetric", power=2)
    assert f.latent_dimension(32) == 28  # 7 variables: 6 components and the constant
    with pytest.raises(ConfigError, match="no symmetric power"):
        f.latent_dimension(2)


def test_the_exact_reference_reaches_the_residual_of_principal_components(recording: Trajectories) -> None:
    f = family()
    start = f.sequences(recording, 3, 400, torch.Generator().manual_seed(0))
    reference = f.references(8, start)["exact"].double()
    states = start.observations.flatten(0, 1).double()
    with torch.no_grad():
        missed = float((reference.decode(reference.encode(states)) - states).square().sum())
    parts = principal_components(states.flatten(1), 7)
    centred = states.flatten(1) - parts.mean
    residual = float(centred.square().sum() - (centred @ parts.directions.T).square().sum())
    assert missed == pytest.approx(residual, rel=1e-2)


@pytest.mark.parametrize("block", ["2", "4", "free", "2,3,3"])
def test_the_closed_form_start_of_lie_follows_its_components_almost_exactly(
    recording: Trajectories, block: str
) -> None:
    f = family(rho="lie", block=block)
    start = f.sequences(recording, 3, 200, torch.Generator().manual_seed(0))
    model = f.model(8).double()
    f.initialise(model, start.to("cpu", torch.float64))
    z = model.encode(start.observations.double())
    predicted = model.representation.rollout(start.actions.double(), z[:, 0])
    missed, spread = (z - predicted)[:, 1:].detach(), (z - z.mean((0, 1))).detach()
    assert float(missed.square().mean() / spread.square().mean()) < 0.02
    assert model.representation.bracket_error() < 0.5 * f.model(8).representation.bracket_error()


def test_the_closed_form_start_is_finite_with_fewer_states_than_latents() -> None:
    few = record(load_denoiser("gaussian"), DDPM(), 2, 4, device="cpu")
    f = family()
    start = f.sequences(few, 2, 50, torch.Generator().manual_seed(0))
    model = f.model(32)
    f.initialise(model, start)
    predicted = model.predict(start.observations[:, 0], start.actions)
    assert bool(predicted.isfinite().all())
    assert bool(model.decode(predicted).isfinite().all())
    assert float(predicted.detach().abs().max()) < 1e3


def test_the_default_representation_of_a_lie_group_is_made_by_the_core() -> None:
    f = family()
    core = GroupFamily.representation(f, 6)
    assert core.form == "lie-projected"
    assert core.block_sizes == (2, 2, 2)


def test_other_forms_are_the_ones_not_asked_for() -> None:
    assert list(family().other_forms()) == ["mlp"]
    assert list(family(rho="exact").other_forms()) == ["mlp", "lie-projected"]
