"""`adqhw bench steps`: what a step per image of activations could gain, and what it costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...console import JSON_OPTION, emit, people, say
from ...spec.errors import InputError
from ...spec.host.files import write_file

if TYPE_CHECKING:
    from ...studies.ablation.steps_page import Row


def command(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Finished checkpoints of quantized recipes.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    images: Annotated[
        int, typer.Option(min=2, help="Held-out training images, not augmented.")
    ] = 256,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Whether an integer form of ASQ's adaptive step can pay: oracles on trained networks.

    Per image and activation the step is doubled or halved where that lowers the error, or the loss.
    The test images are never read.

    Example: adqhw bench steps zoo/checkpoints/cifar10_resnet20_w2a2.safetensors --data DIR
    -o steps-per-image.md
    """
    import torch

    from ...studies.ablation.steps_page import page, record

    torch.set_num_threads(threads)
    rows: dict[str, Row] = {}
    labels: list[int] = []
    for path in checkpoints:
        people.print(path.stem, style="dim")
        rows[path.stem], found = _row(path, data, images)
        if labels and labels != found:
            raise InputError("Checkpoints must be of one data set, not of different ones")
        labels = found
    words = ["adqhw bench steps", *(str(path) for path in checkpoints), "--data DIR"]
    words += [f"--images {images}"] if images != 256 else []
    write_file(out, page(rows, labels, " ".join([*words, f"-o {out}"])))
    if as_json:
        emit({name: record(row, labels) for name, row in rows.items()})
    else:
        say(f"wrote {out}")


def _row(path: Path, data: Path | None, count: int) -> "tuple[Row, list[int]]":
    import torch

    from ...adq.data import datasets
    from ...adq.data.dataset import Split
    from ...adq.export.export import export
    from ...adq.models.build import restored
    from ...adq.runs import checkpoint
    from ...studies.ablation.steps import oracles
    from ...studies.ablation.steps_cost import cost_of
    from ...studies.ablation.steps_page import Row

    state = checkpoint.load(path)
    if not state.recipe.quant.quantized:
        raise InputError(f"Checkpoint {str(path)!r} must be of a quantized recipe, not a float one")
    model = restored(state, f"Checkpoint {str(path)!r}").eval()
    split: Split = "train" if state.recipe.data.all_images else "validation"
    part = datasets.for_recipe(state.recipe, split, data).take(count)
    images, labels = torch.from_numpy(part.images[:]), torch.from_numpy(part.labels)
    program = export(model)
    found = oracles(model, images, labels, lambda text: people.print(f"  {text}", style="dim"))
    return Row(oracles=found, cost=cost_of(program)), labels.tolist()
