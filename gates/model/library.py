"""All characterizations of a library together: lane arrays by micro-architecture, output stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.text import shown
from . import characterization_file
from .fit import Fit
from .parts import Part


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLibrary:
    """Facts of one library."""

    name: str
    arrays: dict[str, Fit] = field(default_factory=dict)
    """By micro-architecture."""
    units: dict[str, Fit] = field(default_factory=dict)
    """`threshold` and `requant`, or none."""


def read_all(paths: Sequence[Path]) -> dict[str, GateLibrary]:
    """Files of `adqhw characterize` by library; nothing may be characterized twice."""
    found: dict[str, GateLibrary] = {}
    for path in paths:
        for name, fit in characterization_file.load(path).items():
            library = found.setdefault(fit.library, GateLibrary(name=fit.library))
            known = library.units if fit.part is Part.UNIT else library.arrays
            if name in known:
                raise InputError(
                    f"Micro or unit {shown(name)} of library {shown(fit.library)} must be "
                    f"characterized once, not again in {str(path)!r}"
                )
            known[name] = fit
    for library in found.values():
        if not library.arrays:
            raise InputError(
                f"Library {shown(library.name)} must have a characterized lane array, not its "
                "output stage alone"
            )
    return found
