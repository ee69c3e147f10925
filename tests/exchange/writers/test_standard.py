"""Standard ONNX files: ONNX Runtime computes the program's integers, in every tensor."""

import edge_programs
import needs
import numpy as np
import programs
import pytest
import wide_programs
from conformance_cases import CASES
from exact_limits import LIMITS
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from identical import assert_identical
from onnx_engines import onnx_session, run_onnx
from places import VECTORS, ZOO

from adqhw.exchange.writers.standard import standard_model
from adqhw.sim.engine import run
from adqhw.sim.networks import build
from adqhw.spec import IntFormat, LayerKind, MacLayer, PoolLayer, Program, Requant, Skip, golden
from adqhw.spec.errors import ContractError
from adqhw.spec.layers import ConcatLayer, UpsampleLayer
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import load

ORT = "onnxruntime"
ZOO_FILES = sorted(ZOO.glob("*.safetensors"))
QUICK_ZOO = ("cifar10_resnet20_mixed279_a4_seed0", "cifar10_resnet20_w2a2")
IMAGES = 500
FEW = 20
"""Images of the quick tests."""


@pytest.fixture(autouse=True)
def _installed():
    needs.package(ORT, "pip install 'adqhw[oracles]'")


def check(program, images, *, optimize=True):
    expected = golden.run(program, images, "all")
    found = run_onnx(standard_model(program), program, images, optimize=optimize)
    assert_identical(expected, found, program, images, ORT)


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_conformance_case(case, optimize):
    program = CASES[case]()
    check(program, programs.random_images(program, 5, seed=1), optimize=optimize)


@pytest.mark.parametrize("folder", sorted(VECTORS.glob("*/program.safetensors")))
def test_frozen_vector(folder):
    program = load(folder)
    check(program, np.load(folder.parent / "images.npy"))


@pytest.mark.parametrize("case", LIMITS)
def test_sums_and_totals_beyond_exact_floats(case):
    program = LIMITS[case]()
    check(program, programs.random_images(program, 3, seed=1))


MAKERS = (programs.random_program, programs.random_windows, wide_programs.wide_program)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), maker=st.sampled_from(MAKERS))
def test_random_program(seed, maker):
    try:
        program = maker(seed)
    except ContractError:  # sums of more than 32 bits
        reject()
    check(program, programs.random_images(program, 3, seed))


@pytest.mark.parametrize("name", ["u1", "u8", "u9", "u24", "u25", "s1", "s8", "s9", "s25", "s32"])
def test_format_at_its_edges(name):
    program = edge_programs.edge_program(name)
    check(program, edge_programs.images(program))


@pytest.mark.slow
@pytest.mark.parametrize("name", edge_programs.FORMATS)
def test_every_format_at_its_edges(name):
    for linear in (False, True):
        program = edge_programs.edge_program(name, linear=linear)
        check(program, edge_programs.images(program))


def digits(count):
    """Real handwritten digits, (count, 3, 32, 32) u8: every pixel 4 x 4 times."""
    from adqhw.adq.data.datasets import load as dataset

    small = dataset("digits", "test", None, (1, 8, 8)).images[:count]
    return np.kron(small, np.ones((1, 3, 4, 4), small.dtype)).astype(np.uint8)


def same_logits(program, images, batch):
    """Logits of the file as it is written, in batches, and of the simulator."""
    session = onnx_session(standard_model(program), threads=2)
    parts = [images[i : i + batch] for i in range(0, len(images), batch)]
    found = np.concatenate([session.run(None, {INPUT: part})[0] for part in parts])
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, run(program, images).logits)
    assert len(np.unique(found, axis=0)) > len(found) // 2


@pytest.mark.parametrize("name", QUICK_ZOO)
def test_zoo_program_on_digits(name):
    same_logits(load(ZOO / f"{name}.safetensors"), digits(FEW), 8)


@pytest.mark.data
@pytest.mark.parametrize("name", QUICK_ZOO)
def test_zoo_program_on_some_cifar10(name):
    check_zoo(ZOO / f"{name}.safetensors", FEW)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("path", ZOO_FILES, ids=lambda path: path.stem)
def test_zoo_program_on_cifar10(path):
    check_zoo(path, IMAGES)


def check_zoo(path, count):
    from adqhw.adq.data.datasets import load as dataset

    program = load(path)
    images = dataset("cifar10", "test", needs.cifar10(), program.input_shape).images[:count]
    same_logits(program, images, 50)


@pytest.mark.slow
@pytest.mark.parametrize("width", [2, 4, 8])
def test_resnet18(width):
    """At W8 sums pass float32's integers: layers of two convolutions."""
    program = build("resnet18", weight_width=width, act_width=min(width, 8))
    check(program, programs.random_images(program, 2, seed=width))


def test_file_is_standard_and_has_the_programs_names():
    import onnx

    program = CASES["second_version_0"]()
    model = standard_model(program)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert {node.domain for node in model.graph.node} == {""}
    made = {value.name: value for value in model.graph.value_info}
    for layer in program.layers:
        shape = made[layer.name].type.tensor_type.shape
        sizes = [d.dim_param or d.dim_value for d in shape.dim]
        assert sizes == ["N", *program.tensor_shape(layer.name)]


def test_codebook_weights_are_one_byte_each():
    program = CASES["every_kind_0"]()
    stored = {t.name: t for t in standard_model(program).graph.initializer}
    layer = next(x for x in program.mac_layers if x.codebook is not None)
    assert stored[f"{layer.name}/codes"].raw_data == layer.weights.tobytes()
    assert stored[f"{layer.name}/table0"].dims == [len(layer.codebook.levels)]


@pytest.mark.parametrize("count", [1, 7])
def test_any_batch(count):
    program = CASES["every_kind_1"]()
    images = programs.random_images(program, 8)[:count]
    session = onnx_session(standard_model(program))
    found = session.run(None, {INPUT: images})[0]
    np.testing.assert_array_equal(found, golden.run(program, images).logits)


def test_a_layer_called_logits():
    from dataclasses import replace

    program = CASES["grouped"]()
    last = replace(program.layers[-1], name="logits")
    program = replace(program, layers=(*program.layers[:-1], last))
    model = standard_model(program)
    assert model.graph.output[0].name == "logits/flat"
    check(program, programs.random_images(program, 3))


@pytest.mark.parametrize("name", ["u8", "s8", "s12", "u31", "s32"])
def test_codes_of_every_type_are_copied_whole(name):
    """Concat, upsample, strided and shifted residuals, in each element type of the file."""
    fmt = IntFormat.parse(name)
    same = Requant(multiplier=[1], bias=[0], shift=0, out=fmt)
    half = Requant(multiplier=[0], bias=[0], shift=1, out=fmt, skip_multiplier=1)
    weights = np.zeros((5, 4, 1, 1), np.int64)
    layers = (
        ConcatLayer(name="twice", inputs=("input", "input")),
        UpsampleLayer(name="larger", input="twice", factor=(3, 2)),
        MacLayer(
            name="residual", input="twice", weights=weights, weight_width=2, output=half,
            stride=2, skip=Skip(tensor="input", stride=2, channel_offset=1),
        ),
        PoolLayer(name="again", input="larger", kind=LayerKind.AVG_POOL, kernel=1, stride=2,
                  output=same),
        UpsampleLayer(name="logits", input="again", factor=(7, 5)),
    )  # fmt: skip
    program = Program(input_shape=(2, 3, 4), input_format=fmt, layers=layers)
    check(program, edge_programs.images(program))
