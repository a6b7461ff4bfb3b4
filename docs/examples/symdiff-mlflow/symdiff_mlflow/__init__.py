"""Finished runs of symdiff in MLflow and TensorBoard.

Two plugins of one package, one module each. They copy; ``result.json`` stays what holds.
"""
