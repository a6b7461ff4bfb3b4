"""Errors a user can meet: each says what happened and what to do next, and has a fixed exit code."""

from __future__ import annotations


class SymdiffError(Exception):
    """Base of every error symdiff raises on purpose.

    Parameters
    ----------
    message
        What happened, with the actual value.
    hint
        What to do next; may be empty.
    """

    exit_code: int = 1
    code: str = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# --- exit code 1: failed while running --------------------------------------------------------


class RunError(SymdiffError):
    """Work started and could not be finished."""

    code = "run-failed"


class NonFiniteError(RunError):
    """A model, a loss or a state became NaN or infinite."""

    code = "non-finite"


class DivergedError(RunError):
    """The training loss exploded."""

    code = "diverged"


class BlindProjectionError(RunError):
    """The representation that satisfies the law no longer sees what it was to represent."""

    code = "blind"


class BrokenLawError(RunError):
    """A group family does not keep the laws of a group, of its action or of its models."""

    code = "law"


class BrokenRunError(RunError):
    """A miniature analysis with a plugin failed."""

    code = "miniature"


class CutLocusError(RunError):
    """A matrix has no logarithm on its manifold, or more than one."""

    code = "cut-locus"


class DiskError(RunError):
    """Writing failed: disk full, read-only, permission."""

    code = "disk"


# --- exit code 2: refused before work starts --------------------------------------------------


class RefusedError(SymdiffError):
    """The request cannot be carried out as written."""

    exit_code = 2
    code = "refused"


class UsageError(RefusedError):
    """Command line or arguments are wrong."""

    code = "usage"


class ConfigError(RefusedError):
    """A setting is unknown, of the wrong type or out of range."""

    code = "config"


class MatricesError(RefusedError):
    """The matrices to decompose are not K invertible real matrices of one size."""

    code = "matrices"


class DataError(RefusedError):
    """A file of images is unreadable, or what it holds is no images of the model's shape in [-1, 1]."""

    code = "data"


class SequencesError(RefusedError):
    """A file of observed sequences is unreadable, or what it holds is no sequences that can be learned from."""

    code = "sequences"


class ModelError(RefusedError):
    """The diffusion model is unknown, unreadable or of the wrong shape."""

    code = "model"


class StoreError(RefusedError):
    """A trajectory store is unreadable, truncated or fails its checksum."""

    code = "store"


class DeviceError(RefusedError):
    """The requested device is not there."""

    code = "device"


class ClusterError(RefusedError):
    """The cluster that is to run a study cannot be reached, begun or used."""

    code = "cluster"


class OutputError(RefusedError):
    """The output directory cannot be used, for example because it holds another run."""

    code = "output"


class IncomparableError(RefusedError):
    """Runs differ in what makes their figures the same figures: model, level of the intervals, direction of better."""

    code = "incomparable"


class MissingExtraError(RefusedError):
    """An optional dependency is not installed; the hint is the exact command that adds it."""

    code = "missing-extra"


class BackendError(RefusedError):
    """A library was set up for another array backend before symdiff needed it."""

    code = "backend"


class GroupElementError(RefusedError):
    """An operation needs an invertible element and was given one outside the group."""

    code = "group-element"


class UnknownLawError(RefusedError):
    """An operation needs the group law, which is not known of these actions."""

    code = "unknown-law"


# --- exit code 3: plugins ---------------------------------------------------------------------


class PluginError(SymdiffError):
    """A plugin is unknown, unavailable, broken or incompatible."""

    exit_code = 3
    code = "plugin"


class UnknownGroupError(PluginError):
    """No loaded plugin provides a group family of this name."""

    code = "unknown-group"


class EngineError(PluginError):
    """What a plugin brings as an engine for studies is none."""

    code = "engine"


# --- exit codes 4, 5, 130 ---------------------------------------------------------------------


class BatchError(SymdiffError):
    """A study ended, and some of its runs failed."""

    exit_code = 4
    code = "batch"


class GateError(SymdiffError):
    """A ``--fail-on`` condition holds."""

    exit_code = 5
    code = "gate"


class InterruptedRunError(SymdiffError):
    """Ctrl-C: the state was saved and the same command resumes."""

    exit_code = 130
    code = "interrupted"
