"""A program as a TFLite file: one pass over its layers; what does not fit is refused."""

from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.host.limits import demand
from ...spec.layers import ConcatLayer, Layer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from ..builder import sum_bounds
from ..imported import Quantization
from ..tflite.arithmetic import NONE
from ..tflite.convolutions import same_padding
from .file import MicroFile
from .kernels import AVERAGE, CLAMP, MEAN, QUANTIZE, addition_activation, steps_of, window_kernel
from .requants import WEIGHT_MAX, Ends, Requantization, find_requantization
from .scales import file_offset, quantizations

SAME, VALID = 0, 1
_INT32 = (-(1 << 31), (1 << 31) - 1)
_WORKING = 64
"""Bytes per weight while a layer is written."""
Sides = tuple[int, int, int, int]


@dataclass(kw_only=True, eq=False)
class MicroWriter:
    """The file of a program; tensors of the file have the program's names."""

    program: Program
    file: MicroFile = field(default_factory=MicroFile)
    found: dict[str, Quantization] = field(init=False)
    index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.found = quantizations(self.program)

    def bytes(self) -> bytes:
        """The whole file; refuses, with the layer, what TFLite-Micro does not compute."""
        most = max((layer.weights.size for layer in self.program.mac_layers), default=0)
        demand(_WORKING * most, "Weights of the largest layer, being written,")
        self._new(INPUT)
        for layer in self.program.layers:
            self._layer(layer)
        last = self.index[self.program.layers[-1].name]
        return self.file.bytes(self.index[INPUT], last, f"adqhw {self.program.digest}")

    # -- tensors ---------------------------------------------------------------------------------

    def _new(self, name: str) -> int:
        channels, height, width = self.program.tensor_shape(name)
        self.index[name] = self._codes(name, (1, height, width, channels), self.found[name])
        return self.index[name]

    def _codes(self, name: str, shape: tuple[int, ...], like: Quantization) -> int:
        return self.file.tensor(name, shape, [like.scale], [like.zero_point])

    def _ends(self, layer: Layer) -> Ends:
        offset = file_offset(self.program.tensor_format(layer.name))
        return Ends(source=self.found[layer.reads[0]], out=self.found[layer.name], offset=offset)

    # -- layers ----------------------------------------------------------------------------------

    def _layer(self, layer: Layer) -> None:
        match layer:
            case MacLayer():
                self._mac(layer)
            case ThresholdLayer():
                self._window(layer, (1, 1), (1, 1), layer.output)
            case PoolLayer() if layer.output is None:
                self._max_pool(layer)
            case PoolLayer() if layer.skip is not None:
                self._add(layer)
            case PoolLayer():
                assert layer.output is not None
                self._window(layer, layer.kernel, layer.stride, layer.output)
            case ConcatLayer():
                inputs = [self.index[name] for name in layer.inputs]
                self.file.operator(
                    "CONCATENATION", inputs, self._new(layer.name), "ConcatenationOptions", Axis=3
                )
            case UpsampleLayer():
                self._upsample(layer)
            case _:
                assert_never(layer)

    def _mac(self, layer: MacLayer) -> None:
        if layer.skip is not None:
            raise _refused(layer, "add a residual as a layer of its own", "inside a convolution")
        sums = layer.depth == layer.taps and layer.groups == layer.in_channels == layer.out_channels
        if sums and not any(layer.padding) and (layer.levels == 1).all():
            self._window(layer, layer.kernel, layer.stride, layer.output)
            return
        self._convolution(
            layer, layer.levels, layer.output, layer.stride, layer.padding, layer.groups
        )

    def _window(
        self,
        layer: MacLayer | ThresholdLayer | PoolLayer,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        output: Threshold | Requant,
    ) -> None:
        """Window sums, or codes, through an output stage: a kernel for it, or weights of one."""
        channels, *size = self.program.tensor_shape(layer.input)
        ones, codes = np.ones((channels, 1, *kernel), np.int64), self.program.tensor_format
        ends, whole = self._ends(layer), list(kernel) == size
        steps = steps_of(layer, output, *sum_bounds(ones, codes(layer.input)))
        found = None
        if kernel != (1, 1) or stride == (1, 1):
            found = window_kernel(steps, ends, codes(layer.input), kernel, whole=whole)
        if found is None:
            self._convolution(layer, ones, output, stride, (0, 0, 0, 0), channels)
            return
        source = self.index[layer.input]
        name, activation = found
        if name == AVERAGE:
            self._pool(layer, AVERAGE, kernel, stride, VALID, activation)
        elif name == MEAN:
            axes = np.array([1, 2], np.int32)
            inputs = [source, self.file.tensor(f"{layer.name}/axes", (2,), data=axes)]
            self.file.operator(MEAN, inputs, self._new(layer.name), "ReducerOptions", KeepDims=1)
        else:
            assert name in (QUANTIZE, CLAMP)
            table = "QuantizeOptions" if name == QUANTIZE else ""
            self.file.operator(name, [source], self._new(layer.name), table)

    def _convolution(
        self,
        layer: MacLayer | ThresholdLayer | PoolLayer,
        levels: Int64Array,
        output: Threshold | Requant,
        stride: tuple[int, int],
        padding: Sides,
        groups: int,
    ) -> None:
        largest = int(np.abs(levels).max())
        if largest > WEIGHT_MAX:
            raise _refused(layer, f"have levels in -{WEIGHT_MAX}..{WEIGHT_MAX}", largest)
        ends = self._ends(layer)
        source_format = self.program.tensor_format(layer.input)
        steps = steps_of(layer, output, *sum_bounds(levels, source_format))
        found = find_requantization(steps, ends, largest, f"Layer {layer.name!r}")
        weights = levels * found.factor.reshape(-1, 1, 1, 1)
        code = ends.source.zero_point - file_offset(source_format)
        bias = found.bias + code * weights.reshape(len(weights), -1).sum(axis=1)
        if bias.min() < _INT32[0] or bias.max() > _INT32[1]:
            raise _refused(layer, "have biases of 32 bits", int(np.abs(bias).max()))
        depthwise = groups == len(self._channels(layer.input)) > 1 and stride[0] == stride[1]
        self._operator(layer, found, weights, bias, stride, padding, depthwise)

    def _channels(self, name: str) -> range:
        return range(self.program.tensor_shape(name)[0])

    def _operator(
        self,
        layer: MacLayer | ThresholdLayer | PoolLayer,
        found: Requantization,
        weights: Int64Array,
        bias: Int64Array,
        stride: tuple[int, int],
        padding: Sides,
        depthwise: bool,
    ) -> None:
        name, axis = layer.name, 3 if depthwise else 0
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        stored = weights.transpose(order).astype(np.int8)
        scales = found.scales
        if (scales == scales[0]).all():
            scales, axis = scales[:1], 0
        product = (scales * np.float32(found.ends.source.scale)).tolist()
        zeros = [0] * len(scales)
        source, kind = self._padded(layer, padding, weights.shape[2:4], stride)
        inputs = [
            source,
            self.file.tensor(
                f"{name}/weights", stored.shape, scales.tolist(), zeros, axis=axis, data=stored
            ),
            self.file.tensor(
                f"{name}/bias", (len(bias),), product, zeros, data=bias.astype(np.int32)
            ),
        ]
        options = {
            "Padding": kind, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": 1,
            "DilationWFactor": 1, "FusedActivationFunction": found.activation,
        }  # fmt: skip
        out = self._new(name)
        if depthwise:
            options["DepthMultiplier"] = stored.shape[3] // len(self._channels(layer.input))
            self.file.operator(
                "DEPTHWISE_CONV_2D", inputs, out, "DepthwiseConv2DOptions", **options
            )
        else:
            self.file.operator("CONV_2D", inputs, out, "Conv2DOptions", **options)

    def _padded(
        self, layer: Layer, padding: Sides, kernel: tuple[int, ...], stride: tuple[int, int]
    ) -> tuple[int, int]:
        """What a convolution reads, and its padding: SAME where it is that, else a PAD before."""
        source = layer.reads[0]
        channels, height, width = self.program.tensor_shape(source)
        if not any(padding):
            return self.index[source], VALID
        if padding == same_padding((height, width), (kernel[0], kernel[1]), stride):
            return self.index[source], SAME
        top, left, bottom, right = padding
        rows = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        shape = (1, height + top + bottom, width + left + right, channels)
        made = self._codes(f"{layer.name}/padded", shape, self.found[source])
        sides = self.file.tensor(f"{layer.name}/padding", (4, 2), data=rows)
        self.file.operator("PAD", [self.index[source], sides], made, "PadOptions")
        return made, VALID

    def _max_pool(self, layer: PoolLayer) -> None:
        size = self.program.tensor_shape(layer.input)[1:]
        same = layer.padding == same_padding(size, layer.kernel, layer.stride)
        if any(layer.padding) and not same:
            raise _refused(layer, "have the padding of SAME or none", layer.padding)
        padding = SAME if any(layer.padding) else VALID
        self._pool(layer, "MAX_POOL_2D", layer.kernel, layer.stride, padding, NONE)

    def _pool(
        self,
        layer: Layer,
        name: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: int,
        activation: int,
    ) -> None:
        self.file.operator(
            name, [self.index[layer.reads[0]]], self._new(layer.name), "Pool2DOptions",
            Padding=padding, StrideH=stride[0], StrideW=stride[1], FilterHeight=kernel[0],
            FilterWidth=kernel[1], FusedActivationFunction=activation,
        )  # fmt: skip

    def _add(self, layer: PoolLayer) -> None:
        skip, output = layer.skip, layer.output
        assert skip is not None
        assert output is not None
        plain = layer.kernel == layer.stride == (1, 1) and skip.stride == 1
        same = self.program.tensor_shape(layer.input) == self.program.tensor_shape(skip.tensor)
        if not (plain and same and output.channels == 1):
            raise _refused(layer, "add two whole maps, one multiplier each", "windows or channels")
        first, second = layer.input, skip.tensor
        ends = self._ends(layer)
        other = Ends(source=self.found[second], out=ends.out, offset=ends.offset)
        formats = self.program.tensor_format(first), self.program.tensor_format(second)
        activation = addition_activation(layer, output, formats, ends, other)
        self.file.operator(
            "ADD", [self.index[first], self.index[second]], self._new(layer.name), "AddOptions",
            FusedActivationFunction=activation,
        )  # fmt: skip

    def _upsample(self, layer: UpsampleLayer) -> None:
        _, height, width = self.program.tensor_shape(layer.name)
        size = np.array([height, width], np.int32)
        for length, times in zip(
            self.program.tensor_shape(layer.input)[1:], layer.factor, strict=True
        ):
            scale = np.float32(length) / np.float32(length * times)
            at = np.floor(np.arange(length * times, dtype=np.float32) * scale)
            if (at != np.arange(length * times) // times).any():
                raise _refused(layer, "repeat every code as often in float32 coordinates", times)
        inputs = [self.index[layer.input], self.file.tensor(f"{layer.name}/size", (2,), data=size)]
        self.file.operator(
            "RESIZE_NEAREST_NEIGHBOR", inputs, self._new(layer.name),
            "ResizeNearestNeighborOptions", AlignCorners=0, HalfPixelCenters=0,
        )  # fmt: skip


def _refused(layer: Layer, what: str, found: object) -> InputError:
    return InputError(f"Layer {layer.name!r} must {what} for TFLite-Micro, not {found}")
