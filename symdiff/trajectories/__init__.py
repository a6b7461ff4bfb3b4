"""Recording reverse processes, keeping them, and cutting them into observation-action sequences."""

from symdiff.trajectories.data import GAUGES, Sequences, Trajectories

__all__ = ["GAUGES", "Sequences", "Trajectories"]
