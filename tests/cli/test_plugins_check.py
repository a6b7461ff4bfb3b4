"""`symdiff plugins check`: exit code 0 where all holds, 1 where a law or an analysis fails, 3 without such a plugin."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion.denoisers.gaussian import GaussianDenoiser
from symdiff.miniature import SmoothImages
from symdiff.testing import LAWS
from tests.plugins.conftest import FAMILY, HOOK, site

__all__ = ["site"]

WRONG = FAMILY.replace("return g2 * g1", "return g2 * g1 * g1").replace("{name}", "wrong")


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """The families of this repository need not be loaded here and in every process that is started."""
    monkeypatch.setenv("SYMDIFF_DISABLE_PLUGINS", "actions,affine,escnn,geomstats")


def test_a_plugin_that_keeps_every_law_passes(symdiff, site):
    site.install_family("signs")
    ran = symdiff("plugins", "check", "signs", "--shape", "1,2,3", "--latent", "4", "--json")
    assert (ran.code, ran.err) == (0, "")
    document = ran.document
    assert (document["schema"], document["status"]) == ("symdiff.plugin-check/1", "passed")
    [family] = document["families"]
    assert family["name"] == "signs"
    outcomes = {item["law"]: item["outcome"] for item in family["laws"]}
    assert outcomes.keys() == LAWS.keys()
    assert outcomes["left_action"] == outcomes["serialisation"] == "passed"
    assert outcomes["exponential"] == "skipped"
    [reason] = [item["message"] for item in family["laws"] if item["law"] == "haar_elements"]
    assert reason == "haar_elements is not given"
    [run] = document["analyses"]
    assert (run["group"], run["model"], run["outcome"]) == ("signs", "smooth-images", "passed")
    assert run["diagnostics"]["reconstruction_error"] > 0


def test_a_plugin_that_breaks_a_law_fails_and_says_which_and_where(symdiff, site):
    site.install("wrong", WRONG + HOOK.format(name="wrong"))
    ran = symdiff("plugins", "check", "wrong")
    assert ran.code == 1
    assert ran.out.startswith("group family wrong: ")
    assert "failed   left_action: act(g2, act(g1, x)) = act(compose(g2, g1), x) does not hold" in ran.out
    assert "compose (plugin_wrong.py:" in ran.out
    assert "error: plugin 'wrong' fails" in ran.err
    assert "left_action" in ran.err


def test_a_plugin_with_which_no_analysis_goes_through_fails_and_says_why(symdiff, site):
    site.install(
        "models", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(): return {'mine': lambda: 1 / 0}\n"
    )
    ran = symdiff("plugins", "check", "models", "--json")
    assert (ran.code, ran.document["status"]) == (1, "failed")
    [run] = ran.document["analyses"]
    assert (run["group"], run["model"], run["outcome"]) == ("affine", "mine", "failed")
    assert run["message"] == "the source of model 'mine' failed: ZeroDivisionError: division by zero"
    assert "error: a miniature analysis with plugin 'models' failed: the source of model 'mine' failed" in ran.err
    ran = symdiff("plugins", "check", "models", "--no-analysis", "--json")
    assert (ran.code, ran.document["analyses"]) == (0, [])


def test_the_model_of_a_miniature_analysis_is_the_optimal_denoiser_of_its_law():
    shape = (2, 3, 4)
    smooth = SmoothImages(shape)
    pixels = torch.eye(12, dtype=torch.float64).unflatten(1, shape[1:])
    covariance = torch.fft.ifft2(smooth.spectrum * torch.fft.fft2(pixels)).real.flatten(1)
    covariance = torch.block_diag(covariance, covariance)
    expected = GaussianDenoiser(torch.zeros(shape), covariance)
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(smooth.denoise(x, 400), expected.denoise(x, 400))


def test_a_plugin_without_families_has_no_law_to_check(symdiff, site):
    site.install("models", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(): return {}\n")
    ran = symdiff("plugins", "check", "models")
    assert (ran.code, ran.out) == (
        0,
        "plugin models loads; it provides no group family, so that there is no law to check\n",
    )


def test_what_cannot_be_checked_is_refused(symdiff, site):
    site.install("bad", "raise ValueError('boom')")
    site.install_family("signs")
    ran = symdiff("plugins", "check", "bad", "--json")
    assert (ran.code, ran.document["code"]) == (3, "plugin")
    assert "is broken: ValueError: boom" in ran.document["message"]
    assert symdiff("plugins", "check", "sings", "--json").code == 3
    ran = symdiff("plugins", "check", "signs", "-o", "hiden=3", "--json")
    assert (ran.code, ran.document["code"]) == (2, "config")
    assert "did you mean 'hidden'?" in ran.document["hint"]
    ran = symdiff("plugins", "check", "signs", "--shape", "8,8", "--json")
    assert (ran.code, ran.document["message"]) == (2, "--shape is '8,8', not C,H,W")
