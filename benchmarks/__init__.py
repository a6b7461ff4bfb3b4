"""What symdiff costs: one benchmark a file, each with a `run()` that returns a `Table`.

``python -m benchmarks [NAME...] [--device cuda] [--json] [--keep]``; see README.md beside this file.
"""

BENCHMARKS = {
    "affine_scaling": "the arithmetic of affine elements for d = 64 ... 196608, against dense matrices",
    "analyze": "the main job: time, memory and the share of each phase",
    "batch_faults": "a study of 200 runs under 20 random kills of its runs, its templates and itself",
    "batch_scale": "what a study adds: to a run, forked and fresh; to resuming 1,000; to the page of 1,000",
    "decomposition": "decomposing matrices: time and memory by size, with the timings of another decomposer",
    "decomposition_accuracy": "decomposing matrices: right, unresolved and wrong answers by noise",
    "forms": "what the main job finds: every form of rho side by side, over seeds",
    "equivariant": "an encoder equivariant by construction, against plain PyTorch",
    "jacobian": "the linear part of the steps by products alone, against matrices: cost and error",
    "manifold": "exponentials and logarithms on manifolds beside geomstats called for each matrix",
    "recording": "recording trajectories: cost by trajectories, steps and pixels",
    "recording_memory": "recordings of more than 8 GB: resident memory while they are written and read",
    "recording_overhead": "recording to disk over the bare loop of sampling, paired",
    "streaming": "random windows: from our store, npy, HDF5 and zarr",
    "published": "the world on which the homomorphism autoencoder was shown: our recipe beside the published code",
    "training_step": "a training step beside the plain algorithm and beside its own matrix products",
    "compiled_step": "a training step put through torch.compile beside ours: needs a C++ compiler",
    "gpu_step": "recorded steps, a large step against the peak, recording and a long scan: what a GPU is there for",
    "exponentials": "exponentials of small blocks beside torch.matrix_exp: accuracy and time",
    "scaling": "cost against pixels, steps, trajectories, latent dimension and elements, with exponents",
    "flame": "where the time of the whole analysis goes, drawn as a flame graph",
    "imports": "what importing costs, module by module",
    "process": "the section on the process: time of each part, and its share of the analysis",
}
"""Names and what they measure; ``benchmarks.NAME`` is the module."""
