"""Closed-form optimal denoisers: what they estimate, their Jacobians, and the embedded models by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symdiff.diffusion import SOURCES, Denoiser, Schedule, load_denoiser
from symdiff.diffusion.denoisers import GaussianDenoiser, GaussianMixtureDenoiser, KernelMixtureDenoiser
from symdiff.errors import ModelError

TIMES = [1000, 600, 300, 60]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(d: int, seed: int) -> Tensor:
    factor = draw(d, d, seed=seed)
    return factor @ factor.T / d + 0.01 * torch.eye(d, dtype=torch.float64)


DENOISERS: dict[str, Denoiser] = {
    "gaussian": GaussianDenoiser(draw(1, 2, 3), covariance(6, 1)),
    "points": KernelMixtureDenoiser(draw(7, 1, 2, 3), 0.0),
    "kernel": KernelMixtureDenoiser(draw(7, 1, 2, 3), 0.3),
    "mixture": GaussianMixtureDenoiser(
        draw(3, 1, 2, 3), torch.stack([covariance(6, s) for s in (1, 2, 3)]), torch.tensor([0.2, 0.5, 0.3])
    ),
}
every_denoiser = pytest.mark.parametrize("denoiser", DENOISERS.values(), ids=DENOISERS)


def jacobian(denoiser: Denoiser, x: Tensor, t: int) -> Tensor:
    d = x[0].numel()
    per_image = torch.func.vmap(torch.func.jacrev(lambda y: denoiser.denoise(y[None], t)[0]))
    return per_image(x).reshape(len(x), d, d)


@pytest.mark.parametrize("t", TIMES)
def test_a_gaussian_mixture_is_bayes_rule_by_dense_algebra(t: int) -> None:
    """Each component's posterior by the joint Gaussian of (x_0, x_t), each weight by its marginal density."""
    denoiser = DENOISERS["mixture"]
    assert isinstance(denoiser, GaussianMixtureDenoiser)
    A, sigma = denoiser.schedule.signal(t), denoiser.schedule.sigma(t)
    x = draw(4, 6, seed=9)
    posteriors, densities = [], []
    for mean, cov, weight in zip(denoiser.means.flatten(1), denoiser.covariances, (0.2, 0.5, 0.3), strict=True):
        marginal = A**2 * cov + sigma**2 * torch.eye(6, dtype=torch.float64)
        posteriors.append(mean + (A * cov @ torch.linalg.solve(marginal, (x - A * mean).T)).T)
        law = torch.distributions.MultivariateNormal(A * mean, marginal)
        densities.append(weight * law.log_prob(x).exp())
    weights = torch.stack(densities) / torch.stack(densities).sum(dim=0)
    expected = (weights[:, :, None] * torch.stack(posteriors)).sum(dim=0)
    torch.testing.assert_close(denoiser.denoise(x.reshape(4, 1, 2, 3), t).flatten(1), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("t", TIMES)
def test_the_kernel_mixture_is_the_mixture_of_equal_isotropic_gaussians(t: int) -> None:
    points, x = draw(7, 1, 2, 3), draw(5, 1, 2, 3, seed=4)
    isotropic = (0.3**2 * torch.eye(6, dtype=torch.float64)).expand(7, 6, 6)
    expected = GaussianMixtureDenoiser(points, isotropic).denoise(x, t)
    torch.testing.assert_close(KernelMixtureDenoiser(points, 0.3).denoise(x, t), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("t", TIMES)
def test_the_gaussian_is_the_mixture_of_one(t: int) -> None:
    mean, cov, x = draw(1, 2, 3), covariance(6, 1), draw(5, 1, 2, 3, seed=4)
    expected = GaussianMixtureDenoiser(mean[None], cov[None]).denoise(x, t)
    torch.testing.assert_close(GaussianDenoiser(mean, cov).denoise(x, t), expected, rtol=1e-12, atol=1e-13)


@every_denoiser
@pytest.mark.parametrize("t", TIMES)
def test_the_jacobian_is_the_posterior_covariance_scaled(denoiser: Denoiser, t: int) -> None:
    """J_t = (A / sigma^2) Cov[x_0 | x_t]: symmetric and positive semidefinite."""
    assert hasattr(denoiser, "posterior_covariance")
    x = draw(3, 1, 2, 3, seed=5)
    J = jacobian(denoiser, x, t)
    scale = denoiser.schedule.signal(t) / denoiser.schedule.sigma(t) ** 2
    torch.testing.assert_close(J, scale * denoiser.posterior_covariance(x, t), rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(J, J.mT, rtol=1e-10, atol=1e-11)
    assert float(torch.linalg.eigvalsh(J).min()) > -1e-11


@every_denoiser
def test_clean_images_are_left_alone(denoiser: Denoiser) -> None:
    x = draw(3, 1, 2, 3)
    torch.testing.assert_close(denoiser.denoise(x, 0), x, rtol=0, atol=0)


@every_denoiser
@pytest.mark.parametrize("t", TIMES)
def test_float32_agrees_with_float64(denoiser: Denoiser, t: int) -> None:
    x = draw(3, 1, 2, 3)
    single = denoiser.denoise(x.float(), t)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), denoiser.denoise(x, t), rtol=0, atol=1e-4)


def test_a_finite_set_is_memorised_at_small_noise() -> None:
    denoiser = KernelMixtureDenoiser(draw(7, 1, 2, 3), 0.0)
    x = denoiser.schedule.signal(30) * denoiser.points[2:3] + denoiser.schedule.sigma(30) * draw(1, 1, 2, 3, seed=8)
    torch.testing.assert_close(denoiser.denoise(x, 30), denoiser.points[2:3], rtol=0, atol=1e-12)
    assert float(jacobian(denoiser, x, 30).abs().max()) < 1e-9


def test_data_closed_under_a_group_have_an_equivariant_denoiser() -> None:
    """The eight symmetries of the square; then also A_t(g x) = g A_t(x) g^-1 for the step's Jacobian."""
    images = draw(5, 1, 3, 3)

    def symmetries(x: Tensor) -> list[Tensor]:
        turns = [torch.rot90(x, k, (-2, -1)) for k in range(4)]
        return turns + [turn.flip(-1) for turn in turns]

    denoiser = KernelMixtureDenoiser(torch.cat(symmetries(images)), 0.1)
    x = draw(4, 1, 3, 3, seed=6)
    t = 300
    for gx, g_x0hat in zip(symmetries(x), symmetries(denoiser.denoise(x, t)), strict=True):
        torch.testing.assert_close(denoiser.denoise(gx, t), g_x0hat, rtol=1e-12, atol=1e-12)
    matrices = [g.reshape(9, 9).T for g in symmetries(torch.eye(9, dtype=torch.float64).reshape(9, 1, 3, 3))]
    J = jacobian(denoiser, x, t)
    for gx, matrix in zip(symmetries(x), matrices, strict=True):
        torch.testing.assert_close(jacobian(denoiser, gx, t), matrix @ J @ matrix.T, rtol=1e-11, atol=1e-11)


def test_product_measures_have_commuting_jacobians_everywhere() -> None:
    """Independent coordinates: the Jacobian is diagonal at every state and time."""
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.2, 1.0], dtype=torch.float64)] * 4)
    denoiser = KernelMixtureDenoiser(grid.reshape(-1, 1, 2, 2), 0.2)
    x = draw(6, 1, 2, 2, seed=2)
    Js = torch.cat([jacobian(denoiser, x, t) for t in TIMES])
    assert float((Js - torch.diag_embed(Js.diagonal(dim1=1, dim2=2))).abs().max()) < 1e-12
    generic = torch.cat([jacobian(DENOISERS["kernel"], draw(6, 1, 2, 3), t) for t in TIMES])
    assert float((generic[:, None] @ generic - generic @ generic[:, None]).abs().max()) > 1e-3


def test_the_digest_follows_whatever_defines_the_function() -> None:
    points = draw(7, 1, 2, 3)
    digest = KernelMixtureDenoiser(points, 0.1).digest
    assert KernelMixtureDenoiser(points.clone(), 0.1).digest == digest
    others = [
        KernelMixtureDenoiser(points, 0.2),
        KernelMixtureDenoiser(points + 1e-12, 0.1),
        KernelMixtureDenoiser(points.reshape(7, 2, 1, 3), 0.1),
        KernelMixtureDenoiser(points, 0.1, Schedule.cosine()),
    ]
    assert len({digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize("name", SOURCES)
def test_the_embedded_models_are_of_the_shape_of_their_digits(name: str) -> None:
    denoiser = load_denoiser(name)
    shape = (1, 28, 28) if name == "mnist" else (1, 8, 8)
    assert (denoiser.name, denoiser.shape, denoiser.schedule.T) == (name, shape, 1000)
    assert denoiser.to("cpu") is denoiser
    assert denoiser.digest[:12] in repr(denoiser)
    assert load_denoiser(name).digest == denoiser.digest
    x = draw(3, *shape)
    result = denoiser.denoise(x, 500)
    assert (result.shape, result.dtype) == (x.shape, x.dtype)
    torch.testing.assert_close(denoiser.denoise(x[:1], 500), result[:1], rtol=1e-9, atol=1e-9)


# torch's own forward-mode rules are compiled with the torch.jit.script it deprecates.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", SOURCES)
def test_forward_and_reverse_derivatives_of_embedded_models_agree(name: str) -> None:
    denoiser = load_denoiser(name)
    x, u, w = (draw(2, *denoiser.shape, seed=seed) for seed in range(3))
    _, forward = torch.func.jvp(lambda y: denoiser.denoise(y, 300), (x,), (u,))
    _, pullback = torch.func.vjp(lambda y: denoiser.denoise(y, 300), x)
    assert float((w * forward).sum()) == pytest.approx(float((pullback(w)[0] * u).sum()), rel=1e-8)


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match="no embedded model 'digit'") as caught:
        load_denoiser("digit")
    assert "did you mean 'digits'?" in caught.value.hint
    assert "gaussian" in caught.value.hint
