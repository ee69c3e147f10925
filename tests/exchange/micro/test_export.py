"""Exported TFLite files in TFLite-Micro's interpreter: every code of every tensor; refusals."""

import json
import sys
from pathlib import Path

import needs
import numpy as np
import pytest
from same_codes import inputs
from tflite_engines import ENGINES
from tflite_files import Net
from tflite_nets import random_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.exchange.micro import export
from adqhw.exchange.micro.export import compressed_micro_file, micro_file
from adqhw.exchange.tflite.file import parse_graph
from adqhw.exchange.tflite.importer import import_graph, import_tflite
from adqhw.sim import engine
from adqhw.spec.activation import Threshold
from adqhw.spec.codebook import Codebook
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat
from adqhw.spec.layers import ConcatLayer, LayerKind, MacLayer, PoolLayer, Skip, UpsampleLayer
from adqhw.spec.program import INPUT, Program
from adqhw.spec.program_file import save
from adqhw.spec.requant import Requant

MICRO, REFERENCE = "tflite-micro", "tflite-reference"
U8, S8 = IntFormat(width=8), IntFormat(width=8, signed=True)
LEVELS = tuple(range(8)) + tuple(range(-8, 0))


@pytest.fixture(autouse=True)
def packages():
    needs.package("ai_edge_litert", "make setup")
    needs.package("tflite_micro", "pip install -r requirements-oracles.txt")


def assert_same(program, data, dialect=MICRO, count=4):
    """The engine's codes are the program's, in every tensor, of random and extreme inputs."""
    channels, *size = program.input_shape
    codes = inputs((*size, channels), S8, count)
    offset = {True: 0, False: -128}
    mine = codes.astype(np.int64).transpose(0, 3, 1, 2) - offset[program.input_format.signed]
    kept = engine.run(program, mine.astype(program.input_format.dtype), "all").tensors
    index = {tensor.name: tensor.index for tensor in parse_graph(data, "made").tensors}
    run = ENGINES[dialect](data)
    assert program.layers[-1].name in kept
    for k in range(count):
        tensor = run(codes[k : k + 1])
        for name, values in kept.items():
            theirs = np.asarray(tensor(index[name])).astype(np.int64)
            shift = offset[program.tensor_format(name).signed]
            wanted = values[k].astype(np.int64).transpose(1, 2, 0) + shift
            np.testing.assert_array_equal(theirs.reshape(wanted.shape), wanted, err_msg=name)


def imported(net, first, last):
    return import_graph(parse_graph(net.bytes(first, last), "made"), MICRO).program


def round_trip(seed):
    """Imported, exported, the same; refused only where an operator has a slope of its own."""
    net, first, last = random_net(seed, "int8")
    program = imported(net, first, last)
    try:
        data, _ = micro_file(program)
    except InputError as error:
        refusal = str(error)
    else:
        assert_same(program, data)
        return
    assert "no TFLite requant" in refusal
    assert "LEAKY_RELU" in {name for name, *_ in net.operators}, refusal


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 7, 10])
def test_random_networks_come_back(seed):
    round_trip(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(11, 110))
def test_many_random_networks_come_back(seed):
    round_trip(seed)


def test_litert_computes_the_same_where_its_kernels_agree():
    net = Net(seed=3)
    first = net.codes([1, 8, 8, 4], zero=10)
    t = net.conv(first, 12, (3, 3), (2, 1), activation=1)
    t = net.depthwise(t, 1, (3, 3), activation=3, zero=-128)
    program = imported(net, first, net.conv(t, 5, (1, 1)))
    data, _ = micro_file(program)
    for dialect in (MICRO, REFERENCE):
        assert_same(program, data, dialect)


def line(rng, channels, width, reach):
    """Thresholds on a line, a fifth of them falling: steps of several sums each."""
    count = (1 << width) - 1
    step, first = rng.uniform(0.5, 2, channels) * reach / count, rng.uniform(-0.2, 0.2, channels)
    tau = np.ceil((np.arange(count) + 0.5) * step[:, None] + first[:, None] * reach)
    sign = np.where(np.arange(channels) % 5 == 3, -1, 1)
    return Threshold(tau=tau.astype(np.int64), sign=sign)


def codebook_layer(rng, name, source, shape, width, reach, **how):
    weights = rng.integers(0, len(LEVELS), shape).astype(np.uint8)
    return MacLayer(
        name=name, input=source, weights=weights, weight_width=4,
        codebook=Codebook(levels=LEVELS, width=4), output=line(rng, shape[0], width, reach), **how,
    )  # fmt: skip


def codebook_program(out=4):
    """4-bit weights and activations; a border of SAME, one that is not, one of a code."""
    rng = np.random.default_rng(1)
    layers = (
        codebook_layer(rng, "a", INPUT, (16, 3, 3, 3), 4, 4000, padding=1),
        codebook_layer(rng, "b", "a", (16, 16, 3, 3), 4, 700, padding=1, stride=2),
        codebook_layer(rng, "c", "b", (16, 1, 3, 3), 4, 150, padding=(0, 1, 2, 0), groups=16),
        codebook_layer(rng, "d", "c", (16, 16, 1, 1), out, 250),
    )
    return Program(layers=layers, input_shape=(3, 8, 8), input_format=U8)


def test_a_codebook_network():
    program = codebook_program()
    data, facts = micro_file(program)
    assert_same(program, data)
    small, found = compressed_micro_file(program)
    assert_same(program, small)
    assert found["uncompressed_bytes"] == len(data)
    assert len(small) < len(data)
    assert found["compressed_weight_bytes"] < 0.75 * found["weight_bytes"]
    assert facts["operators"] == 6  # two borders that are not SAME


def test_equal_channels_have_one_scale_and_one_table():
    """Interpreters look at the scales for the number of tables."""
    rng = np.random.default_rng(0)
    one = rng.integers(0, len(LEVELS), (1, 1, 5, 5)).astype(np.uint8)
    layer = MacLayer(
        name="a", input=INPUT, weights=one.repeat(16, axis=0), weight_width=4, groups=16,
        codebook=Codebook(levels=LEVELS, width=4), output=line(rng, 1, 4, 2000),
    )  # fmt: skip
    program = Program(layers=(layer,), input_shape=(16, 7, 7), input_format=U8)
    data, found = compressed_micro_file(program)
    assert found["compressed_tensors"] == 1
    scales = [len(t.scales) for t in parse_graph(data, "made").tensors if t.name == "a/bias"]
    assert scales == [1]
    assert_same(program, data)


def copies():
    """Max pooling, enlarging and joining change no code, and share one zero point, 9."""
    rng = np.random.default_rng(2)
    pool = PoolLayer(
        name="max", input=INPUT, kind=LayerKind.MAX_POOL, kernel=3, stride=2, padding=(0, 0, 1, 1)
    )
    last = codebook_layer(
        rng, "out", "both", (4, 6, 3, 3), 4, 9000, padding=1, pad_codes=np.full(6, 9)
    )
    layers = (
        pool,
        UpsampleLayer(name="up", input="max", factor=2),
        ConcatLayer(name="both", inputs=(INPUT, "up")),
        last,
    )
    return Program(layers=layers, input_shape=(3, 8, 8), input_format=U8)


def test_layers_that_copy_codes():
    program = copies()
    data, _ = micro_file(program)
    assert_same(program, data)


def test_signed_codes():
    """s8 in, u8 out; a tensor joined with nothing."""
    rng = np.random.default_rng(5)
    weights = rng.integers(-9, 10, (4, 3, 2, 2))
    upward = Requant(multiplier=np.array([3]), bias=np.array([-5]), shift=9, out=U8)
    first = MacLayer(name="a", input=INPUT, weights=weights, weight_width=5, output=upward)
    layers = (first, ConcatLayer(name="b", inputs=("a",)))
    program = Program(layers=layers, input_shape=(3, 6, 5), input_format=S8)
    assert_same(program, micro_file(program)[0])


def addition(multiplier, skip_multiplier, shift):
    halved = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=U8)
    small = MacLayer(
        name="a", input=INPUT, weights=np.ones((2, 1, 1, 1), np.int64), weight_width=2,
        groups=2, output=halved,
    )  # fmt: skip
    total = Requant(
        multiplier=np.array([multiplier]), skip_multiplier=skip_multiplier, bias=np.array([0]),
        shift=shift, out=U8,
    )  # fmt: skip
    added = PoolLayer(
        name="sum", input="a", kind=LayerKind.AVG_POOL, kernel=1, stride=1, output=total,
        skip=Skip(tensor=INPUT),
    )  # fmt: skip
    return Program(layers=(small, added), input_shape=(2, 3, 3), input_format=U8)


def test_additions():
    program = addition(1, 1, 0)
    assert_same(program, micro_file(program)[0])
    with pytest.raises(InputError, match="Layer 'sum' must add as TFLite-Micro's ADD does"):
        micro_file(addition(3, -2, 1))


def one_layer(output, levels=None, **how):
    weights = np.ones((2, 3, 1, 1), np.int64) if levels is None else levels
    layer = MacLayer(
        name="only", input=INPUT, weights=weights, weight_width=9, output=output, **how
    )
    return Program(layers=(layer,), input_shape=(3, 4, 4), input_format=U8)


def plain(width, signed):
    out = IntFormat(width=width, signed=signed)
    return Requant(multiplier=np.array([1]), bias=np.array([0]), shift=2, out=out)


BENT = Threshold(tau=np.array([[5, 6, 300]]), sign=np.array([1]))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (one_layer(plain(32, True)), "Layer 'only': output must have at most 8 bits.*not s32"),
        (one_layer(BENT), "Layer 'only', channel 0: output stage must step.*no TFLite requant"),
        (one_layer(plain(8, False), np.full((2, 3, 1, 1), 200)), "levels in -127..127.*not 200"),
        (
            one_layer(plain(8, False), padding=1, pad_codes=np.array([1, 2, 2])),
            "padding must insert one code",
        ),
    ],
)
def test_refusals(program, message):
    with pytest.raises(InputError, match=message) as caught:
        micro_file(program)
    assert "\n" not in str(caught.value)


def test_a_decoder_that_does_otherwise_is_refused(monkeypatch):
    """One table for channels of several scales: this interpreter takes tables by the scales."""
    monkeypatch.setattr(export, "_mode", lambda micro, _: micro.spec.PerTensor())
    monkeypatch.setattr(export, "_tables", lambda values, _: (7, 0))
    with pytest.raises(InputError, match="must decode its lookup tables to the weights"):
        compressed_micro_file(codebook_program())


@pytest.mark.parametrize(("format", "package"), [("", "tflite"), ("-lut", "tflite_micro")])
def test_an_absent_package_is_one_line(tmp_path, monkeypatch, format, package):
    save(codebook_program(), tmp_path / "p.safetensors")
    monkeypatch.setitem(sys.modules, package, None)
    out = tmp_path / "p.tflite"
    arguments = [
        str(tmp_path / "p.safetensors"),
        "-o",
        str(out),
        "--format",
        f"tflite-micro{format}",
    ]
    result = CliRunner().invoke(app, ["export-onnx", *arguments])
    assert result.exit_code == 2
    assert f"Package '{package}' must be installed" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_the_command(tmp_path):
    program = codebook_program()
    save(program, tmp_path / "p.safetensors")
    for name, options in (("p.tflite", []), ("q.tflite", ["--format", "tflite-micro-lut"])):
        arguments = [str(tmp_path / "p.safetensors"), "-o", str(tmp_path / name), *options]
        result = CliRunner().invoke(app, ["export-onnx", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        record = json.loads(result.stdout)
        assert record["bytes"] == (tmp_path / name).stat().st_size
        assert_same(program, (tmp_path / name).read_bytes(), count=2)


def test_buffers_lie_at_multiples_of_sixteen():
    data, _ = micro_file(codebook_program())
    import tflite

    model = tflite.Model.GetRootAsModel(data, 0)
    found = 0
    for k in range(model.BuffersLength()):
        buffer = model.Buffers(k)
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0
            found += 1
    assert found > 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8_int8", "dscnn_kws_int8"])
def test_networks_of_mlperf_tiny_come_back(name):
    path = Path(needs.models()) / "mlperf_tiny" / f"{name}.tflite"
    program = import_tflite(path, MICRO).program
    data, _ = micro_file(program)
    assert_same(program, data, count=40)
