"""What is refused: one line that names the node or the tensor, and what would be accepted."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from adqhw.exchange.dialects import import_model
from adqhw.exchange.onnx.graph import parse
from adqhw.spec.errors import InputError
from tests.support.models.onnx_nets import QONNX, Net, deeploy, mlp


def integer_net(seed=3):
    net = Net(seed)
    output, shape = deeploy(net)
    return net.model(shape, output)


def edited(change):
    """The integer network after `change(model)`."""
    model = integer_net()
    change(model)
    return model.SerializeToString()


def node(model, kind):
    return next(n for n in model.graph.node if n.op_type == kind)


def relabelled(kind, new, domain=""):
    def change(model):
        found = node(model, kind)
        found.op_type, found.domain = new, domain

    return change


def cyclic(model):
    node(model, "Conv").input[0] = model.graph.node[-1].output[0]


def external(model):
    constant = model.graph.initializer[0]
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="/etc/passwd")


def control(model):
    branch = helper.make_graph([], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["c0"], ["z"], then_branch=branch))


def dynamic(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def missing(model):
    del model.graph.initializer[0]


def huge(model):
    model.graph.initializer[0].dims[0] = 1 << 40


def fraction(model):
    w = next(t for t in model.graph.initializer if t.name == node(model, "Conv").input[1])
    w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w) + np.float32(0.25), w.name))


def wide(model):
    w = next(t for t in model.graph.initializer if t.name == node(model, "Conv").input[1])
    w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w) * np.float32(1e6), w.name))


def odd_div(model):
    field = next(a for a in node(model, "RequantShift").attribute if a.name == "div")
    field.CopyFrom(helper.make_attribute("div", 1000.0))


def old(model):
    model.opset_import[0].version = 3


def newer_ir(model):
    model.ir_version = 99


def two_outputs(model):
    model.graph.output.append(helper.make_empty_tensor_value_info("t3"))


def twice(model):
    model.graph.node[3].output[0] = model.graph.node[1].output[0]


BROKEN = {
    "unknown operator": (relabelled("MaxPool", "Einsum"), "Einsum.*operator must be one of"),
    "lstm": (relabelled("MaxPool", "LSTM"), "LSTM.*recurrent"),
    "domain": (relabelled("MaxPool", "MaxPool", "ai.example"), "domain must be one of"),
    "control flow": (control, "without control flow"),
    "dynamic": (relabelled("MaxPool", "DynamicQuantizeLinear"), "scales must be constant"),
    "cycle": (cyclic, "without cycles"),
    "external data": (external, "not in external data"),
    "dynamic shape": (dynamic, "size 2 must be a number, not 'height'"),
    "batch": (batch, "batch of 1 or symbolic"),
    "missing tensor": (missing, "must be made by a node"),
    "huge constant": (huge, "must fit .* of memory"),
    "float weights": (fraction, "weights must be integers .*adqhw calibrate"),
    "wide weights": (wide, "at most 16 bits"),
    "div": (odd_div, "div must be a power of two"),
    "opset": (old, "opset must be 7"),
    "ir": (newer_ir, "IR version must be"),
    "two outputs": (two_outputs, "one input and one output"),
    "made twice": (twice, "must be made once"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_networks(case, tmp_path):
    change, message = BROKEN[case]
    (tmp_path / "net.onnx").write_bytes(edited(change))
    with pytest.raises(InputError, match=message) as found:
        import_model(tmp_path / "net.onnx", "deeploy")
    assert "\n" not in str(found.value)


def saved(net, shape, output, path):
    onnx.save(net.model(shape, output), path)
    return path


def test_another_dialect_is_named(tmp_path):
    net = Net()
    output, shape = mlp(net)
    path = saved(net, shape, output, tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"must be qonnx .it has Quant nodes., not onnxruntime"):
        import_model(path, "onnxruntime")
    (tmp_path / "deeploy.onnx").write_bytes(integer_net().SerializeToString())
    with pytest.raises(InputError, match=r"must be deeploy .it has RequantShift nodes., not qonnx"):
        import_model(tmp_path / "deeploy.onnx", "qonnx")


def test_float_networks_are_sent_to_calibrate(tmp_path):
    net = Net()
    output = net.gemm("x", 5, 3)
    path = saved(net, (5,), output, tmp_path / "net.onnx")
    for dialect in ("deeploy", "qonnx", "onnxruntime"):
        with pytest.raises(InputError, match="adqhw calibrate"):
            import_model(path, dialect)


def wide_bits(net):
    return net.quant_matmul(net.quant("x", 0.1, 9), 4, 3), "bit width must be one integer in 1..8"


def float_weights(net):
    x = net.quant("x", 0.1, 8)
    return net.op("MatMul", [x, net.const(net.weights(4, 3))]), "weights must be quantized"


def raw_input(net):
    return net.quant_matmul("x", 4, 3), "input of the graph must be quantized first"


def rounding(net):
    return net.quant_matmul(net.quant("x", 0.1, 8, mode="TIES"), 4, 3), "rounding_mode must be one"


def scale_per_feature(net):
    x = net.quant_matmul(net.quant("x", 0.1, 8), 4, 4)
    x = net.quant(x, np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), 4)
    return net.quant_matmul(x, 4, 3), "one scale and zero point"


def bipolar_padding(net):
    x = net.op("Reshape", ["x", net.const([1, 1, 2, 2], np.int64)])
    x = net.quant(x, 0.1, 8)
    tau = net.const(np.zeros((1, 1), np.float32))
    x = net.op("MultiThreshold", [x, tau], QONNX, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    return net.quant_conv(x, 1, 2), "padding must insert real zero"


QONNX_REFUSED = (wide_bits, float_weights, raw_input, rounding, scale_per_feature, bipolar_padding)


@pytest.mark.parametrize("case", QONNX_REFUSED)
def test_qonnx_networks(case, tmp_path):
    net = Net()
    output, message = case(net)
    path = saved(net, (4,), output, tmp_path / "net.onnx")
    with pytest.raises(InputError, match=message) as found:
        import_model(path, "qonnx")
    assert str(found.value).startswith("Node ")


def small(name):
    net = Net()
    if name == "qonnx":
        output = net.quant_matmul(net.quant("x", 0.1, 4), 4, 3, bits=3)
    else:
        rows = [net.const(np.ones((3, 1, 1), np.float32) * k) for k in (5, 1)]
        w = net.const(net.rng.integers(-9, 9, (3, 1, 2, 2)).astype(np.float32))
        x = net.op("Reshape", ["x", net.const([1, 1, 2, 2], np.int64)])
        x = net.op("Conv", [x, w])
        output = net.op("RequantShift", [x, *rows], div=16.0, n_levels_out=256, signed=1)
    return net.model((4,), output).SerializeToString()


SMALL = {name: small(name) for name in ("deeploy", "qonnx")}


@given(st.sampled_from(sorted(SMALL)), st.data())
@settings(max_examples=200, derandomize=True)
def test_changed_bytes_end_in_a_line_or_a_program(tmp_path_factory, name, data):
    content = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content), len(content) // 2]))]
    path = tmp_path_factory.mktemp("fuzz") / "net.onnx"
    path.write_bytes(bytes(content))
    lines = ["a program"]
    try:
        assert import_model(path, name).program.layers
    except InputError as error:
        lines = str(error).split("\n")
    assert len(lines) == 1
    assert lines[0]


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"not a model", bytes(range(256))])
def test_what_is_no_model(content):
    with pytest.raises(InputError, match="must be"):
        parse(content, "ONNX file 'x'")
