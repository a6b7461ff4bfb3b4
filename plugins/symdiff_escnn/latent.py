"""Which irreps a latent space is filled with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from symdiff.errors import ConfigError
from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.fields import Fields, counted
from symdiff_escnn.irreps import Irrep

AUTOMATIC = "smooth"
REGULAR = "regular"


def is_choice(text: str) -> bool:
    """Whether the text has the form of a choice of irreps."""
    return text in (AUTOMATIC, REGULAR) or bool(_pairs(text))


def chosen(text: str, group: PlaneGroup, known: Sequence[Irrep]) -> Fields:
    """The direct sum that ``irrep_0,0:4,irrep_1,1:6`` names; ``irrep_`` may be left out.

    Raises
    ------
    ConfigError
        The group has no such irrep, or it lies beyond the band limit.
    """
    by_id = {",".join(map(str, irrep.id)): irrep for irrep in known}
    copies: list[Irrep] = []
    for name, count in _pairs(text):
        if name not in by_id:
            raise ConfigError(
                f"-o irreps names {name}, which {group.name} has not"
                + ("" if group.finite else " within the band limit of these images"),
                f"there are {', '.join(irrep.name for irrep in known)}",
            )
        copies += [by_id[name]] * count
    return counted(group, copies, known)


def filled(smooth: Sequence[Irrep], group: PlaneGroup, known: Sequence[Irrep], latent: int) -> Fields:
    """`latent` dimensions of the smoothest functions: what natural images have most of their energy in.

    Copies are taken in the order of `smooth`; one that does not fit any more is passed over. Where a single dimension
    is left at the end, the last copy of one dimension makes room for one of two.

    Raises
    ------
    ConfigError
        They do not fill the latent space.
    """
    taken, passed, free = [], [], latent
    for irrep in smooth:
        if irrep.size <= free:
            taken.append(irrep)
            free -= irrep.size
        else:
            passed.append(irrep)
    single = [irrep for irrep in taken if irrep.size == 1]
    if free == 1 and single and passed:
        taken.reverse()
        taken.remove(single[-1])
        taken.append(passed[0])
        free = 0
    if free:
        fits = latent - free
        raise ConfigError(
            f"the irreps of {group.name} in these images do not fill a latent space of dimension {latent}",
            f"--latent {fits} fits" if fits else "choose a larger --latent, or name them: -o irreps=",
        )
    return counted(group, taken, known)


def regular(group: PlaneGroup, known: Sequence[Irrep], latent: int) -> Fields:
    """As many copies of the regular representation as fill the latent space.

    For a continuous group it is cut off at the frequencies known.

    Raises
    ------
    ConfigError
        No whole number of copies does.
    """
    one = Fields(group, tuple((irrep, irrep.in_regular) for irrep in known))
    copies, left = divmod(latent, one.dimension)
    if left or not copies:
        sizes = ", ".join(str(n * one.dimension) for n in range(max(copies, 1), max(copies, 1) + 2))
        raise ConfigError(
            f"the regular representation of {group.name} has dimension {one.dimension}, which does not divide {latent}",
            f"--latent {sizes} fit",
        )
    return one.times(copies)


def _pairs(text: str) -> list[tuple[str, int]]:
    """``[("1,1", 6), ...]``; empty where the text has another form."""
    pair = r"(?:irrep_)?(\d+(?:,\d+)?):([1-9]\d*)"
    if not re.fullmatch(rf"{pair}(?:,{pair})*", text):
        return []
    return [(found[1], int(found[2])) for found in re.finditer(rf"(?:^|,){pair}", text)]
