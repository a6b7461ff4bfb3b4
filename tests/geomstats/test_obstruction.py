"""What each manifold can see of steps that scale and translate, and that a blind rho is never called a success."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import symdiff_geomstats
from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.diagnostics import Thresholds, verdict
from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.law import law
from symdiff.result import Estimate, Result
from symdiff_affine.family import AffineFamily
from symdiff_geomstats import diagnostics
from symdiff_geomstats.manifolds import KINDS, manifold
from symdiff_geomstats.representations import ManifoldLie
from tests.geomstats.subjects import affine, recorded

BLIND = ("so", "se", "rotations-scales")


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_translation_can_be_followed_where_some_element_of_the_algebra_scales_another(name: str, n: int) -> None:
    # (a, 0)(1, v)(a, 0)^-1 = (1, a v), so D = d rho(1, 0) and X = d rho(0, w) have [D, X] = X: X is 0 unless 1 is an
    # eigenvalue of ad D for some D. On the three blind manifolds all eigenvalues of every ad D are imaginary.
    m = manifold(name, n)
    flat = m.algebra.flatten(1)
    inverse = torch.linalg.pinv(flat)
    largest = 0.0
    for c in torch.randn(30, m.dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        D = torch.tensordot(c, m.algebra, dims=1)
        ad = (D @ m.algebra - m.algebra @ D).flatten(1) @ inverse
        largest = max(largest, float(torch.linalg.eigvals(ad).real.abs().max()))
    # ad of an element with a nilpotent part has eigenvalues that rounding splits by its root.
    assert (largest > 0.1) == m.follows_translations
    assert m.follows_translations or largest < 1e-5


def evaluation(name: str, *, blind: bool = False, identity: bool = False) -> Evaluation:
    f = affine(name, 2)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(24, 7, 1, 2, 3, generator=generator, dtype=torch.float64)
    recording = recorded(states, a=0.9)
    sequences = f.sequences(recording, 5, 60, generator)
    model = f.model(f.latent_dimension(None)).double().eval()
    rho = model.representation
    assert isinstance(rho, ManifoldLie)
    with torch.no_grad():
        if blind:
            rho.generators[0][:, 1:] = 0
            rho.generators[0][:, 0] *= 20
        if identity:
            rho.generators[0].zero_()
    elements = f.sample(24, generator).double()
    return Evaluation(f, model, recording, sequences, elements, f.model(4 * f.manifold.size).double(), bootstrap=50)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_blind_rho_has_no_geodesic_error_and_a_caution_that_it_is_bought_by_blindness(name: str) -> None:
    found = evaluation(name, blind=True)
    error = diagnostics.geodesic_homomorphism_error(found)
    share = diagnostics.geodesic_translation_share(found)
    assert error is not None
    assert share is not None
    assert error.value is not None
    assert error.value < 1e-7
    assert "blind to translations" in str(error.caution)
    assert error.null == {"identity": 0.0, "blind": 0.0}
    assert share.value is not None
    assert share.value < 1e-7
    assert "blind to translations" in str(share.caution)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_rho_that_is_the_identity_is_called_that(name: str) -> None:
    found = evaluation(name, identity=True)
    error = diagnostics.geodesic_homomorphism_error(found)
    share = diagnostics.geodesic_translation_share(found)
    assert error is not None
    assert error.value == 0
    assert "rho is the identity" in str(error.caution)
    assert share is not None
    assert share.value is None


@pytest.mark.parametrize("name", list(KINDS))
def test_every_figure_of_a_rho_that_sees_translations(name: str) -> None:
    found = evaluation(name)
    m = found.family.manifold  # type: ignore[attr-defined]
    distance = diagnostics.manifold_distance(found)
    assert distance is not None
    assert distance.value is not None
    assert distance.value < 1e-5
    agreement = diagnostics.geodesic_agreement(found)
    assert (agreement is None) == (name == "gl+")
    if agreement is not None:
        assert agreement.value is not None
        assert agreement.value < 1e-9
    share, error = diagnostics.geodesic_translation_share(found), diagnostics.geodesic_homomorphism_error(found)
    assert share is not None
    assert share.value is not None
    assert share.value > 0.1
    assert error is not None
    assert error.value is not None
    assert error.interval is not None
    assert 0 < error.interval[0] <= error.value <= error.interval[1]
    assert (error.caution is not None) == (not m.follows_translations)
    identity, inverse = diagnostics.geodesic_identity_error(found), diagnostics.geodesic_inverse_error(found)
    assert identity is not None
    assert identity.value == 0  # log(1) = 0 and d rho is linear
    assert inverse is not None
    assert inverse.value is not None
    assert inverse.value < 1e-7


def test_the_geodesic_error_of_small_values_is_their_frobenius_error() -> None:
    found = evaluation("so")
    with torch.no_grad():
        found.model.representation.generators[0].mul_(1e-3)
    error = diagnostics.geodesic_homomorphism_error(found)
    assert error is not None
    rho, e = found.representation, found.elements
    matrices = rho(e)
    product = matrices[:, None] @ matrices
    composed = rho(found.family.compose(e[:, None], e[None]).flatten(0, 1)).reshape(product.shape)
    off = ~torch.eye(len(e), dtype=torch.bool)
    defect = (composed - product).square().sum((-2, -1))[off].sum()
    action = (product - torch.eye(16)).square().sum((-2, -1))[off].sum()
    assert error.value == pytest.approx(float((defect / action).sqrt().detach()), rel=1e-3)


def test_a_curve_at_the_cut_locus_costs_its_figures_and_says_so() -> None:
    found = evaluation("so", identity=True)
    with torch.no_grad():
        found.model.representation.generators[0][:, 0] = math.pi / math.log(0.9)  # every step is a half turn
    document, arrays = found.family.describe(found)
    curves = document["manifold"]["curves"]
    assert curves["steps"]["mean"]["converged"] == 24  # one point, which is its own mean
    assert curves["products"]["mean"] is None
    assert curves["products"]["geodesic"]["value"] is None
    assert "two logarithms" in curves["products"]["geodesic"]["caution"]
    assert curves["steps"]["subgroup"]["value"] is None
    assert any("too far apart for a mean" in words for words in document["manifold"]["words"])
    assert "manifold_plane_products" not in arrays


def test_figures_of_manifolds_are_not_asked_of_other_families() -> None:
    found = evaluation("so")
    other = replace(found, family=AffineFamily((1, 2, 3)))
    hook = symdiff_geomstats.symdiff_diagnostics()
    assert len(hook) == 6
    assert all(figure(other) is None for figure in hook.values())
    assert other.family.describe(other) == ({}, {})
    assert other.family.obstruction(other.elements) is None


def test_the_claim_on_the_law_fails_on_faithfulness_where_a_theorem_forbids_it_however_small_the_error() -> None:
    perfect = {
        "homomorphism_error": Estimate(value=1e-4, interval=(0.0, 2e-4), n=64),
        "equivariance_skill_whitened": Estimate(value=0.99, interval=(0.98, 1.0), n=64, null={"blind": 0.1}),
        "faithfulness": Estimate(value=0.2, n=64, null={"typical": 0.3}),
        "action_energy": Estimate(value=0.3, n=64),
    }
    assert law(perfect, Thresholds()).status == "supported"
    claim = verdict(perfect, {}, obstruction="SO(n) is compact").claims["law"]
    assert claim.status == "not supported"
    assert claim.evidence == "faithfulness 0.2, but 0 for every homomorphism of this kind: SO(n) is compact"


def run(directory: Path, name: str) -> Result:
    config = {
        "model": "gaussian", "trajectories": 60, "steps": 20, "train_steps": 40, "length": 3, "group": "geomstats",
        "latent": 6, "options": {"manifold": name, "n": 3},
    }  # fmt: skip
    return analyze(RunConfig.model_validate(config), directory / name)


@pytest.mark.parametrize("name", ["so", "triangular"])
def test_a_whole_run_says_what_the_manifold_can_see(name: str, tmp_path: Path) -> None:
    result = run(tmp_path, name)
    claim = result.verdict.claims["law"]
    described = result.process["manifold"]
    assert described["follows_translations"] == (name == "triangular")
    figures = result.diagnostics
    assert (figures["manifold_distance"].value or 0) <= 1e-5
    assert (figures["geodesic_agreement"].value or 0) <= 1e-9
    page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
    assert "The curve on the manifold" in page
    assert 'id="manifold-steps"' in page
    assert result.decomposition is not None
    if name == "so":
        assert 'id="manifold-ball"' in page
        assert claim.status == "not supported"
        assert "faithfulness" in claim.evidence
        assert "sends every translation to 1" in claim.evidence
        assert any("single steps" in warning for warning in result.warnings)
    else:
        assert "every homomorphism" not in claim.evidence
        share = figures["geodesic_translation_share"]
        assert share.value is not None
        assert share.value > 0.3
        assert 0 < (figures["geodesic_homomorphism_error"].value or 0) < 0.2
        assert share.caution is None
    curves = described["curves"]
    assert all(curves[c]["mean"]["converged"] == described["trajectories"] for c in ("steps", "products"))
    assert [word["length"] for word in described["word_length"]] == [2, 3, 5, 10]
