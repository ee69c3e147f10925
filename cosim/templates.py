"""Templates of Verilog and C++: files in which `@NAME@` stands for a value."""

import re
from collections.abc import Mapping
from pathlib import Path

_OPEN = re.compile(r"@([A-Z_0-9]+)@")


def filled(template: Path, values: Mapping[str, object]) -> str:
    """The text of a template; every name in it must have a value."""
    return filled_text(template.read_text(encoding="utf-8"), values)


def filled_text(text: str, values: Mapping[str, object]) -> str:
    """`filled`, of a text."""
    return _OPEN.sub(lambda match: str(values[match[1]]), text)
