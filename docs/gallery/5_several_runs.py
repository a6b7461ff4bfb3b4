"""
A table of several runs
=======================

What ``symdiff report DIR... --format csv`` prints is read with the csv module, by pandas or by a spreadsheet.
"""

# %%
# Three seeds of one analysis, and their table. ``summary.csv`` of a study is alike, with one line for the three.
import csv
import io
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from symdiff import RunConfig, analyze
from symdiff.report.tables import csv as table

results = {}
with tempfile.TemporaryDirectory() as folder:
    for seed in range(3):
        config = RunConfig(
            model="gaussian",
            sampler="ddim",
            steps=10,
            trajectories=60,
            latent=4,
            train_steps=10,
            seed=seed,
            options={"rho": "exact"},
        )
        results[f"seed {seed}"] = analyze(config, Path(folder) / str(seed))
lines = list(csv.DictReader(io.StringIO(table(results))))
print(list(lines[0]))

# %%
# Intervals within a run are over its held-out elements. That those of three seeds overlap is no proof that a fourth
# would: a study gives an interval over seeds.
wanted = [line for line in lines if line["diagnostic"] == "reconstruction_error"]
figure, axis = plt.subplots(figsize=(6, 2.5))
for i, line in enumerate(wanted):
    axis.plot([float(line["low"]), float(line["high"])], [i, i], color="C0")
    axis.plot(float(line["value"]), i, "o", color="C0")
axis.set(yticks=range(len(wanted)), yticklabels=[line["run"] for line in wanted], xlabel="reconstruction error")
figure.tight_layout()
