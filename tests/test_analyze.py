"""The whole run, from model to report: what it finds, that it repeats itself, and that it survives being killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.errors import ConfigError, OutputError, StoreError
from symdiff.result import Result, load_result
from symdiff.rundir import FILES
from symdiff.trajectories import Trajectories, read_store, write_store

SMALL = {"model": "gaussian", "trajectories": 60, "steps": 20, "latent": 8, "train_steps": 60, "length": 2}


def small(**changes: object) -> RunConfig:
    return RunConfig.model_validate({**SMALL, **changes})


@pytest.fixture(scope="module")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the README: the embedded network, all settings as they come."""
    out = tmp_path_factory.mktemp("default") / "run"
    analyze(RunConfig(), out)
    return out


@pytest.fixture(scope="module")
def default(default_run: Path) -> Result:
    return load_result(default_run)


def form(result: Result, name: str, figure: str) -> float:
    value = result.forms[name][figure]
    assert isinstance(value, float)
    return value


def test_lie_projected_is_exact_and_nearly_as_good_as_principal_components(default: Result) -> None:
    assert form(default, "lie-projected", "homomorphism_error") <= 1e-4
    assert form(default, "lie-projected", "prediction_error") <= 0.006
    assert form(default, "lie-projected", "prediction_error_n10") <= 0.015
    pca = form(default, "pca", "reconstruction_error")
    assert form(default, "lie-projected", "reconstruction_error") <= 1.2 * pca


def test_lie_pays_for_its_reconstruction_with_a_bent_law(default: Result) -> None:
    assert 1e-3 < form(default, "lie", "homomorphism_error") <= 0.05
    assert form(default, "lie", "prediction_error") <= 0.005
    assert form(default, "lie", "prediction_error_n10") <= 0.015
    assert form(default, "lie", "reconstruction_error") <= 1.05 * form(default, "pca", "reconstruction_error")


def test_the_exact_reference_is_exact_and_as_good_as_its_principal_components(default: Result) -> None:
    assert form(default, "exact", "homomorphism_error") <= 1e-5
    assert form(default, "exact", "prediction_error") <= 1e-6
    assert form(default, "exact", "reconstruction_error") <= 1.05 * form(default, "pca", "reconstruction_error")


def test_no_form_buys_its_law_by_doing_nothing(default: Result) -> None:
    exact = form(default, "exact", "action_energy")
    for name in ("lie-projected", "lie"):
        assert form(default, name, "action_energy") > 0.25 * exact
        assert default.forms[name]["caution"] is None


def test_no_one_affine_map_explains_the_digits(default: Result) -> None:
    assert default.verdict.structured == "not supported"
    assert default.verdict.claims["content"].status == "not supported"
    assert default.verdict.claims["decomposition"].status == "inconclusive"
    denoised = {level["timestep"]: level["value"] for level in default.process["shared_affine_r2_denoised"]}
    assert min(denoised[t] for t in range(200, 420, 20)) < 0.9


def test_blocks_that_were_given_are_recognised_and_not_claimed_as_found(default: Result) -> None:
    found = default.decomposition
    assert found is not None
    assert found["given"]
    assert found["verdict"] == "decomposable"
    assert [(block["dim"], block["multiplicity"], block["flag"]) for block in found["blocks"]] == [(2, 1, [1, 2])] * 16
    assert found["stability"] >= 0.9
    assert "float32" in found["noise_source"]
    assert [(block["dim"], block["flag"]) for block in found["reference"]["blocks"]] == [(32, [31, 32])]
    claim = default.verdict.claims["decomposition"]
    assert claim.status == "inconclusive"
    assert "-o block=free" in claim.evidence


def test_a_dense_block_finds_the_affine_form_and_that_it_does_not_split(tmp_path: Path) -> None:
    """The structure nobody gave is that of the closed form ``[[a I, P v], [0, 1]]``."""
    result = analyze(small(latent=4, options={"block": "free"}), tmp_path / "run")
    found = result.decomposition
    assert found is not None
    assert not found["given"]
    assert [(block["dim"], block["verdict"], block["flag"]) for block in found["blocks"]] == [
        (4, "reducible-indecomposable", [3, 4])
    ]
    rows = {row["form"]: row for row in found["comparison"]}
    assert rows["lie-projected"]["blocks"] == rows["exact (closed form)"]["blocks"]
    assert rows["lie-projected"]["blocks"] != rows["exact-blocks (closed form)"]["blocks"]
    assert result.verdict.claims["decomposition"].status == "not supported"
    assert result.timing["decompose"] > 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "What was found has the same structure as exact (closed form)." in page
    for figure in ("block-structure", "traversals"):
        assert f'id="{figure}"' in page


def test_what_two_by_two_blocks_cannot_follow_is_counted_against_the_law(default: Result) -> None:
    """A block follows one direction and needs the other for a constant: small amplitudes must not hide that."""
    assert default.diagnostics["support_dimension"].value == 32
    assert default.diagnostics["followed_dimension"].value == 16
    assert default.verdict.claims["law"].status == "inconclusive"
    assert "16 of 32 directions" in default.verdict.claims["law"].evidence
    assert form(default, "lie-projected", "prediction_error_whitened") > 0.1


def test_the_start_of_training_is_shown_beside_its_end(default: Result) -> None:
    assert form(default, "lie-projected", "prediction_error") < form(default, "start", "prediction_error")
    assert form(default, "start", "homomorphism_error") < 1e-4


def test_every_file_of_a_run_is_there_and_nothing_else(default_run: Path) -> None:
    assert sorted(path.name for path in default_run.iterdir()) == sorted(FILES)
    status = json.loads((default_run / "status.json").read_text())
    assert status["state"] == "done"
    stages = {json.loads(line)["stage"] for line in (default_run / "metrics.jsonl").read_text().splitlines()}
    assert stages == {"lie", "lie-projected"}


def test_estimates_come_with_intervals_nulls_and_the_untrained_network(default: Result) -> None:
    for name in ("homomorphism_error", "equivariance_skill", "prediction_error", "reconstruction_error"):
        estimate = default.diagnostics[name]
        assert estimate.interval is not None
        low, high = estimate.interval
        assert low is not None
        assert high is not None
        assert low <= estimate.value <= high
    skill = default.diagnostics["equivariance_skill"]
    assert skill.null["permuted_p"] < 0.05
    assert skill.null["untrained"] < skill.value


def test_the_page_opens_with_the_verdict_and_loads_nothing(default_run: Path) -> None:
    page = (default_run / "report.html").read_text()
    assert len(page) < 1_000_000
    assert page.index("not supported") < page.index("homomorphism_error")
    for outside in ('src="http', "src='http", "@import", 'href="http'):
        assert outside not in page


def test_a_finished_run_is_answered_from_its_directory(default_run: Path, default: Result) -> None:
    before = (default_run / "result.json").stat().st_mtime_ns
    assert analyze(RunConfig(), default_run) == default
    assert (default_run / "result.json").stat().st_mtime_ns == before


def test_gaussian_data_are_affine_for_every_trajectory(tmp_path: Path) -> None:
    """The one case where the founding claim is literally true: one affine map a step, for all trajectories."""
    result = analyze(RunConfig(model="gaussian", train_steps=50, options={"rho": "exact"}), tmp_path / "run")
    for name in ("shared_affine_r2", "shared_affine_r2_denoised"):
        values = [level["value"] for level in result.process[name] if level["value"] is not None]
        assert min(values) > 0.99, name
    for sampled, ceiling in zip(
        result.process["shared_affine_r2_sampled"], result.process["ceiling_sampled"], strict=True
    ):
        assert sampled["value"] == pytest.approx(ceiling["value"], abs=0.03)
    assert result.verdict.claims["content"].status == "supported"
    assert result.verdict.claims["law"].status == "supported"
    assert result.verdict.structured == "supported"


def test_a_blind_representation_is_not_called_a_homomorphism_worth_having(tmp_path: Path) -> None:
    """1x1 blocks cannot see translations: with rho free they only pretend, and the law must not be supported."""
    config = small(options={"rho": "lie", "block": "1", "penalty": 100.0, "start": "random"}, train_steps=200)
    result = analyze(config, tmp_path / "run")
    assert result.verdict.claims["law"].status != "supported"
    assert result.verdict.structured in ("not supported", "collapsed", "inconclusive")


@pytest.mark.parametrize("gauge", ["v", "eps", "x0"])
def test_the_singular_step_of_gauge_x0_is_a_failed_guarantee(tmp_path: Path, gauge: str) -> None:
    result = analyze(small(options={"gauge": gauge}, steps=8, train_steps=10, latent=4), tmp_path / "run")
    [row] = [row for row in result.guarantees if row.condition == "every element in GL"]
    assert row.status == ("fail" if gauge == "x0" else "pass")
    assert any("not in GL(d+1)" in warning for warning in result.warnings) == (gauge == "x0")


@pytest.mark.parametrize(
    "options",
    [
        {"rho": "mlp"},
        {"rho": "exact"},
        {"rho": "exact", "exact": "symmetric"},
        {"rho": "exact", "exact": "blocks"},
        {"block": "free"},
        {"loss_norm": "l2"},
        {"start": "random"},
    ],
    ids=str,
)
def test_every_form_goes_all_the_way(tmp_path: Path, options: dict[str, object]) -> None:
    result = analyze(small(options=options, steps=12, train_steps=20), tmp_path / "run")
    form_asked = options.get("rho", "lie-projected")
    assert next(iter(result.forms)) == form_asked
    assert result.diagnostics["homomorphism_error"].value is not None
    if form_asked != "mlp":
        assert result.diagnostics["homomorphism_error"].value < 1e-4


def test_forms_are_compared_on_request(tmp_path: Path) -> None:
    result = analyze(small(compare_forms=True, steps=12, train_steps=20), tmp_path / "run")
    assert list(result.forms) == ["lie-projected", "start", "lie", "mlp", "exact", "exact-blocks", "pca"]
    assert form(result, "mlp", "homomorphism_error") > form(result, "lie-projected", "homomorphism_error")


def test_a_trained_exact_form_is_judged_against_its_closed_form_and_not_against_itself(tmp_path: Path) -> None:
    result = analyze(small(model="mixture", options={"rho": "exact", "learning_rate": 3e-3}), tmp_path / "run")
    assert {"exact", "start", "exact (closed form)"} <= result.forms.keys()
    trained, closed = (form(result, name, "reconstruction_error") for name in ("exact", "exact (closed form)"))
    assert trained != closed
    assert result.diagnostics["reconstruction_error"].null["pca"] == pytest.approx(closed, rel=1e-6)
    [row] = [row for row in result.guarantees if row.condition == "training at its floor"]
    assert row.status == "unknown"


@pytest.mark.parametrize(
    ("steps", "length"), [pytest.param(10, 2, id="10 steps, 9 usable"), pytest.param(2, 1, id="2 steps, 1 usable")]
)
def test_a_run_uses_as_many_steps_as_are_in_the_group(tmp_path: Path, steps: int, length: int) -> None:
    result = analyze(small(steps=steps, length=length, options={"gauge": "x0"}), tmp_path / "run")
    assert result.diagnostics["prediction_error_n10"].value is None
    assert result.diagnostics["homomorphism_error"].value is not None


def test_a_length_that_does_not_fit_is_refused_before_training_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="window of 4 steps does not fit"):
        analyze(small(steps=3, length=4), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_thorough_compares_with_a_longer_run(tmp_path: Path) -> None:
    config = small(thorough=True, train_steps=20, steps=6, trajectories=40, latent=4)
    result = analyze(config, tmp_path / "run")
    [row] = [row for row in result.guarantees if row.condition == "training at its floor"]
    assert row.status != "unknown"
    again = analyze(config, tmp_path / "run", rescore=True)
    assert again.guarantees == result.guarantees


@pytest.mark.parametrize(
    "changes", [{}, {"compare_forms": True}, {"compare_forms": True, "options": {"rho": "exact"}}], ids=str
)
def test_rescoring_finds_the_same_without_training(
    tmp_path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(trajectories=40, steps=6, latent=4, train_steps=20, **changes)
    first = analyze(config, tmp_path / "run")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    monkeypatch.setattr("symdiff.fitting.train_stage", None)  # training would fail
    again = analyze(config, tmp_path / "run", rescore=True)
    assert again.model_dump(exclude={"timing"}) == first.model_dump(exclude={"timing"})
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == metrics


def test_there_is_nothing_to_rescore_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no finished run"):
        analyze(small(), tmp_path / "run", rescore=True)
    assert not (tmp_path / "run").exists()


def test_a_recorded_directory_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMDIFF_CACHE", str(tmp_path / "cache"))  # with this recording and no other
    analyze(small(), tmp_path / "run")
    [store] = (tmp_path / "cache" / "trajectories").iterdir()
    write_store(tmp_path / "store", read_store(store))
    config = small(model=str(tmp_path / "store"), steps=30)
    with pytest.warns(UserWarning, match="do not change it"):
        result = analyze(config, tmp_path / "from store")
    assert result.config["steps"] == read_store(tmp_path / "store").steps != 30
    # Another recording under the same path is another run.
    shutil.rmtree(tmp_path / "store")
    write_store(tmp_path / "store", read_store(store).select(slice(0, 40)))
    with pytest.raises(OutputError, match="holds another run"):
        analyze(config, tmp_path / "from store")


def test_a_recording_that_does_not_fit_in_memory_is_trained_on_from_disk_and_judged_by_a_part(tmp_path: Path) -> None:
    config = small()
    plain = analyze(config, tmp_path / "plain")
    size = 4 * 64 * (2 * plain.config["steps"] + 1) * plain.config["trajectories"]
    with pytest.warns(UserWarning, match="training reads all of its .* trajectories from disk") as told:
        found = analyze(config, tmp_path / "from disk", memory=size // 2)
    [told_of] = [str(warning.message) for warning in told]
    assert found.warnings == [told_of, *plain.warnings]
    held_out = round(0.2 * plain.config["trajectories"])
    judged_by = size // 4 // (2 * size // plain.config["trajectories"])
    assert f"diagnostics rest on {judged_by} of {held_out} held-out" in told_of
    # Trained on the same batches, though they were read from disk.
    metrics = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("plain", "from disk")]
    assert metrics[0] == metrics[1]
    assert found.config == plain.config


def test_an_unfinished_recording_is_refused_with_the_command_that_finishes_it(tmp_path: Path) -> None:
    document = {"schema": "symdiff.unfinished-recording/1", "command": "symdiff record digits --out here"}
    document |= {"key": "", "pid": 1, "first": [0, 5], "finished": [{"name": "00000.safetensors"}]}
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "recording.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="not finished: 1 of 2 shards are there") as caught:
        analyze(small(model=str(tmp_path / "store")), tmp_path / "run")
    assert caught.value.hint == "to finish it: symdiff record digits --out here"
    assert not (tmp_path / "run").exists()


def test_a_latent_dimension_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="do not fill a latent space"):
        analyze(small(latent=7), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recording_of_few_trajectories_is_enough_to_run_and_says_it_is_few(tmp_path: Path) -> None:
    result = analyze(small(trajectories=12), tmp_path / "run")
    assert "only 2 trajectories" in (result.diagnostics["prediction_error"].caution or "")
    assert result.verdict.claims["law"].status == "inconclusive"
    assert result.verdict.claims["content"].status == "inconclusive"


RUN = """
import sys
from pathlib import Path
from symdiff.analyze import analyze
from symdiff.config import RunConfig
analyze(RunConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_run_killed_in_mid_training_resumes_to_the_same_result(tmp_path: Path) -> None:
    # Between the first checkpoint and the end there are steps enough for a signal to arrive in time.
    config = small(train_steps=250, steps=6, trajectories=40, latent=4)
    whole = analyze(config, tmp_path / "whole")
    followed = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    command = [sys.executable, "-c", RUN, config.model_dump_json(), str(tmp_path / "killed")]
    process = subprocess.Popen(command, env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("checkpoint-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "result.json").exists()
    resumed = analyze(config, tmp_path / "killed")
    assert resumed.model_dump(exclude={"timing"}) == whole.model_dump(exclude={"timing"})
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(FILES)
    again = [json.loads(line) for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert again == followed


def test_time_and_size_of_images_do_not_matter_to_the_structure_of_a_run(tmp_path: Path) -> None:
    """Colour images, not square, with more pixels than trajectories."""
    generator = torch.Generator().manual_seed(0)
    steps = 6
    alpha_bar = torch.linspace(0.01, 1, steps + 1, dtype=torch.float64)
    one = torch.ones(steps, dtype=torch.float64)
    recording = Trajectories(
        states=torch.randn(40, steps + 1, 3, 12, 10, generator=generator),
        denoised=torch.randn(40, steps, 3, 12, 10, generator=generator),
        timesteps=torch.arange(steps, -1, -1),
        alpha_bar=alpha_bar,
        scale=torch.ones_like(alpha_bar),
        state_coefficient=0.9 * one,
        denoised_coefficient=0.1 * one,
        noise_std=0 * one,
        gauges={"v": 0.95 * one, "eps": 1.05 * one, "x0": 0.9 * one},
    )
    write_store(tmp_path / "store", recording)
    config = small(model=str(tmp_path / "store"), steps=6, trajectories=40)
    result = analyze(config, tmp_path / "run")
    assert result.diagnostics["prediction_error_n10"].value is None  # only six steps, and it says so
    assert "6 actions" in (result.diagnostics["prediction_error_n10"].caution or "")
    assert (tmp_path / "run" / "report.html").exists()
