"""What a network predicts is read for what it is, in every coordinate, precision and mode of differentiation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import symdiff
from symdiff.diffusion import DDIM, DDPM, Denoiser, Schedule
from symdiff.diffusion.adapters.converted import PREDICTIONS
from symdiff.diffusion.adapters.network import TIMES, NetworkModel
from symdiff.diffusion.jacobian import jacobian, jacobian_products, transposed_products
from symdiff.errors import ConfigError, ModelError
from symdiff.models import find_denoiser, find_sampler
from symdiff.trajectories import record

SHAPE = (1, 4, 4)
X0 = torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
EPS = torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def knowing(prediction: str, schedule: Schedule, t: float, seen: list[Tensor] | None = None) -> Denoiser:
    """A model whose network knows the image and the noise behind the states of time t, and returns what it should."""
    signal, sigma = schedule.signal(t), schedule.sigma(t)
    answer = {"epsilon": EPS, "sample": X0, "v_prediction": signal * EPS - sigma * X0, "flow": EPS - X0}[prediction]

    def network(x: Tensor, time: Tensor) -> Tensor:
        if seen is not None:
            seen.extend([x, time])
        return answer.to(x.dtype)

    return symdiff.from_network(network, SHAPE, prediction, schedule=schedule, digest="knowing")


@pytest.mark.parametrize("prediction", PREDICTIONS)
@given(t=st.floats(0.01, 1000))
def test_the_image_is_recovered_from_a_right_prediction(prediction: str, t: float) -> None:
    schedule = Schedule.cosine()
    x = schedule.signal(t) * X0 + schedule.sigma(t) * EPS
    found = knowing(prediction, schedule, t).denoise(x, t)
    # What rounding leaves where hardly anything of the image is left.
    torch.testing.assert_close(
        found, X0, rtol=1e-12, atol=1e-14 / schedule.signal(t) if prediction == "epsilon" else 1e-13
    )
    assert knowing(prediction, schedule, t).denoise(x.float(), t).dtype == torch.float32


def test_a_network_of_flow_matching_is_given_the_state_on_the_straight_path() -> None:
    schedule, seen = Schedule.linear(), []
    x = schedule.signal(300) * X0 + schedule.sigma(300) * EPS
    knowing("flow", schedule, 300, seen).denoise(x, 300)
    s = schedule.sigma(300) / (schedule.signal(300) + schedule.sigma(300))
    torch.testing.assert_close(seen[0], (1 - s) * X0 + s * EPS)


def test_flow_needs_no_schedule_and_has_the_straight_path() -> None:
    model = symdiff.from_network(lambda x, t: x, SHAPE, "flow", digest="d", time="sigma")
    for t in (1, 250, 999, 1000):
        assert float(model.network_time(X0, t)[0]) == pytest.approx(t / 1000, abs=1e-12)
    assert torch.equal(model.denoise(X0, 1000), X0 - X0)  # all noise: x - u with u = x


@pytest.mark.parametrize("t", [1000, 1000.0])
def test_noise_alone_says_nothing_of_the_image(t: float) -> None:
    schedule = Schedule(torch.linspace(1, 0, 1001, dtype=torch.float64))
    with pytest.raises(
        ModelError, match=r"predicts the noise, and at time 1000(\.0)? its schedule leaves nothing but noise"
    ):
        knowing("epsilon", schedule, t).denoise(EPS, t)
    for prediction in ("sample", "v_prediction", "flow"):
        torch.testing.assert_close(knowing(prediction, schedule, t).denoise(EPS, t), X0)


def test_the_state_of_time_zero_is_the_image_whatever_the_network_says() -> None:
    assert knowing("epsilon", Schedule.linear(), 500).denoise(EPS, 0) is EPS


EXPECTED: dict[str, Callable[[Schedule, float], float]] = {
    "index": lambda schedule, t: t - 1,
    "fraction": lambda schedule, t: t / schedule.T,
    "log_snr": lambda schedule, t: float(torch.tensor(schedule.alpha_bar_at(t), dtype=torch.float64).logit()),
    "sigma": lambda schedule, t: schedule.sigma(t),
}


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("t", [1, 300, 300.25, 1000])
def test_the_network_is_told_the_time_in_its_own_terms(time: str, t: float) -> None:
    model = symdiff.from_network(lambda x, t: x, SHAPE, betas=torch.linspace(1e-4, 0.02, 1000), time=time, digest="d")
    assert isinstance(model, NetworkModel)
    told = model.network_time(X0, t)
    assert told.shape == (3,)
    assert told.dtype == (torch.int64 if time == "index" and t == int(t) else torch.float64)
    assert float(told[0]) == pytest.approx(EXPECTED[time](model.schedule, t), rel=1e-12)
    assert model.network_time(X0.float(), 300.25).dtype == torch.float32


@pytest.mark.parametrize("time", TIMES)
def test_no_network_is_asked_below_the_least_noise_it_knows_nor_at_infinity(time: str) -> None:
    schedule = Schedule(torch.linspace(1, 0, 11, dtype=torch.float64))
    model = symdiff.from_network(lambda x, t: x, SHAPE, "sample", schedule=schedule, time=time, digest="d")
    assert torch.equal(model.network_time(X0, 0.2), model.network_time(X0, 1))
    assert bool(model.network_time(X0, 10).isfinite().all())


def test_the_schedule_is_told_as_variances_or_as_products() -> None:
    linear = Schedule.linear(T=100)
    products = linear.alpha_bar
    betas = 1 - products[1:] / products[:-1]
    for told in ({"betas": betas}, {"alpha_bar": products[1:]}, {"alpha_bar": products}, {"betas": betas.tolist()}):
        model = symdiff.from_network(lambda x, t: x, SHAPE, digest="d", **told)
        torch.testing.assert_close(model.schedule.alpha_bar, products)


class Small(nn.Module):
    """A network with a group normalisation, in the layout that has no forward-mode derivative of its own."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.into, self.norm, self.out = (
            nn.Conv2d(1, 4, 3, padding=1),
            nn.GroupNorm(2, 4),
            nn.Conv2d(4, 1, 3, padding=1),
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        hidden = self.into(x.contiguous(memory_format=torch.channels_last))
        return self.out(torch.tanh(self.norm(hidden) + t[:, None, None, None].to(x) / 1000))


def small(seed: int = 0, **given: object) -> Denoiser:
    return symdiff.from_network(Small(seed), SHAPE, schedule=Schedule.linear(), **given)


@pytest.mark.parametrize("name", ["own network", "ddpm", "latent", "dit"])
def test_derivatives_exist_in_both_modes_and_agree_with_differences(saved, name: str) -> None:
    """The U-Nets have attention, whose fused kernels have no forward-mode derivative."""
    denoiser = small() if name == "own network" else find_denoiser(f"diffusers:{saved(name)}", None)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *denoiser.shape, generator=generator, dtype=torch.float64)
    directions = torch.randn(2, 3, x[0].numel(), generator=generator, dtype=torch.float64)
    forward = jacobian_products(denoiser, x, 300, directions)
    J = jacobian(denoiser, x, 300)
    torch.testing.assert_close(forward, directions @ J.mT)
    torch.testing.assert_close(transposed_products(denoiser, x, 300, directions), directions @ J)
    step = 1e-5 * directions[:, 0].reshape(x.shape)
    difference = (denoiser.denoise(x + step, 300) - denoiser.denoise(x - step, 300)) / 2e-5
    torch.testing.assert_close(forward[:, 0].reshape(x.shape), difference, rtol=1e-5, atol=1e-7)


def test_a_function_is_a_network_too() -> None:
    model = symdiff.from_network(lambda x, t: x / 2, SHAPE, schedule=Schedule.linear(), digest="half")
    recording = record(model, DDPM(), steps=4, trajectories=3, device="cpu")
    assert recording.info["model"] == "<lambda>"
    torch.testing.assert_close(
        model.denoise(X0, 500), (1 - model.schedule.sigma(500) / 2) / model.schedule.signal(500) * X0
    )


def test_the_sampler_given_with_a_network_is_its_default() -> None:
    assert find_sampler(None, small(sampler=DDIM(0.5))).settings() == {"name": "ddim", "eta": 0.5}
    assert find_sampler(None, small()).name == "ddpm"


def test_what_makes_a_network_another_makes_its_digest_another() -> None:
    given = [{}, {"seed": 1}, {"prediction": "sample"}, {"time": "sigma"}, {"digest": "a"}, {"digest": "b"}]
    digests = [small(**item).digest for item in given]
    digests.append(symdiff.from_network(Small(), SHAPE, schedule=Schedule.cosine()).digest)
    assert len(set(digests)) == len(digests)
    assert small().digest == small(name="another name").digest


BETAS = torch.linspace(1e-4, 0.02, 10)

REFUSED = {
    "an unknown prediction": ({"prediction": "epsilom", "betas": BETAS}, ModelError, "prediction of .* is 'epsilom'"),
    "an unknown time": ({"time": "indx", "betas": BETAS}, ModelError, "time of from_network is 'indx'"),
    "no schedule": ({}, ModelError, "was given no noise schedule"),
    "two schedules": ({"betas": BETAS, "alpha_bar": BETAS}, ModelError, "was given betas and alpha_bar"),
    "betas of two dimensions": ({"betas": BETAS[None]}, ConfigError, r"betas of from_network has shape \(1, 10\)"),
    "products that rise": ({"alpha_bar": BETAS}, ConfigError, "does not strictly decrease"),
    "no digest": ({"betas": BETAS, "digest": None}, ModelError, "nothing tells one function given to from_network"),
    "weights for a function": ({"betas": BETAS, "weights": "w.pt"}, ModelError, "is no torch.nn.Module"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_a_description_that_makes_no_sense_is_refused(given, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        symdiff.from_network(lambda x, t: x, SHAPE, **{"digest": "d", **given})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, t: x[:, :, :2], r"given states of shape \(2, 1, 4, 4\) and returned shape \(2, 1, 2, 4\)"),
        (lambda x, t: x.mean(dim=1, keepdim=True)[:1], "returned shape"),  # would broadcast
        (lambda x, t: (x, t), "returned a tuple"),
    ],
)
def test_an_answer_of_another_shape_is_refused(answer, message) -> None:
    model = symdiff.from_network(answer, SHAPE, betas=BETAS, digest="d")
    with pytest.raises(ModelError, match=message):
        record(model, DDPM(), steps=3, trajectories=2, device="cpu")
