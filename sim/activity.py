"""Activity: how often each kind of event happens when a program runs on given images.

These are the data-dependent counts; what depends on the array's size and data flow (memory reads
per beat, idle lanes) is derived from them in `cosim/events.py`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..spec.activation import Threshold
from ..spec.engines import check_images
from ..spec.formats import IntArray
from ..spec.layers import MacLayer
from ..spec.program import INPUT, Program
from ..spec.requant import Requant
from . import kernels
from .engine import BATCH
from .plan import LayerPlan, Map, plan


@dataclass(frozen=True, kw_only=True)
class LayerActivity:
    """Totals over `images` images of one layer. Padding positions count: hardware feeds them."""

    name: str
    images: int
    macs: int
    """Products in all the sums."""
    macs_by_code: tuple[int, ...]
    """The same, split by weight code (by level - lowest level without a codebook)."""
    zero_weight_macs: int
    """Products whose level is 0: lanes that zero-code gating holds."""
    zero_act_macs: int
    """Products whose activation code is 0."""
    active_macs: int
    """Products with neither level nor activation code 0."""
    table_reads: int
    """Codebook look-ups: products with a weight code that is not gated, in a codebook layer."""
    threshold_compares: int
    """Comparisons with a threshold: 2^act_width - 1 for each output."""
    requants: int
    outputs: int
    """Codes written."""
    inputs: int
    """Codes of the input tensor (read once each)."""


def activity(program: Program, images: IntArray) -> dict[str, LayerActivity]:
    """Activity of every layer over `images` (N, C, H, W)."""
    batch = check_images(program, images)
    layers = plan(program)
    taps = {p.layer.name: _zero_taps(p) for p in layers if isinstance(p.layer, MacLayer)}
    for start in range(0, len(batch), BATCH):
        chunk = batch[start : start + BATCH].transpose(0, 2, 3, 1)
        maps: dict[str, Map] = {INPUT: np.ascontiguousarray(chunk, dtype=np.int32)}
        for planned in layers:
            layer = planned.layer
            if isinstance(layer, MacLayer):
                height, width, _ = planned.out_shape
                source = planned.pad(maps[layer.input])
                kernels.nonzero_by_tap(source, layer.stride, taps[layer.name], height, width)
            maps[layer.name] = planned.run(maps)
    return {
        p.layer.name: _layer_activity(program, p, len(batch), taps.get(p.layer.name))
        for p in layers
    }


def _zero_taps(planned: LayerPlan) -> npt.NDArray[np.int64]:
    layer = planned.layer
    assert isinstance(layer, MacLayer)
    return np.zeros((*layer.kernel, layer.in_channels), np.int64)


def _layer_activity(
    program: Program, planned: LayerPlan, images: int, taps: npt.NDArray[np.int64] | None
) -> LayerActivity:
    layer = planned.layer
    outputs = images * int(np.prod(planned.out_shape))
    inputs = images * int(np.prod(program.tensor_shape(layer.input)))
    stage = layer.output
    compares = outputs * stage.tau.shape[1] if isinstance(stage, Threshold) else 0
    requants = outputs if isinstance(stage, Requant) else 0
    counts = _mac_counts(layer, images, planned.out_shape, taps)
    return LayerActivity(
        name=layer.name,
        images=images,
        threshold_compares=compares,
        requants=requants,
        outputs=outputs,
        inputs=inputs,
        **counts,
    )


def _mac_counts(
    layer: object,
    images: int,
    out_shape: tuple[int, int, int],
    taps: npt.NDArray[np.int64] | None,
) -> dict[str, object]:
    """The fields of LayerActivity about products; `taps` (kh, kw, C) counts non-zero codes."""
    names = ("macs", "zero_weight_macs", "zero_act_macs", "active_macs", "table_reads")
    if not isinstance(layer, MacLayer) or taps is None:
        return {**dict.fromkeys(names, 0), "macs_by_code": ()}
    positions = images * out_shape[0] * out_shape[1]  # sums per output channel
    codes = layer.weights.astype(np.int64)
    if layer.codebook is None:
        codes = codes + (1 << (layer.weight_width - 1))
    by_code = np.bincount(codes.reshape(-1), minlength=1 << layer.weight_width) * positions
    macs = int(layer.weights.size) * positions
    nonzero_levels = int(np.count_nonzero(layer.levels)) * positions
    # (groups, Cg, kh, kw): number of outputs whose level at this tap is not zero
    grouped = layer.levels.reshape(layer.groups, -1, *layer.levels.shape[1:])
    nonzero_weights = np.count_nonzero(grouped, axis=1)
    nonzero_acts = taps.transpose(2, 0, 1).reshape(nonzero_weights.shape)
    outs_per_group = grouped.shape[1]
    return {
        "macs": macs,
        "macs_by_code": tuple(int(count) for count in by_code),
        "zero_weight_macs": macs - nonzero_levels,
        "zero_act_macs": macs - int(nonzero_acts.sum()) * outs_per_group,
        "active_macs": int((nonzero_acts * nonzero_weights).sum()),
        "table_reads": nonzero_levels if layer.codebook is not None else 0,
    }
