"""The command line run in this process: exit code, stdout and stderr as a user sees them."""

from __future__ import annotations

import json
import logging
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from symdiff.cli.running import run
from symdiff.result import Claim, Estimate, Result, Verdict
from symdiff.rundir import RunDirectory


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document of stdout; fails if there is anything else."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def symdiff(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ran]]:
    """Run a command in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    logger = logging.getLogger("symdiff")
    before = (logger.handlers[:], logger.propagate, logger.level)

    def command(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with warnings.catch_warnings():
            code = run([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    yield command
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])


def make_result(group: str = "affine", error: float | None = 0.02, **fields: Any) -> Result:
    claims = {name: Claim(status="supported", evidence="as measured") for name in ("law", "content", "decomposition")}
    return Result(
        symdiff_version="0.1.0",
        group=group,
        model="digits",
        config={"model": "digits", "group": group},
        diagnostics={"homomorphism_error": Estimate(value=error, interval=(0.01, 0.03), n=64)},
        verdict=Verdict(structured="supported", reason="both claims hold", claims=claims),
        **fields,
    )


@dataclass
class FakeAnalysis:
    """Stands in for the analysis: remembers how it was called, answers at once."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[str, BaseException] = field(default_factory=dict)
    value: float | None = 0.02

    def __call__(self, config: Any, out: Path, *, force: bool, rescore: bool, progress: Any) -> Result:
        self.calls.append({"config": config, "out": out, "force": force, "rescore": rescore})
        print("a library prints")
        progress.phase("train")
        progress.update(1, 2, loss=0.5)
        if out.name in self.errors:
            raise self.errors[out.name]
        directory = RunDirectory(config, out, force=force)
        if directory.state != "finished":
            with directory.writing():
                self.talk()
                directory.finish(make_result(config.group, self.value))
        return directory.result()

    def talk(self) -> None:
        """Say nothing; a test may say something."""


@pytest.fixture
def analysis(monkeypatch: pytest.MonkeyPatch) -> FakeAnalysis:
    fake = FakeAnalysis()
    module = types.ModuleType("symdiff.analyze")
    module.analyze = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "symdiff.analyze", module)
    return fake
