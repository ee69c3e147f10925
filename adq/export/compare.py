"""The project's one tolerance, measured: fakequant graph against integer program."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...spec.engines import Result, as_logits, check_images
from ...spec.formats import IntArray
from ...spec.program import INPUT, Program
from ..integers.integer import run
from ..networks.layers import Unit
from ..networks.network import Network
from ..tensors import Mode, Signal

BATCH = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Differences of the two computations on the same images."""

    images: int
    differing: dict[str, float]
    """Share of codes that differ, by tensor, in order of execution (of logits for the last)."""
    largest: dict[str, int]
    """Largest difference of a code, by tensor."""
    agreement: float
    """Share of images with the same top-1."""
    graph_top1: float | None
    """Accuracy of the fakequant graph; None without labels."""
    program_top1: float | None


@contextmanager
def recording(model: Network) -> Iterator[dict[str, Tensor]]:
    """Codes (int64) of every tensor of the program in the latest forward pass, by name."""
    record: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(unit: Unit, inputs: tuple, signal: Signal) -> None:
            record[name] = unit.codes(signal)

        return hook

    hooks = [unit.register_forward_hook(keep(name)) for name, unit in model.units().items()]
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def run_modules(model: Network, program: Program, images: IntArray) -> Result:
    """Every code of ``images`` (N, C, H, W) by the trainer's own modules in integer mode."""
    batch = check_images(program, images)
    parts: list[dict[str, IntArray]] = []
    with model.evaluating(), recording(model) as record:
        model.load_program(program)
        for first in range(0, len(batch), BATCH):
            model(torch.from_numpy(batch[first : first + BATCH]).to(model.device))
            parts.append({name: codes.cpu().numpy() for name, codes in record.items()})
    tensors = {
        name: np.concatenate([part[name] for part in parts]).astype(
            program.tensor_format(name).dtype
        )
        for name in program.tensors
        if name != INPUT
    }
    return Result(logits=as_logits(program, tensors[program.layers[-1].name]), tensors=tensors)


@torch.no_grad()
def compare_codes(
    model: Network,
    program: Program,
    images: IntArray,
    labels: IntArray | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Run uint8 ``images`` (N, C, H, W) through both, the graph in fakequant and eval mode.

    ``advance`` is called with the number of images of every part that is done.
    """
    names = [layer.name for layer in program.layers]
    wrong, count, largest = (dict.fromkeys(names, 0) for _ in range(3))
    tops: list[IntArray] = []
    with model.evaluating(Mode.FAKEQUANT), recording(model) as record:
        for first in range(0, len(images), BATCH):
            part = np.ascontiguousarray(images[first : first + BATCH])
            graph = model(torch.from_numpy(part).to(model.device))
            result = run(program, part, keep="all")
            tops.append(
                np.stack([graph.flatten(1).argmax(1).cpu().numpy(), result.logits.argmax(1)])
            )
            for name in names:
                gap = np.abs(record[name].cpu().numpy() - result.tensors[name].astype(np.int64))
                wrong[name] += int(np.count_nonzero(gap))
                count[name] += gap.size
                largest[name] = max(largest[name], int(gap.max()))
            advance(len(part))
    graph_top, program_top = np.concatenate(tops, axis=1)
    return Comparison(
        images=len(images),
        differing={name: wrong[name] / count[name] for name in names},
        largest=largest,
        agreement=float((graph_top == program_top).mean()),
        graph_top1=None if labels is None else float((graph_top == labels).mean()),
        program_top1=None if labels is None else float((program_top == labels).mean()),
    )
