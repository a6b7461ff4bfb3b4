"""One affine map explains every step of Gaussian data, up to the injected noise, and no step of a mixture's middle."""

from __future__ import annotations

import pytest
import torch

from symdiff.diagnostics import verdict
from symdiff.diffusion import DDIM, DDPM
from symdiff.diffusion.denoisers import GaussianDenoiser, load_denoiser
from symdiff.process import levels, shared, shared_affine_r2
from symdiff.process.levels import affordable_steps
from symdiff.trajectories import Trajectories, record

AFFINE = {"shared_affine_r2", "shared_affine_r2_sampled", "shared_affine_r2_denoised", "ceiling_sampled"}
FEWER = {f"shared_{kind}_r2{of}" for kind in ("scalar", "diagonal") for of in ("", "_denoised")}


@pytest.fixture(scope="module")
def wide() -> Trajectories:
    """The embedded Gaussian model, a few hundred trajectories in 64 dimensions."""
    return record(load_denoiser("gaussian"), DDPM(), steps=12, trajectories=420, seed=0, device="cpu")


def test_gaussian_data_are_explained_but_for_the_noise(wide: Trajectories) -> None:
    found = shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))
    assert set(found) == AFFINE | FEWER
    assert [level["timestep"] for level in found["shared_affine_r2"]] == wide.timesteps[:-1].tolist()
    for step in range(wide.steps):
        mean, sampled = found["shared_affine_r2"][step], found["shared_affine_r2_sampled"][step]
        denoised, ceiling = found["shared_affine_r2_denoised"][step], found["ceiling_sampled"][step]
        assert mean["value"] > 0.9999
        assert denoised["value"] > 0.9999
        assert denoised["interval"][0] > 0.999
        assert sampled["value"] == pytest.approx(ceiling["value"], abs=0.04)


def test_the_ceiling_is_what_the_noise_leaves(wide: Trajectories) -> None:
    """``1 - s^2 d / tr Var x'``, the variance over all trajectories."""
    found = shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))["ceiling_sampled"]
    for step in range(wide.steps):
        trace = float(wide.states[:, step + 1].double().flatten(1).var(0).sum())
        expected = 1 - float(wide.noise_std[step]) ** 2 * 64 / trace
        assert found[step]["value"] == pytest.approx(expected, abs=0.08)
        assert found[step]["interval"][0] <= found[step]["value"] <= found[step]["interval"][1]


def test_the_ceiling_of_a_deterministic_sampler_is_one(deterministic: Trajectories) -> None:
    found = shared_affine_r2(deterministic.select(slice(0, 80)), deterministic.select(slice(80, 120)))
    assert [level["value"] for level in found["ceiling_sampled"]] == [1.0] * deterministic.steps
    for name in AFFINE:
        assert min(level["value"] for level in found[name]) > 0.9999


def test_a_mixture_is_not_affine_at_middle_noise() -> None:
    recording = record(load_denoiser("mixture"), DDIM(), steps=8, trajectories=300, seed=0, device="cpu")
    levels = shared_affine_r2(recording.select(slice(0, 240)), recording.select(slice(240, 300)))
    denoised = [level["value"] for level in levels["shared_affine_r2_denoised"]]
    assert denoised[0] > 0.95
    worst = min(levels["shared_affine_r2_denoised"], key=lambda level: level["value"])
    assert worst["interval"][1] < 0.9
    assert 50 < worst["timestep"] < 700


def test_too_few_trajectories_to_determine_the_map_are_flagged(wide: Trajectories) -> None:
    found = shared_affine_r2(wide.select(slice(0, 40)), wide.select(slice(340, 420)))
    assert "only 40 training trajectories for 64 pixels" in found["shared_affine_r2_denoised"][3]["caution"]
    assert (
        shared_affine_r2(wide.select(slice(0, 340)), wide.select(slice(340, 420)))["shared_affine_r2"][0]["caution"]
        is None
    )


def test_a_constant_target_has_no_value(denoiser: GaussianDenoiser, recording: Trajectories) -> None:
    constant = Trajectories(**{**vars(recording), "denoised": torch.full_like(recording.denoised, 0.25)})
    level = shared_affine_r2(constant.select(slice(0, 200)), constant.select(slice(200, 300)))
    assert level["shared_affine_r2_denoised"][0]["value"] is None
    assert "constant" in level["shared_affine_r2_denoised"][0]["caution"]
    assert level["shared_affine_r2"][0]["value"] == pytest.approx(1)


def values(found: dict[str, levels.Levels], name: str) -> list[float]:
    return [level["value"] for level in found[name]]


def halves(recording: Trajectories) -> tuple[Trajectories, Trajectories]:
    n = len(recording) * 4 // 5
    return recording.select(slice(0, n)), recording.select(slice(n, len(recording)))


def test_one_gain_explains_what_isotropic_data_ask_for() -> None:
    """With C = c I the optimal x0hat is a multiple of x less its mean: a scalar is all there is."""
    isotropic = GaussianDenoiser(torch.full((1, 3, 3), 0.3), 0.5 * torch.eye(9))
    found = shared_affine_r2(*halves(record(isotropic, DDPM(), steps=6, trajectories=200, device="cpu")))
    for name in FEWER:
        assert min(values(found, name)) > 0.9999, name


def test_one_gain_a_pixel_explains_what_independent_pixels_ask_for() -> None:
    independent = GaussianDenoiser(torch.zeros(1, 3, 3), torch.diag(torch.logspace(0.3, -1.7, 9)))
    found = shared_affine_r2(*halves(record(independent, DDPM(), steps=6, trajectories=200, device="cpu")))
    for suffix in ("", "_denoised"):
        assert min(values(found, f"shared_diagonal_r2{suffix}")) > 0.9999
    assert min(values(found, "shared_scalar_r2_denoised")) < 0.9


def test_more_numbers_explain_more(recording: Trajectories) -> None:
    """Data in a random basis need the whole matrix; the best gains are fitted on training trajectories alone."""
    found = shared_affine_r2(*halves(recording))
    scalar, diagonal, full = (values(found, f"shared_{kind}_r2_denoised") for kind in ("scalar", "diagonal", "affine"))
    middle = range(10, 35)
    assert all(full[i] > diagonal[i] + 0.01 for i in middle)
    assert all(diagonal[i] > scalar[i] - 0.05 for i in middle)
    assert all(level["interval"][0] <= level["value"] <= level["interval"][1] for level in found["shared_scalar_r2"])


def as_memory(recording: Trajectories, **changes: object) -> Trajectories:
    """The same states, told to be those of a sampler whose step is more than P x + Q x0hat + s z."""
    return Trajectories(**{**vars(recording), "one_step": False, **changes})


def test_the_mean_of_a_deterministic_step_with_a_memory_is_the_next_state(deterministic: Trajectories) -> None:
    """P and Q are then not the whole step: they are garbled here, and nothing may be taken from them."""
    garbled = as_memory(deterministic, state_coefficient=torch.full((deterministic.steps,), 17.0).double())
    found, plain = shared_affine_r2(*halves(garbled)), shared_affine_r2(*halves(deterministic))
    assert found["shared_affine_r2"] == found["shared_affine_r2_sampled"]
    assert values(found, "shared_affine_r2") == pytest.approx(values(plain, "shared_affine_r2"), abs=1e-6)
    assert values(found, "ceiling_sampled") == [1.0] * deterministic.steps
    assert found["shared_affine_r2_denoised"] == plain["shared_affine_r2_denoised"]


def test_the_mean_of_a_noisy_step_with_a_memory_is_not_known(recording: Trajectories) -> None:
    found, plain = shared_affine_r2(*halves(as_memory(recording))), shared_affine_r2(*halves(recording))
    noisy = recording.steps - 1  # the last step adds none
    for name in ("shared_affine_r2", "shared_scalar_r2", "shared_diagonal_r2", "ceiling_sampled"):
        assert values(found, name)[:noisy] == [None] * noisy
        assert all("its mean cannot be told" in level["caution"] for level in found[name][:noisy])
    sampled = values(found, "shared_affine_r2_sampled")
    assert sampled == pytest.approx(values(plain, "shared_affine_r2_sampled"), abs=0.03)


def test_states_that_are_gathered_when_asked_for_give_the_same(deterministic: Trajectories) -> None:
    class Gathered:
        """Like a tensor on disk: every access returns a tensor of its own."""

        def __init__(self, whole: torch.Tensor) -> None:
            self.whole, self.shape = whole, whole.shape

        def __getitem__(self, index: object) -> torch.Tensor:
            assert index != slice(None), "the whole recording was asked for at once"
            return self.whole[index].clone()

    def lazily(part: Trajectories) -> Trajectories:
        lazy = object.__new__(Trajectories)
        vars(lazy).update(vars(part), states=Gathered(part.states), denoised=Gathered(part.denoised))
        return lazy

    train, test = halves(deterministic)
    assert shared_affine_r2(lazily(train), lazily(test)) == shared_affine_r2(train, test)


@pytest.mark.parametrize(("dtype", "worth"), [("bfloat16", True), ("float16", False), ("float32", False)])
def test_rounding_is_a_caution_where_it_is_a_visible_share_of_the_variance(
    deterministic: Trajectories, dtype: str, worth: bool
) -> None:
    """Far from 0 and spread little, as late states of a narrow law are: bfloat16 has three digits, float16 four."""
    narrow = deterministic.states * 0.05 + 2
    stored = Trajectories(**{**vars(deterministic), "states": narrow, "info": {"dtype": f"torch.{dtype}"}})
    found = shared_affine_r2(*halves(as_memory(stored)))
    cautions = [level["caution"] or "" for level in found["shared_affine_r2_sampled"]]
    assert any(f"stored in {dtype}" in caution for caution in cautions) == worth


def test_rounding_that_changes_nothing_does_not_stop_a_verdict(deterministic: Trajectories) -> None:
    """At the noisiest level x0hat hardly leaves its mean, and there three digits are few."""
    stored = Trajectories(**{**vars(deterministic), "info": {"dtype": "bfloat16"}})
    found = shared_affine_r2(*halves(stored))
    cautions = [level["caution"] for level in found["shared_affine_r2_denoised"]]
    assert "stored in bfloat16" in cautions[0]
    assert cautions[2:] == [None] * (deterministic.steps - 2)
    assert verdict({}, found).claims["content"].status == "supported"


@pytest.mark.parametrize(
    ("n", "d", "steps"), [(512, 64, 1000), (512, 3072, 50), (2048, 12288, 50), (2048, 12288, 1000), (2, 10**6, 5)]
)
def test_large_images_are_looked_at_at_fewer_steps(n: int, d: int, steps: int) -> None:
    chosen = affordable_steps(n, d, steps, shared.WORK)
    assert chosen[0] == 0
    assert chosen[-1] == steps - 1
    assert chosen == sorted(set(chosen))
    assert len(chosen) == steps or len(chosen) * 4 * n * d * min(n, d) <= shared.WORK or len(chosen) == 3
