"""What is judged of actions whose group law nobody knows: what was observed, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from symdiff.diagnostics import Evaluation, diagnose, guarantees, verdict
from symdiff.diagnostics.compositions import compositions, same
from symdiff.diagnostics.observed_law import LAW_UNKNOWN
from symdiff.hae import HAE
from symdiff.representations import MLPRepresentation, Representation
from symdiff.structure import split
from symdiff.trajectories import ObservedSequences
from tests.sequences.turning import LawlessTurns, Turns, observed_turns

SHAPE = (8, 1, 1)


def recording(**how: float) -> ObservedSequences:
    arrays = {key: torch.from_numpy(array) for key, array in observed_turns(**how).items()}
    observations = arrays["observations"][..., None, None]
    return ObservedSequences.of(observations, arrays["actions"], arrays["factors"]).double()


class Rotations(Representation):
    """The true rho: the two angles of an action turn two planes. `bent` breaks the law, `turned` mixes the planes."""

    form = "mlp"
    block_sizes = (4,)

    def __init__(self, bent: float = 0.0, turned: bool = False) -> None:
        super().__init__()
        self.bent = bent
        basis = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0] if turned else np.eye(4)
        self.basis = torch.from_numpy(basis)

    def blocks(self, g: Tensor) -> list[Tensor]:
        back = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=g.dtype) / 2**0.5
        angle = g @ back.T
        angle = angle + self.bent * angle.square()
        cos, sin = angle.cos(), angle.sin()
        planes = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
        whole = torch.zeros(*g.shape[:-1], 4, 4, dtype=g.dtype)
        whole[..., :2, :2], whole[..., 2:, 2:] = planes[..., 0, :, :], planes[..., 1, :, :]
        return [(self.basis @ whole @ self.basis.T).unsqueeze(-3)]


def evaluation(rho: Representation, held_out: ObservedSequences, family: type[Turns] = LawlessTurns) -> Evaluation:
    """The closed-form encoder of the turning world under `rho`."""
    image = np.linalg.qr(np.random.default_rng(7).standard_normal((8, 8)))[0][:4]
    basis = rho.basis.numpy() if isinstance(rho, Rotations) else np.eye(4)
    encoder, decoder = nn.Linear(8, 4, bias=False).double(), nn.Linear(4, 8, bias=False).double()
    with torch.no_grad():
        encoder.weight.copy_(torch.from_numpy(basis @ image))
        decoder.weight.copy_(torch.from_numpy(image.T @ basis.T))
    known = family(SHAPE).for_recording(held_out)
    model = HAE(nn.Sequential(nn.Flatten(-3), encoder), rho, nn.Sequential(decoder, nn.Unflatten(-1, SHAPE))).eval()
    sequences = known.sequences(held_out, 6, 256, torch.Generator().manual_seed(0))
    untrained = known.model(4, 1).double()
    return Evaluation(known, model, held_out, sequences, sequences.actions[:64, 0], untrained, bootstrap=50)


def test_a_product_is_observed_where_one_action_joins_the_ends_of_two():
    found = compositions(recording(sequences=150))
    back = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64) / 2**0.5
    missed = (found.g21 - found.g2 - found.g1) @ back.T / (2 * torch.pi)
    assert len(found.g1) > 50
    assert (missed - missed.round()).abs().max() < 1e-5  # the sum, or the sum less whole turns
    assert found.several == 0


def test_no_product_is_observed_where_no_observation_comes_twice():
    assert len(compositions(recording(noise=0.01)).g1) == 0


def test_two_actions_between_the_same_observations_are_told():
    held_out = recording(sequences=150)
    shifted = held_out.actions.clone()
    shifted[::2] += 2 * torch.pi
    assert compositions(replace(held_out, actions=shifted)).several > 10


def test_observations_are_the_same_up_to_rounding_only():
    rows = torch.randn(200, 30, dtype=torch.float64)
    again = rows + 1e-9 * torch.randn_like(rows)
    near = rows + 1e-3 * torch.randn_like(rows)
    number = same(torch.cat([rows, again, near]))
    assert torch.equal(number[:200], number[200:400])
    assert len(torch.unique(number)) == 400


def test_the_law_is_judged_by_observed_products_alone():
    exact, bent = (diagnose(evaluation(Rotations(b), recording())).estimates for b in (0.0, 0.3))
    for found in (exact, bent):
        assert LAW_UNKNOWN in found["homomorphism_error"].caution
        for name in ("identity_error", "inverse_error", "spectrum_error"):
            assert found[name].value is None
            assert found[name].caution == LAW_UNKNOWN
        assert found["equivariance_error_crossed"].value is None
    assert exact["homomorphism_error"].value < 1e-6
    assert exact["equivariance_skill_whitened"].value > 1 - 1e-6
    assert exact["matrix_commutator"].value < 1e-12
    assert bent["homomorphism_error"].value > 0.1
    assert exact["homomorphism_error"].null["haar"] > 0.5


def test_with_too_few_products_the_law_is_inconclusive_and_says_so():
    tested = evaluation(Rotations(), recording(noise=0.01))
    found = diagnose(tested).estimates
    assert found["homomorphism_error"].value is None
    claim = verdict(found, {"absent": "no process"}, actions_are_observed=True, law_known=False).claims["law"]
    assert claim.status == "inconclusive"
    assert "no products of two consecutive actions were observed" in claim.evidence
    rows = {row.condition: row for row in guarantees(tested, found)}
    assert rows["rho a homomorphism"].status == rows["rho* a homomorphism"].status == "unknown"


def test_matrices_that_do_not_commute_are_seen():
    class Noisy(Rotations):
        def blocks(self, g: Tensor) -> list[Tensor]:
            generator = torch.Generator().manual_seed(0)
            return [10 * torch.randn(*g.shape[:-1], 1, 4, 4, generator=generator, dtype=g.dtype)]

    assert 0.8 < diagnose(evaluation(Noisy(), recording())).estimates["matrix_commutator"].value < 1.2


def test_without_a_process_the_law_decides_and_content_is_not_claimed():
    found = diagnose(evaluation(Rotations(), recording())).estimates
    judged = verdict(found, {"absent": "no process"}, actions_are_observed=True, law_known=False)
    assert set(judged.claims) == {"law", "decomposition"}
    assert judged.structured == judged.claims["law"].status == "supported"
    acting = verdict(found, {"absent": "no process"})
    assert acting.claims["content"].evidence == "no process"
    assert acting.structured == "inconclusive"


def test_a_network_learns_without_the_law():
    class Published(LawlessTurns):
        representation = Turns.__mro__[1].representation
        is_lie = False

    rho = Published(SHAPE).representation(4)
    assert isinstance(rho, MLPRepresentation)
    assert rho.compose is None
    assert float(rho.penalty(torch.randn(5, 2))) == 0


@pytest.mark.parametrize("turned", [False, True])
def test_blocks_are_found_and_go_with_the_factors(turned):
    found = split(evaluation(Rotations(turned=turned), recording()), {}, "mlp", resamples=2)
    assert found.document["verdict"] == "decomposable"
    assert sorted(found.document["factors"]["block"]) == [1, 2]
    assert found.estimates["factor_ari"].value == 1
    assert found.estimates["factor_independence"].value > 0.99


def test_the_units_of_the_skill_are_sequences_and_distinct_actions():
    assert diagnose(evaluation(Rotations(), recording())).estimates["equivariance_skill"].n == 25
