"""What a program needs before it can run on the kernels: arrays prepared once per layer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..spec.activation import Threshold
from ..spec.layers import Layer, MacLayer, PoolLayer
from ..spec.program import Program
from ..spec.requant import Requant
from . import kernels

Map = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One layer ready to run: weights decoded to levels (kh, kw, C/groups, O), int32."""

    layer: Layer
    out_shape: tuple[int, int, int]
    """(H, W, C) of the tensor it makes."""
    weights: Map | None
    tau: npt.NDArray[np.int64] | None = None
    """(C, L) thresholds, one row per channel."""
    vectors: tuple[npt.NDArray[np.int64], ...] = ()
    """sign (C,) of a threshold, or multiplier and bias (C,) of a requant."""

    def run(self, maps: dict[str, Map]) -> Map:
        """Codes (N, H, W, C) of this layer's tensor from the tensors it reads."""
        source = maps[self.layer.input]
        if isinstance(self.layer, PoolLayer) and self.layer.output is None:
            out = self._empty(len(source))
            pool = self.layer
            kernels.max_pool(source, pool.kernel, pool.stride, pool.padding, out)
            return out
        acc = self.accumulate(source)
        codes = np.empty_like(acc)
        output = self.layer.output
        if isinstance(output, Threshold):
            kernels.threshold(acc, self.tau, self.vectors[0], codes)
        elif isinstance(output, Requant):
            skip = self._skip(maps, acc)
            kernels.requantize(
                acc, *self.vectors, output.shift, output.out.min, output.out.max,
                output.skip_multiplier, skip, codes,
            )  # fmt: skip
        return codes

    def accumulate(self, source: Map) -> Map:
        """Exact sums (N, H, W, C); a threshold layer has nothing to sum."""
        match self.layer:
            case MacLayer():
                acc = self._empty(len(source))
                kernels.convolve(
                    self.pad(source), self.weights, self.layer.stride, self.layer.groups, acc
                )
                return acc
            case PoolLayer():
                acc = self._empty(len(source))
                kernels.sum_pool(source, self.layer.kernel, self.layer.stride, acc)
                return acc
            case _:
                return source

    def pad(self, source: Map) -> Map:
        """`source` with its border of pad codes."""
        layer = self.layer
        assert isinstance(layer, MacLayer)
        p = layer.padding
        if p == 0:
            return source
        n, height, width, channels = source.shape
        padded = np.empty((n, height + 2 * p, width + 2 * p, channels), np.int32)
        padded[:] = layer.pad_codes
        padded[:, p : p + height, p : p + width] = source
        return padded

    def _empty(self, images: int) -> Map:
        return np.empty((images, *self.out_shape), np.int32)

    def _skip(self, maps: dict[str, Map], acc: Map) -> Map:
        skip = self.layer.skip if isinstance(self.layer, MacLayer) else None
        if skip is None:
            return np.broadcast_to(np.zeros((), np.int32), acc.shape)
        taken = maps[skip.tensor][:, :: skip.stride, :: skip.stride]
        offset, channels = skip.channel_offset, taken.shape[3]
        out = np.zeros(acc.shape, np.int32)
        out[..., offset : offset + channels] = taken
        return out


def plan(program: Program) -> tuple[LayerPlan, ...]:
    """The prepared layers of `program`, in order."""
    return tuple(_plan_layer(program, layer) for layer in program.layers)


def _plan_layer(program: Program, layer: Layer) -> LayerPlan:
    channels, height, width = program.tensor_shape(layer.name)
    weights = None
    if isinstance(layer, MacLayer):
        weights = np.ascontiguousarray(layer.levels.transpose(2, 3, 1, 0), dtype=np.int32)
    tau: npt.NDArray[np.int64] | None = None
    vectors: tuple[npt.NDArray[np.int64], ...] = ()
    output = layer.output
    if isinstance(output, Threshold):
        count = output.tau.shape[1]
        tau = np.ascontiguousarray(np.broadcast_to(output.tau, (channels, count)))
        vectors = (_per_channel(output.sign, channels),)
    elif isinstance(output, Requant):
        vectors = (
            _per_channel(output.multiplier, channels),
            _per_channel(output.bias, channels),
        )
    return LayerPlan(
        layer=layer, out_shape=(height, width, channels), weights=weights, tau=tau, vectors=vectors
    )


def _per_channel(values: npt.NDArray[np.int64], channels: int) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(np.broadcast_to(values, (channels,)))
