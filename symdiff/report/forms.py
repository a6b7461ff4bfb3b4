"""The forms of rho side by side: the price of exactness, and whether training earned anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symdiff.report.notation import number
from symdiff.result import Result

COLUMNS = {
    "homomorphism_error": "homomorphism error",
    "action_energy": "action energy",
    "prediction_error": "prediction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3",
    "prediction_error_n10": "prediction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}10",
    "prediction_error_whitened": "prediction whitened",
    "reconstruction_error": "reconstruction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3",
    "reconstruction_error_n10": "reconstruction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}10",
}

DESCRIPTIONS = {
    "lie-projected": "linear map of Lie algebras, projected onto the homomorphisms",
    "lie": "linear map of Lie algebras with a bracket penalty: the stage before projection",
    "mlp": "free network under an exponential: the published form",
    "start": "the closed form that training of this run started from",
    "exact": "closed form, linear: principal components and one constant, exact by construction",
    "exact (closed form)": "the same before training",
    "exact-blocks": "separate affine 2×2 blocks with a linear encoder, exact by construction",
    "pca": "principal components of the same m, no action",
}

_CLOSED_FORMS = ("exact (closed form)", "exact", "pca")


@dataclass(frozen=True)
class FormRow:
    """One line of the table.

    Attributes
    ----------
    name, description
        The form, and what it is in a few words.
    values
        One number a column, ``None`` where there is none.
    to_pca
        Reconstruction error at N = 3 relative to that of PCA of the same m.
    caution
        When not to trust the row.
    trained
        Whether this is the form the run was asked for.
    """

    name: str
    description: str
    values: list[float | None]
    to_pca: float | None
    caution: str | None
    trained: bool


def trained_form(result: Result) -> str | None:
    """The form the run was asked for, if it has a row."""
    options = result.config.get("options")
    asked = options.get("rho") if isinstance(options, Mapping) else None
    return next((form for form in (asked, "lie-projected") if form in result.forms), None)


def form_rows(result: Result) -> list[FormRow]:
    """The table of forms, in the order the run recorded them."""
    reference = _number(result.forms.get("pca", {}), "reconstruction_error")
    trained = trained_form(result)
    rows = []
    for name, row in result.forms.items():
        error = _number(row, "reconstruction_error")
        caution = row.get("caution")
        rows.append(
            FormRow(
                name=name,
                description=result.descriptions.get(name, DESCRIPTIONS.get(name, "")),
                values=[_number(row, column) for column in COLUMNS],
                to_pca=error / reference if error is not None and reference else None,
                caution=str(caution) if caution else None,
                trained=name == trained,
            )
        )
    return rows


def price_of_exactness(result: Result) -> list[float | None] | None:
    """What the projected form loses against the unprojected one, one difference a column of the errors.

    Returns
    -------
    list or None
        ``lie-projected`` less ``lie`` in every column; ``None`` without both rows or without a number in both.
    """
    if not {"lie", "lie-projected"} <= result.forms.keys():
        return None
    before, after = result.forms["lie"], result.forms["lie-projected"]
    differences: list[float | None] = []
    for column in COLUMNS:
        a, b = _number(before, column), _number(after, column)
        differences.append(None if a is None or b is None else b - a)
    return None if differences.count(None) == len(differences) else differences


def what_training_earned(result: Result) -> str:
    """Say in one or two sentences whether the trained model beats the closed-form linear one of the same m.

    The comparison is of reconstruction at N = 3, because the linear model predicts without error by construction.
    The interval of the trained model's error decides whether the difference is resolved.
    """
    trained = trained_form(result)
    closed = next((form for form in _CLOSED_FORMS if form in result.forms and form != trained), None)
    if trained is None or closed is None:
        return "Whether training earned anything cannot be said: the run has no closed-form row to compare with."
    ours = _number(result.forms[trained], "reconstruction_error")
    theirs = _number(result.forms[closed], "reconstruction_error")
    if ours is None or theirs is None:
        return "Whether training earned anything cannot be said: a reconstruction error is missing."
    estimate = result.diagnostics.get("reconstruction_error")
    ends = estimate.interval if estimate is not None and estimate.interval is not None else (None, None)
    low, high = (ours if end is None else end for end in ends)
    figures = (
        f"over three steps the trained model ({trained}) leaves {number(ours)} of the variance of the observations "
        f"unexplained, the closed-form linear model {_of_same_m(result)} leaves {number(theirs)}"
    )
    price = _number(result.forms[trained], "prediction_error")
    cost = "" if price is None else f" Its prediction error is {number(price)}; that of the linear model is 0."
    start = result.forms.get("start", {})
    began = [_number(start, column) for column in ("reconstruction_error", "prediction_error")]
    if None not in began:
        cost += f" Training began, in closed form, at {number(began[0])} and {number(began[1])}."
    if result.verdict.structured == "collapsed":
        return f"Training earned nothing, the model collapsed: {figures}.{cost}"
    if high < theirs:
        return f"Training earned something beyond the linear model: {figures}.{cost}"
    if low > theirs:
        return f"Training earned nothing beyond the linear model: {figures}.{cost}"
    return f"Training earned nothing beyond the linear model that these data resolve: {figures}.{cost}"


def _of_same_m(result: Result) -> str:
    latent = result.config.get("latent")
    return f"of the same m\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{latent}" if isinstance(latent, int) else "of the same m"


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
