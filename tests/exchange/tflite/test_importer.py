"""Files of our own, random in everything, against LiteRT's reference and TFLite-Micro."""

import needs
import numpy as np
import pytest
from same_codes import differences, inputs
from tflite_engines import present, reference
from tflite_files import Net
from tflite_nets import random_net

from adqhw.adq.integers import integer
from adqhw.exchange.tflite.file import FORMATS, parse_graph
from adqhw.exchange.tflite.importer import import_graph
from adqhw.exchange.tflite.walk import DIALECTS
from adqhw.sim import engine
from adqhw.spec.errors import InputError
from adqhw.spec.program_file import from_bytes, to_bytes

REFERENCE, MICRO = DIALECTS


@pytest.fixture(autouse=True)
def packages():
    needs.package("ai_edge_litert", "make setup")


def equal(net, source, result, dialects=DIALECTS, count=7, **how):
    """No code of no tensor differs; the import of the first dialect."""
    data, found = net.bytes(source, result), None
    shape, fmt = net.shape(source)[1:], FORMATS[net.type.upper()]
    for dialect in present(dialects if net.type == "int8" else (REFERENCE,)):
        imported, wrong, compared = differences(data, dialect, inputs(shape, fmt, count), **how)
        assert not wrong, (dialect, dict(wrong))
        assert compared
        found = found or imported
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_random_networks(seed, type_name):
    equal(*random_net(seed, type_name))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 150))
@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_many_random_networks(seed, type_name):
    equal(*random_net(seed, type_name), count=12)


OPERATORS = ["conv", "per tensor", "depthwise", "dense", "add", "mean", "QUANTIZE", "RELU"]
OPERATORS += ["RELU6", "LEAKY_RELU", "average", "HARD_SWISH", "LOGISTIC"]


def one_operator(name, seed, type_name):
    """A network of one operator whose sums lie at halves, and all its codes as input."""
    net = Net(seed=seed, type=type_name, ties=True)
    first = net.codes([1, 4, 64, 1])
    match name:
        case "conv":
            return net, first, net.conv(first, 4, (1, 1))
        case "per tensor":
            return net, first, net.conv(first, 8, (1, 1), per_channel=False)
        case "depthwise":
            return net, first, net.depthwise(first, 2, (2, 1), per_channel=bool(seed % 2))
        case "dense":
            return net, first, net.dense(first, 16, per_channel=bool(seed % 2))
        case "add":
            other_one = net.unary("QUANTIZE", first, net.scale(first) * net.rng.uniform(0.1, 10))
            return net, first, net.add(first, other_one)
        case "mean":
            return net, first, net.mean(first)
        case "average":
            return net, first, net.pool("AVERAGE_POOL_2D", first, (2, 1), (1, 1))
        case "LEAKY_RELU":
            return net, first, net.unary(name, first, None, None, "LeakyReluOptions", alpha=0.3)
        case "LOGISTIC":
            zero = FORMATS[type_name.upper()].min
            return net, first, net.unary(name, first, 1 / 256, zero)
        case _:
            return net, first, net.unary(name, first)


def tied(name, seed, type_name):
    net, first, last = one_operator(name, seed, type_name)
    fmt = FORMATS[type_name.upper()]
    every = np.arange(fmt.min, fmt.max + 1, dtype=fmt.dtype).reshape(1, 4, 64, 1)
    some = np.concatenate([every, inputs((4, 64, 1), fmt, 4, seed)])
    data = net.bytes(first, last)
    for dialect in present(DIALECTS if type_name == "int8" else (REFERENCE,)):
        _, wrong, compared = differences(data, dialect, some)
        assert not wrong, dialect
        assert compared


@pytest.mark.parametrize("name", OPERATORS)
def test_halves_by_design(name):
    """What float32 and double, one rounding and two, decide differently."""
    tied(name, 1, "int8")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 40))
@pytest.mark.parametrize("type_name", ["int8", "uint8"])
@pytest.mark.parametrize("name", OPERATORS)
def test_many_halves_by_design(name, type_name, seed):
    tied(name, seed, type_name)


def test_the_identity_of_leaky_relu_is_a_double_in_tflite_micro():
    """141 codes at a ratio of 0.2225: 31.3749998 in float32, 31.3750004 in double."""
    net = Net(seed=11)
    first = net.codes([1, 4, 64, 1], 0.011046551167964935, -94)
    last = net.unary("LEAKY_RELU", first, 0.049643464386463165, -96, "LeakyReluOptions", alpha=0.2)
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 4, 64, 1)
    for dialect in present(DIALECTS):
        assert not differences(net.bytes(first, last), dialect, every)[1]


@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_inverted_residual_of_mobilenet_v2(type_name):
    """Expand, depthwise, project, ADD of two scales, without activations: both signs count."""
    net = Net(seed=3, type=type_name)
    first = t = net.codes([1, 8, 8, 4], zero=10)
    for _ in range(2):
        low = 0 if type_name == "uint8" else -128
        wide = net.conv(t, 12, (1, 1), activation=3, zero=low)
        wide = net.depthwise(wide, 1, (3, 3), activation=3, zero=low)
        t = net.add(t, net.conv(wide, 4, (1, 1)))
    equal(net, first, net.dense(net.mean(t), 5))


@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_autoencoder(type_name):
    net = Net(seed=5, type=type_name)
    first = t = net.codes([1, 32])
    for channels, activation in ((16, 1), (4, 1), (16, 1), (32, 0)):
        t = net.dense(t, channels, activation)
    found = equal(net, first, t)
    assert [layer.kind.value for layer in found.program.layers] == ["linear"] * 4


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [6, 7])
def test_same_padding_and_dilation(size, stride):
    net = Net(seed=size)
    first = net.codes([1, size, size + 1, 2])
    t = net.conv(first, 3, (3, 2), (stride, stride))
    equal(net, first, net.conv(t, 2, (2, 2), padding=0, dilation=(2, 1)))


def test_keyword_network_that_reshapes_its_input():
    """(1, 60) to (1, 10, 6, 1): the program's input is the map."""
    net = Net(seed=6)
    first = net.codes([1, 60])
    t = net.depthwise(net.reshape(first, [1, 10, 6, 1]), 4, (4, 3), (2, 2), activation=1)
    size = int(np.prod(net.shape(t)))
    found = equal(net, first, net.dense(net.reshape(t, [1, size]), 3))
    assert found.program.input_shape == (1, 10, 6)


@pytest.mark.parametrize("seed", [16, 30, 38, 71])
def test_additions_that_are_no_plane(seed):
    """Scales found by search whose ADD no single requant has."""
    net = Net(seed=seed)
    first = net.codes([1, 4, 64, 1])
    other_one = net.unary("QUANTIZE", first, net.scale(first) * 4, net.zero(first))
    equal(net, first, net.dense(net.add(first, other_one), 2))


def test_logistic_and_float_input():
    net = Net(seed=8)
    real = net.tensor([1, 4, 4, 2], "float32")
    first = net.codes([1, 4, 4, 2], 0.05, -3)
    net.op("QUANTIZE", [real], [first])
    t = net.unary("LOGISTIC", net.conv(first, 3, (2, 2)), 1 / 256, -128)
    soft = net.unary("SOFTMAX", net.dense(t, 4), 1 / 256, -128, "SoftmaxOptions", beta=1.0)
    data = net.bytes(real, soft)
    imported = import_graph(parse_graph(data, "x"), REFERENCE)
    assert [text.split(":")[0] for text in imported.dropped] == [
        "Operator 0 (QUANTIZE) at the input",
        "Operator 4 (SOFTMAX) at the end",
    ]
    values = np.random.default_rng(0).normal(0, 4, (1, 4, 4, 2)).astype(np.float32)
    values[0, 0, 0, 0] = 0.05 * 2.5  # a half
    tensor = reference(data)(values)
    got = imported.codes(engine.run(imported.program, imported.encode(values), "all").tensors)
    names = {entry.name.decode(): k for k, entry in enumerate(net.tensors)}
    assert len(got) > 2
    for name, codes in got.items():
        if names[name] != real:
            assert (codes == np.asarray(tensor(names[name])).reshape(codes.shape)).all(), name


@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_slopes_per_channel(type_name):
    net = Net(seed=9, type=type_name)
    first = net.codes([1, 5, 6, 3])
    equal(net, first, net.dense(net.prelu(first), 3))


def test_falling_slopes_per_channel():
    net = Net(seed=4)
    first = net.codes([1, 5, 6, 1])
    equal(net, first, net.dense(net.prelu(first, least=-90), 3))


def test_uint8_at_the_ends_and_a_shape_that_is_computed():
    """uint8 in, int8 inside, SOFTMAX and uint8 out; RESHAPE by SHAPE, STRIDED_SLICE and PACK."""
    net = Net(seed=7)
    net.type = "uint8"
    first = net.codes([1, 6, 6, 2], 0.02, 128)
    net.type = "int8"
    t = net.conv(net.converted(first, "int8"), 3, (3, 3), activation=1)
    t = net.dense(net.flattened_by_shape(t), 4)
    soft = net.op("SOFTMAX", [t], [net.codes([1, 4], 1 / 256, -128)], "SoftmaxOptions", beta=1.0)
    data = net.bytes(first, net.converted(soft, "uint8", 1 / 256))
    some = inputs((6, 6, 2), FORMATS["UINT8"], 7)
    for dialect in present(DIALECTS):
        imported, wrong, compared = differences(data, dialect, some)
        assert not wrong, dialect
        assert compared
        assert len(imported.dropped) == 2


def test_every_engine_of_ours_agrees():
    net, first, last = random_net(2, "int8")
    for run in (engine.run, integer.run):
        equal(net, first, last, (REFERENCE,), run=run, many=7)


def test_a_program_file_keeps_all():
    net, first, last = random_net(1, "int8")
    program = import_graph(parse_graph(net.bytes(first, last), "x"), REFERENCE).program
    again = from_bytes(to_bytes(program))
    assert again.digest == program.digest
    assert again.provenance["import"]["dialect"] == REFERENCE


def refused(net, first, last, dialect, text):
    with pytest.raises(InputError, match=text) as caught:
        import_graph(parse_graph(net.bytes(first, last), "x"), dialect)
    assert "\n" not in str(caught.value)


def test_refusals_name_the_operator():
    net = Net(seed=1)
    first = net.codes([1, 4, 4, 2])
    refused(net, first, net.unary("TANH", first), REFERENCE, r"Operator 0 \(TANH\) must be one of")
    net = Net(seed=1)
    first = net.codes([1, 4, 4, 2])
    pool = net.pool("AVERAGE_POOL_2D", first, (3, 3), (1, 1), 0)
    refused(net, first, pool, REFERENCE, r"Operator 0 \(AVERAGE_POOL_2D\) must average whole")
    net = Net(seed=1)
    first = net.codes([1, 4, 4, 2])
    soft = net.unary("SOFTMAX", first, options="SoftmaxOptions", beta=1.0)
    refused(net, first, net.unary("RELU", soft), REFERENCE, r"Operator 0 \(SOFTMAX\) must stand")
    net = Net(seed=1)
    first = net.tensor([1, 4, 4, 2], "float32")
    refused(net, first, net.unary("RELU", first), REFERENCE, "INT8 or UINT8 with one scale")
    net = Net(seed=1, type="uint8")
    first = net.codes([1, 4, 4, 2])
    refused(net, first, net.unary("RELU", first), MICRO, "must have INT8 tensors")
    net = Net(seed=1)
    first = net.codes([1, 4, 4, 2])
    refused(net, first, net.unary("RELU", first), "xnnpack", "Dialect must be one of")
