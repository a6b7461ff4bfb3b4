"""What reaches MLflow and TensorBoard, of stand-ins for both: the calls are theirs."""

import sys
from contextlib import contextmanager
from types import ModuleType

import pytest
from symdiff_mlflow import mlflow_runs, tensorboard_runs

from symdiff import Estimate, MissingExtraError
from symdiff.result import Claim, Result, Verdict

RESULT = Result(
    symdiff_version="0.1.0",
    group="affine",
    model="digits",
    config={"steps": 50, "sampler": None, "options": {"gauge": "v"}},
    diagnostics={
        "homomorphism_error": Estimate(value=0.02, interval=(0.01, 0.03), n=64),
        "unknown": Estimate(value=None, n=3, caution="0/0"),
        "faithfulness": Estimate(value=0.5, n=64),
    },
    verdict=Verdict(
        structured="not supported", reason="", claims={"law": Claim(status="supported", evidence="as measured")}
    ),
)

METRICS = {
    "homomorphism_error": 0.02,
    "homomorphism_error.low": 0.01,
    "homomorphism_error.high": 0.03,
    "faithfulness": 0.5,
}


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "digits-affine-0f3a"
    folder.mkdir()
    (folder / "result.json").write_text("{}")
    return folder


def test_mlflow_is_told_of_the_configuration_the_figures_and_the_report(monkeypatch, run_dir):
    calls = {}
    fake = ModuleType("mlflow")

    @contextmanager
    def start_run(run_name):
        calls["run"] = run_name
        yield

    fake.start_run = start_run
    for name in ("log_params", "log_metrics", "set_tags", "log_artifact"):
        setattr(fake, name, lambda value, name=name: calls.__setitem__(name, value))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    mlflow_runs.symdiff_run_finished(RESULT, run_dir)
    assert calls["run"] == run_dir.name
    assert calls["log_params"] == {"group": "affine", "model": "digits", "steps": "50", "options.gauge": "v"}
    assert calls["log_metrics"] == METRICS
    assert calls["set_tags"]["claim.law"] == "supported"
    assert calls["log_artifact"] == str(run_dir / "result.json")


def test_tensorboard_is_written_only_where_a_folder_is_named(monkeypatch, run_dir):
    written = {}

    class Writer:
        def __init__(self, folder):
            self.scalars = written[folder] = {}

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.scalars["closed"] = True

        def add_scalar(self, name, value):
            self.scalars[name] = value

        def add_text(self, title, text):
            self.scalars[title] = text

    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    monkeypatch.delenv("SYMDIFF_TENSORBOARD", raising=False)
    tensorboard_runs.symdiff_run_finished(RESULT, run_dir)
    assert written == {}
    monkeypatch.setenv("SYMDIFF_TENSORBOARD", "/boards")
    tensorboard_runs.symdiff_run_finished(RESULT, run_dir)
    [(folder, scalars)] = written.items()
    assert folder == f"/boards/{run_dir.name}"
    assert METRICS.items() <= scalars.items()
    assert "options.gauge: v" in scalars["configuration"]
    assert scalars["closed"]


def test_a_real_event_file_holds_the_figures(monkeypatch, run_dir, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("SYMDIFF_TENSORBOARD", str(tmp_path / "boards"))
    tensorboard_runs.symdiff_run_finished(RESULT, run_dir)
    events = EventAccumulator(str(tmp_path / "boards" / run_dir.name)).Reload()
    assert events.Scalars("faithfulness")[0].value == pytest.approx(0.5)


def test_what_is_not_installed_is_named_with_the_command_that_adds_it(monkeypatch, run_dir):
    monkeypatch.setenv("SYMDIFF_TENSORBOARD", "/boards")
    for module, plugin in (("mlflow", mlflow_runs), ("torch.utils.tensorboard", tensorboard_runs)):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError) as caught:
            plugin.symdiff_run_finished(RESULT, run_dir)
        assert caught.value.hint.startswith("pip install 'symdiff-mlflow[")
