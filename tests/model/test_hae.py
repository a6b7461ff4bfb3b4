"""The two losses, term by term as they are defined."""

from __future__ import annotations

import pytest
import torch

from symdiff.hae import HAE, Decoder, Encoder, losses, mean_square
from symdiff.representations import MLPRepresentation

SHAPE = (1, 2, 3)


@pytest.fixture
def model() -> HAE:
    torch.manual_seed(0)
    rho = MLPRepresentation(lambda g: g, 3, (2, 2), hidden=8)
    with torch.no_grad():
        for parameter in rho.phi[-1].parameters():
            parameter.normal_(std=0.3)
    return HAE(Encoder(SHAPE, 4, hidden=8), rho, Decoder(4, SHAPE, hidden=8)).double()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(5, 4, *SHAPE, dtype=torch.float64), torch.randn(5, 3, 3, dtype=torch.float64)


def test_the_losses_are_the_sums_of_their_definition(model: HAE, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    observations, actions = batch
    z = model.encode(observations)
    prediction, reconstruction = [], [(observations[:, 0] - model.decode(z[:, 0])).flatten(1)]
    product = torch.eye(4, dtype=torch.float64).expand(5, 4, 4)
    for t in range(3):
        product = model.representation(actions[:, t]) @ product  # later elements on the left
        predicted = (product @ z[:, 0, :, None])[..., 0]
        prediction.append(z[:, t + 1] - predicted)
        reconstruction.append((observations[:, t + 1] - model.decode(predicted)).flatten(1))
    squared = losses(model, observations, actions, "squared")
    torch.testing.assert_close(squared.prediction, torch.stack(prediction).square().sum(-1).mean() / 4)
    torch.testing.assert_close(squared.reconstruction, torch.stack(reconstruction).square().sum(-1).mean() / 6)
    l2 = losses(model, observations, actions, "l2")
    torch.testing.assert_close(l2.prediction, torch.stack(prediction).norm(dim=-1).mean() / 2)
    torch.testing.assert_close(l2.reconstruction, torch.stack(reconstruction).norm(dim=-1).mean() / 6**0.5)


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_the_mean_square_and_its_gradients_are_those_of_the_operations_one_by_one(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    x, weights = torch.randn(4, 3, *SHAPE, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    y = torch.randn_like(x).to(precision)
    results = []
    for of in (mean_square, lambda x, y: (x - y).square().mean((-3, -2, -1))):
        given = x.clone().requires_grad_(), y.clone().requires_grad_()
        found = of(*given)
        (weights * found).sum().backward()
        results.append([found, *(tensor.grad for tensor in given)])
    for found, expected in zip(*results, strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("norm", ["squared", "l2"])
def test_every_part_of_the_model_receives_a_finite_gradient(
    model: HAE, batch: tuple[torch.Tensor, torch.Tensor], norm: str
) -> None:
    terms = losses(model, *batch, norm)
    (terms.prediction + terms.reconstruction).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name


def test_the_published_norm_has_a_finite_gradient_where_the_prediction_is_exact(model: HAE) -> None:
    still = torch.zeros(5, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.representation.parameters():
            parameter.zero_()  # rho = 1 throughout
    observations = torch.ones(5, 1, *SHAPE, dtype=torch.float64).expand(5, 4, *SHAPE)
    losses(model, observations, still, "l2").prediction.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_the_decoder_reads_small_directions_as_well_as_large_ones() -> None:
    torch.manual_seed(0)
    decoder = Decoder(2, SHAPE)
    latents = torch.randn(100, 2) * torch.tensor([1.0, 1e-3]) + torch.tensor([5.0, 1.0])
    decoder.standardise(latents)
    z = (latents - decoder.center) / decoder.spread
    torch.testing.assert_close(z.std(0), torch.ones(2))
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=1e-3, rtol=0)
