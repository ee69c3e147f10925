"""`adqhw bench ablation`: one table of every component on and off, on integer programs.

Each case is trained from the same float weights at a stated reduced budget, exported, and measured
over the whole test split by the Numba engine on the exported integers. With ``--keep`` a killed
run resumes.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...spec.errors import InputError
from ...spec.host.locks import sole_owner
from ...studies.ablation.cases import CIFAR10, Case, cases
from ...studies.ablation.page import (
    BUDGETS,
    RECIPES,
    UNMEASURED,
    Budget,
    Row,
    check,
    describe,
    figure,
    write,
)


def run(
    budget: Budget,
    groups: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    tell: Callable[[str], None] = lambda text: None,
    done: Callable[[list[Row]], None] = lambda rows: None,
) -> list[Row]:
    """Train and measure the cases of `select`; rows in table order.

    ``done`` is called with the rows so far after every case.
    """
    chosen = select(groups, names)
    with _kept(budget.keep) as folder:
        budget = _with_sources(budget, folder, any(case.taught for case in chosen), tell)
        known: dict[tuple[str, ...], Row] = {}
        rows = []
        for number, case in enumerate(chosen):
            key = tuple(sorted(case.changes))
            if key not in known:
                tell(f"{number + 1}/{len(chosen)} {case.group}: {case.name}")
                known[key] = _measure(case, budget, folder)
            rows.append(replace(known[key], **_named(case)))
            done(rows)
    return rows


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        with sole_owner(folder):
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="adqhw-ablation-") as name:
        yield Path(name)


def select(groups: tuple[str, ...], names: tuple[str, ...] = ()) -> list[Case]:
    """Cases of the named groups whose names have one of ``names`` in them; none named: all."""
    known = list(dict.fromkeys(case.group for case in cases()))
    for group in groups:
        if group not in known:
            raise InputError(f"Group must be one of {', '.join(known)}, not {group!r}")
    found = [case for case in cases() if not groups or case.group in groups]
    for name in names:
        if not any(name in case.name for case in found):
            listed = "; ".join(case.name for case in found)
            raise InputError(f"Case must be part of the name of one of: {listed}; not {name!r}")
    return [case for case in found if not names or any(name in case.name for name in names)]


def _named(case: Case) -> dict[str, Any]:
    return {"group": case.group, "name": case.name, "changes": case.changes}


def _with_sources(
    budget: Budget, folder: Path, taught: bool, tell: Callable[[str], None]
) -> Budget:
    """The budget with float weights and a teacher that exist; the digits train both."""
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
    from ...adq.recipes import recipes
    from ...adq.recipes.config_text import override
    from ...adq.training import trainer

    checkpoint = folder / "checkpoint.safetensors"
    if (folder / "finished").exists():
        return checkpoint
    tell("float network" if not changes else f"teacher ({', '.join(changes)})")
    recipe = override(recipes.get("digits_resnet8_float"), list(changes))
    result = trainer.train(recipe, folder, existing="replace")
    tell(f"  test top-1 {result['test_top1']:.2f} %")
    (folder / "finished").touch()
    return checkpoint


def _measure(case: Case, budget: Budget, folder: Path) -> Row:
    from ...adq.recipes import recipes
    from ...adq.recipes.config_text import override
    from ...studies.ablation.run import Sources, figures

    assert budget.init is not None  # `_with_sources` saw to it
    sources = Sources(
        data=budget.data,
        init=budget.init,
        teacher=budget.teacher if case.taught else None,
        keep=folder,
    )
    found = []
    for seed in range(budget.seeds):
        changes = [*BUDGETS[budget.dataset], *case.changes, *budget.changes, f"train.seed={seed}"]
        recipe = override(recipes.get(RECIPES[budget.dataset]), changes)
        # the digits are few enough to evaluate the graph as well
        found.append(figures(recipe, sources, exports=case.exports, graph=budget.data is None))
    return Row(
        **_named(case),
        average_weight_bits=statistics.fmean(f.average_weight_bits for f in found),
        graph=tuple(f.graph for f in found if f.graph is not None) or None,
        integer=tuple(f.integer for f in found if f.integer is not None) or None,
    )


def command(
    data: Annotated[Path | None, typer.Option(help="CIFAR-10 folder; without it digits.")] = None,
    init: Annotated[Path | None, typer.Option(help="Float weights to start from.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="Network to distil from.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per case.")] = 3,
    group: Annotated[list[str] | None, typer.Option(help="Only this part of the table.")] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only cases whose name has this text in it.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="For every case.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Folder of finished figures: a killed run goes on there.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Markdown page whose table is replaced.")
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Switch every component of the trainer on and off, and measure the integer programs.

    Starts, adaptation, mixed precision, activations, distillation, weight rules: each case is
    trained at a small budget from the same float weights. Minutes on the digits, an hour on
    CIFAR-10; the page is rewritten after every case.

    Example: adqhw bench ablation --out docs/ablation.md

    Example: adqhw bench ablation --data DIR --init resnet20_optA_fp32.safetensors
    --teacher resnet56_optA_fp32.safetensors --seeds 1 --keep runs/ablation

    Example: adqhw bench ablation --group weights --case W2 --seeds 1
    """
    budget = Budget(
        data=data, init=init, teacher=teacher, seeds=seeds, changes=tuple(changes or ()), keep=keep
    )
    if out is not None:
        check(out)  # a page that cannot be written is refused before the hours
    page = (lambda rows: write(out, budget, rows)) if out is not None else (lambda rows: None)
    rows = run(budget, tuple(group or ()), tuple(case or ()), say, page)
    if as_json:
        emit({"budget": json.loads(json.dumps(asdict(budget), default=str)),
              "rows": [asdict(row) for row in rows]})  # fmt: skip
        return
    people.print(describe(budget))
    columns = ("group", "case", "weight bits", "integer", "fakequant")
    cells = [
        (r.group, r.name, r.average_weight_bits, figure(r.integer), figure(r.graph, UNMEASURED))
        for r in rows
    ]
    show_table("Ablation", columns, cells)
