"""Markdown pages: tables, and pages whose middle is replaced."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from .files import write_file
from .text import printable

Column = str | tuple[str, str]
"""Name of a column, or (name, rule): `---:` for numbers."""
_BAR = re.compile(r"(?<!\\)\|")


def table(columns: Sequence[Column], rows: Iterable[Iterable[object]]) -> list[str]:
    r"""Lines of a table.

    >>> print(*table(["name", ("bits", "---:")], [["a|b", 8]]), sep="\n")
    | name | bits |
    | --- | ---: |
    | a\|b | 8 |
    """
    named = [(column, "---") if isinstance(column, str) else column for column in columns]
    head = [[name for name, _ in named], [rule for _, rule in named]]
    return [f"| {' | '.join(map(_cell, cells))} |" for cells in (*head, *rows)]


def _cell(content: object) -> str:
    """Without a line break, or a bar that would end the cell."""
    text = str(content)
    return _BAR.sub(r"\\|", printable(text, max(len(text), 1)))


def write_between(path: Path, title: str, markers: tuple[str, str], body: str | None) -> None:
    """Replace the text between two marker lines of a page, or make a page of nothing else.

    body: None keeps the existing text.
    """
    start, stop = markers
    try:
        old = (
            path.read_text(encoding="utf-8") if path.exists() else f"# {title}\n\n{start}\n{stop}\n"
        )
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Page must be a text file, not {str(path)!r}: {error}") from error
    head, begin, rest = old.partition(start)
    _, end, tail = rest.partition(stop)
    if not begin or not end:
        raise InputError(f"Page {str(path)!r} must hold the lines {start} and {stop}, not neither")
    write_file(path, old if body is None else f"{head}{start}\n\n{body}\n{stop}{tail}")
