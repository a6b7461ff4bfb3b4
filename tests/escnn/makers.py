"""What the tests of the escnn family are made from."""

from __future__ import annotations

from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.fields import Fields
from symdiff_escnn.options import EscnnOptions

GROUPS = ("C1", "C3", "C4", "C5", "D1", "D3", "D4", "D8", "SO2", "O2")
SHAPE = (1, 8, 8)


def family(group: str, shape: tuple[int, int, int] = SHAPE, **options: object) -> EscnnFamily:
    found = EscnnFamily.of(shape, EscnnOptions.model_validate({"group": group, **options}))
    assert isinstance(found, EscnnFamily)
    return found


def mixed(f: EscnnFamily, copies: int = 2) -> Fields:
    """A few copies of the first irreps."""
    return Fields(PlaneGroup.named(f.options.group), tuple((irrep, copies) for irrep in f.known[:4]))
