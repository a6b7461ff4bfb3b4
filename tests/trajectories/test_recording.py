from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diffusion import DDIM, DDPM, Sampler
from symdiff.errors import ConfigError, DeviceError, ModelError, NonFiniteError, RunError
from symdiff.trajectories import record, resolve_device
from symdiff.trajectories.noise import BatchNoise

SAMPLERS = [DDPM(), DDPM("fixed_large"), DDIM(), DDIM(eta=0.5)]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_every_step_is_P_x_plus_Q_x0hat_plus_the_injected_noise(gaussian, sampler: Sampler) -> None:
    recording = record(gaussian, sampler, steps=9, trajectories=4, seed=11, device="cpu")
    drawn = BatchNoise(11, range(4), gaussian.shape)
    noise = torch.stack([drawn.normal(i) for i in range(-1, 9)], dim=1)
    assert torch.equal(recording.states[:, 0], noise[:, 0])
    column = (slice(None), None, None, None)
    terms = (
        recording.state_coefficient[column] * recording.states[:, :-1],
        recording.denoised_coefficient[column] * recording.denoised,
        recording.noise_std[column] * noise[:, 1:],
    )
    rounding = 3 * torch.finfo(torch.float32).eps * sum(term.abs() for term in terms)
    assert ((recording.states[:, 1:] - sum(terms)).abs() <= rounding).all()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_the_denoised_images_are_what_the_model_says_of_the_states(gaussian, sampler: Sampler) -> None:
    recording = record(gaussian, sampler, steps=6, trajectories=3, device="cpu")
    for i, t in enumerate(recording.timesteps[:-1].tolist()):
        torch.testing.assert_close(recording.denoised[:, i], gaussian.denoise(recording.states[:, i], t))


def test_a_recording_says_where_it_comes_from(gaussian) -> None:
    recording = record(gaussian, DDIM(eta=0.5), steps=6, trajectories=3, seed=5, device="cpu", clip=True)
    assert recording.info == {
        "model": gaussian.name,
        "model_digest": gaussian.digest,
        "sampler": "ddim",
        "sampler_settings": {"name": "ddim", "eta": 0.5},
        "steps": 6,
        "seed": 5,
        "clip": True,
        "clipping": "x0hat clipped to ±1",
        "every": 1,
        "dtype": "fp32",
        "device": "cpu",
    }
    assert recording.timesteps[0] == gaussian.schedule.T
    assert recording.timesteps[-1] == 0
    assert recording.states.dtype == recording.denoised.dtype == torch.float32


@settings(max_examples=10)
@given(batch_size=st.integers(1, 30), count=st.integers(1, 24))
def test_a_trajectory_depends_neither_on_batch_size_nor_on_how_many_there_are(gaussian, batch_size, count) -> None:
    whole = record(gaussian, DDPM(), steps=5, trajectories=24, seed=2, device="cpu")
    part = record(gaussian, DDPM(), steps=5, trajectories=count, seed=2, device="cpu", batch_size=batch_size)
    assert torch.equal(part.states[:, 0], whole.states[:count, 0])
    torch.testing.assert_close(part.states, whole.states[:count], rtol=1e-5, atol=1e-5)


def test_every_trajectory_and_every_seed_has_noise_of_its_own(gaussian) -> None:
    starts = [record(gaussian, DDPM(), 1, 50, seed=seed, device="cpu").states[:, 0].flatten(1) for seed in (0, 1)]
    correlation = torch.corrcoef(torch.cat(starts))
    off_diagonal = correlation[~torch.eye(100, dtype=torch.bool)]
    assert off_diagonal.abs().max() < 0.95
    assert abs(float(off_diagonal.mean())) < 0.01


def test_the_starting_state_is_the_same_for_every_sampler(gaussian) -> None:
    starts = [record(gaussian, s, steps, 3, device="cpu").states[:, 0] for s in SAMPLERS for steps in (1, 8)]
    assert all(torch.equal(start, starts[0]) for start in starts)


def test_a_deterministic_sampler_gives_the_same_recording_again(gaussian) -> None:
    first, second = (record(gaussian, DDIM(), steps=8, trajectories=6, device="cpu") for _ in range(2))
    assert torch.equal(first.states, second.states)
    assert torch.equal(first.denoised, second.denoised)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_the_last_step_of_ddpm_and_ddim_lands_on_the_denoised_image(gaussian, sampler: Sampler) -> None:
    recording = record(gaussian, sampler, steps=8, trajectories=6, device="cpu")
    torch.testing.assert_close(recording.states[:, -1], recording.denoised[:, -1])


@pytest.mark.parametrize("sampler", [DDPM(), DDIM()], ids=repr)
def test_images_of_a_gaussian_model_have_the_law_its_linear_steps_predict(gaussian, sampler: Sampler) -> None:
    n = 8000
    recording = record(gaussian, sampler, steps=100, trajectories=n, seed=1, device="cpu")
    images = recording.states[:, -1].flatten(1).double() @ gaussian.eigenvectors
    # Mean and variance along each principal axis, propagated exactly through the steps.
    centre, variance = torch.zeros(16, dtype=torch.float64), torch.ones(16, dtype=torch.float64)
    mean = gaussian.mean.flatten() @ gaussian.eigenvectors
    for i, alpha_bar in enumerate(recording.alpha_bar[:-1].tolist()):
        p, q, s = (
            float(c[i]) for c in (recording.state_coefficient, recording.denoised_coefficient, recording.noise_std)
        )
        signal = math.sqrt(alpha_bar)
        gain = signal * gaussian.eigenvalues / (alpha_bar * gaussian.eigenvalues + 1 - alpha_bar)
        centre = p * centre + q * (mean + gain * (centre - signal * mean))
        variance = (p + q * gain) ** 2 * variance + s**2
    assert ((images.mean(dim=0) - centre).abs() < 5 * (variance / n).sqrt()).all()
    whitened = (images - centre) / variance.sqrt()
    covariance = whitened.T @ whitened / n
    assert (covariance - torch.eye(16)).abs().max() < 5 * math.sqrt(2 / n)
    # It is the data's law up to the coarseness of 100 steps: the posterior's variance is too small for long steps.
    ratio = variance / gaussian.eigenvalues
    assert ((ratio > 0.65) & (ratio < 1.05)).all()


def test_clipping_applies_to_the_denoised_image_before_the_step(scripted) -> None:
    model = scripted(lambda x, t: 3 * x)
    recording = record(model, DDPM(), steps=4, trajectories=3, device="cpu", clip=True)
    assert torch.equal(recording.denoised[:, 0], (3 * recording.states[:, 0]).clamp(-1, 1))
    assert recording.states[:, -1].abs().max() <= 1


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_model_that_returns_nan_is_reported_with_step_and_timestep(scripted, bad: float, clip: bool) -> None:
    def answer(x, t):
        wrong = x.clone()
        wrong[1:3] = bad if t <= 600 else 0.0
        return wrong

    with pytest.raises(NonFiniteError, match=r"at step 5 of 10 \(timestep 600\) is NaN or infinite in 2 of 4 traj"):
        record(scripted(answer), DDPM(), steps=10, trajectories=4, device="cpu", clip=clip)


def test_a_sampler_that_diverges_is_reported(gaussian) -> None:
    class Exploding(DDIM):
        def step(self, x, x0hat, table, i, noise=None):
            return 1e30 * x

    with pytest.raises(NonFiniteError, match=r"the state after step 2 of 10 \(timestep 900\) is NaN or infinite in 4"):
        record(gaussian, Exploding(), steps=10, trajectories=4, device="cpu")


def test_a_model_that_returns_another_shape_is_refused_with_both_shapes(scripted) -> None:
    with pytest.raises(ModelError, match=r"of shape \(4, 1, 4, 4\) and returned shape \(4, 2, 4, 4\)"):
        record(scripted(lambda x, t: x.repeat(1, 2, 1, 1)), DDPM(), steps=3, trajectories=4, device="cpu")


def test_a_model_that_returns_no_tensor_is_refused(scripted) -> None:
    with pytest.raises(ModelError, match="returned a tuple"):
        record(scripted(lambda x, t: (x, x)), DDPM(), steps=3, trajectories=4, device="cpu")


def test_a_model_in_double_precision_is_recorded_in_single(scripted) -> None:
    recording = record(scripted(lambda x, t: x.double() / 2), DDPM(), steps=3, trajectories=4, device="cpu")
    assert recording.states.dtype == recording.denoised.dtype == torch.float32


def test_out_of_memory_halves_the_batch_and_changes_nothing_else(scripted) -> None:
    def small_batches_only(x, t):
        if len(x) > 4 and t < 800:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return x / 2

    with pytest.warns(RuntimeWarning, match="ran out of memory with 8 trajectories at once: going on with 4"):
        recording = record(scripted(small_batches_only), DDPM(), steps=5, trajectories=11, device="cpu", batch_size=8)
    plain = record(scripted(lambda x, t: x / 2), DDPM(), steps=5, trajectories=11, device="cpu")
    assert torch.equal(recording.states, plain.states)


def test_out_of_memory_with_one_trajectory_is_an_error(scripted) -> None:
    def never(x, t):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RunError, match="not enough memory for one trajectory"):
        record(scripted(never), DDPM(), steps=5, trajectories=11, device="cpu", batch_size=1)


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_progress_counts_the_steps_of_all_trajectories(gaussian, batch_size) -> None:
    calls: list[tuple[int, int]] = []
    record(gaussian, DDPM(), 6, 10, device="cpu", batch_size=batch_size, on_progress=lambda *done: calls.append(done))
    counts = [done for done, _ in calls]
    assert counts == sorted(set(counts))
    assert calls[-1] == (60, 60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trajectories": 0}, "trajectories is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1001}, "steps is 1001"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(gaussian, arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        record(gaussian, DDPM(), **{"steps": 5, "trajectories": 5, "device": "cpu", **arguments})


def test_cuda_is_refused_where_there_is_none(gaussian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="'cuda' is not there: 0 CUDA devices found"):
        record(gaussian, DDPM(), 5, 5, device="cuda")
    assert resolve_device("auto") == torch.device("cpu")


def test_the_second_of_one_cuda_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    with pytest.raises(DeviceError, match="'cuda:1' is not there: 1 CUDA devices found"):
        resolve_device("cuda:1")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="'gpu'"):
        resolve_device("gpu")


@pytest.mark.gpu
def test_a_recording_on_the_gpu_is_that_of_the_cpu_up_to_rounding(gaussian) -> None:
    gpu, cpu = (record(gaussian, DDPM(), 20, 64, device=device) for device in ("cuda", "cpu"))
    assert gpu.states.device.type == "cpu"
    torch.testing.assert_close(gpu.states, cpu.states, rtol=1e-3, atol=1e-3)


def test_a_model_that_fails_is_named(gaussian, monkeypatch: pytest.MonkeyPatch) -> None:
    def denoise(x: torch.Tensor, t: int) -> torch.Tensor:
        raise ValueError("no weights")

    monkeypatch.setattr(gaussian, "denoise", denoise)
    with pytest.raises(RunError, match=r"failed at step 1 of 5 \(timestep 1000\): ValueError: no weights"):
        record(gaussian, DDPM(), 5, 5, device="cpu")
