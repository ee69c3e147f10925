"""Registry of the micro-architectures: names, and the one object behind each.

The module of `rtl/lanes` with that name has everything about its micro-architecture in one object,
`MICRO`; it is loaded with the first use of the object. Names need no module, so that checking an
`Arch` and printing a help text load no hardware generator.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ...spec.errors import InputError
from ...spec.host.text import shown

if TYPE_CHECKING:
    from ..lanes.micro import Micro

DEFAULT = "decode"
BASELINE = "uniform"
"""The plain multiplier that lookup must beat."""

_known: "dict[str, Micro | None]" = dict.fromkeys(
    (DEFAULT, BASELINE, "bit_serial", "product_table", "binned", "shift_add")
)
"""None: not loaded yet."""


def names() -> tuple[str, ...]:
    """All registered names, in the order of tables and help texts."""
    return tuple(_known)


def listed() -> str:
    """All names as a help text has them."""
    *first, last = names()
    return f"{', '.join(first)} or {last}."


def checked(name: object, what: str = "Micro") -> str:
    """`name`; refuse what is not registered."""
    if not isinstance(name, str) or name not in _known:
        raise InputError(f"{what} must be one of {', '.join(names())}, not {shown(name)}")
    return name


def micro(name: str) -> "Micro":
    """The micro-architecture called `name`."""
    loaded = _known.get(name)
    if loaded is None:
        checked(name)
        loaded = _known[name] = import_module(f"...lanes.{name}", __name__).MICRO
    return loaded


def register(added: "Micro") -> None:
    """Make a further micro-architecture known to every generator, model and command."""
    if added.name in _known:
        raise InputError(f"Micro must have a name of its own, not {shown(added.name)}")
    _known[added.name] = added


def unregister(name: str) -> None:
    """Forget what `register` added."""
    del _known[checked(name)]
