"""Templates of Verilog, C and make: files in which `@NAME@` stands for a value.

Lines between a line `@if NAME@` and the next `@end@` are kept where the value is not empty; such
blocks are not nested.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_OPEN = re.compile(r"@([A-Z_0-9]+)@")
_BLOCK = re.compile(r"^[ \t]*@if ([A-Z_0-9]+)@\n(.*?)^[ \t]*@end@\n", re.DOTALL | re.MULTILINE)


def filled(template: Path, values: Mapping[str, object]) -> str:
    """The text of a template; every name in it must have a value."""
    return filled_text(template.read_text(encoding="utf-8"), values)


def filled_text(text: str, values: Mapping[str, object]) -> str:
    """`filled`, of a text."""
    kept = _BLOCK.sub(lambda match: match[2] if values[match[1]] else "", text)
    return _OPEN.sub(lambda match: str(values[match[1]]), kept)
