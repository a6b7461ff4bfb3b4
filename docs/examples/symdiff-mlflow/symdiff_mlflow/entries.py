"""What of a result is logged, whatever it is logged to."""

LONGEST = 250
"""Characters of a parameter; MLflow refuses longer ones (500)."""


def parameters(result):
    """The configuration, flat: options of the family as ``options.KEY``. Settings without a value are left out."""
    flat = {"group": result.group, "model": result.model}
    for key, value in result.config.items():
        entries = {f"options.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
        flat |= {name: entry for name, entry in entries.items() if entry is not None}
    return {name: str(value)[:LONGEST] for name, value in flat.items()}


def metrics(result):
    """Every diagnostic that has a value, with the ends of its interval as ``NAME.low`` and ``NAME.high``."""
    found = {}
    for name, estimate in result.diagnostics.items():
        low, high = estimate.interval or (None, None)
        entries = {name: estimate.value, f"{name}.low": low, f"{name}.high": high}
        found |= {key: float(value) for key, value in entries.items() if value is not None}
    return found


def tags(result):
    """The verdict and its claims."""
    claims = {f"claim.{name}": claim.status for name, claim in result.verdict.claims.items()}
    return {"structured": result.verdict.structured, **claims, "symdiff": result.symdiff_version}
