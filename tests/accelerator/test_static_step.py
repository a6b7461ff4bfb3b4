"""Steps on fixed buffers, recorded or not, are the steps of the loop; what cannot be recorded is taken as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from symdiff import static_step, training
from symdiff.checkpoint import Checkpoint
from symdiff.objective import Objective
from symdiff.static_step import WARM_UP, Recorded
from symdiff.testing import stand_in_device
from symdiff.training import descend, make_optimiser, train_stage
from tests.accelerator.subjects import CPU, LATENT, data_of, family_of, model_of, stage_of

SUBJECTS = list(LATENT)
SLOW_ELSEWHERE = {"affine mlp", "actions", "escnn"}
"""Whose steps are of so many operations that the stand-in takes seconds for them."""


def trained(name: str, device: torch.device = CPU, **how: object) -> dict[str, Tensor]:
    family = family_of(name)
    model = model_of(name, family, device)
    train_stage(model, data_of(family, device), stage_of(name), Checkpoint(None), **how)
    return {key: value.detach().cpu() for key, value in model.state_dict().items()}


@cache
def by_the_loop(name: str) -> dict[str, Tensor]:
    return trained(name, static=False)


def assert_same_weights(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=2e-4, atol=2e-6, msg=lambda text, name=name: f"{name}: {text}"
        )


def repeating(calls: list[str]) -> Callable[..., object]:
    """Records as CUDA does, as far as the CPU can: without taking the step, with one place for the terms."""

    def recorder(device: torch.device) -> Callable[[Callable[[], Objective]], Recorded]:
        def record(step: Callable[[], Objective]) -> Recorded:
            calls.append("recorded")
            terms = Objective(*torch.zeros(4, device=device).unbind())

            def replay() -> None:
                calls.append("repeated")
                for place, value in zip(terms, step(), strict=True):
                    place.copy_(value)

            return Recorded(replay, terms)

        return record

    return recorder


@pytest.mark.parametrize("name", SUBJECTS)
def test_training_on_fixed_buffers_gives_the_weights_of_the_loop(name: str) -> None:
    assert_same_weights(trained(name, static=True), by_the_loop(name))


@pytest.mark.parametrize("name", ["affine", "actions"])
def test_recorded_steps_give_the_weights_of_the_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(training, "recorder_of", repeating(calls))
    found = trained(name, static=True)
    assert_same_weights(found, by_the_loop(name))
    steps = stage_of(name).steps
    assert calls.count("repeated") == steps
    assert calls.count("recorded") == 2  # the first step has no penalty and, of the actions, decodes nothing


def test_what_cannot_be_recorded_is_said_and_taken_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(step: Callable[[], Objective]) -> Recorded:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(training, "recorder_of", lambda device: fail)
    with pytest.warns(RuntimeWarning, match=r"^stage affine: .* kernel by kernel.*not permitted when") as warned:
        found = trained("affine", static=True)
    assert len(warned) == 1
    assert_same_weights(found, by_the_loop("affine"))


def test_plain_training_never_records(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(training, "recorder_of", repeating(calls))
    plain = trained("affine", static=True, plain=True)
    assert not calls
    assert_same_weights(trained("affine", static=False, plain=True), plain)


def test_the_warm_up_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    family = family_of("affine")
    data, model = data_of(family), model_of("affine", family)
    optimiser = make_optimiser(model, 1e-3, family.recipe())
    taken = []

    def take(batch: object, penalty: object, decoding: bool) -> Objective:
        taken.append(penalty)
        terms = family.objective(model, batch, penalty, decoding)
        descend(model, optimiser, terms, 1.0)
        return terms

    before = {name: value.clone() for name, value in model.state_dict().items()}
    nothing = Recorded(lambda: None, Objective(*torch.zeros(4)))
    step = static_step.StaticStep(take, model, optimiser, lambda step: nothing)
    step(data.batch(0), 1e-3, 0.5)
    assert len(taken) == WARM_UP
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert optimiser.state
    assert all(not value.any() for state in optimiser.state.values() for value in state.values())


def test_a_batch_of_another_size_is_taken_as_it_comes() -> None:
    family = family_of("affine")
    data, model = data_of(family), model_of("affine", family)
    optimiser = make_optimiser(model, 1e-3, family.recipe())
    sizes = []

    def take(batch: object, penalty: object, decoding: bool) -> Objective:
        sizes.append(len(batch))
        return family.objective(model, batch, penalty, decoding)

    step = static_step.StaticStep(take, model, optimiser)
    batch = data.batch(0)
    step(batch, 1e-3, 0.0)
    half = {key: getattr(batch, key)[:8] for key in ("observations", "actions", "times", "trajectory")}
    found = step(replace(batch, **half), 1e-3, 0.5)
    assert sizes == [16, 8]
    torch.testing.assert_close(found.loss, family.objective(model, replace(batch, **half), 0.5).loss.detach())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in SLOW_ELSEWHERE else ()) for name in SUBJECTS]
)
def test_training_on_another_device_gives_the_weights_of_the_cpu_and_waits_for_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_the_loop(name)
    with stand_in_device() as there:
        made = training._steps

        def steps(*given: object) -> Callable[..., Objective]:
            step, taken = made(*given), 0

            def watched(*arguments: object) -> Objective:
                nonlocal taken
                taken += 1
                if taken <= 2:  # what is made once is made
                    return step(*arguments)
                with there.forbid("read", "sent"):
                    return step(*arguments)

            return watched

        monkeypatch.setattr(training, "_steps", steps)
        found = trained(name, there.device)
    assert_same_weights(found, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_step_recorded_on_a_gpu_is_the_step_of_the_loop(name: str, recwarn: pytest.WarningsRecorder) -> None:
    device = torch.device("cuda")
    expected = trained(name, device, static=False)
    assert_same_weights(trained(name, device), expected)
    assert not [str(warning.message) for warning in recwarn if "recorded" in str(warning.message)]
