"""Pages of results: long tables as CSV files beside the page, and where a reader goes from there.

A page begins with its title, what was measured and what follows from it; how it was written and
links to its neighbours stand at its end.
"""

import csv
import io
import re
from pathlib import Path

from .files import write_file
from .text import csv_text

LONGEST = 40
"""Rows of a table that a page holds whole."""
SHOWN = 10
"""Rows that a page keeps of a longer table."""
_WRITTEN = re.compile(r"^Written by `.*?`; do not edit\.\n\n", re.M)
_CELLS = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"[+-][\d.,]+( ?%)?")


def publish(path: Path, text: str, see: str) -> None:
    """Write a page of results, and a CSV file for each of its long tables.

    text: Markdown with a paragraph "Written by `COMMAND`; do not edit.", which is moved to the end
    of the page. see: links of the section "See also". Tables of more than `LONGEST` rows are cut to
    the first `SHOWN`; the whole is in `PAGE.HEADING.csv`, heading being that of their section.
    """
    page, tables = laid_out(text, path.stem, see)
    for old in path.parent.glob(f"{path.stem}.*.csv"):
        if old.name not in tables:
            old.unlink()
    for name, content in tables.items():
        write_file(path.with_name(name), content)
    write_file(path, page)


def laid_out(text: str, stem: str, see: str) -> tuple[str, dict[str, str]]:
    """The page as it is written, and its CSV files by name."""
    written = "".join(_WRITTEN.findall(text))
    lines, tables = _cut(_WRITTEN.sub("", text).rstrip().split("\n"), stem)
    return "\n".join([*lines, "", "## See also", "", see, "", written.rstrip()]) + "\n", tables


def _cut(lines: list[str], stem: str) -> tuple[list[str], dict[str, str]]:
    """Lines with long tables cut, and the tables."""
    kept: list[str] = []
    tables: dict[str, str] = {}
    heading, start = "all", 0
    while start < len(lines):
        if lines[start].startswith("## ") or lines[start].startswith("### "):
            heading = lines[start].lstrip("# ")
        stop = start
        while stop < len(lines) and lines[stop].startswith("|"):
            stop += 1
        rows = stop - start - 2
        if rows > LONGEST:
            name = _free(stem, heading, tables)
            tables[name] = _csv(lines[start:stop])
            kept += lines[start : start + 2 + SHOWN]
            kept += ["", f"The first {SHOWN} of {rows} rows; all are in [{name}]({name})."]
        else:
            kept += lines[start : max(stop, start + 1)]
        start = max(stop, start + 1)
    return kept, tables


def _free(stem: str, heading: str, taken: dict[str, str]) -> str:
    """A file name that no other table of the page has."""
    part = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")[:48].strip("-") or "table"
    names = (f"{stem}.{part}{number or ''}.csv" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _csv(lines: list[str]) -> str:
    """A Markdown table as CSV: cells without their marks of emphasis, no formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for line in (lines[0], *lines[2:]):
        cells = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:-1])
        writer.writerow([_cell(cell.replace("**", "").strip("`")) for cell in cells])
    return out.getvalue()


def _cell(text: str) -> str:
    return text if _NUMBER.fullmatch(text) else csv_text(text)
