"""Folders of the diffusers library: what comes out is what their pipelines make, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, DiTPipeline, LDMPipeline

from symdiff.diffusion import DDIM, DDPM, Schedule
from symdiff.diffusion.adapters import digest_of_own, load_own
from symdiff.errors import ConfigError, MissingExtraError, ModelError
from symdiff.models import find_denoiser, find_sampler
from symdiff.trajectories import Trajectories, record
from symdiff.trajectories.noise import BatchNoise
from tests.adapters import models

STEPS, COUNT, SEED = 5, 4, 7


def recorded(folder: Path, **given: Any) -> Trajectories:
    denoiser = find_denoiser(f"diffusers:{folder}", **given)
    return record(denoiser, find_sampler(None, denoiser), STEPS, COUNT, SEED, "cpu")


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sample a pipeline from the noise that recordings begin with, with the generators they draw from."""

    def sample(pipeline: Any, **given: Any) -> torch.Tensor:
        drawn = BatchNoise(SEED, range(COUNT), shape_of(pipeline))
        start = drawn.normal(-1)
        module = type(pipeline).__module__
        monkeypatch.setattr(f"{module}.randn_tensor", lambda *_, **__: start.clone())
        pipeline.set_progress_bar_config(disable=True)
        generators = {"generator": drawn.generators()} if isinstance(pipeline, DDPMPipeline) else {}
        images = pipeline(num_inference_steps=STEPS, output_type="pt", **generators, **given).images
        return torch.as_tensor(images)

    def shape_of(pipeline: Any) -> tuple[int, int, int]:
        config = getattr(pipeline, "unet", getattr(pipeline, "transformer", None)).config
        return config.in_channels, config.sample_size, config.sample_size

    return sample


@pytest.mark.parametrize(
    "scheduler",
    [
        {},
        {"prediction_type": "v_prediction", "beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"},
        {"prediction_type": "sample", "clip_sample": False, "variance_type": "fixed_large"},
    ],
    ids=str,
)
def test_recorded_images_are_those_of_the_pipeline(tmp_path, sampled, scheduler) -> None:
    folder = models.ddpm(tmp_path / "model", **scheduler)
    found = recorded(folder)
    expected = sampled(DDPMPipeline.from_pretrained(folder), batch_size=COUNT)
    assert torch.equal((found.states[:, -1] / 2 + 0.5).clamp(0, 1), expected)


def latents_decoded_by(decoder: Any) -> list[torch.Tensor]:
    """What a decoder will be given, in a list yet to be filled."""
    given: list[torch.Tensor] = []
    decode = decoder.decode
    decoder.decode = lambda z: (given.append(z), decode(z))[1]
    return given


def test_recorded_latents_are_those_of_the_pipeline_and_decode_to_its_pictures(saved, sampled) -> None:
    found = recorded(saved("latent")).states[:, -1]
    assert found.shape == (COUNT, 2, 4, 4)
    pipeline = LDMPipeline.from_pretrained(saved("latent"))
    given = latents_decoded_by(pipeline.vqvae)
    expected = sampled(pipeline, batch_size=COUNT)
    assert torch.equal(found / pipeline.vqvae.config.scaling_factor, given[0])
    pictures = find_denoiser(f"diffusers:{saved('latent')}").decode(found)
    torch.testing.assert_close((pictures / 2 + 0.5).permute(0, 2, 3, 1), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of a thousand classes: the pipeline takes the class that stands for none to be 1000."""
    return models.dit(tmp_path_factory.mktemp("dit") / "imagenet", num_embeds_ada_norm=1000)


@pytest.mark.parametrize(("label", "guidance"), [(3, None), (3, 1.0), (3, 4.0), (999, 1.5)])
def test_a_class_with_guidance_is_sampled_as_the_pipeline_does(imagenet, sampled, label, guidance) -> None:
    found = recorded(imagenet, label=label, guidance=guidance)
    assert (found.info["label"], found.info.get("guidance")) == (label, guidance)
    pipeline = DiTPipeline.from_pretrained(imagenet)
    given = latents_decoded_by(pipeline.vae)
    expected = sampled(pipeline, class_labels=[label] * COUNT, guidance_scale=guidance or 1.0)
    latents = found.states[:, -1]
    assert torch.equal(1 / pipeline.vae.config.scaling_factor * latents, given[0])
    pictures = find_denoiser(f"diffusers:{imagenet}", label).decode(latents)
    torch.testing.assert_close(pictures / 2 + 0.5, expected, rtol=1e-4, atol=1e-5)


def test_guidance_is_bit_for_bit_what_the_pipeline_hands_to_its_scheduler(imagenet) -> None:
    network = DiTPipeline.from_pretrained(imagenet).transformer
    x, timestep = torch.randn(3, 2, 4, 4), torch.tensor([499] * 6)
    with torch.no_grad():
        both = network(torch.cat([x, x]), timestep, torch.tensor([3] * 3 + [1000] * 3)).sample[:, :2]
        expected = both[3:] + 4.0 * (both[:3] - both[3:])
        assert torch.equal(find_denoiser(f"diffusers:{imagenet}", 3, 4.0).predict(x, 500), expected)


def test_without_a_class_a_transformer_is_asked_for_the_class_that_stands_for_none(saved) -> None:
    denoiser = find_denoiser(f"diffusers:{saved('dit')}")
    network = DiTPipeline.from_pretrained(saved("dit")).transformer
    x = torch.randn(2, 2, 4, 4)
    with torch.no_grad():
        expected = network(x, torch.tensor([99] * 2), torch.tensor([10, 10])).sample[:, :2]
        assert torch.equal(denoiser.predict(x, 100), expected)
    assert "asked for its class 10, which stands for none" in denoiser.caveats[-1]


@pytest.mark.parametrize("kind", [None, "timestep"])
def test_a_class_conditional_unet_is_asked_for_the_class(tmp_path, kind) -> None:
    network = models.unet(num_class_embeds=None if kind else 10, class_embed_type=kind)
    folder = models.ddpm(tmp_path / "model", network)
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        answers = [find_denoiser(f"diffusers:{folder}", label).predict(x, 300) for label in (0, 7)]
        for label, answer in zip((0, 7), answers, strict=True):
            assert torch.equal(answer, network(x, torch.tensor(299), torch.tensor([label] * 2)).sample)
    assert not torch.equal(*answers)


def test_a_real_time_is_passed_as_a_real_number_and_a_whole_one_as_an_integer(saved) -> None:
    denoiser = load_own(f"diffusers:{saved('ddpm')}")
    network = DDPMPipeline.from_pretrained(saved("ddpm")).unet
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        for t, timestep in ((1, 0), (1000, 999), (300.5, 299.5), (0.3, 0)):
            assert torch.equal(denoiser.predict(x, t), network(x, torch.tensor(timestep)).sample)
        seen: list[torch.Tensor] = []
        hook = lambda module, inputs: seen.append(inputs[1])  # noqa: E731
        denoiser._networks.network.register_forward_pre_hook(hook)
        denoiser.predict(x, 300.0)
        denoiser.predict(x, 300.5)
    assert [timestep.dtype for timestep in seen] == [torch.int64, torch.float32]


def test_the_image_at_time_zero_is_the_state(saved) -> None:
    x = torch.randn(2, 1, 8, 8)
    assert load_own(f"diffusers:{saved('ddpm')}").denoise(x, 0) is x


def test_single_and_double_precision_agree_and_the_double_is_made_when_first_needed(saved) -> None:
    denoiser = load_own(f"diffusers:{saved('ddpm')}")
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    single = denoiser.denoise(x.float(), 400)
    assert denoiser._networks._double is None
    double = denoiser.denoise(x, 400)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


def test_a_network_alone_is_taken_to_predict_the_noise_on_the_linear_schedule(saved) -> None:
    denoiser = find_denoiser(f"diffusers:{saved('ddpm') / 'unet'}")
    assert torch.equal(denoiser.schedule.alpha_bar, Schedule.linear().alpha_bar)
    assert (denoiser.prediction, find_sampler(None, denoiser).name) == ("epsilon", DDPM.name)
    assert "has no scheduler" in denoiser.caveats[0]
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(denoiser.predict(x, 5), load_own(f"diffusers:{saved('ddpm')}").predict(x, 5))


def test_the_sampler_of_the_command_line_takes_the_place_of_the_scheduler(saved) -> None:
    denoiser = find_denoiser(f"diffusers:{saved('ddpm')}")
    assert isinstance(find_sampler("ddim:eta=0.5", denoiser), DDIM)
    own = find_sampler(None, denoiser)
    assert not isinstance(own, DDIM | DDPM)
    assert record(denoiser, find_sampler("ddim", denoiser), 4, 3).info["sampler"] == "ddim"


@pytest.mark.parametrize("name", ["safe", "pickled", "sharded", "variant", "beside"])
def test_weights_are_found_however_they_were_saved(tmp_path, name) -> None:
    network = models.unet()
    folder = models.ddpm(tmp_path / "model", network, safe=name != "pickled")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if name == "sharded":
        weights.unlink()
        network.save_pretrained(folder / "unet", max_shard_size="80KB")
        assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    if name == "variant":
        weights.rename(weights.with_name("diffusion_pytorch_model.ema.safetensors"))
    if name == "beside":  # as the first pipelines on the hub have it
        for part in ("unet", "scheduler"):
            for file in (folder / part).iterdir():
                file.rename(folder / file.name)
            (folder / part).rmdir()
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(load_own(f"diffusers:{folder}").predict(x, 300), network(x, torch.tensor(299)).sample)


class TestDigest:
    """Equal digests mean equal models."""

    def test_it_is_told_from_the_files_without_loading_them(self, saved, monkeypatch) -> None:
        loaded = load_own(f"diffusers:{saved('dit')}").digest
        monkeypatch.setattr(torch.nn.Module, "load_state_dict", None)
        assert digest_of_own(f"diffusers:{saved('dit')}") == loaded

    def test_a_copy_elsewhere_is_the_same_model(self, saved, tmp_path) -> None:
        models.ddpm(tmp_path / "copy")
        assert digest_of_own(f"diffusers:{tmp_path / 'copy'}") == digest_of_own(f"diffusers:{saved('ddpm')}")

    @pytest.mark.parametrize("changed", ["weights", "network", "scheduler", "decoder"])
    def test_every_part_counts(self, tmp_path, changed) -> None:
        folder = models.latent(tmp_path / "model")
        before = digest_of_own(f"diffusers:{folder}")
        if changed == "weights":
            file = folder / "unet" / "diffusion_pytorch_model.safetensors"
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)
        else:
            part, key, value = {
                "network": ("unet/config.json", "norm_eps", 1e-4),
                "scheduler": ("scheduler/scheduler_config.json", "beta_end", 0.03),
                "decoder": ("vqvae/config.json", "scaling_factor", 0.5),
            }[changed]
            config = json.loads((folder / part).read_text())
            (folder / part).write_text(json.dumps({**config, key: value}))
        assert digest_of_own(f"diffusers:{folder}") != before

    def test_class_and_guidance_count(self, saved) -> None:
        asked = [(None, None), (1, None), (2, None), (1, 2.0), (1, 3.0)]
        digests = {find_denoiser(f"diffusers:{saved('dit')}", *given).digest for given in asked}
        assert len(digests) == len(asked)


def test_a_model_that_changed_since_it_was_asked_for_is_refused(saved) -> None:
    with pytest.raises(ModelError, match="has changed: its digest is"):
        find_denoiser(f"diffusers:{saved('dit')}", label=3, digest="0" * 64)
    digest = digest_of_own(f"diffusers:{saved('dit')}")
    assert find_denoiser(f"diffusers:{saved('dit')}", label=3, digest=digest).label == 3


def test_pictures_are_decoded_in_parts_and_stay_within_the_range(saved, monkeypatch) -> None:
    denoiser = load_own(f"diffusers:{saved('dit')}")
    latents = torch.randn(7, 2, 4, 4)
    whole = denoiser.decode(latents)
    monkeypatch.setattr("symdiff.diffusion.adapters.pipeline.DECODED_NUMBERS", 2 * 192 * 16)
    torch.testing.assert_close(denoiser.decode(latents), whole, rtol=1e-5, atol=1e-5)
    extreme = denoiser.decode(100 * latents.double())
    assert (extreme.shape, extreme.dtype) == ((7, 3, 8, 8), torch.float64)
    assert float(extreme.abs().max()) == 1


def test_without_diffusers_the_command_that_adds_it_is_named(saved, monkeypatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("symdiff.diffusion.adapters.library.import_module", missing)
    with pytest.raises(MissingExtraError) as caught:
        load_own(f"diffusers:{saved('ddpm')}")
    assert caught.value.hint == "pip install 'symdiff-toolkit[diffusers]'"


def test_a_scheduler_symdiff_does_not_know_is_refused_with_what_it_says(tmp_path) -> None:
    folder = models.ddpm(tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(
        json.dumps({**index, "scheduler": ["diffusers", "CMStochasticIterativeScheduler"]})
    )
    with pytest.raises(ConfigError, match="CMStochasticIterativeScheduler"):
        load_own(f"diffusers:{folder}")


def test_the_schedule_is_that_of_the_scheduler(tmp_path) -> None:
    folder = models.ddpm(tmp_path / "model", beta_schedule="squaredcos_cap_v2", num_train_timesteps=50)
    schedule = load_own(f"diffusers:{folder}").schedule
    products = DDPMScheduler(beta_schedule="squaredcos_cap_v2", num_train_timesteps=50).alphas_cumprod
    torch.testing.assert_close(schedule.alpha_bar[1:], products.double(), rtol=1e-5, atol=0)


def test_the_ddim_pipeline_too(tmp_path, sampled) -> None:
    pipeline = diffusers.DDIMPipeline(unet=models.unet(), scheduler=DDIMScheduler(clip_sample=False))
    pipeline.save_pretrained(tmp_path / "model")
    expected = sampled(pipeline, batch_size=COUNT)
    found = recorded(tmp_path / "model").states[:, -1]
    assert torch.equal((found / 2 + 0.5).clamp(0, 1), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["ddpm", "dit", "latent"])
def test_on_a_gpu_it_is_the_same_model(saved, name) -> None:
    here, there = (find_denoiser(f"diffusers:{saved(name)}").to(device) for device in ("cpu", "cuda"))
    x = torch.randn(3, *here.shape, dtype=torch.float64)
    for t in (1, 300.5, 1000):  # weights are float32
        torch.testing.assert_close(there.denoise(x.cuda(), t).cpu(), here.denoise(x, t), rtol=1e-4, atol=1e-4)
    assert there.decode(x.cuda()).device.type == "cuda"
    assert record(there, find_sampler(None, there), 3, 2, device="cuda").info["device"].startswith("cuda")
