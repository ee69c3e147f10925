"""Runs the blocks of a page in order, in an empty folder: what a page says is what happens.

    python tests/support/executed_page.py docs/bring-your-own.md ...

A fence `python` is executed, `sh` is run line by line (`adqhw` only); a fence of any language with
`file=NAME` is written to that file instead. `text` after one of them is a part of what it printed,
line by line: `...` stands for any text, a line of `...` for any lines. Other fences are not
executed, nor are indented blocks.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)
EXECUTED = ("python", "sh", "text")
BESIDE = ("zoo", "tests")
"""Folders of the clone that pages read."""
PAGES = tuple(
    ROOT / "docs" / f"{name}.md"
    for name in ("tutorial", "choosing-bits", "reading-a-report", "rtl-integration", "extending")
)
"""Pages that `make docs` executes; bring-your-own.md is executed by the test suite."""


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(language, file name or empty, text) of each block that is executed, written or compared."""
    found = [(kind, name or "", text) for kind, name, text in BLOCK.findall(page.read_text())]
    return [block for block in found if block[0] in EXECUTED or block[1]]


def execute(page: Path) -> dict[str, object]:
    """Run the blocks of a page in the current folder; returns the names that its Python has made.

    Errors: what a block raises, AssertionError for a command that fails or for a text that was
    not printed.
    """
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    for kind, name, text in blocks(page):
        if name:
            Path(name).write_text(text)
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, str(page), "exec"), names)
            printed = out.getvalue()
        elif kind == "sh":
            printed = "".join(map(run, commands(text)))
        else:
            assert occurs(text, printed), f"the page says:\n{text}\nnot:\n{printed}"
    return names


def commands(text: str) -> list[str]:
    """The commands of a block: lines, joined where one ends in a backslash, without comments."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.split("#")[0].strip()]


def run(line: str) -> str:
    """What a command prints for people and for machines; `adqhw` is the one of this environment."""
    words = shlex.split(line, comments=True)
    assert words[0] == "adqhw", line
    done = subprocess.run(
        [sys.executable, "-m", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (line, done.stdout)
    return done.stdout


def occurs(wanted: str, printed: str) -> bool:
    """Lines of `wanted` follow each other in `printed`, but for `...`; blanks do not count."""
    patterns = [squeezed(line) for line in wanted.splitlines() if line.strip()]
    lines = [squeezed(line) for line in printed.splitlines() if line.strip()]
    return any(begins(patterns, lines[start:]) for start in range(len(lines)))


def begins(patterns: list[str], lines: list[str]) -> bool:
    if not patterns:
        return True
    if patterns[0] == "...":
        return any(begins(patterns[1:], lines[skip:]) for skip in range(len(lines) + 1))
    return bool(lines) and agrees(patterns[0], lines[0]) and begins(patterns[1:], lines[1:])


def agrees(pattern: str, line: str) -> bool:
    parts = (re.escape(part.strip()) for part in pattern.split("..."))
    return re.fullmatch(r".*".join(parts), line) is not None


def squeezed(line: str) -> str:
    return " ".join(line.split())


@contextlib.contextmanager
def empty_folder() -> Iterator[None]:
    """An empty current folder, but for BESIDE, of this process and of commands that it runs."""
    before, path = Path.cwd(), os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in BESIDE:
            Path(name).symlink_to(ROOT / name)
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder
        try:
            yield
        finally:
            os.chdir(before)
            sys.path.remove(folder)
            os.environ.pop("PYTHONPATH")
            if path is not None:
                os.environ["PYTHONPATH"] = path


def main(*names: str) -> None:
    """Execute the named pages, or all of PAGES, each in a process of its own."""
    if len(names) == 1:
        with empty_folder():
            execute(ROOT / names[0])
        return
    for page in names or map(str, PAGES):
        began = time.monotonic()
        subprocess.run([sys.executable, __file__, page], check=True)
        print(f"{time.monotonic() - began:6.1f} s  {page}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
