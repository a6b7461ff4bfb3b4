"""
An analysis in miniature
========================

Analyse Gaussian data, where theory says that the process is affine, and read the result.
"""

# %%
# Fewer trajectories and steps than by default, and the closed form: a few seconds.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from symdiff import RunConfig, analyze

config = RunConfig(
    model="gaussian", sampler="ddim", steps=20, trajectories=200, latent=8, train_steps=50, options={"rho": "exact"}
)
with tempfile.TemporaryDirectory() as folder:
    result = analyze(config, Path(folder) / "run")
print(result.verdict.structured)
for name, claim in result.verdict.claims.items():
    print(f"{name}: {claim.status}. {claim.evidence}")

# %%
# A diagnostic has a value, an interval, nulls, and sometimes a caution. ρ = 1 satisfies the law, too, which is why
# the energy of the action belongs beside it.
for name in ("homomorphism_error", "action_energy", "equivariance_skill"):
    estimate = result.diagnostics[name]
    print(f"{name}: {estimate.value:.3g}, interval {estimate.interval}, caution: {estimate.caution}")

# %%
# The claim on content: one affine map for all trajectories, at every noise level.
levels = result.process["shared_affine_r2_denoised"]
figure, axis = plt.subplots(figsize=(6, 3))
axis.plot([level["value"] for level in levels], marker=".")
axis.axhline(0.95, linestyle=":", color="gray")
axis.set(xlabel="level, from noise to image", ylabel="held-out R²", ylim=(0, 1.05))
figure.tight_layout()
