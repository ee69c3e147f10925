"""QONNX networks against the package qonnx: every activation code, and the floats at the end."""

import warnings
from fractions import Fraction

import numpy as np
import onnx
import pytest

from adqhw.exchange.dialects import import_model
from adqhw.flows.engines import engine
from adqhw.spec import golden
from tests.support import needs
from tests.support.models import onnx_oracles
from tests.support.models.onnx_nets import QONNX_NETS, Net, residual

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def _packages():
    needs.package("qonnx", "pip install 'adqhw[oracles]'")


def values_for(name, shape, count):
    rng = np.random.default_rng(1)
    match name:
        case "cnv":
            values = rng.random((count, *shape))
        case "thresholds":
            values = rng.integers(-8, 8, (count, *shape))
        case _:
            values = rng.normal(0, 1, (count, *shape))
    values[0], values[1] = 0, 1e4
    return values.astype(np.float32)


def compared(imported, values, known, output):
    """(codes that differ by tensor, floats, floats of qonnx); every code is compared."""
    names = [layer.name for layer in imported.program.layers]
    codes = imported.encode(values)
    result = golden.run(imported.program, codes, keep=names)
    mine = {"input": codes, **result.tensors}
    different = {}
    for origin in imported.origins:
        if origin is imported.origins[-1] and imported.scaling is not None:
            continue  # sums: compared as floats
        found = origin.file_codes(mine[origin.tensor])
        real = known[origin.file_tensor].astype(np.float64)
        wanted = np.rint(real / origin.quantization.scale) + origin.quantization.zero_point
        different[origin.file_tensor] = int((found != wanted.reshape(found.shape)).sum())
    real = known[output]
    return different, imported.real(result.logits).reshape(real.shape), real


@pytest.mark.parametrize("name", QONNX_NETS)
def test_own_networks(name, tmp_path):
    net = Net(4)
    output, shape = QONNX_NETS[name](net)
    model = net.model(shape, output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "qonnx")
    values = values_for(name, shape, 6)
    different, mine, wanted = compared(imported, values, onnx_oracles.qonnx(model, values), output)
    assert len(different) >= 2
    assert not any(different.values()), different
    assert np.abs(mine - wanted).max() <= 8 * np.spacing(np.abs(wanted).max())
    assert len(np.unique(wanted)) > 8
    other = engine("numba")(imported.program, imported.encode(values)).logits
    assert (imported.real(other).reshape(wanted.shape) == mine).all()


def test_a_halved_sum_differs_only_between_two_codes(tmp_path):
    """qonnx adds 0.08*a + 0.08*b in float32: sums that lie between two codes fall to either side.

    The program decides them as the file says, half to even. Every code that differs is such a one.
    """
    net = Net(4)
    output, shape = residual(net, scale=0.08)
    model = net.model(shape, output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "qonnx")
    values = values_for("residual", shape, 4)
    known = onnx_oracles.qonnx(model, values)
    first = next(n for n in model.graph.node if n.op_type == "Add")
    pair = [
        np.rint(known[x].astype(np.float64) / np.float32(0.08)).astype(int) for x in first.input
    ]
    after = first.output[0]
    while True:  # Relu, then Quant
        node = next(n for n in model.graph.node if after in n.input)
        after = node.output[0]
        if node.op_type == "Quant":
            break
    result = golden.run(
        imported.program, imported.encode(values), keep=[x.name for x in imported.program.layers]
    )
    found = imported.codes(result.tensors)[after]
    theirs = np.rint(known[after].astype(np.float64) / np.float32(0.16)).astype(int)
    doubled = pair[0] + pair[1]
    exact = [min(max(round(Fraction(max(int(d), 0), 2)), 0), 15) for d in doubled.reshape(-1)]
    assert (found.reshape(-1) == exact).all()  # Python rounds half to even
    differs = found != theirs
    assert differs.any()
    assert (doubled[differs] % 2 == 1).all()


@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
@pytest.mark.parametrize("signed", [0, 1])
def test_rounding_modes_at_every_boundary(mode, signed, tmp_path):
    """Sums that hit boundaries exactly: scales are powers of two, so qonnx's floats are exact."""
    net = Net(0)
    x = net.quant("x", 1.0, 8)
    w = net.const(np.array([[1.0, -1.0, 3.0]], np.float32))
    x = net.op("MatMul", [x, w])
    x = net.quant(x, 4.0, 3, signed=signed, narrow=signed, zero=1.0, mode=mode)
    output = net.op("MatMul", [x, net.const(np.eye(3, dtype=np.float32))])
    model = net.model((1,), output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "qonnx")
    values = np.arange(-24, 25, dtype=np.float32)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = onnx_oracles.qonnx(model, values)
    logits = golden.run(imported.program, imported.encode(values)).logits
    assert (imported.real(logits).reshape(49, 3) == known[output].reshape(49, 3)).all()


def test_unsigned_one_bit_and_scales_per_channel(tmp_path):
    net = Net(2)
    x = net.quant("x", 0.25, 6)
    x = net.quant_conv(x, 2, 4)
    x = net.quant(x, net.rng.uniform(0.2, 0.9, (1, 4, 1, 1)), 4)
    x = net.quant_conv(x, 4, 4, groups=4)
    x = net.quant(x, 0.5, 1, signed=0)
    output = net.op("GlobalAveragePool", [x])
    model = net.model((2, 6, 6), output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "qonnx")
    values = values_for("", (2, 6, 6), 8)
    different, mine, wanted = compared(imported, values, onnx_oracles.qonnx(model, values), output)
    assert not any(different.values()), different
    assert np.abs(mine - wanted).max() <= 4 * np.spacing(np.abs(wanted).max())


@pytest.mark.parametrize("name", ["kwsmlp_w3a3", "tfc_2w2a"])
def test_networks_of_the_zoo(name):
    path = needs.models() / "qonnx" / f"{name}.onnx"
    imported = import_model(path, "qonnx")
    shape = imported.origins[0].shape
    rng = np.random.default_rng(3)
    full = {"kwsmlp_w3a3": (1, 10, 49), "tfc_2w2a": (1, 28, 28)}[name]
    spread = 40 if name == "kwsmlp_w3a3" else 1
    values = (spread * rng.random((20, *full)) - spread / 3).astype(np.float32)
    values[0], values[1] = 0, spread
    model = onnx.load(path)
    known = onnx_oracles.qonnx(model, values)
    output = model.graph.output[0].name
    different, mine, wanted = compared(imported, values.reshape(20, *shape), known, output)
    assert not any(different.values()), different
    assert np.abs(mine - wanted).max() <= 4 * np.spacing(np.abs(wanted).max())
