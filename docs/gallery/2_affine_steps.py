"""
Reverse steps as affine elements
================================

Record a model whose steps are known, and look at the elements in each gauge.
"""

# %%
# `gaussian` is the optimal denoiser of Gaussian data, so that nothing has to be trained.
import matplotlib.pyplot as plt

from symdiff.diffusion import DDIM, affine, load_denoiser
from symdiff.trajectories import record

model = load_denoiser("gaussian")
trajectories = record(model, DDIM(), steps=20, trajectories=16, device="cpu")
print(trajectories.states.shape)

# %%
# The same steps have another linear part in each gauge; gauge v stays near 1.
figure, axis = plt.subplots(figsize=(6, 3.2))
for gauge, values in trajectories.gauges.items():
    axis.plot(values, marker=".", label=gauge)
axis.set(xlabel="step, from noise to image", ylabel="a")
axis.legend(title="gauge")
figure.tight_layout()

# %%
# A product of elements is an element, and takes the first state to the last.
x = trajectories.states.double().flatten(2)[0]
a = trajectories.gauges["v"].double()
whole = affine.identity(x.shape[1]).double()
for i in range(len(a)):
    step = affine.identity(x.shape[1]).double()
    step[0], step[1:] = a[i], x[i + 1] - a[i] * x[i]
    whole = affine.compose(step, whole)
print(f"a of the run: {float(whole[0]):.4f}")
print(f"missed by {float((whole[0] * x[0] + whole[1:] - x[-1]).abs().max()):.1e}")
