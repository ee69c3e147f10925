"""`adqhw bench ablation`: one table of every component on and off, on integer programs.

Each case is trained from the same float weights at a stated reduced budget, exported, and measured
over the whole test split by the Numba engine on the exported integers.
"""

import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from .ablation_cases import CIFAR10, DIGITS, Case, cases
from .console import JSON_OPTION, emit, people, say, show_table
from .spec.errors import InputError
from .spec.files import atomic_path

BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
RECIPES = {DIGITS: "digits_resnet8_adq", CIFAR10: "cifar10_resnet20_adq"}
BUDGETS = {
    DIGITS: ("train.epochs=6", "train.checkpoint_steps=100000", "train.log_steps=100000"),
    CIFAR10: ("train.epochs=2", "train.checkpoint_steps=100000", "quant.lloyd_steps=0"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One case: top-1 in percent of the test split, a figure per seed."""

    group: str
    name: str
    changes: tuple[str, ...]
    average_weight_bits: float
    graph: tuple[float, ...]
    """Of the fakequant graph."""
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

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return DIGITS if self.data is None else CIFAR10


def run(
    budget: Budget,
    groups: tuple[str, ...] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Train and measure every case of the named groups (none named: all); rows in table order."""
    chosen = select(groups)
    with tempfile.TemporaryDirectory(prefix="adqhw-ablation-") as name:
        folder = Path(name)
        budget = _with_sources(budget, folder, any(case.taught for case in chosen), tell)
        known: dict[tuple[str, ...], Row] = {}
        rows = []
        for number, case in enumerate(chosen):
            key = tuple(sorted(case.changes))
            if key not in known:
                tell(f"{number + 1}/{len(chosen)} {case.group}: {case.name}")
                known[key] = _measure(case, budget, folder)
            found = known[key]
            figures = {"graph": found.graph, "integer": found.integer}
            bits = found.average_weight_bits
            rows.append(Row(**_named(case), average_weight_bits=bits, **figures))
    return rows


def select(groups: tuple[str, ...]) -> list[Case]:
    """Cases of the named groups, all without names."""
    known = list(dict.fromkeys(case.group for case in cases()))
    for group in groups:
        if group not in known:
            raise InputError(f"Group must be one of {', '.join(known)}, not {group!r}")
    return [case for case in cases() if not groups or case.group in groups]


def _named(case: Case) -> dict[str, Any]:
    return {"group": case.group, "name": case.name, "changes": case.changes}


def _with_sources(
    budget: Budget, folder: Path, taught: bool, tell: Callable[[str], None]
) -> Budget:
    """The budget with float weights and a teacher that exist; the digits train both."""
    from dataclasses import replace

    if budget.dataset == CIFAR10:
        if budget.init is None:
            raise InputError("Ablation on CIFAR-10 must start from float weights: pass --init FILE")
        if taught and budget.teacher is None:
            raise InputError("Distillation cases must have a teacher: pass --teacher FILE")
        return budget
    init = budget.init or _float_run(folder / "float", (), tell)
    teacher = budget.teacher
    if taught and teacher is None:
        teacher = _float_run(folder / "teacher", ("model.width=16", "model.depth=14"), tell)
    return replace(budget, init=init, teacher=teacher)


def _float_run(folder: Path, changes: tuple[str, ...], tell: Callable[[str], None]) -> Path:
    from .adq import recipes, trainer
    from .adq.config_text import override

    tell("float network" if not changes else f"teacher ({', '.join(changes)})")
    recipe = override(recipes.get("digits_resnet8_float"), list(changes))
    result = trainer.train(recipe, folder, existing="replace")
    tell(f"  test top-1 {result['test_top1']:.2f} %")
    return folder / "checkpoint.safetensors"


def _measure(case: Case, budget: Budget, folder: Path) -> Row:
    from .adq import checkpoint, datasets, export, preparation, recipes, trainer
    from .adq.config_text import override
    from .engines import run_in_steps, top1

    test = datasets.load(budget.dataset, "test", budget.data)
    graph, integer, bits = [], [], []
    for seed in range(budget.seeds):
        changes = [*BUDGETS[budget.dataset], *case.changes, *budget.changes, f"train.seed={seed}"]
        recipe = override(recipes.get(RECIPES[budget.dataset]), changes)
        result = trainer.train(
            recipe,
            folder / "case",
            data_folder=budget.data,
            init=budget.init,
            teacher=budget.teacher if case.taught else None,
            existing="replace",
        )
        graph.append(result["test_top1"])
        state = checkpoint.load(folder / "case" / "checkpoint.safetensors")
        model = preparation.build(state.recipe)
        model.load_state_dict(state.model)
        bits.append(_average_bits(model))
        if case.exports:
            program = export.export(model)
            integer.append(top1(run_in_steps("numba", program, test.images).logits, test.labels))
    return Row(
        **_named(case),
        average_weight_bits=statistics.fmean(bits),
        graph=tuple(graph),
        integer=tuple(integer) or None,
    )


def _average_bits(model: Any) -> float:
    sizes = {name: conv.weight.numel() for name, conv in model.hidden().items()}
    total = sum(sizes[n] * conv.quantizer.width for n, conv in model.hidden().items())
    return total / sum(sizes.values())


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
            figures = f"{_figure(row.integer)} | {_figure(row.graph)}"
            lines.append(f"| {row.name} | {row.average_weight_bits:.2f} | {figures} |")
        lines.append("")
    return "\n".join(lines)


def _figure(values: tuple[float, ...] | None) -> str:
    if values is None:
        return "none (a step per image)"
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
    old = path.read_text() if path.exists() else f"# Ablation\n\n{BEGIN}\n{END}\n"
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputError(f"Page {str(path)!r} must hold the lines {BEGIN} and {END}, not neither")
    text = f"{head}{BEGIN}\n\n{describe(budget)}\n\n{table(rows)}\n{END}{tail}"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def command(
    data: Annotated[Path | None, typer.Option(help="CIFAR-10 folder; without it digits.")] = None,
    init: Annotated[Path | None, typer.Option(help="Float weights to start from.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="Network to distil from.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per case.")] = 3,
    group: Annotated[list[str] | None, typer.Option(help="Only this part of the table.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="For every case.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Markdown page whose table is replaced.")
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Switch every component of the trainer on and off, and measure the integer programs.

    Starts, adaptation, mixed precision, activations, distillation, weight rules: each case is
    trained at a small budget from the same float weights. Minutes on the digits, hours on CIFAR-10.

    Example: adqhw bench ablation --out docs/ablation.md

    Example: adqhw bench ablation --data DIR --init resnet20_optA_fp32.safetensors
    --teacher resnet56_optA_fp32.safetensors --seeds 1 --group weights
    """
    budget = Budget(
        data=data, init=init, teacher=teacher, seeds=seeds, changes=tuple(changes or ())
    )
    rows = run(budget, tuple(group or ()), say)
    if out is not None:
        write(out, budget, rows)
    if as_json:
        emit({"budget": json.loads(json.dumps(asdict(budget), default=str)),
              "rows": [asdict(row) for row in rows]})  # fmt: skip
        return
    people.print(describe(budget), markup=False)
    columns = ("group", "case", "weight bits", "integer", "fakequant")
    cells = [
        (r.group, r.name, r.average_weight_bits, _figure(r.integer), _figure(r.graph)) for r in rows
    ]
    show_table("Ablation", columns, cells)
