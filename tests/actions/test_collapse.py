"""An encoder made to map everything to one point has small errors, and is called collapsed."""

from __future__ import annotations

import pytest

from symdiff import RunConfig, analyze, load_autoencoder
from symdiff.errors import OutputError
from symdiff.worlds import make_world
from symdiff.worlds.archive import save_world

SMALL = {"network": "conv", "likelihood": "bernoulli", "law": "additive", "channels": 4, "hidden": 16, "batch": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collapse")
    save_world(make_world("displaced", 120, 4, seed=0), folder / "d.npz")
    config = RunConfig(
        model=f"sequences:{folder / 'd.npz'}", latent=4, length=2, train_steps=100, device="cpu", group="actions",
        options={**SMALL, "spread": 0.0, "gamma": 1e5},
    )  # fmt: skip
    return analyze(config, folder / "run"), folder / "run"


def test_a_model_that_is_only_to_predict_itself_collapses_and_is_called_so(run):
    result, _ = run
    assert result.verdict.structured == "collapsed"
    assert result.verdict.claims["law"].status == "not supported"
    assert result.diagnostics["homomorphism_error"].value < 0.01


def test_its_autoencoder_can_be_had_and_shows_the_collapse(run):
    _, folder = run
    for form in (None, "lie"):
        model = load_autoencoder(folder, form)
        images = make_world("displaced", 64, 1, seed=1).observations[:, 0] / 255
        latents = model.encode(model.encoder.network.network[0].weight.new_tensor(images))
        assert float(latents.detach().var(0).sum()) < 1e-2


def test_an_autoencoder_that_was_not_trained_cannot_be_had(run, tmp_path):
    _, folder = run
    with pytest.raises(OutputError, match="holds no run"):
        load_autoencoder(tmp_path)
    with pytest.raises(OutputError, match="no form 'exact'"):
        load_autoencoder(folder, "exact")
