"""`adqhw bench steps`: what a step per image of activations could gain, and what it costs."""

from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ...console import JSON_OPTION, each, emit, people, say
from ...spec.errors import InputError
from ...spec.host.pages import publish
from ..command_line import command_line

if TYPE_CHECKING:
    from torch import Tensor

    from ...adq.networks.network import Network
    from ...studies.ablation.steps_page import Row


def command(
    context: typer.Context,
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

    from ...studies.ablation.steps_page import SEE, page, record

    torch.set_num_threads(threads)
    parts = [_part(path, data, images) for path in checkpoints]
    labels = parts[0].labels
    if any(part.labels != labels for part in parts):
        raise InputError("Checkpoints must be of one data set, not of different ones")
    rows: dict[str, Row] = {}
    named = [(path.stem, part) for path, part in zip(checkpoints, parts, strict=True)]
    with each("checkpoints", named, itemgetter(0)) as items:
        for name, part in items:
            rows[name] = _row(part)
            publish(out, page(rows, labels, command_line(context)), SEE)
    if as_json:
        emit({name: record(row, labels) for name, row in rows.items()})
    else:
        say(f"wrote {out}")


class Part(NamedTuple):
    """A trained network and the images it is measured on."""

    model: "Network"
    images: "Tensor"
    """uint8 (N, C, H, W)."""
    labels: list[int]


def _part(path: Path, data: Path | None, count: int) -> Part:
    import torch

    from ...adq.data import datasets
    from ...adq.models.build import restored
    from ...adq.runs import checkpoint

    state = checkpoint.load(path)
    recipe = state.recipe
    if not recipe.quant.quantized:
        raise InputError(f"Checkpoint {str(path)!r} must be of a quantized recipe, not a float one")
    model = restored(state, f"Checkpoint {str(path)!r}").eval()
    # the same images for all networks, also for one whose recipe held none out
    recipe = replace(recipe, data=replace(recipe.data, all_images=False))
    part = datasets.for_recipe(recipe, "validation", data).take(count)
    return Part(model, torch.from_numpy(part.images[:]), part.labels.tolist())


def _row(part: Part) -> "Row":
    import torch

    from ...adq.export.export import export
    from ...studies.ablation.steps import oracles
    from ...studies.ablation.steps_cost import cost_of
    from ...studies.ablation.steps_page import Row

    def tell(text: str) -> None:
        people.print(f"  {text}", style="dim")

    cost = cost_of(export(part.model))
    labels = torch.tensor(part.labels)
    return Row(oracles=oracles(part.model, part.images, labels, tell), cost=cost)
