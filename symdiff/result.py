"""The result of a run: schema ``symdiff.result/1``. Plain data, no torch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from symdiff.errors import RefusedError

SCHEMA = "symdiff.result/1"

Status = Literal["supported", "not supported", "inconclusive"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", populate_by_name=True)


class Estimate(_Frozen):
    """A diagnostic: a value, how sure we are of it, and what it would be under a null.

    Attributes
    ----------
    value
        The point estimate; ``None`` where it could not be computed (the caution says why).
    interval
        Lower and upper end at `level`, or ``None``.
    level
        Nominal coverage of `interval`.
    n
        Number of independent units the value rests on (group elements, trajectories, ...).
    null
        The same figure under each null or reference: ``identity``, ``scale``, ``permuted``,
        ``untrained``, ``haar``, ``least_squares``, ``pca``.
    better
        Whether lower or higher is better.
    caution
        When not to trust the value; ``None`` if nothing speaks against it.
    """

    value: float | None
    interval: tuple[float | None, float | None] | None = None
    level: float = 0.95
    n: int
    null: dict[str, float | None] = Field(default_factory=dict)
    better: Literal["lower", "higher"] = "lower"
    caution: str | None = None


class Guarantee(_Frozen):
    """One condition of the structural guarantee, with the evidence for or against it."""

    condition: str
    status: Literal["pass", "fail", "unknown"]
    evidence: str


class Claim(_Frozen):
    """One of the three claims of a verdict."""

    status: Status
    evidence: str


class Verdict(_Frozen):
    """The answer: is the process group-structured?"""

    structured: Literal["supported", "not supported", "inconclusive", "collapsed"]
    reason: str
    claims: dict[str, Claim]
    thresholds: dict[str, float] = Field(default_factory=dict)


class Result(_Frozen):
    """Everything a run found; written to ``result.json``.

    ``title`` is the group as it is called in a report, and ``descriptions`` a few words on forms and diagnostics that
    plugins brought. ``forms`` holds one row a form of the representation (``lie-projected``, ``lie``, ``exact``, ...),
    each a mapping from diagnostic name to number, so that they can be read side by side.
    """

    schema_: Literal["symdiff.result/1"] = Field(default="symdiff.result/1", alias="schema")
    symdiff_version: str
    group: str
    title: str = ""
    model: str
    status: Literal["done", "failed", "interrupted"] = "done"
    config: dict[str, Any]
    timing: dict[str, float] = Field(default_factory=dict)
    diagnostics: dict[str, Estimate] = Field(default_factory=dict)
    forms: dict[str, dict[str, float | str | None]] = Field(default_factory=dict)
    descriptions: dict[str, str] = Field(default_factory=dict)
    decomposition: dict[str, Any] | None = None
    guarantees: list[Guarantee] = Field(default_factory=list)
    process: dict[str, Any] = Field(default_factory=dict)
    verdict: Verdict
    warnings: list[str] = Field(default_factory=list)

    def to_json(self) -> str:
        """Return the document as indented JSON; NaN and infinities become null."""
        return json.dumps(finite(self.model_dump(by_alias=True)), indent=2, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write atomically: to a temporary name, then renamed."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(self.to_json(), encoding="utf-8")
        temporary.replace(path)


def load_result(path: str | Path) -> Result:
    """Read ``result.json`` from a run directory or a file.

    Raises
    ------
    RefusedError
        The file is missing, not JSON, or of another schema.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "result.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedError(f"no result at {file}", "give a run directory that `symdiff analyze` finished") from None
    except (OSError, ValueError) as error:
        raise RefusedError(f"{file} is not a readable result: {error}") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise RefusedError(f"{file} has schema {found!r}, this version reads {SCHEMA!r}")
    return Result.model_validate(document)


def finite(value: Any) -> Any:
    """Replace NaN and infinities by None, all the way down."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
