"""ONNX Runtime (fp32, static int8 QDQ) and QONNX execution, for `adqhw bench sim`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import onnx

from ...exchange.writers.graph import FLOAT, Graph
from ...exchange.writers.qonnx import execute, qonnx_model
from ...spec.program import INPUT, Program
from .float import FloatKind, FloatNode, float_twin

Images = npt.NDArray[Any]
Run = Callable[[Images], npt.NDArray[Any]]


def float_model(program: Program) -> Any:
    """The floating-point twin as an ONNX model."""
    graph = Graph()
    graph.types[INPUT] = FLOAT
    nodes = float_twin(program)
    for node in nodes:
        _float_node(graph, node)
    last = nodes[-1].name
    size = int(np.prod(program.tensor_shape(program.layers[-1].name)))
    return graph.model({INPUT: ["N", *program.input_shape]}, {last: ["N", size]})


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
            graph.add(
                "MaxPool", inputs, node.name, kernel_shape=[node.kernel] * 2,
                strides=[node.stride] * 2, pads=[node.padding] * 4,
            )  # fmt: skip
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
    """The program itself in QONNX, exactly, one image at a time.

    Measured is the network: weights are looked up here, and no tensor is compared with its
    annotated type in every run.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.infer_shapes import InferShapes

    written = qonnx_model(program)
    del written.graph.quantization_annotation[:]
    model = ModelWrapper(written).transform(InferShapes()).transform(FoldConstants([]))
    last = model.graph.output[0].name
    return lambda images: execute(model, images)[last]
