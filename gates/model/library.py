"""All characterizations of a library together: lane arrays by micro-architecture, output stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from ...cost.technology.technology import NO_NODE, Technology
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
    """By `parts.lanes_name`."""
    held: dict[str, Fit] = field(default_factory=dict)
    """The same of arrays that hold weights."""
    units: dict[str, Fit] = field(default_factory=dict)
    """`threshold` and `requant`, or none."""

    def fits(self, part: Part) -> dict[str, Fit]:
        """Those of a part."""
        match part:
            case Part.ARRAY:
                return self.arrays
            case Part.HELD:
                return self.held
            case Part.UNIT:
                return self.units
            case _:
                assert_never(part)

    @property
    def node(self) -> str | None:
        """As technologies name it; None: no file says it."""
        fits = (*self.arrays.values(), *self.held.values(), *self.units.values())
        return next((fit.node for fit in fits if fit.node is not None), None)

    def of_node(self, technologies: Sequence[Technology]) -> Technology:
        """The table that may be summed with figures of this library: the one of its node, or the
        first where no file says the node."""
        if self.node is None:
            return technologies[0]
        for technology in technologies:
            if technology.node in (self.node, NO_NODE):
                return technology
        names = ", ".join(f"{t.name} ({t.node})" for t in technologies)
        raise InputError(
            f"Technology must be of the node of library {shown(self.name)}, {self.node}, not "
            f"{names}: no sum has parts of two nodes"
        )

    def lanes(self, *, holds: bool) -> dict[str, Fit]:
        """Of arrays of one kind."""
        return self.held if holds else self.arrays


def read_all(paths: Sequence[Path]) -> dict[str, GateLibrary]:
    """Files of `adqhw characterize` by library; nothing may be characterized twice."""
    found: dict[str, GateLibrary] = {}
    for path in paths:
        for name, fit in characterization_file.load(path).items():
            library = found.setdefault(fit.library, GateLibrary(name=fit.library))
            known = library.fits(fit.part)
            if name in known:
                raise InputError(
                    f"Micro or unit {shown(name)} of library {shown(fit.library)} must be "
                    f"characterized once, not again in {str(path)!r}"
                )
            known[name] = fit
    for library in found.values():
        if not library.arrays and not library.held:
            raise InputError(
                f"Library {shown(library.name)} must have a characterized lane array, not its "
                "output stage alone"
            )
    return found
