"""The forms of rho, the terms of the loss, and that a model of observed actions can be trained and judged."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from symdiff.checkpoint import Checkpoint
from symdiff.errors import ConfigError, UnknownLawError
from symdiff.fitting import Fitting
from symdiff.groups import GroupFamily
from symdiff.objective import cross_entropy, latent_spread
from symdiff.representations import LieRepresentation, SkewLieRepresentation
from symdiff.trajectories import ObservedSequences
from symdiff.worlds import make_world
from symdiff_actions.faithful import unlikeness, unlikeness_of_values
from symdiff_actions.family import ActionsFamily
from symdiff_actions.networks import Probabilities
from symdiff_actions.options import ActionsOptions
from symdiff_actions.standardised import GAIN, SMALLEST, StandardisedEncoder

SHAPE = (1, 20, 20)


def world(count: int = 20, steps: int = 4, size: int = 2) -> ObservedSequences:
    """A bump that an angle moves along a circle, in images of 20 x 20 pixels."""
    generator = torch.Generator().manual_seed(0)
    actions = torch.randn(count, steps, size, generator=generator)
    angles = torch.cat([torch.zeros(count, 1), actions[..., 0].cumsum(1)], dim=1)
    grid = torch.linspace(-1.5, 1.5, 20)
    down, right = (grid - place[..., None] for place in (angles.sin(), angles.cos()))
    images = torch.exp(-4 * (down[..., :, None].square() + right[..., None, :].square()))
    return ObservedSequences.of(images[:, :, None], actions)


def family(**options: object) -> GroupFamily:
    small = {"hidden": 16, "channels": 4, "batch": 8, **options}
    return ActionsFamily.of(SHAPE, ActionsOptions(**small)).for_recording(world())


@pytest.mark.parametrize("form", ["skew", "mlp-skew"])
def test_rho_with_skew_exponents_is_orthogonal(form):
    rho = family(rho=form).representation(5).double()
    r = rho(torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).detach()
    torch.testing.assert_close(r.mT @ r, torch.eye(5, dtype=torch.float64).expand_as(r))
    assert float((r - torch.eye(5)).norm(dim=(-2, -1)).mean()) > 0.1


def test_a_skew_rho_is_skew_and_of_its_kind_after_its_projection():
    rho = family(law="additive").representation(4)
    assert isinstance(rho, SkewLieRepresentation)
    before = [parameter.detach().clone() for parameter in rho.parameters()]
    exact, _ = rho.projected()
    matrices = exact.double().generators[0].unflatten(-1, (4, 4))
    torch.testing.assert_close(matrices, -matrices.mT)
    assert exact.bracket_error() < 1e-6
    assert all(torch.equal(one, other) for one, other in zip(rho.parameters(), before, strict=True))


def test_a_skew_rho_starts_at_the_scale_it_is_given():
    small, large = (family(scale_of_rho=scale).model(6, seed=3).representation for scale in (0.1, 0.3))
    torch.testing.assert_close(large.images()[0], 3 * small.images()[0])


def test_a_rho_of_unknown_law_has_no_brackets_and_no_penalty():
    rho = family(rho="lie").representation(4)
    assert isinstance(rho, LieRepresentation)
    assert float(rho.penalty(torch.ones(3, 2))) == 0
    with pytest.raises(UnknownLawError, match="brackets of these actions are not known"):
        rho.bracket_defects()


def test_the_cross_entropy_of_a_fair_coin_is_log_2_a_pixel():
    images = torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cross_entropy(torch.zeros_like(images), images), torch.full((3,), 40 * math.log(2)))
    p = torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    expected = -(images * p.log() + (1 - images) * (1 - p).log()).sum((1, 2, 3))
    torch.testing.assert_close(cross_entropy(p.logit(), images), expected)


def test_the_spread_is_0_for_an_orthonormal_frame_and_large_for_a_single_point():
    assert float(latent_spread(torch.eye(4))) == pytest.approx(0, abs=1e-10)
    point = torch.tensor([[1.0, 0, 0, 0]]).expand(7, 4)
    assert float(latent_spread(point)) == pytest.approx((4 - 1) ** 2 + 3)


def test_what_is_decoded_with_a_bernoulli_likelihood_are_probabilities():
    model = family(likelihood="bernoulli").model(4)
    latents = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert isinstance(model.decoder, Probabilities)
    torch.testing.assert_close(model.decode(latents), model.decoder.logits(latents).sigmoid())


def test_images_that_cannot_be_halved_have_no_convolutions():
    with pytest.raises(ConfigError, match="images of 5x5 cannot be halved"):
        ActionsFamily((1, 5, 5), ActionsOptions(network="conv")).latent_dimension(None)


def test_standardised_features_have_a_given_mean_and_deviation_on_the_sample_they_start_from():
    f = family(network="conv", features="standardised")
    encoder = f.encoder(4).network
    assert isinstance(encoder, StandardisedEncoder)
    seen: list[torch.Tensor] = []
    encoder.dense.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    encoder(f.sample_of_observations)
    [features] = seen
    torch.testing.assert_close(features.mean(0), torch.zeros(features.shape[1]), atol=1e-3, rtol=0)
    wanted = torch.ones(features.shape[1])
    wanted[-4:] = GAIN  # of the four channels' contrasts
    moving = encoder.scale > 2 * SMALLEST
    assert int(moving.sum()) > len(moving) / 2
    torch.testing.assert_close(features[:, moving].std(0, correction=0), wanted[moving])


def test_standardised_features_are_part_of_the_weights():
    f = family(network="conv", features="standardised")
    unseen = ActionsFamily.of(SHAPE, f.options)
    restored = unseen.encoder(4)
    restored.load_state_dict(f.encoder(4).state_dict())
    before, after = (encoder.network.scale for encoder in (unseen.encoder(4), restored))
    assert bool((before == 1).all())
    assert not bool((after == 1).all())


def test_generators_are_unlike_if_orthogonal_and_of_one_length():
    generator = torch.Generator().manual_seed(0)
    orthogonal = torch.linalg.qr(torch.randn(16, 3, generator=generator)).Q.T.reshape(1, 3, 16)
    assert float(unlikeness([5 * orthogonal])) == pytest.approx(0, abs=1e-5)
    alike = orthogonal.clone()
    alike[0, 2] = orthogonal[0, 0] + orthogonal[0, 1] + 1e-3 * orthogonal[0, 2]
    assert float(unlikeness([alike])) > 10
    assert float(unlikeness([torch.rand(2, 3, 4, generator=generator), torch.rand(1, 3, 9, generator=generator)])) > 0


def test_more_generators_than_entries_cannot_be_unlike():
    with pytest.raises(ConfigError, match="5 generators cannot be independent matrices of 4 entries"):
        unlikeness([torch.ones(1, 5, 4)])


def test_the_term_for_a_faithful_rho_is_of_the_steps_before_decoding():
    data = family().sequences(world(), 2, 8, torch.Generator().manual_seed(0))
    model = family().model(4)
    for decoding, differs in ((False, True), (True, False)):
        plain, faithful = (family(faithful=w).objective(model, data, 0.0, decoding).loss for w in (0.0, 10.0))
        assert bool((plain - faithful).abs() > 1e-3) == differs


def test_a_search_changes_rho_and_nothing_else():
    f = family(law="additive", search=5, faithful=1.0)
    assert f.initialises
    model, untouched = f.model(4), f.model(4)
    f.initialise(model, f.sequences(world(), 2, 30, torch.Generator().manual_seed(0)))
    for name, value in model.state_dict().items():
        same = torch.equal(value, untouched.state_dict()[name])
        assert same != name.startswith("representation.generators"), name
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not family().initialises


def test_standardised_features_are_of_convolutions():
    with pytest.raises(ValidationError, match="give network=conv as well"):
        ActionsOptions(features="standardised")


def test_in_the_first_steps_nothing_is_decoded():
    f = family(spread=0.0)
    data = f.sequences(world(), 2, 8, torch.Generator().manual_seed(0))
    model = f.model(4)
    f.objective(model, data, 0.0, decoding=False).loss.backward()
    assert all(parameter.grad is None for parameter in model.decoder.parameters())
    with_decoder, without = (f.objective(model, data, 0.0, decoding=on).loss.detach() for on in (True, False))
    assert float(with_decoder) > float(without)


@pytest.mark.parametrize(
    "options",
    [
        {"law": "additive", "network": "conv", "likelihood": "bernoulli"},
        {"law": "unknown", "rho": "mlp-skew"},
        {"law": "unknown", "network": "conv", "features": "standardised"},
        {"law": "unknown", "rho": "lie", "spread": 0, "loss_norm": "l2"},
        {"law": "additive", "rho": "mlp", "network": "conv", "start": "closed-form"},
    ],
    ids=["additive", "unknown", "standardised", "published", "network"],
)
def test_training_lowers_the_loss(options):
    f, recording = family(**options), world()
    train, validation, _ = recording.split((0.6, 0.2, 0.2))
    fit = Fitting(f, 4, 2, 100, 0, torch.device("cpu"), Checkpoint(None)).fit(train, validation)
    [*_, outcome] = (outcome for outcome in fit.outcomes.values() if outcome.steps)
    assert outcome.validation < 0.9 * outcome.start
    evaluated = f.for_evaluation(fit.model.double().eval())
    if isinstance(evaluated.representation, LieRepresentation) and f.law_known:
        assert evaluated.representation.bracket_error() < 1e-12


def test_displaced_images_are_read_by_the_recipe_of_the_family():
    episodes = make_world("displaced", 3, 2, seed=0)
    recording = ObservedSequences.of(
        torch.from_numpy(episodes.observations).float() / 255, torch.from_numpy(episodes.actions).float()
    )
    options = ActionsOptions(law="additive", network="conv", likelihood="bernoulli", hidden=8, channels=2)
    f = ActionsFamily.of(recording.observation_shape, options).for_recording(recording)
    terms = f.objective(f.model(4), f.sequences(recording, 2, 4), 1.0)
    assert all(bool(term.isfinite()) for term in terms)


def test_the_barrier_of_exponents_is_that_of_generators_where_actions_are_white():
    generators = torch.randn(1, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    white, _ = torch.linalg.qr(torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    exponents = (50**0.5 * white @ generators[0]).unflatten(-1, (1, 4, 4))
    torch.testing.assert_close(unlikeness_of_values([exponents], 3), unlikeness([generators]))
    assert float(unlikeness_of_values([exponents], 4)) > 20  # they vary in three directions


def test_more_directions_than_entries_cannot_be_kept_apart():
    with pytest.raises(ConfigError, match="2 directions"):
        unlikeness_of_values([torch.ones(5, 1, 1, 1)], 2)


def test_the_published_form_has_no_exponents_to_keep_apart():
    with pytest.raises(ValueError, match="rho=mlp has none"):
        ActionsOptions(rho="mlp", faithful=1.0)
