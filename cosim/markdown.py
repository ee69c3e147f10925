"""Rows of Markdown tables, as every page here writes them."""

from collections.abc import Iterable, Sequence


def row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def head(columns: Sequence[tuple[str, str]]) -> list[str]:
    """The first two lines of a table, from (name, rule) of its columns."""
    return [row(name for name, _ in columns), row(rule for _, rule in columns)]
