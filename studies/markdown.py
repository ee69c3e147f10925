"""Rows of Markdown tables, as every page here writes them."""

from collections.abc import Iterable, Sequence

from ..spec.host.text import printable


def row(cells: Iterable[str]) -> str:
    r"""One line of a table; a cell holds no bar and no line break that would end it.

    >>> print(row(["decode", "8|16"]))
    | decode | 8\|16 |
    """
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def head(columns: Sequence[tuple[str, str]]) -> list[str]:
    """The first two lines of a table, from (name, rule) of its columns."""
    return [row(name for name, _ in columns), row(rule for _, rule in columns)]


def _cell(text: str) -> str:
    return printable(text, max(len(text), 1)).replace("|", "\\|")
