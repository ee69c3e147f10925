"""The Numba engine: `run(program, images, keep)`, bit-identical with the golden interpreter."""

import numpy as np
import numpy.typing as npt

from ..spec.engines import Keep, Result, as_logits, check_images, wanted
from ..spec.formats import IntArray
from ..spec.program import INPUT, Program
from .plan import LayerPlan, Map, plan

BATCH = 64
"""Images in flight: keeps the working set of a ResNet in tens of MB however many images come."""


def run(program: Program, images: IntArray, keep: Keep = ()) -> Result:
    """Logits (and kept tensors) of `images` (N, C, H, W)."""
    batch = check_images(program, images)
    names = wanted(program, keep)
    layers = plan(program)
    last = program.layers[-1].name
    kept = {
        name: np.empty((len(batch), *program.tensor_shape(name)), program.tensor_format(name).dtype)
        for name in sorted(names | {last})
    }
    for start in range(0, len(batch), BATCH):
        chosen = slice(start, start + BATCH)
        for name, codes in _run_batch(layers, batch[chosen], names | {last}).items():
            kept[name][chosen] = codes.transpose(0, 3, 1, 2)
    logits = as_logits(program, kept[last])
    return Result(logits=logits, tensors={name: kept[name] for name in sorted(names)})


def _run_batch(
    layers: tuple[LayerPlan, ...], images: npt.NDArray[np.generic], names: frozenset[str]
) -> dict[str, Map]:
    """Wanted tensors of one batch; a map is dropped as soon as no later layer reads it."""
    maps: dict[str, Map] = {INPUT: np.ascontiguousarray(images.transpose(0, 2, 3, 1), np.int32)}
    last_use = last_uses(layers)
    for position, layer in enumerate(layers):
        maps[layer.layer.name] = layer.run(maps)
        for name in [n for n in maps if last_use.get(n, -1) <= position and n not in names]:
            del maps[name]
    return {name: maps[name] for name in names}


def last_uses(layers: tuple[LayerPlan, ...]) -> dict[str, int]:
    """Position of the last layer that reads each tensor."""
    uses: dict[str, int] = {}
    for position, planned in enumerate(layers):
        uses[planned.layer.input] = position
        skip = getattr(planned.layer, "skip", None)
        if skip is not None:
            uses[skip.tensor] = position
    return uses
