"""Deeploy's integer networks: every code of every layer, against golden files and NumPy."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from adqhw.exchange.dialects import import_model
from adqhw.flows.engines import engine
from adqhw.spec import golden
from tests.support import needs
from tests.support.models.onnx_nets import Net, deeploy

ENGINES = ("golden", "numba", "torch")
FOREIGN = ("KeywordSpotting", "AnomalyDetection", "miniMobileNetv2")


def convolved(x, w, strides, pads, group):
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    windows = windows[:, :, :: strides[0], :: strides[1]]
    each, share = len(w) // group, x.shape[1] // group
    parts = []
    for g in range(group):
        own, rows = slice(g * share, (g + 1) * share), slice(g * each, (g + 1) * each)
        parts.append(np.einsum("nchwij,ocij->nohw", windows[:, own], w[rows]))
    return np.concatenate(parts, axis=1)


def interpreted(model, x):
    """Every tensor of the graph in int64: an interpreter of its own, node by node."""
    known = {t.name: numpy_helper.to_array(t).astype(np.int64) for t in model.graph.initializer}
    known[model.graph.input[0].name] = x.astype(np.int64)
    for node in model.graph.node:
        fields = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        a, *rest = (known[name] for name in node.input)
        known[node.output[0]] = _node(node.op_type, fields, a, rest)
    return known


def _node(kind, fields, a, rest):
    size = fields.get("kernel_shape", [1, 1])
    strides, pads = fields.get("strides", [1, 1]), fields.get("pads", [0] * 4)
    match kind:
        case "Conv":
            return convolved(a, rest[0], strides, pads, fields.get("group", 1))
        case "Gemm":
            return a @ (rest[0].T if fields.get("transB") else rest[0]) + rest[1]
        case "RequantShift":
            div, count, signed = (
                int(numpy_helper.to_array(fields[k]).reshape(-1)[0])
                for k in ("div", "n_levels_out", "signed")
            )
            low = -count // 2 if signed else 0
            total = rest[0] * a + rest[1] + div // 2
            return np.clip(np.floor_divide(total, div), low, low + count - 1)
        case "MaxPool":
            filled = np.pad(
                a, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])),
                constant_values=np.iinfo(np.int64).min,
            )  # fmt: skip
            windows = np.lib.stride_tricks.sliding_window_view(filled, size, axis=(2, 3))
            return windows[:, :, :: strides[0], :: strides[1]].max(axis=(4, 5))
        case "Pad":
            half = len(rest[0]) // 2
            return np.pad(a, list(zip(rest[0][:half], rest[0][half:], strict=True)))
        case "Concat":
            return np.concatenate([a, *rest], axis=fields["axis"])
        case "Add":
            return a + rest[0]
        case "Flatten":
            return a.reshape(len(a), -1)
        case "Reshape":
            return a.reshape([int(x) for x in rest[0]])
    raise AssertionError(kind)


@pytest.mark.parametrize("name", FOREIGN)
def test_every_code_equals_the_golden_files(name):
    folder = needs.models() / "deeploy" / name
    imported = import_model(folder / "network.onnx", "deeploy")
    arrays = [np.load(folder / f"{x}.npz") for x in ("inputs", "activations", "outputs")]
    inputs, wanted, outputs = ([array[key] for key in array.files] for array in arrays)
    model = onnx.load(folder / "network.onnx")
    mine = interpreted(model, inputs[0])
    produced = [mine[x] for node in model.graph.node for x in node.output]
    for array in wanted:  # the interpreter is right: each golden tensor is one of its
        assert any(
            x.size == array.size and (x.reshape(-1) == array.reshape(-1)).all() for x in produced
        )
    names = [layer.name for layer in imported.program.layers]
    codes = imported.encode(inputs[0].reshape(1, *imported.origins[0].shape))
    for name in ENGINES:
        result = engine(name)(imported.program, codes, keep=names)
        assert (imported.result(result.logits).reshape(-1) == outputs[0].reshape(-1)).all()
        found = imported.codes(result.tensors)
        assert len(found) >= len([x for x in model.graph.node if x.op_type == "RequantShift"])
        for tensor, values in found.items():
            assert (values.reshape(-1) == mine[tensor].reshape(-1)).all(), tensor
    for layer in imported.program.mac_layers:  # the sums, before their stage
        sums = golden.accumulate(layer, _read(imported, layer, codes, result))
        assert any((sums.reshape(-1) == x.reshape(-1)).all() for x in _sums(mine, layer, sums))


def _read(imported, layer, codes, result):
    return codes if layer.input == "input" else result.tensors[layer.input]


def _sums(mine, layer, sums):
    """Tensors of the file as large as a layer's sums, without a bias of their own."""
    bias = layer.output.bias // layer.output.multiplier
    shaped = bias.reshape(-1, *(1,) * (sums.ndim - 2))
    plain = [x.reshape(sums.shape) for x in mine.values() if x.size == sums.size]
    return [*plain, *(x - shaped for x in plain)]


def test_own_network_equals_the_interpreter(tmp_path):
    net = Net(3)
    output, shape = deeploy(net)
    model = net.model(shape, output)
    onnx.save(model, tmp_path / "net.onnx")
    imported = import_model(tmp_path / "net.onnx", "deeploy", input_format="s8")
    values = np.random.default_rng(0).integers(-128, 128, (5, *shape))
    names = [layer.name for layer in imported.program.layers]
    codes = imported.encode(values)
    results = [engine(name)(imported.program, codes, keep=names) for name in ENGINES]
    for i, x in enumerate(values):
        wanted = _averaged(model, x[None])
        for result in results:
            assert (imported.result(result.logits)[i] == wanted[output]).all()
            for tensor, found in imported.codes(result.tensors).items():
                assert (found[i].reshape(-1) == wanted[tensor].reshape(-1)).all(), tensor


def _averaged(model, x):
    """The interpreter on a graph whose AveragePool of 2 x 2 is a sum and a division by 4."""
    known = {t.name: numpy_helper.to_array(t).astype(np.int64) for t in model.graph.initializer}
    known["x"] = x.astype(np.int64)
    factor = 1
    for node in model.graph.node:
        fields = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        a, *rest = (known[name] for name in node.input)
        if node.op_type == "AveragePool":
            known[node.output[0]] = convolved(
                a, np.ones((6, 1, 2, 2), np.int64), [2, 2], [0] * 4, 6
            )
            factor = 4
            continue
        if factor != 1:  # (mul*sum/4 + add + div/2) / div, all times 4
            rest, div = [rest[0], 4 * rest[1]], 4 * numpy_helper.to_array(fields["div"])
            fields["div"], factor = numpy_helper.from_array(np.asarray(div)), 1
        known[node.output[0]] = _node(node.op_type, fields, a, rest)
    return known


def test_input_format_is_the_callers(tmp_path):
    net = Net(3)
    output, shape = deeploy(net)
    onnx.save(net.model(shape, output), tmp_path / "net.onnx")
    unsigned = import_model(tmp_path / "net.onnx", "deeploy").program
    signed = import_model(tmp_path / "net.onnx", "deeploy", input_format="s8").program
    assert (unsigned.input_format.name, signed.input_format.name) == ("u8", "s8")
