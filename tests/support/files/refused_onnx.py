"""ONNX files that cannot become programs: each is written by a function that takes a path."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
SHAPE = [1, 2, 4, 4]


def _value(name, shape=SHAPE, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def _constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def _model(nodes, constants=(), shape=SHAPE, opset=13, domains=(), out=SHAPE) -> ModelProto:
    graph = helper.make_graph(
        nodes, "refused", [_value("input", shape)], [_value("output", out)], list(constants)
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    return model


def _write(path: Path, model: ModelProto) -> None:
    path.write_bytes(model.SerializeToString())


def _quantized(nodes, constants=(), **more) -> ModelProto:
    """The input through QuantizeLinear and DequantizeLinear, then `nodes` from `x`."""
    ends = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"], name="dequantize"),
    ]
    own = [_constant("scale", 0.1), _constant("zero", 0, np.uint8)]
    return _model([*ends, *nodes], [*own, *constants], **more)


def lstm(path):
    weights = [_constant("w", np.zeros((1, 16, 4))), _constant("r", np.zeros((1, 16, 4)))]
    node = helper.make_node("LSTM", ["x", "w", "r"], ["output"], name="memory", hidden_size=4)
    _write(path, _quantized([node], weights))


def branch(path):
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"], name="inner")], "body", [], [_value("y")]
    )
    node = helper.make_node(
        "If", ["which"], ["output"], name="choose", then_branch=body, else_branch=body
    )
    _write(path, _quantized([node], [_constant("which", True, bool)]))


def loop(path):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Relu", ["s"], ["t"]),
        ],
        "body",
        [_value("i", [], TensorProto.INT64), _value("go", [], TensorProto.BOOL), _value("s")],
        [_value("again", [], TensorProto.BOOL), _value("t")],
    )
    node = helper.make_node("Loop", ["count", "", "x"], ["output"], name="repeat", body=body)
    _write(path, _quantized([node], [_constant("count", 3, np.int64)]))


def operator(path):
    _write(path, _quantized([helper.make_node("Erf", ["x"], ["output"], name="bell")]))


def domain(path):
    node = helper.make_node("Magic", ["x"], ["output"], name="magic", domain="com.example")
    _write(path, _quantized([node], domains=["com.example"]))


def opset(path):
    node = helper.make_node("Relu", ["x"], ["output"], name="relu")
    _write(path, _quantized([node], opset=999))


def cyclic(path):
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["output"], name="third"),
    ]
    _write(path, _quantized(nodes))


def missing(path):
    node = helper.make_node("Conv", ["x", "weight"], ["output"], name="conv")
    _write(path, _quantized([node]))


def floats(path):
    weight = _constant("weight", np.ones((2, 2, 1, 1)))
    node = helper.make_node("Conv", ["input", "weight"], ["output"], name="conv")
    _write(path, _model([node], [weight]))


def dynamic_quantization(path):
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["input"], ["q", "s", "z"], name="dynamic"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["output"], name="back"),
    ]
    _write(path, _model(nodes))


def dynamic_shape(path):
    node = helper.make_node("Relu", ["x"], ["output"], name="relu")
    _write(path, _quantized([node], shape=[1, 2, "height", "width"]))


def external(path):
    weight = _constant("weight", np.ones((2, 2, 1, 1)))
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    node = helper.make_node("Conv", ["x", "weight"], ["output"], name="conv")
    _write(path, _quantized([node], [weight]))


def wide_bits(path):
    constants = [_constant("s", 0.1), _constant("z", 0.0), _constant("bits", 16.0)]
    node = helper.make_node(
        "Quant", ["input", "s", "z", "bits"], ["output"], name="wide", narrow=0, signed=1,
        rounding_mode="ROUND", domain="qonnx.custom_op.general",
    )  # fmt: skip
    _write(path, _model([node], constants, domains=["qonnx.custom_op.general"]))


def integer_sums(path):
    """Sums of Deeploy's dialect beyond 32 bits."""
    weight = _constant("weight", np.full((2, 32, 4, 4), 32767.0))
    attributes = {
        "div": helper.make_tensor("d", FLOAT, [], [4096.0]),
        "n_levels_out": helper.make_tensor("n", FLOAT, [1], [256.0]),
        "signed": helper.make_tensor("s", FLOAT, [1], [0.0]),
    }
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["sum"], name="conv", kernel_shape=[4, 4]),
        helper.make_node(
            "RequantShift", ["sum", "mul", "add"], ["output"], name="requant", **attributes
        ),
    ]
    constants = [
        weight,
        _constant("mul", np.ones((2, 1, 1))),
        _constant("add", np.zeros((2, 1, 1))),
    ]
    _write(path, _model(nodes, constants, shape=[1, 32, 4, 4], out=[1, 2, 1, 1]))


def truncated(path):
    integer_sums(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def text(path):
    path.write_text("this is no model\n")


def empty(path):
    path.write_bytes(b"")


def mark(path):
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(24))
