"""Text that came from a file, escaped for its destination: terminal, table, spreadsheet.

Names are data: a layer may be called `[red]`, `=1+1` or an escape sequence in a user's file. What
prints them escapes them here; what pastes them into a script refuses them.
"""

import hashlib
import re
import reprlib
import sys
import unicodedata

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (direction marks), lone surrogates, unassigned, line and paragraph separators."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet evaluates a cell of text that begins with one of these."""

_UNSAFE = re.compile(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_+.-]")
_LONGEST_PART = 64
_LONGEST_WARNING = 1000


def printable(text: str, limit: int = 200) -> str:
    r"""`text` without control characters: escapes become `\x1b`; long text ends in `…`."""
    shown = "".join(_visible(sign) for sign in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "…"


def csv_text(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula: an apostrophe in front of such a one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def file_part(name: str) -> str:
    """One part of a path made of `name`: letters, digits and `_+-.` only, never hidden or `..`.

    A changed or long name ends in a digest of the whole, so that different names stay different.
    """
    kept = _UNSAFE.sub("_", name)[:_LONGEST_PART]
    if name and kept == name:
        return name
    return f"{kept}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


def warn(text: str) -> None:
    """One line on standard error about a problem that does not end the command."""
    line = printable(" ".join(text.split()), _LONGEST_WARNING)
    print(f"adqhw: warning: {line}", file=sys.stderr)


def _visible(sign: str) -> str:
    if unicodedata.category(sign) not in _UNPRINTABLE:
        return sign
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(error: BaseException) -> str:
    """The message of another library's error, on one line and printable."""
    return printable(" ".join(str(error).split()), 400)


def shown(value: object, limit: int = 80) -> str:
    """`repr` of a value from a file for a message: bounded in length, depth and digits.

    A file's integers may have more digits than `repr` prints, its tables may be nested deeper than
    it descends or hold the same part many million times.
    """
    return printable(_Short(limit).repr(value), limit)


class _Short(reprlib.Repr):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, limit + 1, limit + 1

    def repr_int(self, value: int, level: int) -> str:
        bits = value.bit_length()
        return repr(value) if bits <= 256 else f"an integer of {bits:,} bits"
