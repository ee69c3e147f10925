"""All characterizations of a library together: lane arrays by micro-architecture, output stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.text import shown
from . import characterization_file, output_file
from .characterization_file import Fit
from .output_file import UnitFit


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLibrary:
    """What is known of one library."""

    name: str
    arrays: dict[str, Fit] = field(default_factory=dict)
    """By micro-architecture."""
    units: dict[str, UnitFit] = field(default_factory=dict)
    """`threshold` and `requant`, or none."""


def read_all(paths: Sequence[Path]) -> dict[str, GateLibrary]:
    """Files of `adqhw characterize` by library; nothing may be characterized twice."""
    found: dict[str, GateLibrary] = {}
    for path in paths:
        of_units = "unit" in characterization_file.read_content(path)
        fits = output_file.load_units(path) if of_units else characterization_file.load(path)
        for name, fit in fits.items():
            library = found.setdefault(fit.library, GateLibrary(name=fit.library))
            known = library.units if isinstance(fit, UnitFit) else library.arrays
            if name in known:
                raise InputError(
                    f"Micro or unit {shown(name)} of library {shown(fit.library)} must be "
                    f"characterized once, not again in {str(path)!r}"
                )
            known[name] = fit  # type: ignore[assignment]
    for library in found.values():
        if not library.arrays:
            raise InputError(
                f"Library {shown(library.name)} must have a characterized lane array, not its "
                "output stage alone"
            )
    return found
