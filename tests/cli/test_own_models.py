"""Users' own models on the command line: recorded, analysed, named by content, refused where they cannot be had."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from symdiff.diffusion.datasets import digits
from symdiff.trajectories import read_manifest, read_store
from tests.adapters import models

ROOT = Path(__file__).parents[2]

TINY = ("--steps", "5", "--trajectories", "12")
ANALYSE = ("--steps", "5", "--trajectories", "20", "--train-steps", "4", "--length", "3", "--latent", "4")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each kind."""
    root = tmp_path_factory.mktemp("models")
    classes = models.unet(num_class_embeds=10, attention=False)
    return {
        "ddpm": models.ddpm(root / "ddpm"),
        "classes": models.ddpm(root / "classes", classes),
        "dit": models.dit(root / "dit"),
        "latent": models.latent(root / "latent"),
    }


@pytest.mark.parametrize(
    ("name", "flags", "shape"),
    [
        ("ddpm", [], [1, 8, 8]),
        ("classes", ["--label", "3"], [1, 8, 8]),
        ("dit", ["--label", "3", "--guidance", "2.5"], [2, 4, 4]),
        ("latent", ["--sampler", "ddim"], [2, 4, 4]),
    ],
)
def test_a_folder_is_recorded(symdiff, folders, name, flags, shape):
    ran = symdiff("record", f"diffusers:{folders[name]}", "--out", "store", *TINY, *flags, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["observation_shape"] == shape
    info = read_manifest("store")["info"]
    assert (info["model"], info["sampler"]) == (name, ran.document["sampler"])
    assert info.get("label") == (3 if "--label" in flags else None)
    assert info.get("guidance") == (2.5 if "--guidance" in flags else None)
    assert bool(read_store("store").states.isfinite().all())


def test_the_process_is_that_of_the_pipelines_own_scheduler_and_of_the_class_asked_for(symdiff, folders):
    process = ("process", f"diffusers:{folders['dit']}", *TINY, "--json")
    found = symdiff(*process, "--label", "3", "--guidance", "2").document
    assert found["recording"]["sampler"]["name"] == "DDIMScheduler"
    assert "the variances the network learned are not used, only its prediction" in found["warnings"]
    other = symdiff(*process, "--label", "4", "--guidance", "2").document
    assert found["process"]["shared_affine_r2"] != other["process"]["shared_affine_r2"]
    assert symdiff(*process, "--label", "3", "--sampler", "ddpm").document["recording"]["sampler"]["name"] == "ddpm"
    refused = symdiff("process", f"diffusers:{folders['classes']}", *TINY, "--json")
    assert (refused.code, refused.document["hint"]) == (2, "add --label: a class from 0 to 9")


def test_the_model_of_a_recording_is_found_again(symdiff, folders, monkeypatch):
    recorded = symdiff("record", f"diffusers:{folders['ddpm']}", "--out", "store", *TINY, "--json")
    assert recorded.document["warnings"] == ["x0hat clipped to ±1: the step is then no linear function of it"]
    found = symdiff("process", "store", "--json").document["process"]
    assert found["linear_part"]["dimension"] == 64


def test_a_pipeline_whose_scheduler_is_not_supported_is_sampled_by_another(symdiff, tmp_path):
    import diffusers

    pipeline = diffusers.DDPMPipeline(unet=models.unet(), scheduler=diffusers.PNDMScheduler())
    pipeline.save_pretrained(tmp_path / "pndm")
    refused = symdiff("record", f"diffusers:{tmp_path / 'pndm'}", "--out", "refused", *TINY, "--json")
    assert refused.document["message"] == "the scheduler PNDMScheduler is not supported"
    assert "--sampler ddim" in refused.document["hint"]
    assert symdiff("record", f"diffusers:{tmp_path / 'pndm'}", "--out", "store", *TINY, "--sampler", "ddim").code == 0


def test_a_recording_of_another_class_is_another_recording(symdiff, folders):
    record = ("record", f"diffusers:{folders['classes']}", *TINY, "--out", "store", "--json")
    assert symdiff(*record, "--label", "3").code == 0
    assert symdiff(*record, "--label", "3").document["from_cache"] is True
    assert symdiff(*record, "--label", "4").document["code"] == "output"


def test_a_latent_model_is_analysed_and_its_pictures_are_decoded(symdiff, folders):
    ran = symdiff("analyze", f"diffusers:{folders['dit']}", "--label", "3", *ANALYSE, "--out", "run", "--json")
    assert ran.code == 0, ran.err
    config = ran.document["config"]
    assert (config["label"], config["guidance"], config["sampler"]) == (3, None, None)
    assert config["sampler_used"]
    assert len(config["model_digest"]) == 64
    assert "the variances the network learned are not used, only its prediction" in ran.document["warnings"]
    arrays = load_file("run/figures.safetensors")
    for drawn in ("strip", "reconstruction_observations", "reconstruction_predictions", "traversals"):
        assert arrays[drawn].shape[-3:] == (3, 8, 8)
        assert abs(arrays[drawn]).max() <= 1
    page = re.sub("<[^>]*>", "", Path("run/report.html").read_text())
    assert "--label 3" in page
    assert "--model-digest" not in page
    assert "--sampler-used" not in page


def test_a_changed_model_is_another_run(symdiff, folders, tmp_path):
    folder = models.ddpm(tmp_path / "mine")
    plan = ("analyze", f"diffusers:{folder}", "--dry-run", "--json")

    def run_id() -> str:
        return symdiff(*plan).document["runs"][0]["run_id"]

    first = run_id()
    assert first.startswith("mine-affine-")
    models.ddpm(folder, models.unet(seed=1))
    second = run_id()
    models.ddpm(folder, beta_end=0.03)
    third = run_id()
    models.ddpm(folder)
    assert len({first, second, third}) == 3
    assert run_id() == first


def test_the_result_of_a_changed_model_is_not_answered_from_its_directory(symdiff, analysis, tmp_path):
    file = tmp_path / "mine.py"
    code = network("return x")
    file.write_text(code)
    assert symdiff("analyze", f"{file}:model", "--out", "run").code == 0
    assert "answered from" in symdiff("analyze", f"{file}:model", "--out", "run").err
    file.write_text(network("return x / 2"))
    ran = symdiff("analyze", f"{file}:model", "--out", "run", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")
    assert "holds another run" in ran.document["message"]
    assert "model_digest" in ran.document["message"]


def test_the_plan_of_an_embedded_model_loads_no_library_of_models(tmp_path):
    code = (
        "import sys; from symdiff.cli.running import run; code = run(['analyze', '--dry-run']);"
        "sys.exit(code or any(name in sys.modules for name in ('diffusers', 'huggingface_hub')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "flags", "message", "hint"),
    [
        ("classes", [], "is class-conditional and no class was given", "add --label: a class from 0 to 9"),
        ("classes", ["--label", "10"], "has no class 10", "--label takes a class from 0 to 9"),
        ("classes", ["--label", "1", "--guidance", "2"], "no class that stands for none", "leave out --guidance"),
        ("dit", ["--guidance", "2"], "--guidance is 2 without a class", "add --label: a class from 0 to 9"),
        ("dit", ["--label", "1", "--guidance", "-1"], "--guidance is -1", "see `symdiff"),
        ("dit", ["--label", "-1"], "--label is -1", "see `symdiff"),
        ("ddpm", ["--label", "1"], "is not conditional: it takes no label", "leave out --label and --guidance"),
        ("ddpm", ["--guidance", "1"], "is not conditional: it takes no guidance", "leave out --label and --guidance"),
    ],
)
@pytest.mark.parametrize("command", [("record", "--out", "out"), ("analyze", "--out", "out")], ids=lambda c: c[0])
def test_a_class_that_cannot_be_had_is_refused(symdiff, folders, command, name, flags, message, hint):
    ran = symdiff(command[0], f"diffusers:{folders[name]}", *command[1:], *TINY, *flags, "--json")
    assert (ran.code, ran.document["code"]) == (2, "config")
    assert message in ran.document["message"]
    assert ran.document["hint"].startswith(hint)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", ["record", "analyze"])
def test_an_embedded_model_takes_no_label(symdiff, command):
    ran = symdiff(command, "gaussian", "--label", "3", *TINY, "--out", "out", "--json")
    assert (ran.code, ran.document["code"]) == (2, "config")
    assert "'gaussian' is not conditional" in ran.document["message"]
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("diffusers:absent", "there is no folder 'absent'"),
        ("absent.py:model", "there is no file absent.py"),
        ("absent.py", "does not name the function that makes it"),
        ("python:absent_module:model", "there is no module 'absent_module'"),
    ],
)
@pytest.mark.parametrize("flags", [("record", "--out", "out"), ("analyze",), ("analyze", "--dry-run")], ids=" ".join)
def test_a_model_that_is_not_there_is_refused_before_anything_runs(symdiff, analysis, model, message, flags):
    ran = symdiff(flags[0], model, *flags[1:], "--json")
    assert (ran.code, ran.document["code"]) == (2, "model")
    assert message in ran.document["message"]
    assert list(Path().iterdir()) == []


def test_a_folder_named_without_its_kind_is_recognised(symdiff, folders):
    ran = symdiff("record", folders["ddpm"], "--out", "out", "--json")
    assert f"did you mean diffusers:{folders['ddpm']}?" in ran.document["hint"]


def network(body: str) -> str:
    """A file with a model whose network does something."""
    return (
        "import symdiff, torch\n"
        f"def network(x, t):\n    {body}\n"
        "BETAS = torch.linspace(1e-4, .02, 50)\n"
        "def model():\n    return symdiff.from_network(network, (1, 4, 4), betas=BETAS, digest='d')\n"
    )


MISBEHAVING = {
    "NaN": ("return x / 0 * 0", 1, "non-finite", "is NaN or infinite in 12 of 12 trajectories"),
    "another shape": ("return x[:, :, :2]", 2, "model", "and returned shape (12, 1, 2, 4)"),
    "an exception": ("raise ValueError('no')", 1, "run-failed", "failed at step 1 of 5 (timestep 50): ValueError: no"),
    "memory": (
        "raise torch.cuda.OutOfMemoryError('CUDA out of memory')",
        1,
        "run-failed",
        "has not enough memory for one trajectory of shape (1, 4, 4)",
    ),
}


@pytest.mark.parametrize(("body", "exit_code", "code", "message"), MISBEHAVING.values(), ids=MISBEHAVING)
@pytest.mark.filterwarnings("ignore:.*ran out of memory:RuntimeWarning")
def test_a_network_that_misbehaves_is_named(symdiff, body, exit_code, code, message):
    Path("mine.py").write_text(network(body))
    ran = symdiff("record", "mine.py:model", "--out", "store", *TINY, "--json")
    assert (ran.code, ran.document["code"]) == (exit_code, code)
    assert message in ran.document["message"]
    assert ran.document["hint"]
    assert not Path("store").exists()


@pytest.mark.filterwarnings("default:.*ran out of memory:RuntimeWarning")
def test_where_memory_is_short_fewer_trajectories_are_sampled_at_once(symdiff):
    Path("mine.py").write_text(
        network("if len(x) > 3: raise torch.cuda.OutOfMemoryError('CUDA out of memory')\n    return x")
    )
    ran = symdiff("record", "mine.py:model", "--out", "store", *TINY)
    assert ran.code == 0
    assert "ran out of memory with 12 trajectories at once: going on with 6" in ran.err
    assert "ran out of memory with 6 trajectories at once: going on with 3" in ran.err


def test_code_that_is_run_is_announced_and_told_in_the_result(symdiff):
    Path("mine.py").write_text(network("return x"))
    ran = symdiff("record", "mine.py:model", "--out", "store", *TINY)
    assert "warning: running code from mine.py\n" in ran.err
    assert "warning: the model was made by running code: mine.py:model" in ran.out
    result = symdiff("analyze", "store", "--train-steps", "4", "--length", "3", "--latent", "4", "--json").document
    assert "the model was made by running code: mine.py:model" in result["warnings"]


def test_the_example_of_the_guide_trains_and_is_recorded(symdiff):
    guide = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    Path("my_model.py").write_text(example, encoding="utf-8")
    subprocess.run([sys.executable, "my_model.py"], check=True)
    ran = symdiff("record", "my_model.py:denoiser", "--out", "store", "--trajectories", "64", "--json")
    assert (ran.code, ran.document["sampler"]) == (0, "ddpm"), ran.err
    images = read_store("store").states[:, -1]
    means = torch.stack([images.mean(dim=0).flatten(), digits()[0].mean(dim=0).flatten()])
    assert float(torch.corrcoef(means)[0, 1]) > 0.8
