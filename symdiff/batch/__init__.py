"""Many runs from one study file: a matrix of models, groups, options and seeds, of which nothing is lost."""

from symdiff.batch.study import Run, Study, read_study

__all__ = ["Run", "Study", "read_study"]
