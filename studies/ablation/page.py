"""The page of the ablation: what was measured with which budget, as Markdown tables."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.files import atomic_path
from .cases import CIFAR10, DIGITS

UNMEASURED = "not measured"
BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
RECIPES = {DIGITS: "digits_resnet8_adq", CIFAR10: "cifar10_resnet20_adq"}
BUDGETS = {
    DIGITS: ("train.epochs=6", "train.checkpoint_steps=100000", "train.log_steps=100000"),
    # A case is 40 s of one core: 80 steps. Longer warm-up or calibration would be most of it.
    CIFAR10: (
        "data.limit=5120",
        "train.epochs=2",
        "train.threads=1",
        "train.amp=true",
        "optim.warmup_steps=10",
        "quant.calibration_images=1024",
        "quant.lloyd_steps=0",
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One case: top-1 in percent of the test split, a figure per seed."""

    group: str
    name: str
    changes: tuple[str, ...]
    average_weight_bits: float
    graph: tuple[float, ...] | None
    """Of the fakequant graph; None where only the program was measured."""
    integer: tuple[float, ...] | None
    """Of the integer program (Numba engine); None where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What every case gets."""

    data: Path | None = None
    """Folder of CIFAR-10; None: the digits."""
    init: Path | None = None
    """Float weights (CIFAR-10); the digits train their own."""
    teacher: Path | None = None
    seeds: int = 3
    changes: tuple[str, ...] = ()
    keep: Path | None = None
    """Folder where figures are kept from one run of the command to the next."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return DIGITS if self.data is None else CIFAR10


def table(rows: list[Row]) -> str:
    """The rows as Markdown, a table per group; mean and, over several seeds, range."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        lines += [
            f"### {group.capitalize()}",
            "",
            "| case | average weight bits | integer program | fakequant graph |",
            "| --- | --- | --- | --- |",
        ]
        for row in (row for row in rows if row.group == group):
            figures = f"{figure(row.integer)} | {figure(row.graph, UNMEASURED)}"
            lines.append(f"| {row.name} | {row.average_weight_bits:.2f} | {figures} |")
        lines.append("")
    return "\n".join(lines)


def figure(values: tuple[float, ...] | None, absent: str = "none (a step per image)") -> str:
    """Mean and, over several seeds, range."""
    if values is None:
        return absent
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ({min(values):.2f} to {max(values):.2f})"


def describe(budget: Budget) -> str:
    """One paragraph: what the figures were measured with."""
    changes = " ".join((*BUDGETS[budget.dataset], *budget.changes))
    return (
        f"Data: {budget.dataset}; recipe `{RECIPES[budget.dataset]}` with `{changes}`; "
        f"{budget.seeds} seed{'s' if budget.seeds != 1 else ''}; top-1 in percent of the whole "
        "test split, mean (lowest to highest seed)."
    )


def write(path: Path, budget: Budget, rows: list[Row]) -> None:
    """Replace what lies between the markers of a page; a new page holds nothing else."""
    write_between(path, "Ablation", (BEGIN, END), f"{describe(budget)}\n\n{table(rows)}")


def check(path: Path) -> None:
    """Refuse a page that cannot be written; one that is there stays as it is until there is more.

    A page that is not there is made, without a table.
    """
    write_between(path, "Ablation", (BEGIN, END), None)


def write_between(path: Path, title: str, markers: tuple[str, str], body: str | None) -> None:
    """Replace what lies between two marker lines of a page, or make a page of nothing else.

    body: None keeps what is there.
    """
    start, stop = markers
    try:
        old = (
            path.read_text(encoding="utf-8") if path.exists() else f"# {title}\n\n{start}\n{stop}\n"
        )
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Page must be a text file, not {str(path)!r}: {error}") from error
    head, begin, rest = old.partition(start)
    _, end, tail = rest.partition(stop)
    if not begin or not end:
        raise InputError(f"Page {str(path)!r} must hold the lines {start} and {stop}, not neither")
    new = old if body is None else f"{head}{start}\n\n{body}\n{stop}{tail}"
    with atomic_path(path) as temporary:
        temporary.write_text(new, encoding="utf-8")
