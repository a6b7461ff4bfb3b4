"""A pipeline's network under its own scheduler: the same images to the last bit."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from symdiff.diffusion.samplers import schedule_of, scheduler_sampler, scheduler_timestep
from symdiff.trajectories import record

BATCH, STEPS = 3, 7


@pytest.fixture(scope="module")
def unet() -> diffusers.UNet2DModel:
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=4,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    ).eval()


@pytest.fixture(scope="module")
def model_of(answering, unet):
    """The network as a denoiser of the kind it is configured for."""

    def make(scheduler: Any, prediction: str = "epsilon") -> Any:
        def answer(x: Tensor, t: float) -> Tensor:
            timestep = torch.tensor(scheduler_timestep(scheduler, t), dtype=torch.float32)
            with torch.no_grad():
                return unet(x, timestep).sample

        return answering(answer, schedule_of(scheduler), prediction)

    return make


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]


class PipelineNoise:
    """The first state and the later draws from one generator a trajectory, as pipelines have it."""

    def __init__(self) -> None:
        self.sources = generators()
        self.first = torch.cat([torch.randn(1, 1, 4, 4, generator=source) for source in self.sources])

    def normal(self, i: int) -> Tensor:
        assert i == -1
        return self.first

    def generators(self) -> list[torch.Generator]:
        return self.sources


def states(model: Any, scheduler: Any) -> tuple[Tensor, Tensor]:
    """Every state and every estimate of a run of ours."""
    sampler, noise = scheduler_sampler(scheduler), PipelineNoise()
    table = sampler.coefficients(model.schedule, STEPS)
    stepper = sampler.start(model, table, noise)
    found, estimates = [noise.normal(-1) * table.start], []
    for i in range(STEPS):
        x0hat, x = stepper(found[-1], i)
        found.append(x)
        estimates.append(x0hat)
    return torch.stack(found), torch.stack(estimates)


def pipeline_states(unet: Any, scheduler: Any) -> tuple[Tensor, list[Tensor | None]]:
    """The loop of a pipeline, with every state of a whole step kept."""
    sources = generators()
    x = torch.cat([torch.randn(1, 1, 4, 4, generator=source) for source in sources])
    scheduler.set_timesteps(STEPS)
    x = x * scheduler.init_noise_sigma
    found, estimates = [x], []
    takes_generator = not isinstance(scheduler, diffusers.HeunDiscreteScheduler)
    for k, t in enumerate(scheduler.timesteps):
        begins = getattr(scheduler, "state_in_first_order", True)
        with torch.no_grad():
            output = unet(scheduler.scale_model_input(x, t), t).sample
        step = scheduler.step(output, t, x, **({"generator": sources} if takes_generator else {}))
        x = step.prev_sample
        if begins:
            estimates.append(getattr(step, "pred_original_sample", None))
        if getattr(scheduler, "state_in_first_order", True) or k == len(scheduler.timesteps) - 1:
            found.append(x)
    return torch.stack(found), estimates


@pytest.mark.parametrize("config", [{}, {"clip_sample": False, "timestep_spacing": "trailing"}], ids=str)
def test_ddpm_pipeline(unet, model_of, config) -> None:
    scheduler = diffusers.DDPMScheduler(**config)
    pipeline = diffusers.DDPMPipeline(unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(BATCH, generator=generators(), num_inference_steps=STEPS, output_type="pt").images
    ours, _ = states(model_of(scheduler), scheduler)
    assert torch.equal((ours[-1] / 2 + 0.5).clamp(0, 1), theirs)


@pytest.mark.parametrize("config", [{}, {"set_alpha_to_one": False, "steps_offset": 1}], ids=str)
def test_ddim_pipeline(unet, model_of, config) -> None:
    pipeline = diffusers.DDIMPipeline(unet, diffusers.DDIMScheduler(**config))
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(BATCH, generator=generators(), num_inference_steps=STEPS, output_type="pt").images
    ours, _ = states(model_of(pipeline.scheduler), pipeline.scheduler)
    assert torch.equal((ours[-1] / 2 + 0.5).clamp(0, 1), theirs)


OTHERS: dict[str, Any] = {
    "ddpm, thresholding": diffusers.DDPMScheduler(thresholding=True, sample_max_value=2.0),
    "ddpm, large variance": diffusers.DDPMScheduler(variance_type="fixed_large", clip_sample_range=0.5),
    "ddim, velocity": diffusers.DDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing"),
    "ddim, zero terminal SNR": diffusers.DDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing", clip_sample=False
    ),
    "euler": diffusers.EulerDiscreteScheduler(),
    "euler, leading": diffusers.EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1),
    "euler, Karras": diffusers.EulerDiscreteScheduler(use_karras_sigmas=True, prediction_type="v_prediction"),
    "euler, to its last level": diffusers.EulerDiscreteScheduler(final_sigmas_type="sigma_min"),
    "euler ancestral": diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
    "heun": diffusers.HeunDiscreteScheduler(),
    "heun, clipped": diffusers.HeunDiscreteScheduler(clip_sample=True, timestep_spacing="trailing"),
    "dpmsolver++": diffusers.DPMSolverMultistepScheduler(),
    "dpmsolver++ 3": diffusers.DPMSolverMultistepScheduler(solver_order=3, use_karras_sigmas=True),
    "dpmsolver++, thresholding": diffusers.DPMSolverMultistepScheduler(thresholding=True),
    "sde-dpmsolver++": diffusers.DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_state_is_that_of_the_pipelines_loop(name: str, unet, model_of) -> None:
    scheduler = OTHERS[name]
    ours, estimates = states(model_of(scheduler, scheduler.config.prediction_type), scheduler)
    theirs, known = pipeline_states(unet, scheduler)
    assert torch.equal(ours, theirs)
    assert ours.shape[0] == STEPS + 1
    for estimate, expected in zip(estimates, known, strict=True):
        if expected is not None:
            torch.testing.assert_close(estimate, expected, rtol=1e-4, atol=1e-4)


def test_flow_matching_with_a_network_on_the_straight_path(unet, answering) -> None:
    """Its state passes through the coordinates of `Denoiser` and back, hence rounding."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)

    def velocity(x: Tensor, t: float) -> Tensor:
        s = scheduler_timestep(scheduler, t) / 1000
        with torch.no_grad():
            return unet(x * ((1 - s) ** 2 + s**2) ** 0.5, torch.tensor(1000 * s, dtype=torch.float32)).sample

    ours, _ = states(answering(velocity, schedule_of(scheduler), "flow"), scheduler)
    scheduler.set_timesteps(STEPS)
    x = ours[0]
    for i, t in enumerate(scheduler.timesteps):
        with torch.no_grad():
            x = scheduler.step(unet(x, t).sample, t, x).prev_sample
        torch.testing.assert_close(ours[i + 1], x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_edm_with_a_preconditioned_network(name: str, unet, answering) -> None:
    scheduler = getattr(diffusers, name)()

    def denoised(x: Tensor, t: float) -> Tensor:
        level = torch.tensor(4 * scheduler_timestep(scheduler, t)).exp()
        state = x * (1 + level**2).sqrt()
        with torch.no_grad():
            output = unet(scheduler.precondition_inputs(state, level), scheduler.precondition_noise(level)).sample
        return scheduler.precondition_outputs(state, output, level)

    ours, _ = states(answering(denoised, schedule_of(scheduler)), scheduler)
    theirs, _ = pipeline_states(unet, scheduler)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)


def test_the_scheduler_that_is_given_is_left_as_it_was(model_of) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler()
    before = (scheduler.timesteps.clone(), dict(scheduler.config))
    states(model_of(scheduler), scheduler)
    assert torch.equal(scheduler.timesteps, before[0])
    assert dict(scheduler.config) == before[1]
    assert scheduler.step_index is None


def test_recording_a_network_with_its_scheduler(model_of) -> None:
    scheduler = diffusers.DDPMScheduler(timestep_spacing="trailing")
    model = model_of(scheduler)
    recording = record(model, scheduler_sampler(scheduler), STEPS, BATCH, device="cpu")
    assert recording.info["sampler"] == "DDPMScheduler"
    assert recording.info["sampler_settings"]["config"]["timestep_spacing"] == "trailing"
    assert recording.info["clip"] is True
    assert recording.info["clipping"] == "x0hat clipped to ±1"
    assert recording.denoised.abs().max() <= 1
    mean = recording.state_coefficient[:, None, None, None] * recording.states[:, :-1]
    mean = mean + recording.denoised_coefficient[:, None, None, None] * recording.denoised
    z = ((recording.states[:, 1:] - mean) / recording.noise_std[:, None, None, None])[:, :-1]
    assert float(z.square().mean()) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, True), (1.0, False)])
def test_clipped_ddim_keeps_the_noise_estimate_of_the_image_before_and_says_so(
    rate: float, expected: bool, model_of
) -> None:
    scheduler = diffusers.DDIMScheduler(clip_sample=bool(rate))
    table = scheduler_sampler(scheduler).coefficients(schedule_of(scheduler), STEPS)
    assert table.one_step is expected
    found, estimates = states(model_of(scheduler), scheduler)
    step = table.P[0] * found[0] + table.Q[0] * estimates[0]
    assert torch.allclose(step.float(), found[1], atol=1e-4) is expected
