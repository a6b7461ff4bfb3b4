"""Folders that are not whole, not supported, or do not fit together: each is an error that says what to do."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from symdiff.diffusion.adapters import digest_of_own, load_own
from symdiff.errors import ModelError, SymdiffError
from tests.adapters import models
from tests.adapters.damage import Trap, cut, edit, grow, lose, poison

WEIGHTS = "diffusion_pytorch_model.safetensors"


def pipeline(name: str) -> Callable[[Path], None]:
    """Make the index that of another pipeline, as it stands in theirs."""
    parts = {
        "text": {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]},
        "conditional": {"unet": ["diffusers", "UNet2DConditionModel"]},
        "unknown network": {"unet": ["diffusers", "UNet2DModle"]},
        "code": {"unet": ["my_network", "Network"]},
        "audio": {"mel": ["audio_diffusion", "Mel"]},
        "no network": {"unet": [None, None]},
        "another decoder": {"vae": ["diffusers", "AutoencoderTiny"]},
        "unknown scheduler": {"scheduler": ["diffusers", "DDMPScheduler"]},
        "no scheduler class": {"scheduler": ["diffusers", "UNet2DModel"]},
    }[name]

    def change(folder: Path) -> None:
        edit(folder / "model_index.json", **parts)
        (folder / "vae").mkdir()
        (folder / "vae" / "config.json").write_text("{}")

    return change


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "neither model_index.json nor config.json"),
    "an index that is no JSON": (lambda f: (f / "model_index.json").write_text("{"), "model_index.json is unreadable"),
    "an index that is a list": (lambda f: (f / "model_index.json").write_text("[]"), "no configuration but a list"),
    "no part": (lambda f: shutil.rmtree(f / "unet"), r"unet/config.json is missing"),
    "no configuration": (lambda f: (f / "unet/config.json").unlink(), r"unet/config.json is missing"),
    "no scheduler configuration": (lambda f: shutil.rmtree(f / "scheduler"), "scheduler_config.json is missing"),
    "no weights": (lambda f: (f / "unet" / WEIGHTS).unlink(), "unet has no weights"),
    "truncated weights": (lambda f: cut(f / "unet" / WEIGHTS), "the UNet2DModel in .*unet cannot be loaded"),
    "weights that are not finite": (lambda f: poison(f / "unet" / WEIGHTS), "conv_in.bias holds NaN or infinities"),
    "a tensor too few": (lambda f: lose(f / "unet" / WEIGHTS), "1 missing, such as conv_in.bias"),
    "a tensor of another size": (lambda f: grow(f / "unet" / WEIGHTS), "unet cannot be loaded|mismatched"),
    "a network that does not exist": (pipeline("unknown network"), "the denoiser of .* is a UNet2DModle"),
    "a network of the folder's own code": (pipeline("code"), r"does not know, unet: \['my_network', 'Network'\]"),
    "text": (pipeline("text"), r"conditioned on text or images \(text_encoder: CLIPTextModel\)"),
    "a network that takes text": (pipeline("conditional"), r"on text or images \(unet: UNet2DConditionModel\)"),
    "an unknown part": (pipeline("audio"), "a part symdiff does not know, mel"),
    "no network": (pipeline("no network"), "without a denoiser"),
    "another decoder": (pipeline("another decoder"), "the decoder of .* is a AutoencoderTiny"),
    "a scheduler that does not exist": (pipeline("unknown scheduler"), "names the scheduler DDMPScheduler"),
    "a scheduler that is none": (pipeline("no scheduler class"), "names the scheduler UNet2DModel"),
    "an unknown prediction": (
        lambda f: edit(f / "scheduler/scheduler_config.json", prediction_type="noise"),
        "prediction_type of DDPMScheduler in .* is 'noise'",
    ),
    "a schedule that does not exist": (
        lambda f: edit(f / "scheduler/scheduler_config.json", beta_schedule="liner"),
        "is no configuration of DDPMScheduler",
    ),
    "another number of timesteps": (
        lambda f: edit(f / "unet/config.json", num_train_timesteps=500),
        "made for 500 timesteps, its scheduler has 1000",
    ),
    "no size": (lambda f: edit(f / "unet/config.json", sample_size=None), "does not say how large its images are"),
    "EDM": (
        lambda f: (
            edit(f / "model_index.json", scheduler=["diffusers", "EDMEulerScheduler"]),
            edit(f / "scheduler/scheduler_config.json", beta_schedule=None),
        ),
        "EDMEulerScheduler",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("breaking", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_named(saved, tmp_path, breaking, message) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved("ddpm"), folder)
    breaking(folder)
    with pytest.raises(SymdiffError, match=message) as caught:
        load_own(f"diffusers:{folder}")
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_missing_shard_is_named(tmp_path) -> None:
    network = models.unet()
    network.save_pretrained(tmp_path / "unet", max_shard_size="80KB")
    next((tmp_path / "unet").glob("*-00002-of-*")).unlink()
    for ask in (load_own, digest_of_own):
        with pytest.raises(
            ModelError, match=r"incomplete: diffusion_pytorch_model-00002-of-\d+\.safetensors is missing"
        ):
            ask(f"diffusers:{tmp_path / 'unet'}")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"in_channels": 4, "out_channels": 1}, "takes 4 channels and returns 1"),
        ({"in_channels": 1, "out_channels": 3}, "takes 1 channels and returns 3"),
        ({"class_embed_type": "identity"}, "takes vectors in place of classes"),
    ],
)
def test_a_network_that_is_no_denoiser_is_refused(tmp_path, config, message) -> None:
    with pytest.raises(ModelError, match=message):
        load_own(f"diffusers:{models.ddpm(tmp_path / 'model', models.unet(**config))}")


def test_a_decoder_of_other_latents_is_refused(saved, tmp_path) -> None:
    shutil.copytree(saved("latent"), tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "vqvae")
    models.autoencoder(models.VQModel, latent_channels=4, num_vq_embeddings=16).save_pretrained(
        tmp_path / "model/vqvae"
    )
    with pytest.raises(ModelError, match="has states of 2 channels, its decoder takes 4"):
        load_own(f"diffusers:{tmp_path / 'model'}")


def test_a_model_that_is_no_denoiser_is_refused(saved) -> None:
    with pytest.raises(ModelError, match="holds a VQModel, which is no denoiser"):
        load_own(f"diffusers:{saved('latent') / 'vqvae'}")


def test_a_pickle_that_would_run_code_is_not_run(tmp_path) -> None:
    folder = models.ddpm(tmp_path / "model", safe=False)
    torch.save({"conv_in.weight": Trap(tmp_path / "trace")}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_own(f"diffusers:{folder}")
    assert not (tmp_path / "trace").exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / "trace")))  # the trap works
    assert (tmp_path / "trace").exists()


class TestHub:
    """What is not here may be on the hub, and is looked for there last, and aloud."""

    @pytest.mark.parametrize("name", ["absent", "./some/folder", "/some/folder", "a/b/c", "~/model"])
    def test_what_cannot_be_the_name_of_a_model_there_is_not_looked_for(self, name, monkeypatch) -> None:
        monkeypatch.setattr("huggingface_hub.snapshot_download", None)
        with pytest.raises(ModelError, match=f"there is no folder '{name}'"):
            load_own(f"diffusers:{name}")

    def test_a_name_is_needed(self) -> None:
        with pytest.raises(ModelError, match="names no folder"):
            load_own("diffusers:")

    def test_a_file_is_no_folder(self, tmp_path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ModelError, match="file is a file"):
            load_own(f"diffusers:{tmp_path / 'file'}")

    def test_a_hub_that_cannot_be_reached_is_told_after_the_folder(self, monkeypatch, caplog) -> None:
        def fail(*_: Any, **__: Any) -> str:
            raise ConnectionError("no route to host")

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        with pytest.raises(
            ModelError, match=r"there is no folder 'some/model' in .*, and the Hugging Face hub did not"
        ):
            load_own("diffusers:some/model")
        assert "downloads the model of this name from the Hugging Face hub" in caplog.text

    def test_what_is_not_supported_is_refused_before_its_weights_are_downloaded(
        self, saved, tmp_path, monkeypatch
    ) -> None:
        shutil.copytree(saved("ddpm"), tmp_path / "model")
        pipeline("text")(tmp_path / "model")
        asked: list[list[str]] = []

        def download(name: str, allow_patterns: list[str]) -> str:
            asked.append(allow_patterns)
            return str(tmp_path / "model")

        monkeypatch.setattr("huggingface_hub.snapshot_download", download)
        with pytest.raises(ModelError, match="conditioned on text"):
            load_own("diffusers:some/model")
        assert asked == [["*.json"]]

    @pytest.mark.parametrize("safe", [True, False])
    def test_safetensors_are_downloaded_and_pickles_only_where_there_are_none(
        self, tmp_path, monkeypatch, safe
    ) -> None:
        folder = models.ddpm(tmp_path / "model", safe=safe)
        asked: list[list[str]] = []
        monkeypatch.setattr(
            "huggingface_hub.snapshot_download",
            lambda name, allow_patterns: (asked.append(allow_patterns), str(folder))[1],
        )
        assert load_own("diffusers:some/model").digest == digest_of_own(f"diffusers:{folder}")
        assert any("unet/*.bin" in patterns for patterns in asked) is not safe
