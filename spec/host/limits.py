"""Upper bounds of the memory that a file or an option can make a command allocate.

A reader that will allocate more than a few megabytes calls `demand(bytes, what)` first; more than
the budget is refused before anything is allocated.
"""

import os

from ..errors import InputError

GIB = 1 << 30
DEFAULT_BUDGET = 8 * GIB
"""Memory budget of a command in bytes, unless `ADQHW_MEMORY` or the machine sets another."""

MAX_TEXT_BYTES = 64 << 20
"""Largest text file (table, technology, topology, Liberty after unpacking) that is read whole."""

VARIABLE = "ADQHW_MEMORY"


def memory_budget() -> int:
    """Memory budget in bytes: `ADQHW_MEMORY` in GiB, else 8 GiB, at most the machine's."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return min(DEFAULT_BUDGET, _machine_bytes())
    try:
        gib = float(wanted)
    except ValueError:
        gib = float("nan")
    if not 0 < gib <= 1 << 20:
        raise InputError(f"{VARIABLE} must be a number of GiB above 0, not {wanted!r}")
    return int(gib * GIB)


def demand(size: int, what: str) -> None:
    """Refuse a size beyond the budget. size: bytes, a Python integer, never wrapped."""
    budget = memory_budget()
    if size > budget:
        raise InputError(
            f"{what} must fit {budget / GIB:.3g} GiB of memory ({VARIABLE}), "
            f"not need {size / GIB:.3g} GiB"
        )


def _machine_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no sysconf on this system
        return DEFAULT_BUDGET
