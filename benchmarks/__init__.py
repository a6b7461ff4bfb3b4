"""What symdiff costs: one benchmark a file, each with a `run()` that returns a `Table`.

``python -m benchmarks NAME [--json] [--keep]``; see README.md beside this file.
"""

BENCHMARKS = {
    "affine_scaling": "the arithmetic of affine elements for d = 64 ... 196608, against dense matrices",
    "recording": "recording trajectories: cost by trajectories, steps and pixels",
}
"""Names and what they measure; ``benchmarks.NAME`` is the module."""
