"""Values of named signals at the end of a VCD trace."""

import re
from pathlib import Path


def last_values(path: Path, names: list[str]) -> dict[str, int]:
    """The last value of each requested signal, by its name without scope."""
    names_of: dict[str, str] = {}
    values: dict[str, int] = {}
    for line in path.read_text().splitlines():
        if line.startswith("$var"):
            _, _, _, code, name, *_ = line.split()
            names_of.setdefault(code, name.lstrip("\\"))
        elif match := re.match(r"b([01x]+) (\S+)$", line) or re.match(r"([01x])(\S+)$", line):
            values[names_of.get(match[2], "")] = int(match[1].replace("x", "0"), 2)
    return {name: values[name] for name in names if name in values}
