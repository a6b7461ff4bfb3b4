"""The classes a model can be conditioned on, and what may be asked of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from symdiff.errors import ConfigError


@dataclass(frozen=True)
class Classes:
    """Classes 0 ... count - 1.

    Attributes
    ----------
    count
        How many; ``None`` where any number from 0 on is taken.
    null
        The class that stands for none, which makes the model unconditional; ``None`` if it has no such class.
    """

    count: int | None
    null: int | None = None

    @property
    def range(self) -> str:
        """In words."""
        return "a number from 0 on" if self.count is None else f"a class from 0 to {self.count - 1}"

    def check(self, name: str, label: int | None, guidance: float | None) -> None:
        """Raise `ConfigError` unless the model called `name` can be asked this."""
        if label is None and guidance is not None:
            raise ConfigError(f"--guidance is {guidance:g} without a class to guide to", f"add --label: {self.range}")
        if label is None and self.null is None:
            raise ConfigError(
                f"model {name!r} is class-conditional and no class was given", f"add --label: {self.range}"
            )
        if label is not None and not 0 <= label < (self.count if self.count is not None else label + 1):
            raise ConfigError(f"model {name!r} has no class {label}", f"--label takes {self.range}")
        if guidance is not None and self.null is None:
            raise ConfigError(
                f"model {name!r} has no class that stands for none, which guidance starts from", "leave out --guidance"
            )


def conditioned_digest(digest: str, label: int | None, guidance: float | None) -> str:
    """The digest of a model given a class; its own if it is given none."""
    if label is None:
        return digest
    return hashlib.sha256(f"{digest}|label={label}|guidance={guidance}".encode()).hexdigest()
