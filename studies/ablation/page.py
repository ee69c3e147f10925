"""The page of the ablation: figures and their budget, as Markdown tables."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from ...spec.host import markdown
from .cases import CIFAR10, DIGITS

UNMEASURED = "not measured"
BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
RECIPES = {DIGITS: "digits_resnet8_adq", CIFAR10: "cifar10_resnet20_adq"}
COLUMNS = ("case", "average weight bits", "integer program", "fakequant graph")
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
    """Budget of every case."""

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
        cells = [
            [
                row.name,
                f"{row.average_weight_bits:.2f}",
                figure(row.integer),
                figure(row.graph, UNMEASURED),
            ]
            for row in rows
            if row.group == group
        ]
        lines += [f"## {group.capitalize()}", "", *markdown.table(COLUMNS, cells), ""]
    return "\n".join(lines)


def figure(values: tuple[float, ...] | None, absent: str = "none (a step per image)") -> str:
    """Mean and, over several seeds, range.

    >>> figure((97.5, 97.0, 98.0))
    '97.50 (97.00 to 98.00)'
    """
    if values is None:
        return absent
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ({min(values):.2f} to {max(values):.2f})"


def describe(budget: Budget) -> str:
    """One paragraph: data, recipe and seeds of the figures; of a field changed twice the last."""
    given = dict(change.split("=", 1) for change in (*BUDGETS[budget.dataset], *budget.changes))
    changes = " ".join(f"{name}={value}" for name, value in given.items())
    return (
        f"Data: {budget.dataset}; recipe `{RECIPES[budget.dataset]}` with `{changes}`; "
        f"{budget.seeds} seed{'s' if budget.seeds != 1 else ''}; top-1 in percent of the whole "
        "test split, mean (lowest to highest seed)."
    )


def write(path: Path, budget: Budget, rows: list[Row]) -> None:
    """Replace the part between the markers of a page; a new page has nothing else."""
    markdown.write_between(path, "Ablation", (BEGIN, END), f"{describe(budget)}\n\n{table(rows)}")


def check(path: Path) -> None:
    """Refuse a page that cannot be written; an existing one is kept until a row is measured.

    An absent page is created, without a table.
    """
    markdown.write_between(path, "Ablation", (BEGIN, END), None)
