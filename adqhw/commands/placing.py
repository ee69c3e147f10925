"""Options of placements, common to the commands that place gates."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import InputError

if TYPE_CHECKING:
    from ..gates.placement.wires import Placing


def placing_of(
    place: bool,
    lef: list[Path] | None,
    row_height: float | None,
    rc: Path | None,
    utilization: float,
    density: float | None,
    effort: int,
) -> "Placing | None":
    """None without `place`; options of a placement are refused then."""
    if not place:
        for name, value in (("--lef", lef), ("--row-height", row_height), ("--rc", rc)):
            if value:
                raise InputError(f"{name} must go with --place, not alone")
        return None
    if rc is None:
        raise InputError("--place must have --rc FILE: no wire has an R and C by itself")
    if bool(lef) == (row_height is not None):
        raise InputError("--place must have either --lef FILE or --row-height UM")
    from ..gates.placement.placer import PlaceOptions, version
    from ..gates.placement.wires import Placing

    version()
    return Placing(
        rc=rc,
        lef=tuple(lef or ()),
        row_um=row_height,
        options=PlaceOptions(utilization=utilization, density=density, effort=effort),
    )
