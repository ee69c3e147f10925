"""Which cells of a library can stand for each other: the same pins and the same function.

Names say nothing here: cells are of one kind if their inputs have the same names and their outputs,
and what a flip-flop stores, are the same functions of them. Latches, clock gates and three-state
cells stand for themselves only.
"""

from collections import defaultdict
from collections.abc import Container, Iterable
from fnmatch import fnmatchcase

import numpy as np

from ..liberty.cells import Cell
from ..liberty.function import Function
from ..liberty.liberty import Library

MOST_PINS = 8
"""Of a function that is compared: its table has 2^8 entries."""


def usable_cells(
    library: Library, avoided: Iterable[str] = (), placeable: Container[str] | None = None
) -> list[str]:
    """Cells that repair may choose.

    avoided: patterns as of a shell (`*lpflow*`); placeable: cells with a footprint, None: all.
    """
    patterns = tuple(avoided)
    return [
        name
        for name in sorted(set(library.groups) - set(library.unusable()))
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
        and (placeable is None or name in placeable)
    ]


def variants(library: Library, usable: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By every cell of the library the usable cells of its kind, by area; () where there is none.

    A cell that is not usable may be replaced by others, but never chosen.
    """
    kinds: dict[object, list[str]] = defaultdict(list)
    for name in usable:
        key = _kind(library, library.cell(name))
        if key is not None:
            kinds[key].append(name)
    found = {}
    for name in library.groups:
        key = _kind(library, library.cell(name))
        same = kinds.get(key, []) if key is not None else []
        found[name] = tuple(sorted(same, key=lambda one: (library.cell(one).area, one)))
    return found


def _kind(library: Library, cell: Cell) -> object:
    if cell.refusal or not cell.outputs:
        return None
    names = tuple(sorted(cell.inputs))
    states = (cell.ff.state, cell.ff.inverse) if cell.ff is not None else ()
    if len(names) + len(states) > MOST_PINS:
        return None
    known: list[tuple[str, Function | str | None]] = [
        (pin, cell.pins[pin].function) for pin in sorted(cell.outputs)
    ]
    if cell.ff is not None:
        known += [("clocked_on", cell.ff.clocked_on), ("next_state", cell.ff.next_state)]
        (group,) = library.groups[cell.name].named("ff")
        known += [(name, group.values.get(name)) for name in ("clear", "preset")]
    signals = (*names, *states)
    tables = tuple(
        (name, _table(one, signals) if isinstance(one, Function) else one) for name, one in known
    )
    return names, len(states), tables


def _table(function: Function, signals: tuple[str, ...]) -> bytes:
    """The value by state of the signals."""
    states = np.arange(1 << len(signals))
    values = {name: states >> bit & 1 for bit, name in enumerate(signals)}
    return np.broadcast_to(function.evaluate(values), states.shape).astype(np.uint8).tobytes()
