"""What counts as supported, refuted and collapsed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Thresholds(BaseModel):
    """What counts as supported or refuted; printed with every verdict.

    Attributes
    ----------
    homomorphism_supported, homomorphism_refuted
        The upper end of the homomorphism error's interval is to be below the first; a lower end above the second
        refutes the law.
    skill_supported, skill_refuted
        The same, the other way round, for the whitened equivariance skill, in which no direction of the latents can
        hide behind a larger one: a change of basis of the latents changes no verdict.
    faithfulness
        Smallest separation as a share of the typical one; at or below it rho does not tell elements apart.
    action_energy
        Share of the exact form's action energy below which a small error does not count.
    permuted_p
        Largest p-value of the permuted elements.
    affine_supported, affine_refuted
        ``shared_affine_r2_denoised`` is to lie above the first at every noise level; below the second at any level
        refutes the content.
    equivariance_supported, equivariance_refuted
        For a group acting on observations: the skill of the denoiser's equivariance is to lie above the first at every
        noise level; below the second at any level refutes the content.
    stability
        Share of the resamples on which a decomposition is to be found again.
    collapsed_rank, collapsed_spread, collapsed_gap
        Below this effective rank, latent spread, or share of the reconstruction gap of principal components, the model
        is collapsed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    homomorphism_supported: float = 0.01
    homomorphism_refuted: float = 0.05
    skill_supported: float = 0.9
    skill_refuted: float = 0.25
    faithfulness: float = 0.01
    action_energy: float = 0.25
    permuted_p: float = 0.05
    affine_supported: float = 0.95
    affine_refuted: float = 0.90
    equivariance_supported: float = 0.95
    equivariance_refuted: float = 0.90
    stability: float = 0.9
    collapsed_rank: float = 1.05
    collapsed_spread: float = 0.01
    collapsed_gap: float = 0.05
