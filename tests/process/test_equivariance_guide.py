"""The example of docs/equivariance.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "equivariance.md"


def test_the_example_of_the_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(example, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert (
        "Does the denoiser commute with the mirror group (1 element, all Haar elements but the identity)? It does not"
        in printed
    )
    assert names["symmetric"].shape == names["model"].shape
