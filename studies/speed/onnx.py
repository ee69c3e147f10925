"""ONNX Runtime (fp32, static int8 QDQ) and QONNX execution, for `adqhw bench sim`."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...spec.activation import Threshold
from ...spec.layers import MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from .float import FloatKind, FloatNode, float_twin

Images = npt.NDArray[Any]
Run = Callable[[Images], npt.NDArray[Any]]
OPSET, IR_VERSION = 17, 9


class Graph:
    """Nodes and initializers of an ONNX model being written."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.ArrayLike, kind: Any = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **fields: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **fields))
        return output

    def model(
        self, program: Program, last: str, *, batch: int | str = "N", domains: tuple[str, ...] = ()
    ) -> Any:
        """A model from input images (`batch`, C, H, W) float32 to `last`."""
        shape = [batch, *program.input_shape]
        classes = int(np.prod(program.tensor_shape(program.layers[-1].name)))
        graph = helper.make_graph(
            self.nodes, "program",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, classes])],
            self.constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def float_model(program: Program) -> Any:
    """The floating-point twin as an ONNX model."""
    graph = Graph()
    nodes = float_twin(program)
    for node in nodes:
        _float_node(graph, node)
    return graph.model(program, nodes[-1].name)


def _float_node(graph: Graph, node: FloatNode) -> None:
    inputs = list(node.inputs)
    match node.kind:
        case FloatKind.CONV:
            result = f"{node.name}.conv" if node.relu else node.name
            inputs += [
                graph.constant(f"{node.name}.weight", node.weight),  # type: ignore[arg-type]
                graph.constant(f"{node.name}.bias", node.bias),  # type: ignore[arg-type]
            ]
            graph.add(
                "Conv", inputs, result, strides=[node.stride] * 2, pads=[node.padding] * 4,
                group=node.groups,
            )  # fmt: skip
            if node.relu:
                graph.add("Relu", [result], node.name)
        case FloatKind.LINEAR:
            assert node.weight is not None
            flat = graph.add("Flatten", inputs, f"{node.name}.flat")
            weight = graph.constant(f"{node.name}.weight", node.weight[:, :, 0, 0].T)
            bias = graph.constant(f"{node.name}.bias", node.bias)  # type: ignore[arg-type]
            graph.add("Gemm", [flat, weight, bias], node.name)
        case FloatKind.ADD | FloatKind.ADD_RELU:
            relu = node.kind is FloatKind.ADD_RELU
            result = graph.add("Add", inputs, f"{node.name}.add" if relu else node.name)
            if relu:
                graph.add("Relu", [result], node.name)
        case FloatKind.SHORTCUT:
            shortcut(graph, node.name, inputs[0], node.stride, node.channels)
        case FloatKind.MAX_POOL:
            window = {"kernel_shape": [node.kernel] * 2, "strides": [node.stride] * 2}
            graph.add("MaxPool", inputs, node.name, pads=[node.padding] * 4, **window)
        case FloatKind.MEAN:
            graph.add("GlobalAveragePool", inputs, node.name)
        case _:
            assert_never(node.kind)


def shortcut(graph: Graph, name: str, source: str, stride: int, channels: tuple[int, int]) -> str:
    """Option A: every `stride`-th pixel, zero channels around."""
    bounds = {"starts": [0, 0], "ends": [1 << 30] * 2, "axes": [2, 3], "steps": [stride] * 2}
    names = [graph.constant(f"{name}.{key}", v, np.int64) for key, v in bounds.items()]
    sliced = graph.add("Slice", [source, *names], f"{name}.slice")
    pads = [0, channels[0], 0, 0, 0, channels[1], 0, 0]
    return graph.add("Pad", [sliced, graph.constant(f"{name}.pads", pads, np.int64)], name)


def session(model: Any, threads: int) -> Run:
    """A function that runs `model` in ONNX Runtime on float32 images."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    onnx_model = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: onnx_model.run(None, {INPUT: images})[0]


def int8_model(program: Program, images: Images) -> Any:
    """Static int8 (QDQ, u8 activations, s8 weights per channel), calibrated on `images`."""
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{INPUT: images}])

        def get_next(self) -> Any:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(float_model(program), source)
        q.quantize_static(
            source, target, Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
        )  # fmt: skip
        return onnx.load(target)


def qonnx_run(program: Program) -> Run:
    """The program itself in QONNX: integer convolutions in float, MultiThreshold, exact requant."""
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.basic import qonnx_make_model

    # QONNX writes one-node models in the newest IR version of onnx, which ONNX Runtime refuses
    onnx_exec.qonnx_make_model = partial(qonnx_make_model, ir_version=IR_VERSION)

    graph = Graph()
    for layer in program.layers:
        _exact_layer(graph, program, layer)
    last = program.layers[-1].name
    final = graph.add("Flatten", [last], "logits")
    onnx_model = graph.model(program, final, batch=1, domains=("qonnx.custom_op.general",))
    model = ModelWrapper(onnx_model).transform(InferShapes())
    return lambda images: onnx_exec.execute_onnx(model, {INPUT: images})[final]


def _exact_layer(
    graph: Graph, program: Program, layer: MacLayer | ThresholdLayer | PoolLayer
) -> None:
    name, source = layer.name, layer.input
    skip = None
    match layer:
        case MacLayer():
            source = _exact_conv(graph, layer)
            if layer.skip is not None:
                have = program.tensor_shape(layer.skip.tensor)[0]
                before = layer.skip.channel_offset
                around = (before, layer.out_channels - have - before)
                skip = shortcut(graph, f"{name}.skip", layer.skip.tensor, layer.skip.stride, around)
        case PoolLayer() if layer.output is None:
            graph.add(
                "MaxPool", [source], name, kernel_shape=list(layer.kernel),
                strides=list(layer.stride), pads=list(layer.padding),
            )  # fmt: skip
            return
        case ThresholdLayer():
            pass
        case PoolLayer():
            axes = graph.constant(f"{name}.axes", [2, 3], np.int64)
            source = graph.add("ReduceSum", [source, axes], f"{name}.sum", keepdims=1)
        case _:
            assert_never(layer)
    if isinstance(layer.output, Threshold):
        tau = graph.constant(f"{name}.tau", layer.output.tau)
        graph.add("MultiThreshold", [source, tau], name, domain="qonnx.custom_op.general")
    elif layer.output is not None:
        _exact_requant(graph, name, source, layer.output, skip)


def _exact_conv(graph: Graph, layer: MacLayer) -> str:
    weight = graph.constant(f"{layer.name}.weight", layer.levels)
    fields = {"strides": list(layer.stride), "pads": list(layer.padding), "group": layer.groups}
    return graph.add("Conv", [layer.input, weight], f"{layer.name}.acc", **fields)


def _exact_requant(graph: Graph, name: str, source: str, stage: Requant, skip: str | None) -> None:
    """Contract section 5 in float64: exact while totals stay below 2^53, which is then checked."""

    def number(label: str, value: npt.ArrayLike) -> str:
        return graph.constant(f"{name}.{label}", value, np.float64)

    shape = (1, -1, 1, 1)
    total = graph.add("Cast", [source], f"{name}.double", to=TensorProto.DOUBLE)
    multiplier = number("multiplier", stage.multiplier.reshape(shape))
    total = graph.add("Mul", [total, multiplier], f"{name}.scaled")
    half = (1 << stage.shift) >> 1
    total = graph.add(
        "Add", [total, number("bias", (stage.bias + half).reshape(shape))], f"{name}.biased"
    )
    if skip is not None:
        wide = graph.add("Cast", [skip], f"{name}.skip.double", to=TensorProto.DOUBLE)
        factor = number("skip_multiplier", float(stage.skip_multiplier))
        wide = graph.add("Mul", [wide, factor], f"{name}.skip.scaled")
        total = graph.add("Add", [total, wide], f"{name}.total")
    total = graph.add("Mul", [total, number("shift", 2.0**-stage.shift)], f"{name}.shifted")
    total = graph.add("Floor", [total], f"{name}.floor")
    bounds = [number("low", float(stage.out.min)), number("high", float(stage.out.max))]
    total = graph.add("Clip", [total, *bounds], f"{name}.clipped")
    graph.add("Cast", [total], name, to=TensorProto.FLOAT)
