"""Figures of the learned algebra, for the result."""

from symdiff import Estimate


def bracket_closure(evaluation):
    """How far brackets of the learned generators lie outside their span: 0 for a Lie algebra.

    The interval resamples trajectories; the null ``random`` is the mean over random subspaces of the same dimension.
    """
    found = getattr(evaluation.family, "learned", None)
    if found is None:
        return None
    if found.closure is None:
        few = f"{len(found.generators)} generators: any span of fewer than two is closed"
        return Estimate(value=None, n=found.trajectories, caution=few)
    null = found.closure_null
    at_most = int((null <= found.closure).sum())
    caution = None if at_most == 0 else f"{at_most} of {len(null)} random subspaces are as closed"
    return Estimate(
        value=found.closure,
        interval=found.closure_interval,
        n=found.trajectories,
        null={"random": float(null.mean())},
        caution=caution,
    )


def explained_motion(evaluation):
    """Share of the held-out motion beyond a common scale that the learned generators explain.

    The null ``random`` is what the best of 99 random directions explain in place of the first generator.
    """
    found = getattr(evaluation.family, "learned", None)
    if found is None:
        return None
    return Estimate(
        value=found.explained[-1],
        n=found.trajectories,
        null={"random": found.chance[0] if found.chance else None},
        better="higher",
        caution=None if len(found.generators) else "no generator explains more than chance",
    )
