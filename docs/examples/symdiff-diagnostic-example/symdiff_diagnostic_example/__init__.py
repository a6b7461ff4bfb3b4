"""A diagnostic with an interval and a null, for symdiff."""

from symdiff import hookimpl

PLUGIN_API = 1


@hookimpl
def symdiff_diagnostics():
    """The diagnostics of this package, by their names in a result."""
    from symdiff_diagnostic_example.commutators import commutators  # so that `symdiff --help` does not import torch

    return {"commutators": commutators}
