"""Training: deterministic, resumable to the same result, with a stated end; loud when it goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symdiff.checkpoint import Checkpoint
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.errors import DivergedError, NonFiniteError
from symdiff.fitting import Fit, Fitting
from symdiff.hae import HAE
from symdiff.representations import LieRepresentation
from symdiff.training import EVALUATE_EVERY, Data, Stage, descend, make_optimiser, train_stage
from symdiff.trajectories import Sequences, Trajectories, open_store, record, write_store
from symdiff_affine.family import AffineFamily
from symdiff_affine.options import AffineOptions
from tests.gpu import waiting_forbidden

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recording() -> Trajectories:
    return record(load_denoiser("mixture"), DDPM(), 12, 60, device="cpu")


def family(**options: object) -> AffineFamily:
    return AffineFamily((1, 8, 8), AffineOptions.model_validate({"hidden": 16, "batch": 32, **options}))


def data_of(recording: Trajectories, f: AffineFamily, seed: int = 0) -> Data:
    train, validation, _ = recording.split(seed=seed)
    return Data(f, train, validation, 3, seed, CPU)


def started(f: AffineFamily, data: Data) -> HAE:
    model = f.model(8)
    f.initialise(model, f.sequences(data.train, 3, 400, torch.Generator().manual_seed(0)))
    return model


def fit(recording: Trajectories, steps: int = 150, **options: object) -> Fit:
    train, validation, _ = recording.split()
    f = family(**options)
    return Fitting(f, f.latent_dimension(8), 3, steps, 0, CPU, Checkpoint(None)).fit(train, validation)


class _Killed(Exception):
    pass


def test_a_resumed_stage_ends_exactly_as_one_that_never_stopped(recording: Trajectories, tmp_path: Path) -> None:
    f = family(rho="lie", learning_rate=2e-3)
    data, stage = data_of(recording, f), Stage("lie", 4 * EVALUATE_EVERY, 2e-3, penalty=0.5)
    whole = started(f, data)
    expected = train_stage(whole, data, stage, Checkpoint(None))

    def die(step: int, loss: float) -> None:
        if step > 2.5 * EVALUATE_EVERY:
            raise _Killed

    with pytest.raises(_Killed):
        train_stage(started(f, data), data, stage, Checkpoint(tmp_path), die)
    resumed = f.model(8, seed=99)  # whatever it is, the checkpoint replaces it
    steps: list[int] = []
    found = train_stage(resumed, data, stage, Checkpoint(tmp_path), lambda step, loss: steps.append(step))
    assert min(steps) > 2 * EVALUATE_EVERY  # it did go on, not start again
    assert found == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_batches_made_ahead_change_nothing(recording: Trajectories) -> None:
    f = family(rho="lie")
    data, stage = data_of(recording, f), Stage("lie", 60, 1e-3, penalty=0.5)
    models = [started(f, data) for _ in range(2)]
    one_by_one, ahead = (
        train_stage(m, data, stage, Checkpoint(None), ahead=n) for m, n in zip(models, (0, 3), strict=True)
    )
    assert ahead == one_by_one
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("rho", ["lie", "mlp"])
def test_trained_by_the_plain_algorithm_a_model_is_the_same_up_to_rounding(recording: Trajectories, rho: str) -> None:
    f = family(rho=rho)
    data, stage = data_of(recording, f), Stage(rho, 20, 1e-3, penalty=0.5)
    models = [started(f, data) for _ in range(2)]
    before = {name: value.clone() for name, value in models[0].state_dict().items()}
    for model, plain in zip(models, (False, True), strict=True):
        train_stage(model, data, stage, Checkpoint(None), plain=plain)
    fast, plainly = (model.state_dict() for model in models)
    moved = sum(float((value - before[name]).norm()) for name, value in fast.items())
    apart = sum(float((value - plainly[name]).norm()) for name, value in fast.items())
    assert 0 < apart < 1e-3 * moved


def test_training_on_a_recording_on_disk_is_training_on_it_in_memory(recording: Trajectories, tmp_path: Path) -> None:
    write_store(tmp_path / "store", recording, shard_bytes=200_000)
    f, stage = family(rho="lie"), Stage("lie", 60, 1e-3, penalty=0.5)
    outcomes = []
    for source in (recording, open_store(tmp_path / "store")):
        data = data_of(source, f)
        outcomes.append(train_stage(started(f, data), data, stage, Checkpoint(None)))
    assert outcomes[0] == outcomes[1]


def test_a_damaged_checkpoint_counts_as_none(recording: Trajectories, tmp_path: Path) -> None:
    f = family(rho="lie")
    data, stage = data_of(recording, f), Stage("lie", EVALUATE_EVERY, 1e-3)
    (tmp_path / "checkpoint-lie.pt").write_bytes(b"half of a file")
    outcome = train_stage(started(f, data), data, stage, Checkpoint(tmp_path))
    assert outcome.steps == EVALUATE_EVERY


def test_the_weights_kept_are_those_that_did_best_on_validation_sequences(recording: Trajectories) -> None:
    f = family(rho="lie", learning_rate=3e-3)
    data = data_of(recording, f)
    outcome = train_stage(started(f, data), data, Stage("lie", 200, 3e-3), Checkpoint(None))
    seen = {line["step"]: line["validation"] for line in outcome.history if line["validation"] is not None}
    assert outcome.validation == min(seen.values())
    assert seen[outcome.best_step] == outcome.validation
    assert outcome.start == seen[0]


def test_training_that_never_improves_stops_early_keeps_the_start_and_says_so(recording: Trajectories) -> None:
    f = family(rho="exact", exact="joint")
    data = data_of(recording, f)
    model = started(f, data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    # Ascending the loss: the start is the best point there is.
    data = replace(data, train=replace(data.train, states=torch.randn_like(data.train.states) * 20))
    outcome = train_stage(model, data, Stage("exact", 5000, 3e-3), Checkpoint(None))
    assert outcome.steps < 5000
    assert "has not improved since step 0" in outcome.reason
    assert "the start was not improved on" in outcome.reason
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_loss_that_is_not_a_number_is_a_named_error(recording: Trajectories) -> None:
    f = family(rho="lie")
    data = data_of(recording, f)
    model = started(f, data)
    states = data.train.states.clone()
    states[:, 5] = torch.inf
    data = replace(data, train=replace(data.train, states=states))
    with pytest.raises(NonFiniteError, match="stage lie: the loss is") as caught:
        train_stage(model, data, Stage("lie", 100, 1e-3), Checkpoint(None))
    assert "learning_rate" in caught.value.hint


def test_a_loss_that_explodes_is_a_named_error(recording: Trajectories) -> None:
    f = family(rho="exact")
    data = data_of(recording, f)
    data = replace(data, train=replace(data.train, states=data.train.states * 300))
    with pytest.raises(DivergedError, match="grew from"):
        train_stage(started(f, data_of(recording, f)), data, Stage("exact", 100, 1e-3), Checkpoint(None))


def test_large_images_are_trained_as_steadily_as_small_ones() -> None:
    """Adam moves a map from d pixels by rate times d: without a rate that knows d this explodes in ten steps."""
    generator = torch.Generator().manual_seed(0)
    base = record(load_denoiser("mixture"), DDPM(), 8, 30, device="cpu")
    shape = (3, 40, 40)
    noise = torch.randn(30, 9, *shape, generator=generator)
    large = replace(base, states=noise, denoised=torch.zeros(30, 8, *shape))
    f = AffineFamily(shape, AffineOptions(hidden=16, batch=8, rho="lie"))
    train, validation, _ = large.split()
    found = Fitting(f, 8, 3, 50, 0, CPU, Checkpoint(None)).fit(train, validation)
    losses = [line["loss"] for line in found.outcomes["lie"].history if line["loss"] is not None]
    assert max(losses) < 2 * found.outcomes["lie"].start


def test_lie_projected_goes_through_lie_and_lands_on_a_homomorphism(recording: Trajectories) -> None:
    found = fit(recording)
    assert list(found.models) == ["lie", "lie-projected"]
    assert list(found.references) == ["exact", "exact-blocks"]
    lie, projected = found.models["lie"].representation, found.model.representation
    assert isinstance(lie, LieRepresentation)
    assert isinstance(projected, LieRepresentation)
    assert (lie.form, projected.form) == ("lie", "lie-projected")
    assert lie.bracket_error() > 1e-4
    assert projected.bracket_error() < 1e-6
    assert found.moved is not None
    assert 0 < found.moved < 0.5
    assert {line["stage"] for outcome in found.outcomes.values() for line in outcome.history} == {
        "lie",
        "lie-projected",
    }


@pytest.mark.parametrize(("rho", "form"), [("lie", "lie"), ("mlp", "mlp"), ("exact", "exact")])
def test_every_other_form_is_one_stage(recording: Trajectories, rho: str, form: str) -> None:
    found = fit(recording, 60, rho=rho)
    assert found.form == form
    assert list(found.outcomes) == [form]
    assert found.model.representation.form == form
    assert found.outcomes[form].validation <= found.outcomes[form].start


def test_training_from_a_random_start_learns(recording: Trajectories) -> None:
    found = fit(recording, 300, rho="lie", start="random", learning_rate=5e-3)
    outcome = found.outcomes["lie"]
    assert outcome.best_step > 100
    assert outcome.validation < 0.8 * outcome.start


def test_the_same_seed_gives_the_same_model_and_another_seed_another(recording: Trajectories) -> None:
    first, again = fit(recording, 60, rho="lie"), fit(recording, 60, rho="lie")
    for name, value in first.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name
    train, validation, _ = recording.split()
    other = Fitting(family(rho="lie"), 8, 3, 60, 1, CPU, Checkpoint(None)).fit(train, validation)
    assert not torch.equal(other.model.encoder.linear.weight, first.model.encoder.linear.weight)


@pytest.mark.parametrize("rho", ["lie", "mlp", "exact"])
def test_a_step_reads_nothing_back_from_the_device(rho: str) -> None:
    """A meta tensor has no values: whatever asks for one fails."""
    f = family(rho=rho, block="free" if rho == "lie" else 2)
    model = f.model(8).to("meta")
    shape = (4, 4, 1, 8, 8)
    data = Sequences(
        torch.empty(shape, device="meta"),
        torch.empty(4, 3, 65, device="meta"),
        torch.empty(4, 4, dtype=torch.long, device="meta"),
        torch.empty(4, dtype=torch.long, device="meta"),
    )
    terms = f.objective(model, data, 0.5)
    terms.loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert all(p.grad is not None and p.grad.is_meta for p in model.parameters() if p.requires_grad)


@pytest.mark.gpu
@pytest.mark.parametrize("rho", ["lie", "mlp", "exact"])
def test_a_step_on_a_gpu_waits_for_nothing(recording: Trajectories, rho: str) -> None:
    device = torch.device("cuda")
    f = family(rho=rho)
    data = data_of(recording, f)
    model, batch = started(f, data).to(device), data.batch(0).to(device)
    optimiser = make_optimiser(model, 1e-3, f.recipe())
    descend(model, optimiser, f.objective(model, batch, 0.5), 1.0)  # what is made once is made
    with waiting_forbidden():
        for _ in range(3):
            descend(model, optimiser, f.objective(model, batch, 0.5), 1.0)
