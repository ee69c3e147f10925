"""Templates of Verilog and C++: files in which `@NAME@` stands for a value."""

import re
from collections.abc import Mapping
from pathlib import Path

_OPEN = re.compile(r"@([A-Z_0-9]+)@")


def filled(template: Path, values: Mapping[str, object]) -> str:
    """The text of a template; every name in it must have a value."""
    text = template.read_text(encoding="utf-8")
    return _OPEN.sub(lambda match: str(values[match[1]]), text)
