"""Quantized networks against ONNX Runtime: every code, and the float results, bit for bit."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from adqhw.exchange.dialects import import_model
from adqhw.exchange.onnx.emit import Codes, Emitter, convolution
from adqhw.exchange.onnx.layout import View
from adqhw.exchange.onnx.walk import same
from adqhw.exchange.onnxruntime.arithmetic import Affine, added
from adqhw.exchange.onnxruntime.join import addition
from adqhw.exchange.onnxruntime.values import FORMATS, Coded
from adqhw.flows.engines import engine
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat
from adqhw.spec.program import Program
from tests.support import needs
from tests.support.models import onnx_oracles
from tests.support.models.onnx_nets import FLOAT_NETS, Net


@pytest.fixture(autouse=True)
def _packages():
    needs.package("onnxruntime", "pip install 'adqhw[oracles]'")


def inputs(shape, count=6):
    rng = np.random.default_rng(5)
    plain = [
        np.zeros(shape),
        np.full(shape, 3.0),
        np.full(shape, -50.0),
        rng.integers(-1, 2, shape),
    ]
    return np.stack([*rng.normal(0, 1, (count, *shape)), *plain]).astype(np.float32)


def compare(imported, model, values, signed):
    """Codes compared; asserts that all are equal, and the floats where nothing is left out."""
    output = model.graph.output[0].name
    wanted = [x.file_tensor for x in imported.origins[1:] if x.file_tensor != output]
    known = onnx_oracles.onnxruntime(model, values, wanted, signed)
    names = [layer.name for layer in imported.program.layers]
    result = golden.run(imported.program, imported.encode(values), keep=names)
    compared = 0
    for origin in imported.origins[1:]:
        theirs = known[origin.file_tensor]
        if theirs.dtype.kind != "f":
            mine = origin.file_codes(result.tensors[origin.tensor])
            assert (mine == theirs.reshape(mine.shape)).all(), origin.file_tensor
            compared += mine.size
    if not imported.dropped:
        real = imported.real(result.logits)
        assert (real.reshape(-1) == known[output].reshape(-1)).all()
    other = engine("numba")(imported.program, imported.encode(values))
    assert (other.logits == result.logits).all()
    return compared


CASES = [
    (name, signed, per_channel, operators)
    for name in FLOAT_NETS
    for signed, per_channel, operators in (
        (False, True, False), (True, False, False), (False, False, True), (True, True, True),
    )
    if not operators or name in ("resnet", "vgg", "branches")
]  # fmt: skip
"""Networks in QDQ form; three of them, which have every operator, in QOperator form as well."""


@pytest.mark.parametrize(("name", "signed", "per_channel", "operators"), CASES)
def test_own_networks(name, signed, per_channel, operators, tmp_path):
    shape = (16, 16, 3) if name == "nhwc" else (3, 16, 16)
    net = Net(7)
    model = net.model(shape, FLOAT_NETS[name](net), batch="N")
    kinds = {"signed": signed, "per_channel": per_channel, "operators": operators}
    values = inputs(shape)
    model = onnx_oracles.quantized(model, values[:6], tmp_path, **kinds)
    imported = import_model(tmp_path / "int8.onnx", "onnxruntime")
    assert compare(imported, model, values, signed) > 1000


@given(st.tuples(*[st.floats(0.01, 0.2)] * 3), st.tuples(*[st.integers(0, 255)] * 3), st.booleans())
@settings(max_examples=6, derandomize=True)
def test_an_addition_for_all_pairs_of_codes(scales, zeros, signed):
    kind = np.int8 if signed else np.uint8
    element = TensorProto.INT8 if signed else TensorProto.UINT8
    low = np.iinfo(kind).min
    net = Net()
    rows = [
        (net.const(np.float32(s)), net.const(np.array(z + low, kind)))
        for s, z in zip(scales, zeros, strict=True)
    ]
    codes = (
        np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij")).reshape(2, -1) + low
    )
    operands = ["a", *rows[0], "b", *rows[1], *rows[2]]
    graph = helper.make_graph(
        [helper.make_node("QLinearAdd", operands, ["y"], domain="com.microsoft")],
        "add",
        [helper.make_tensor_value_info(n, element, [1, 65536]) for n in "ab"],
        [helper.make_tensor_value_info("y", element, None)],
        net.constants,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {n: row[None].astype(kind) for n, row in zip("ab", codes, strict=True)}
    theirs = session.run(None, feed)[0].reshape(-1)

    form = FORMATS["int8" if signed else "uint8"]
    affine = [
        Affine(format=form, scale=np.float32(s), zero=z + low)
        for s, z in zip(scales, zeros, strict=True)
    ]
    assert (added(codes[0], codes[1], *affine) == theirs).all()
    emitter, view = Emitter(), View.whole((2, 1, 1))
    u8 = IntFormat(width=8)
    pair = Codes(name="input", shape=(2, 1, 1), format=u8)
    parts = [
        emitter.finish(
            convolution(pair, row, label="part"), same(pair, np.zeros(1, np.int64)), "part"
        )
        for row in np.eye(2, dtype=np.int64).reshape(2, 1, 2, 1, 1)
    ]
    first, second = (
        Coded(view=view, codes=x, affine=y) for x, y in zip(parts, affine, strict=False)
    )
    addition(emitter, first, second, affine[2], "y", "Layer 'y'")
    program = Program(layers=tuple(emitter.layers), input_shape=(2, 1, 1), input_format=u8)
    own = (codes - low).T.reshape(-1, 2, 1, 1).astype(np.uint8)
    found = engine("numba")(program, own).logits.reshape(-1) + low
    assert (found == theirs).all()


def test_sums_in_floating_point_at_the_end_are_stated(tmp_path):
    """A last layer without a QuantizeLinear: integer sums and one float32 scale per channel."""
    net = Net(3)
    x = net.op("QuantizeLinear", ["x", net.const(0.03), net.const(np.array(120, np.uint8))])
    x = net.op("DequantizeLinear", [x, net.const(0.03), net.const(np.array(120, np.uint8))])
    w = net.const(net.rng.integers(-127, 128, (12, 4)).astype(np.int8))
    scale = net.const(net.rng.uniform(0.001, 0.01, 4).astype(np.float32))
    w = net.op("DequantizeLinear", [w, scale, net.const(np.zeros(4, np.int8))], axis=1)
    output = net.op("MatMul", [x, w])
    model = net.model((12,), output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "onnxruntime")
    values = np.random.default_rng(0).normal(0, 2, (1, 12)).astype(np.float32)
    known = onnx_oracles.onnxruntime(model, values)[output]
    logits = golden.run(imported.program, imported.encode(values)).logits
    mine = imported.real(logits)
    assert np.abs(mine - known).max() <= 4 * np.spacing(np.abs(known).max())


@pytest.mark.parametrize("relu", [False, True])
def test_integer_products_with_constant_scales(relu, tmp_path):
    net = Net(3)
    zero = net.const(np.array(117, np.uint8))
    x = net.op("QuantizeLinear", ["x", net.const(0.021), zero])
    w = net.const(net.rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8))
    x = net.op("ConvInteger", [x, w, zero], pads=[1] * 4, kernel_shape=[3, 3])
    x = net.op("Cast", [x], to=1)
    x = net.op("Mul", [x, net.const(net.rng.uniform(1e-4, 2e-4, (4, 1, 1)))])
    x = net.op("Add", [x, net.const(net.rng.normal(0, 0.3, (4, 1, 1)))])
    x = net.op("Relu", [x]) if relu else x
    output = net.op("QuantizeLinear", [x, net.const(0.01), net.const(np.array(9, np.uint8))])
    model = net.model((3, 8, 8), output)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "onnxruntime")
    for values in inputs((3, 8, 8)):
        known = onnx_oracles.onnxruntime(model, values[None])[output]
        logits = golden.run(imported.program, imported.encode(values[None])).logits
        assert (imported.result(logits) == known).all()


def test_what_onnx_runtime_computes_in_float32_is_refused(tmp_path):
    net = Net(3)
    x = net.op("QuantizeLinear", ["x", net.const(0.03), net.const(np.array(120, np.uint8))])
    x = net.op("DequantizeLinear", [x, net.const(0.03), net.const(np.array(120, np.uint8))])
    output = net.conv(x, 3, 4)
    onnx.save(net.model((3, 8, 8), output), tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"Conv_2.*weights must come from a DequantizeLinear"):
        import_model(tmp_path / "net.onnx", "onnxruntime")
