"""Liberty's syntax: groups of attributes and groups. Nothing here knows what a name means.

Bounded before anything is built: size after unpacking, depth of groups, number of entries. Real
libraries of delay and power tables have some 13 MB, 6 levels and 150,000 entries.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.limits import MAX_TEXT_BYTES

MAX_DEPTH = 20
"""Groups within groups."""
MAX_ENTRIES = 2_000_000
"""Groups, attributes and arguments of a library together: about 1 GB when read."""
MAX_LIST = 1 << 20
"""Characters of one list of arguments; a table of 7 x 7 numbers has some 500."""

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_SPACE = re.compile(r"[\s;]*")
_NAME = re.compile(r"[A-Za-z_][\w.\[\]]*", re.ASCII)
_COLON = re.compile(r"\s*:\s*")
_OPEN = re.compile(r"\s*\(")
_VALUE = re.compile(r'"([^"]*)"|([^;\n}]*)')
_ARGUMENTS = re.compile(r'((?:[^()"]|"[^"]*")*+)\)')
_BRACE = re.compile(r"\s*\{")
_ITEM = re.compile(r'"([^"]*)"|([^\s,"]+)')


@dataclass(slots=True)
class Group:
    """`name (arguments) { ... }`.

    values: simple attributes `name : value`; the last of a name counts, as in the tools.
    lists: `name (a, b, ...);`, e.g. the rows of a table, still as text.
    """

    name: str
    arguments: tuple[str, ...]
    line: int
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The first argument: the name of a library, cell or pin."""
        return self.arguments[0] if self.arguments else ""

    def named(self, name: str) -> Iterator["Group"]:
        """The groups of that name, in order."""
        return (group for group in self.groups if group.name == name)


def read_text(path: Path) -> str:
    """The text of a `.lib`, or of a `.lib.gz`."""
    if not path.is_file():
        raise InputError(f"Liberty must be a file, not {str(path)!r}")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            raw = stream.read(MAX_TEXT_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"Liberty must be readable text, not {str(path)!r}: {error}") from None
    if len(raw) > MAX_TEXT_BYTES:
        raise InputError(
            f"Liberty must be at most {MAX_TEXT_BYTES >> 20} MiB of text, not more: {str(path)!r}"
        )
    if "\0" in text:
        raise InputError(f"Liberty must be readable text, not with zero bytes: {str(path)!r}")
    return text


def parse_text(text: str, where: str) -> Group:
    """The `library` group of a Liberty text; `where` names it in messages."""
    plain = _without_comments(text, where).replace("\\\n", " \n")
    reader = _Reader(plain, where)
    reader.skip()
    group = reader.statement(None)
    if group is None or group.name != "library":
        raise InputError(f"Liberty {where!r} must begin with a library group, not {plain[:40]!r}")
    return group


def _without_comments(text: str, where: str) -> str:
    """Lines stay lines: messages name them."""

    def lines(found: re.Match[str]) -> str:
        if len(found[0]) < 4 or not found[0].endswith("*/"):
            line = text.count("\n", 0, found.start()) + 1
            raise InputError(f"Liberty {where!r} must close the comment of line {line}")
        return "\n" * found[0].count("\n")

    return _COMMENT.sub(lines, text)


class _Reader:
    """A recursive descent over one text."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where, self.at = text, where, 0
        self.depth, self.entries = 0, 0
        self._line, self._counted = 1, 0  # lines up to a position: counted once, going forward

    def skip(self) -> None:
        matched = _SPACE.match(self.text, self.at)
        assert matched is not None
        self.at = matched.end()

    def statement(self, parent: Group | None) -> Group | None:
        """One attribute, put into `parent`, or one group, returned."""
        name = self._need(_NAME, "a name")[0]
        self._count(1)
        if self._have(_COLON):
            value = self._need(_VALUE, "a value")
            if parent is None:
                self._refuse("a group")
            else:
                parent.values[name] = value[1] if value[1] is not None else value[2].strip()
            return None
        line = self._line_here()
        self._need(_OPEN, "':' or '('")
        arguments = self._arguments()
        if not self._have(_BRACE):
            if parent is None:
                self._refuse("'{'")
            else:
                parent.lists[name] = arguments
            return None
        group = Group(name=name, arguments=arguments, line=line)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(f"at most {MAX_DEPTH} groups within each other")
        self._body(group)
        self.depth -= 1
        return group

    def _arguments(self) -> tuple[str, ...]:
        inside = self._need(_ARGUMENTS, "')'")[1]
        if len(inside) > MAX_LIST:
            self._refuse(f"at most {MAX_LIST} characters of arguments")
        found = tuple(a if a or not b else b for a, b in _ITEM.findall(inside))
        self._count(len(found))
        return found

    def _count(self, entries: int) -> None:
        self.entries += entries
        if self.entries > MAX_ENTRIES:
            self._refuse(f"at most {MAX_ENTRIES} groups, attributes and arguments")

    def _body(self, group: Group) -> None:
        while True:
            self.skip()
            if self.at >= len(self.text):
                self._refuse(f"'}}' of {group.name} ({group.label}) from line {group.line}")
            if self.text[self.at] == "}":
                self.at += 1
                return
            inner = self.statement(group)
            if inner is not None:
                group.groups.append(inner)

    def _have(self, pattern: re.Pattern[str]) -> bool:
        matched = pattern.match(self.text, self.at)
        if matched is None:
            return False
        self.at = matched.end()
        return True

    def _need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        matched = pattern.match(self.text, self.at)
        if matched is None:
            self._refuse(what)
        assert matched is not None
        self.at = matched.end()
        return matched

    def _line_here(self) -> int:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def _refuse(self, what: str) -> None:
        found = self.text[self.at : self.at + 30].split("\n")[0]
        raise InputError(
            f"Liberty {self.where!r} must have {what} in line {self._line_here()}, not {found!r}"
        )
