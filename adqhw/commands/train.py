"""`adqhw train`: run a named recipe, resumable at any moment."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, PlainColumn, emit, people, say
from ..flows.arrays import ARCH_HELP, ArraySize
from ..flows.checkpoints import MODEL_HELP
from ..flows.cost_tables import BUDGET_HELP, machine_of, with_budget
from ..flows.program_teacher import teachers_of
from ..spec.errors import InputError
from ..spec.host.text import printable
from .sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..adq.models.init import Init
    from ..adq.recipes.config import Recipe


def command(
    recipe: Annotated[
        str | None, typer.Argument(help="Name of a recipe; --list shows them.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of CIFAR-10 (python version), or of train/CLASS/IMAGE and "
            "val/CLASS/IMAGE; or FILE.npz of your own arrays (data.name=npz). Digits need none."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from: a checkpoint of `adqhw train`, safetensors or a torch "
            "file (.pth, .ckpt)."
        ),
    ] = None,
    init_part: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which weights of --init, where it has several: keys with dots between "
            "(model_ema), or the beginning of names (backbone).",
        ),
    ] = None,
    new_head: Annotated[
        bool,
        typer.Option("--new-head", help="Load --init without its classifier, which starts anew."),
    ] = False,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            help="Network to distil from, for recipes with distill.mode kl or soft: a checkpoint, "
            "float weights, or a program, which the simulator runs many times faster. Several: "
            "the mean of their logits."
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the teacher's answers: runs that differ in the student only "
            "read them instead of asking again."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODULE:NAME", help=MODEL_HELP)] = None,
    model_args: Annotated[
        list[str] | None,
        typer.Option("--model-arg", metavar="KEY=VALUE", help="An argument of --model: classes=12"),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field: quant.weight_width=3"),
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="KIND=NUMBER", help=BUDGET_HELP)] = None,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch CIFAR-10 into --data if it is not there.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; without it runs/RECIPE.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out from its last checkpoint.")
    ] = False,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="Show the recipes and their fields, and stop.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train a recipe and leave checkpoint.safetensors, best.safetensors and metrics.jsonl.

    A killed run continues with the same command and --resume, and ends with the same weights, bit
    for bit. Accuracies are in percent: validation on held-out training images, test read once, at
    the end.

    Example: adqhw train digits_resnet8_float

    Example: adqhw train digits_resnet8_adq --set quant.weight_width=3
    --init runs/digits_resnet8_float/checkpoint.safetensors --out runs/digits_w3

    Example: adqhw train cifar10_resnet20_adq --data DIR --init resnet20_optA_fp32.safetensors

    Example: adqhw train own_float --model nets.py:Vgg --model-arg classes=12 --data mine.npz

    Example: adqhw train digits_resnet8_adq --init runs/digits_resnet8_float/best.safetensors
    --budget energy=1200

    Example: adqhw train digits_resnet8_adq --init runs/digits_resnet8_float/best.safetensors
    --budget chip=590 --hold 16 --fill 8 --out-lanes 4

    Example: adqhw train digits_resnet8_adq --init runs/digits_resnet8_float/best.safetensors
    --set distill.mode=kl --teacher runs/teacher/best.safetensors
    """
    from ..adq.recipes import recipes
    from ..adq.recipes.config_text import override

    if list_recipes:
        _show_recipes(as_json)
        return
    if recipe is None:
        raise InputError(f"Recipe must be named, one of: {', '.join(recipes.names())}")
    size = ArraySize(
        rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=out_lanes,
        multiply_width=multiply_width,
    )  # fmt: skip
    if budget is None and (arch is not None or size != ArraySize()):
        raise InputError("--arch and the size of an array must go with --budget KIND=NUMBER")
    folder = out or Path("runs") / recipe
    start = _init(init, init_part, new_head)
    sources = {"data_folder": data, "init": start, "teacher": teacher or (), "answers": answers}
    chosen = override(of_model(recipes.get(recipe), model, model_args or []), changes or [])
    if download:
        _fetch(chosen, data)
    chosen = _settled(chosen, data)
    if budget is not None:
        with people.status("cost of every width of every layer"):
            machine = machine_of(arch, size)
            chosen = with_budget(
                chosen, budget, data=data, init=start, folder=folder, machine=machine
            )
    result = _train(chosen, sources, folder, resume)
    if not result:  # under torchrun the first process reports
        return
    if as_json:
        emit(result)
        return
    say(
        f"{result['recipe']}: {_tested(result)}, "
        f"{_held_out(result)}, {result['steps']} steps, "
        f"{result['seconds']:.1f} s"
    )
    say(f"wrote {result['checkpoint']}")


def _init(path: Path | None, part: str | None, new_head: bool) -> "Init | None":
    if path is None:
        if part is not None or new_head:
            raise InputError("--init-part and --new-head must go with --init FILE")
        return None
    _trainer()
    from ..adq.models.init import Init

    return Init(path=path, part=part, new_head=new_head)


def of_model(recipe: "Recipe", factory: str | None, arguments: list[str]) -> "Recipe":
    """The recipe with a network of the user's own."""
    from dataclasses import replace

    from ..adq.recipes.config import OWN

    if factory is None:
        if arguments:
            raise InputError("--model-arg must go with --model")
        return recipe
    model = replace(recipe.model, arch=OWN, factory=factory, arguments=tuple(arguments))
    return replace(recipe, model=model)


def _settled(recipe: "Recipe", data: Path | None) -> "Recipe":
    """The recipe with what its data and the user's own network say."""
    from ..adq.data.decided import decided

    recipe = decided(recipe, data)
    if not recipe.model.factory:
        return recipe
    _trainer()
    from ..adq.models.own import settled

    with people.status("tracing the model"):
        return settled(recipe)


def _held_out(record: dict[str, Any]) -> str:
    top1 = record["validation_top1"]
    return "no images held out" if top1 is None else f"held-out {top1:.2f} %"


def _tested(result: dict[str, Any]) -> str:
    top1 = result["test_top1"]
    return "test images not read" if top1 is None else f"test top-1 {top1:.2f} %"


def _fetch(recipe: "Recipe", data: Path | None) -> None:
    from ..adq.data.download import fetch_cifar10

    if data is None or recipe.data.name != "cifar10":
        raise InputError("--download must go with --data DIR and a CIFAR-10 recipe")
    with people.status("fetching CIFAR-10 (170 MB)"):
        fetch_cifar10(data)


def _train(recipe: "Recipe", sources: dict[str, Any], folder: Path, resume: bool) -> dict[str, Any]:
    trainer = _trainer()
    sources["teacher"] = teachers_of(recipe, sources["teacher"])
    start = time.perf_counter()
    with shown_training() as observer:
        metrics = trainer.train(
            recipe,
            folder,
            **sources,
            existing="resume" if resume else "refuse",
            observer=observer,
        )
    if not metrics:
        return {}
    seconds = time.perf_counter() - start
    return {**metrics, "checkpoint": str(folder / "checkpoint.safetensors"), "seconds": seconds}


def _trainer() -> ModuleType:
    try:
        with people.status("loading torch"):
            from ..adq.training import trainer
    except ModuleNotFoundError as error:
        raise InputError(
            f"Package {error.name} must be installed for training: pip install 'adqhw[train]'"
        ) from error
    return trainer


@contextmanager
def shown_training() -> "Iterator[ShownTraining]":
    """Yield an observer that shows steps, loss and remaining time, and a line per epoch."""
    from rich import progress

    columns = (
        PlainColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        PlainColumn("{task.fields[loss]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=people) as bar:
        yield ShownTraining(bar)


class ShownTraining:
    """An `adq.training.trainer.Observer` (by its methods: no torch here) that moves one bar."""

    def __init__(self, bar: "Progress") -> None:
        self.bar = bar
        self.task: TaskID | None = None

    def stage(self, text: str) -> None:
        """Show the work outside the loop."""
        self._show(description=text)

    def note(self, text: str) -> None:
        """Show one line."""
        say(printable(text))

    def begin(self, *, done: int, total: int) -> None:
        """Start the bar at the first step of this process."""
        if self.task is not None:
            self.bar.reset(self.task)
        self._show(description="training", completed=done, total=total, loss="")

    def step(self, *, step: int, loss: float, lr: float) -> None:
        """Show one optimizer step."""
        self._show(completed=step, loss=f"loss {loss:.4f}  lr {lr:.2g}")

    def epoch(self, record: dict[str, Any]) -> None:
        """Leave a line per epoch."""
        say(f"epoch {record['epoch']}: loss {record['loss']:.4f}, {_held_out(record)}")

    def count(self, text: str, done: int, total: int) -> None:
        """Use the bar for other work than training."""
        self._show(description=text, completed=done, total=total, loss="")

    def _show(self, **fields: Any) -> None:
        if self.task is None:  # here: input refused at the start leaves no empty bar
            self.task = self.bar.add_task("", total=None, loss="")
        self.bar.update(self.task, **fields)


def _show_recipes(as_json: bool) -> None:
    from ..adq.recipes import recipes
    from ..adq.recipes.config_text import to_dict

    configs = {name: to_dict(recipes.get(name)) for name in recipes.names()}
    if as_json:
        emit(configs)
        return
    for name, groups in configs.items():
        people.print(f"{name}: {recipes.summary(name)}", style="bold", markup=False)
        for group, fields in groups.items():
            if isinstance(fields, dict):
                text = " ".join(f"{group}.{key}={value}" for key, value in fields.items())
                people.print(f"    {text}", style="dim", markup=False)
