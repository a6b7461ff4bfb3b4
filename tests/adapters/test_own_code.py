"""Denoisers made by the user's own code, and weights read without running anything."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import symdiff
from symdiff.diffusion.adapters import digest_of_own, load_own
from symdiff.errors import ConfigError, ModelError, SymdiffError
from symdiff.models import find_denoiser
from tests.adapters.damage import Trap, cut

CODE = """
import torch, symdiff
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)

    def forward(self, x, t):
        return self.layer(x)

def half(name=None):
    return symdiff.from_network(Network(), (1, 4, 4), betas=torch.linspace(1e-4, 0.02, 100))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_function_of_a_file_makes_a_model_and_is_announced_once(here, caplog) -> None:
    (here / "mine.py").write_text(CODE)
    model = load_own("mine.py:half")
    assert (model.name, model.shape, model.schedule.T) == ("Network", (1, 4, 4), 100)
    assert model.caveats == ("the model was made by running code: mine.py:half",)
    assert load_own(f"{here}/mine.py:half").digest == model.digest
    assert caplog.messages == ["running code from mine.py"]
    (here / "mine.py").write_text(CODE + "\n")
    assert load_own("mine.py:half").digest != model.digest
    assert len(caplog.messages) == 2


def test_the_function_of_a_module_makes_the_same_model(here, caplog) -> None:
    (here / "ours").mkdir()
    (here / "ours" / "__init__.py").touch()
    (here / "ours" / "models_of_2026.py").write_text(CODE)
    (here / "mine.py").write_text(CODE)
    path = list(sys.path)
    model = load_own("python:ours.models_of_2026:half")
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(model.denoise(x, 50), load_own("mine.py:half").denoise(x, 50))
    assert caplog.messages[0] == "running code of module ours.models_of_2026"
    assert sys.path == path


def test_a_file_can_import_its_neighbours_and_not_hide_a_library(here) -> None:
    (here / "neighbour.py").write_text("T = 30")
    (here / "json.py").write_text("raise SystemExit")
    (here / "mine.py").write_text(f"import json, neighbour\n{CODE}".replace("100)", "neighbour.T)"))
    assert load_own("mine.py:half").schedule.T == 30


def test_a_factory_that_gives_one_model_twice_gives_one_digest(here) -> None:
    (here / "mine.py").write_text(CODE + "\nONE = half()\ndef one():\n    return ONE\n")
    first, second = load_own("mine.py:one"), load_own("mine.py:one")
    assert (first.digest, first.caveats) == (second.digest, second.caveats)


def test_changed_weights_are_another_model(here) -> None:
    code = CODE.replace("100))", "100), weights='w.safetensors')")
    (here / "mine.py").write_text(code)
    digests = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        layer = nn.Linear(4, 4)
        save_file({f"layer.{name}": tensor for name, tensor in layer.state_dict().items()}, "w.safetensors")
        digests.append(digest_of_own("mine.py:half"))
    assert digests[0] == digests[2] != digests[1]


SUBCLASS = (
    CODE
    + """
class Mine(symdiff.Denoiser):
    def __init__(self):
        super().__init__("mine", (1, 4, 4), symdiff.Schedule.linear(10), "version 1")

    def denoise(self, x, t):
        return x / 2 if self.label is None else x * self.label

    def conditioned(self, label, guidance):
        self.label = label
        return self
"""
)


def test_a_denoiser_of_ones_own_class_may_do_all_a_built_in_one_does(here) -> None:
    (here / "mine.py").write_text(SUBCLASS)
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(find_denoiser("mine.py:Mine", label=3).denoise(x, 5), 3 * x)


def test_a_network_without_classes_takes_no_label(here) -> None:
    (here / "mine.py").write_text(CODE)
    for given, word in (({"label": 3}, "label"), ({"guidance": 2.0}, "guidance")):
        with pytest.raises(ConfigError, match=f"'Network' is not conditional: it takes no {word}"):
            find_denoiser("mine.py:half", **given)


WRONG = {
    "no file": ("absent.py:half", "there is no file absent.py"),
    "no factory": ("mine.py", "does not name the function"),
    "no factory in a module": ("python:mine", "does not name the function"),
    "no name": ("mine.py:", "does not name the function"),
    "another function": ("mine.py:hlaf", "mine.py has no function 'hlaf'"),
    "a value": ("mine.py:NUMBER", "has, as a value that is no function, 'NUMBER'"),
    "arguments": ("mine.py:needs", r"needs\(\) of model mine.py:needs failed: TypeError: .* missing 1 required"),
    "a factory that fails": ("mine.py:fails", "failed: ZeroDivisionError: division by zero"),
    "a factory that exits": ("mine.py:leaves", "failed: SystemExit: 3"),
    "a factory that refuses": ("mine.py:refuses", "no schedule like this"),
    "another thing": ("mine.py:network", r"network\(\) of model mine.py:network returned Network\("),
    "nothing": ("mine.py:nothing", "returned None, which is no denoiser"),
    "a half-made denoiser": ("mine.py:HalfMade", "name of the denoiser of model mine.py:HalfMade is None, not a str"),
    "a shape of two": ("mine.py:flat", r"shape of the denoiser of model mine.py:flat is \(4, 4\)"),
    "code that is none": ("broken.py:half", "running broken.py failed: SyntaxError"),
    "code that fails": ("failing.py:half", "running failing.py failed: ModuleNotFoundError: No module named 'nowhere'"),
    "no module": ("python:nowhere.at.all:half", "there is no module 'nowhere'"),
    "no submodule": ("python:torch.nowhere:half", "there is no module 'torch.nowhere'"),
    "a module that imports what is not there": ("python:failing:half", "importing failing failed: ModuleNotFoundError"),
    "a module without it": ("python:mine:hlaf", "python:mine has no function 'hlaf'"),
}

EXTRA = """
NUMBER = 3
def needs(path): pass
def fails(): 1 / 0
def leaves(): raise SystemExit(3)
def refuses(): raise symdiff.ConfigError("no schedule like this", "another one")
def network(): return Network()
def nothing(): pass
def flat():
    model = Mine()
    model.shape = (4, 4)
    return model
class HalfMade(Mine):
    def __init__(self): self.shape = (1, 4, 4)
"""


@pytest.mark.parametrize(("model", "message"), WRONG.values(), ids=WRONG)
def test_code_that_makes_no_model_is_named(here, model, message) -> None:
    (here / "mine.py").write_text(SUBCLASS + EXTRA)
    (here / "broken.py").write_text("def half(:")
    (here / "failing.py").write_text("import nowhere")
    with pytest.raises(SymdiffError, match=message) as caught:
        load_own(model)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    sys.modules.pop("mine", None)


def test_the_nearest_function_is_suggested(here) -> None:
    (here / "mine.py").write_text(CODE)
    with pytest.raises(ModelError) as caught:
        load_own("mine.py:hlaf")
    assert caught.value.hint == "did you mean 'half'?"


class TestWeights:
    """`symdiff.load_weights` reads tensors, and nothing else."""

    STATE = nn.Linear(3, 2).state_dict()

    @pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
    @pytest.mark.parametrize("under", [None, "state_dict", "model"])
    def test_they_are_read_however_they_were_saved(self, here, name, under) -> None:
        if name == "w.safetensors":
            save_file(self.STATE, name)
        else:
            torch.save(self.STATE if under is None else {under: self.STATE, "epoch": 3}, name)
        found = symdiff.load_weights(name)
        assert set(found) == set(self.STATE)
        assert all(torch.equal(found[key], self.STATE[key]) for key in found)

    def test_code_in_them_is_refused_and_not_run(self, here) -> None:
        for content in ({"weight": Trap(here / "trace")}, nn.Linear(2, 2)):
            torch.save(content, "w.pt")
            with pytest.raises(ModelError, match="is refused: it holds more than tensors and plain data") as caught:
                symdiff.load_weights("w.pt")
            assert "torch.save(network.state_dict(), file)" in caught.value.hint
        assert not (here / "trace").exists()

    @pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
    def test_damaged_files_are_named(self, here, name) -> None:
        save_file(self.STATE, name) if name == "w.safetensors" else torch.save(self.STATE, name)
        cut(here / name)
        with pytest.raises(ModelError, match=f"cannot read the weights {re.escape(name)}"):
            symdiff.load_weights(name)
        (here / name).write_bytes(b"")
        with pytest.raises(ModelError, match=f"cannot read the weights {re.escape(name)}"):
            symdiff.load_weights(name)

    @pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.zeros(3)], ids=str)
    def test_what_holds_no_weights_is_named(self, here, content) -> None:
        torch.save(content, "w.pt")
        with pytest.raises(ModelError, match="no weights"):
            symdiff.load_weights("w.pt")

    def test_a_missing_file_is_named_with_where_it_was_looked_for(self, here) -> None:
        with pytest.raises(ModelError, match=r"there is no file of weights absent\.pt") as caught:
            symdiff.load_weights("absent.pt")
        assert str(here) in caught.value.hint

    def test_weights_of_another_network_are_named(self, here) -> None:
        torch.save(self.STATE, "w.pt")
        with pytest.raises(ModelError, match=r"the weights w\.pt do not fit the network: .*size mismatch"):
            symdiff.from_network(nn.Linear(2, 2), (1, 2, 2), betas=[0.1, 0.2], weights="w.pt")
