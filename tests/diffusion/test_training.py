"""Training an embedded network, and the command that does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import Schedule, datasets, train
from symdiff.diffusion.denoisers.network import load_network
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.recipes import RECIPES, TrainingConfig

SIZES = UNetConfig()


def test_training_lowers_the_loss_and_repeats_from_its_seed() -> None:
    images = datasets.digits()[0][:64]
    config = TrainingConfig(steps=200, batch=16, warmup=20)
    losses: list[float] = []
    network = train.train(images, Schedule.linear(), config, SIZES, lambda step, loss, averaged: losses.append(loss))
    assert losses[1] < 0.8 * losses[0]
    short = TrainingConfig(steps=3, batch=4)
    first, again = (train.train(images, Schedule.linear(), short, SIZES) for _ in range(2))
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not network.training


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train.train(datasets.digits()[0][:8], Schedule.linear(), TrainingConfig(steps=1, batch=2), SIZES)
    assert torch.equal(torch.rand(3), expected)


def test_times_are_drawn_with_probabilities_that_favour_the_middle_of_the_run() -> None:
    probabilities = train.time_distribution(Schedule.linear())
    assert float(probabilities.sum()) == pytest.approx(1)
    assert float(probabilities.min()) >= 0.5 / 1000
    assert float(probabilities[100:400].sum()) > 1.25 * 0.3


@pytest.mark.parametrize("model", RECIPES)
def test_the_command_trains_writes_and_prints_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    monkeypatch.setattr(train, "figures", lambda denoiser, recipe: {"bin": recipe.half_bin})
    drawn: list[str] = []
    monkeypatch.setattr(train, "write_grid", lambda path, denoiser: drawn.append(denoiser.name))
    out = tmp_path / "weights" / "trained.safetensors"
    settings = [
        "--steps",
        "2",
        "--batch",
        "4",
        "--warmup",
        "1",
        "--out",
        str(out),
        "--grid",
        str(tmp_path / "grid.png"),
    ]
    assert train.main([model, *settings]) == 0
    printed = json.loads(capsys.readouterr().out)
    trained = load_network(out, "x")
    assert printed == {"digest": trained.digest, "bytes": out.stat().st_size, "bin": RECIPES[model].half_bin}
    assert trained.shape == RECIPES[model].data()[0].shape[1:]
    assert drawn == [model]
    assert list(out.parent.iterdir()) == [out]  # no checkpoint is left
    before = out.read_bytes()
    assert train.main([model, "--evaluate", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert out.read_bytes() == before


def test_a_checkpoint_can_be_read_while_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "trained.safetensors"
    real = train.save_network

    def save_checkpoints_only(path: Path, network: UNet, metadata: dict[str, object]) -> None:
        if path == out:
            raise KeyboardInterrupt
        real(path, network, metadata)

    monkeypatch.setattr(train, "save_network", save_checkpoints_only)
    with pytest.raises(KeyboardInterrupt):
        train.main(["digits", "--steps", "100", "--batch", "2", "--out", str(out)])
    checkpoint = load_network(tmp_path / "trained.partial", "digits")
    assert checkpoint.denoise(torch.zeros(1, 1, 8, 8), 500).abs().max() > 0


def test_training_can_go_on_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate of nothing the averaged network is the one it began with."""
    monkeypatch.setattr(train, "figures", lambda denoiser, recipe: {})
    out = tmp_path / "same.safetensors"
    shipped = RECIPES["digits"].weights
    settings = ["--start", str(shipped), "--steps", "2", "--warmup", "1", "--batch", "2", "--peak-rate", "0"]
    assert train.main(["digits", *settings, "--out", str(out)]) == 0
    one, other = (load_network(path, "digits") for path in (shipped, out))
    assert one.digest == other.digest
    assert json.dumps(one.digest).encode()[1:-1] in out.read_bytes()  # the file says what it came from


def test_the_digits_keep_the_command_that_made_them() -> None:
    command = [sys.executable, "-m", "symdiff.diffusion.digits", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "train digits" in ran.stdout
