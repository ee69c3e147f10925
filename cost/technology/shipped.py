"""Tables that ship with the package, by name, beside those of users, by file."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Generic, TypeVar

from ...spec.errors import InputError
from ...spec.host.reading import MAX_TOML_BYTES, read_text
from ...spec.host.text import shown

Table = TypeVar("Table")


@dataclass(frozen=True, kw_only=True)
class Shipped(Generic[Table]):
    """A folder of TOML files of one kind."""

    folder: str
    """Below this one."""
    noun: str
    """What a message calls one of them: "DRAM"."""
    file: str
    """What it calls a file: "DRAM type"."""
    parse: Callable[[str, str, Path], Table]
    """Of a text, its name in messages, and the folder that a user's file lies in."""

    def names(self) -> list[str]:
        """Of those that ship with the package."""
        folder = resources.files(__package__) / self.folder
        return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))

    def load(self, name: str | Path) -> Table:
        """The shipped one called `name`, or the one in the file `name` (ending in .toml).

        Errors: `InputError` for a name that is neither.
        """
        if str(name).endswith(".toml"):
            path = Path(name)
            return self.parse(read_text(path, self.file, MAX_TOML_BYTES), str(path), path.parent)
        if name not in self.names():
            raise InputError(
                f"{self.noun} must be one of {', '.join(self.names())} or a .toml file, "
                f"not {shown(str(name))}"
            )
        found: Table = _shipped(self, str(name))
        return found


@cache
def _shipped(kind: Shipped[Table], name: str) -> Table:
    source = resources.files(__package__) / kind.folder / f"{name}.toml"
    return kind.parse(source.read_text(encoding="utf-8"), f"{name}.toml", Path())
