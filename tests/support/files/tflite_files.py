"""TFLite files made by the schema's object API: random quantized networks."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

TYPES = {"int8": 9, "uint8": 3, "int32": 2, "float32": 0}
RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@dataclass
class Net:
    """A file in the making; tensors are named `t0`, `t1`, ...; `type` is that of all codes."""

    seed: int
    type: str = "int8"
    ties: bool = False
    """Scales of results at which some sum lies at a half, but for the last bit of a float."""
    tensors: list[Any] = field(default_factory=list)
    buffers: list[bytes] = field(default_factory=lambda: [b""])
    operators: list[tuple[str, tuple[int, ...], tuple[int, ...], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    # -- tensors ---------------------------------------------------------------------------------

    def tensor(self, shape, type_name=None, scales=(), zeros=(), axis=0, data=None) -> int:
        """Index of a new tensor; data: its constant."""
        from ai_edge_litert import schema_py_generated as schema

        entry = schema.TensorT()
        entry.name = f"net/t{len(self.tensors)}".encode()
        entry.shape, entry.type = list(shape), TYPES[type_name or self.type]
        if len(scales):
            entry.quantization = schema.QuantizationParametersT()
            entry.quantization.scale = np.array(scales, np.float32)
            entry.quantization.zeroPoint = np.array(zeros, np.int64)
            entry.quantization.quantizedDimension = axis
        entry.buffer = 0
        if data is not None:
            self.buffers.append(np.ascontiguousarray(data).tobytes())
            entry.buffer = len(self.buffers) - 1
        self.tensors.append(entry)
        return len(self.tensors) - 1

    def codes(self, shape, scale=None, zero=None) -> int:
        """A tensor of codes with one scale (random unless given)."""
        low, high = RANGES[self.type]
        scale = float(np.exp(self.rng.uniform(-5, -1))) if scale is None else scale
        zero = int(self.rng.integers(low, high + 1)) if zero is None else zero
        return self.tensor(shape, scales=[scale], zeros=[zero])

    def shape(self, index) -> list[int]:
        return list(self.tensors[index].shape)

    def scale(self, index) -> float:
        return float(self.tensors[index].quantization.scale[0])

    def zero(self, index) -> int:
        return int(self.tensors[index].quantization.zeroPoint[0])

    def weights(self, shape, channels, axis, per_channel) -> tuple[int, float]:
        """A tensor of weights and its (largest) scale."""
        low, high = (-127, 127) if self.type == "int8" else (0, 255)
        data = self.rng.integers(low, high + 1, shape).astype(self.type)
        count = channels if per_channel and self.type == "int8" else 1
        scales = np.exp(self.rng.uniform(-6, -4, count))
        zeros = [0 if self.type == "int8" else int(self.rng.integers(90, 160))] * count
        return self.tensor(shape, None, scales, zeros, axis, data), float(scales.max())

    def bias(self, source, weights, channels) -> int:
        product = self.scale(source) * np.array(self.tensors[weights].quantization.scale)
        data = self.rng.integers(-3000, 3001, channels).astype(np.int32)
        zeros = [0] * len(product)
        return self.tensor([channels], "int32", product.astype(np.float32), zeros, 0, data)

    # -- operators -------------------------------------------------------------------------------

    def op(self, name, inputs, outputs, options=None, **fields) -> int:
        """Add an operator; options: a class name of the schema, fields its attributes."""
        from ai_edge_litert import schema_py_generated as schema

        table = getattr(schema, f"{options}T")() if options else None
        for key, value in fields.items():
            setattr(table, key, value)
        self.operators.append((name, tuple(inputs), tuple(outputs), (options, table)))
        return outputs[0]

    def conv(self, source, channels, kernel, stride=(1, 1), padding=0, activation=0,
             per_channel=True, dilation=(1, 1), bias=True, zero=None) -> int:  # fmt: skip
        depth = self.shape(source)[3]
        filters, scale = self.weights((channels, *kernel, depth), channels, 0, per_channel)
        return self._window(
            "CONV_2D", "Conv2DOptions", source, filters, scale, channels, depth, kernel, stride,
            padding, activation, dilation, bias, zero,
        )  # fmt: skip

    def depthwise(self, source, multiplier, kernel, stride=(1, 1), padding=0, activation=0,
                  per_channel=True, dilation=(1, 1), bias=True, zero=None) -> int:  # fmt: skip
        channels = self.shape(source)[3] * multiplier
        filters, scale = self.weights((1, *kernel, channels), channels, 3, per_channel)
        return self._window(
            "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", source, filters, scale, channels, 1,
            kernel, stride, padding, activation, dilation, bias, zero, depthMultiplier=multiplier,
        )  # fmt: skip

    def _window(self, name, options, source, filters, scale, channels, depth, kernel, stride,
                padding, activation, dilation, bias, zero, **more) -> int:  # fmt: skip
        size = self.shape(source)[1:3]
        sizes = [
            extent(length, (k - 1) * d + 1, s, padding)
            for length, k, s, d in zip(size, kernel, stride, dilation, strict=True)
        ]
        terms = depth * kernel[0] * kernel[1]
        out = self.codes([1, *sizes, channels], self._out_scale(source, scale, terms), zero)
        inputs = [source, filters, self.bias(source, filters, channels) if bias else -1]
        return self.op(
            name, inputs, [out], options, padding=padding, strideH=stride[0], strideW=stride[1],
            dilationHFactor=dilation[0], dilationWFactor=dilation[1],
            fusedActivationFunction=activation, **more,
        )  # fmt: skip

    def dense(self, source, channels, activation=0, per_channel=False, zero=None) -> int:
        depth = int(np.prod(self.shape(source)))
        weights, scale = self.weights((channels, depth), channels, 0, per_channel)
        out = self.codes([1, channels], self._out_scale(source, scale, depth), zero)
        inputs = [source, weights, self.bias(source, weights, channels)]
        return self.op(
            "FULLY_CONNECTED", inputs, [out], "FullyConnectedOptions",
            fusedActivationFunction=activation,
        )  # fmt: skip

    def _out_scale(self, source, scale, terms) -> float:
        """About where the sums of random codes fill the codes."""
        if self.ties:
            return self.tied(float(self.scale(source) * scale), 4000)
        spread = self.rng.uniform(0.5, 3)
        return float(self.scale(source) * scale * 74 * 74 * np.sqrt(terms) / 64 * spread)

    def tied(self, scale, most) -> float:
        """A scale at which `scale * sum` is a half for some sum up to `most`."""
        total, whole = self.rng.integers(most // 8, most), self.rng.integers(2, 60)
        return float(np.float32(scale * total / (whole + 0.5)))

    def add(self, first, second, activation=0) -> int:
        larger = max(self.scale(first), self.scale(second))
        scale = self.tied(larger, 200) if self.ties else larger * self.rng.uniform(0.7, 2)
        out = self.codes(self.shape(first), scale)
        return self.op(
            "ADD", [first, second], [out], "AddOptions", fusedActivationFunction=activation
        )

    def pool(self, name, source, kernel, stride, padding=1, activation=0) -> int:
        _, *size, channels = self.shape(source)
        sizes = [extent(n, k, s, padding) for n, k, s in zip(size, kernel, stride, strict=True)]
        out = self.codes([1, *sizes, channels], self.scale(source), self.zero(source))
        return self.op(
            name, [source], [out], "Pool2DOptions", padding=padding, strideH=stride[0],
            strideW=stride[1], filterHeight=kernel[0], filterWidth=kernel[1],
            fusedActivationFunction=activation,
        )  # fmt: skip

    def mean(self, source, keep=False) -> int:
        channels = self.shape(source)[3]
        axes = self.tensor([2], "int32", data=np.array([1, 2], np.int32))
        scale = self.scale(source) * self.rng.uniform(0.3, 1.2)
        scale = self.tied(self.scale(source), 200) if self.ties else scale
        out = self.codes([1, 1, 1, channels] if keep else [1, channels], scale)
        return self.op("MEAN", [source, axes], [out], "ReducerOptions", keepDims=keep)

    def reshape(self, source, shape) -> int:
        target = self.tensor([len(shape)], "int32", data=np.array(shape, np.int32))
        out = self.codes(shape, self.scale(source), self.zero(source))
        return self.op("RESHAPE", [source, target], [out])

    def pad(self, source, top, bottom, left, right) -> int:
        rows = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        sides = self.tensor([4, 2], "int32", data=rows)
        _, height, width, channels = self.shape(source)
        shape = [1, height + top + bottom, width + left + right, channels]
        out = self.codes(shape, self.scale(source), self.zero(source))
        return self.op("PAD", [source, sides], [out], "PadOptions")

    def concat(self, *sources) -> int:
        shape = self.shape(sources[0])
        shape[3] = sum(self.shape(source)[3] for source in sources)
        out = self.codes(shape, self.scale(sources[0]), self.zero(sources[0]))
        return self.op(
            "CONCATENATION", sources, [out], "ConcatenationOptions", axis=3,
            fusedActivationFunction=0,
        )  # fmt: skip

    def resize(self, source, factor, half_pixel=False) -> int:
        _, height, width, channels = self.shape(source)
        size = [height * factor[0], width * factor[1]]
        target = self.tensor([2], "int32", data=np.array(size, np.int32))
        out = self.codes([1, *size, channels], self.scale(source), self.zero(source))
        return self.op(
            "RESIZE_NEAREST_NEIGHBOR", [source, target], [out], "ResizeNearestNeighborOptions",
            halfPixelCenters=half_pixel, alignCorners=False,
        )  # fmt: skip

    def unary(self, name, source, scale=None, zero=None, options=None, **fields) -> int:
        if self.ties and scale is None:
            scale = self.tied(self.scale(source), 200)
        out = self.codes(self.shape(source), scale, zero)
        return self.op(name, [source], [out], options, **fields)

    def prelu(self, source, least=0) -> int:
        """Slopes per channel, from `least` codes above the zero point 0."""
        channels = self.shape(source)[3]
        low, high = RANGES[self.type]
        slopes = self.rng.integers(max(low, least), high + 1, channels).astype(self.type)
        alpha = self.tensor([1, 1, channels], None, [self.rng.uniform(0.002, 0.01)], [0], 0, slopes)
        out = self.codes(self.shape(source), self.scale(source) * self.rng.uniform(0.5, 1.5))
        return self.op("PRELU", [source, alpha], [out])

    def converted(self, source, type_name, scale=None, zero=0) -> int:
        """QUANTIZE to another type, the same scale unless given."""
        scales = [self.scale(source) if scale is None else scale]
        out = self.tensor(self.shape(source), type_name, scales, [zero])
        return self.op("QUANTIZE", [source], [out], "QuantizeOptions")

    def flattened_by_shape(self, source) -> int:
        """RESHAPE by SHAPE, STRIDED_SLICE and PACK, as converters write it."""
        size = int(np.prod(self.shape(source)))
        shape = self.op("SHAPE", [source], [self.tensor([4], "int32")], "ShapeOptions", outType=2)
        ends = [self.tensor([1], "int32", data=np.array([k], np.int32)) for k in (0, 1, 1)]
        batch = self.op(
            "STRIDED_SLICE", [shape, *ends], [self.tensor([], "int32")], "StridedSliceOptions",
            shrinkAxisMask=1, beginMask=0, endMask=0, ellipsisMask=0, newAxisMask=0, offset=False,
        )  # fmt: skip
        rest = self.tensor([], "int32", data=np.array(size, np.int32))
        target = self.tensor([2], "int32")
        self.op("PACK", [batch, rest], [target], "PackOptions", valuesCount=2, axis=0)
        out = self.codes([1, size], self.scale(source), self.zero(source))
        return self.op("RESHAPE", [source, target], [out])

    # -- the file --------------------------------------------------------------------------------

    def bytes(self, source, result) -> bytes:
        """The file; source: index of its input, result: of its output."""
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.description = 3, b"made for a test"
        names = sorted({name for name, *_ in self.operators})
        model.operatorCodes = []
        for name in names:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
            model.operatorCodes.append(code)
        graph.tensors, graph.operators = self.tensors, []
        graph.inputs, graph.outputs = [source], [result]
        for name, inputs, outputs, (options, table) in self.operators:
            entry = schema.OperatorT()
            entry.opcodeIndex, entry.inputs, entry.outputs = names.index(name), inputs, outputs
            if options:
                entry.builtinOptionsType = getattr(schema.BuiltinOptions, options)
                entry.builtinOptions = table
            graph.operators.append(entry)
        model.subgraphs, model.buffers = [graph], []
        for data in self.buffers:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8) if data else None
            model.buffers.append(buffer)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def extent(length, kernel, stride, padding) -> int:
    """Outputs along an axis; padding: 0 SAME, 1 VALID."""
    return -(-length // stride) if padding == 0 else (length - kernel) // stride + 1
