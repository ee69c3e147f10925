"""Activity: how often each kind of event happens when a program runs on given images.

These are the data-dependent counts; what depends on the array's size and data flow (memory reads
per beat, idle lanes) is derived from them in `cost/events/events.py`.
"""

from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..spec.activation import Threshold
from ..spec.engines import check_images
from ..spec.layers import ConcatLayer, Layer, MacLayer
from ..spec.program import Program
from ..spec.requant import Requant
from .runner import Runner, as_numpy

PRODUCTS = ("macs", "zero_weight_macs", "zero_act_macs", "active_macs", "table_reads")


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


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Facts of a MAC layer's weights for the counts; per output position."""

    by_code: npt.NDArray[np.int64]
    nonzero: npt.NDArray[np.int64]
    """(groups, C/groups, kh, kw): outputs whose level at this tap is not 0."""
    outs_per_group: int


class Counter:
    """A program ready to be counted, for one set of images after the other."""

    def __init__(
        self, program: Program, *, simd: str | None = None, threads: int | None = None
    ) -> None:
        self.program = program
        self.runner = Runner(program, simd=simd, threads=threads, counting=True)
        self.weights = {layer.name: _weights(layer) for layer in program.mac_layers}

    def __call__(self, images: Any) -> dict[str, LayerActivity]:
        """Activity of every layer over `images` (N, C, H, W)."""
        batch = check_images(self.program, as_numpy(images))
        self.runner.run(batch)
        taps = self.runner.take_counters()
        return {
            layer.name: self._layer(layer, len(batch), taps.get(layer.name))
            for layer in self.program.layers
        }

    def _layer(
        self, layer: Layer, images: int, taps: npt.NDArray[np.int64] | None
    ) -> LayerActivity:
        shape = self.program.tensor_shape(layer.name)
        outputs = images * prod(shape)
        stage = layer.output
        counts: dict[str, Any] = dict.fromkeys(PRODUCTS, 0) | {"macs_by_code": ()}
        if isinstance(layer, MacLayer) and taps is not None:
            counts = _mac_counts(
                layer, self.weights[layer.name], images * shape[1] * shape[2], taps
            )
        return LayerActivity(
            name=layer.name,
            images=images,
            threshold_compares=outputs * stage.tau.shape[1] if isinstance(stage, Threshold) else 0,
            requants=outputs if isinstance(stage, Requant) else 0,
            outputs=outputs,
            inputs=images * sum(prod(self.program.tensor_shape(name)) for name in _sources(layer)),
            **counts,
        )


def _sources(layer: Layer) -> tuple[str, ...]:
    """Tensors that the layer computes from; a residual is not among them."""
    return layer.inputs if isinstance(layer, ConcatLayer) else (layer.input,)


_counters: WeakKeyDictionary[Program, dict[tuple[Any, ...], Counter]] = WeakKeyDictionary()


def activity(
    program: Program, images: Any, *, simd: str | None = None, threads: int | None = None
) -> dict[str, LayerActivity]:
    """Activity of every layer over `images` (N, C, H, W); plans are kept with the program."""
    counters = _counters.setdefault(program, {})
    key = (simd, threads)
    if key not in counters:
        counters[key] = Counter(program, simd=simd, threads=threads)
    return counters[key](images)


def _weights(layer: MacLayer) -> Weights:
    codes = layer.weights.astype(np.int64)
    if layer.codebook is None:
        codes = codes + (1 << (layer.weight_width - 1))
    grouped = layer.levels.reshape(layer.groups, -1, *layer.levels.shape[1:])
    return Weights(
        by_code=np.bincount(codes.reshape(-1), minlength=1 << layer.weight_width),
        nonzero=np.count_nonzero(grouped, axis=1),
        outs_per_group=grouped.shape[1],
    )


def _mac_counts(
    layer: MacLayer, weights: Weights, positions: int, taps: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """The fields of LayerActivity about products.

    positions: sums per output channel. taps: (kh, kw, C or more) windows with a non-zero code.
    """
    macs = int(layer.weights.size) * positions
    nonzero_levels = int(weights.nonzero.sum()) * positions
    nonzero_acts = taps[:, :, : layer.in_channels].transpose(2, 0, 1)
    nonzero_acts = nonzero_acts.reshape(weights.nonzero.shape)
    return {
        "macs": macs,
        "macs_by_code": tuple((weights.by_code * positions).tolist()),
        "zero_weight_macs": macs - nonzero_levels,
        "zero_act_macs": macs - int(nonzero_acts.sum()) * weights.outs_per_group,
        "active_macs": int((nonzero_acts * weights.nonzero).sum()),
        "table_reads": nonzero_levels if layer.codebook is not None else 0,
    }
