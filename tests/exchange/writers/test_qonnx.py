"""QONNX files: qonnx computes the program's integers, with its own and with standard operators."""

import edge_programs
import needs
import numpy as np
import programs
import pytest
from conformance_cases import CASES
from exact_limits import LIMITS
from identical import assert_identical
from onnx_engines import qonnx_wrapper, run_qonnx
from places import ZOO

from adqhw.exchange.writers.qonnx import DOMAIN, QONNX_DOMAIN, execute, qonnx_model
from adqhw.spec import golden
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import load


@pytest.fixture(autouse=True)
def _installed():
    needs.package("qonnx", "pip install 'adqhw[oracles]'")


def check(program, images, model=None):
    expected = golden.run(program, images, "all")
    found = run_qonnx(model or qonnx_model(program), program, images)
    assert_identical(expected, found, program, images, "qonnx")


QUICK = ("second_version_0", "every_kind_0", "grouped", "wide")


@pytest.mark.parametrize(
    "case", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in CASES]
)
def test_conformance_case(case):
    program = CASES[case]()
    check(program, programs.random_images(program, 2, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("case", LIMITS)
def test_sums_and_totals_beyond_exact_floats(case):
    program = LIMITS[case]()
    check(program, programs.random_images(program, 3, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_random_program(seed):
    make = programs.random_windows if seed % 2 else programs.random_program
    program = make(seed)
    check(program, programs.random_images(program, 3, seed))


@pytest.mark.parametrize("name", ["u1", "s1", "s24", "s25"])
def test_format_at_its_edges(name):
    program = edge_programs.edge_program(name)
    check(program, edge_programs.images(program))


@pytest.mark.slow
@pytest.mark.parametrize("name", edge_programs.FORMATS)
def test_every_format_at_its_edges(name):
    for linear in (False, True):
        program = edge_programs.edge_program(name, linear=linear)
        check(program, edge_programs.images(program))


@pytest.mark.slow
def test_zoo_program():
    program = load(ZOO / "cifar10_resnet20_mixed279_a4_seed0.safetensors")
    check(program, programs.random_images(program, 2))


def test_standard_meaning_of_codebooks_is_in_the_file():
    """Inlined, no operator of ours is left, and qonnx computes the same."""
    from onnx import inliner

    program = CASES["grouped"]()
    model = qonnx_model(program)
    assert DOMAIN in {node.domain for node in model.graph.node}
    inlined = inliner.inline_local_functions(model)
    assert {node.domain for node in inlined.graph.node} == {"", QONNX_DOMAIN}
    check(program, programs.random_images(program, 2), inlined)


def test_a_wrong_table_is_noticed():
    """The operator is executed, not its result remembered."""
    from onnx import numpy_helper

    program = CASES["grouped"]()
    images = programs.random_images(program, 1)
    model = qonnx_model(program)
    table = next(t for t in model.graph.initializer if t.name.endswith("/table0"))
    empty = numpy_helper.from_array(0 * numpy_helper.to_array(table), table.name)
    table.CopyFrom(empty)
    found = execute(qonnx_wrapper(model), images.astype(np.float32))
    name = program.layers[0].name
    assert not np.array_equal(found[name], golden.run(program, images, [name]).tensors[name])


def test_types_are_noted():
    from qonnx.core.modelwrapper import ModelWrapper

    program = CASES["second_version_0"]()
    model = ModelWrapper(qonnx_model(program))
    for name, tensor in program.tensors.items():
        fmt = tensor.format
        noted = model.get_tensor_datatype(name)
        assert (int(noted.min()), int(noted.max())) == (fmt.min, fmt.max)
    assert model.get_tensor_shape(INPUT)[0] == 1


def test_operators_infer_what_they_make():
    from qonnx.transformation.infer_datatypes import InferDataTypes

    program = CASES["grouped"]()
    model = qonnx_wrapper(qonnx_model(program)).transform(InferDataTypes())
    for layer in program.mac_layers:
        noted = model.get_tensor_datatype(f"{layer.name}/weight0")
        assert int(noted.min()) <= layer.levels.min()
        assert int(noted.max()) >= layer.levels.max()


def test_logits_are_float32_where_it_holds_them():
    """s32 logits of a usual network stay far below 2^24; those of 30-bit sums do not."""
    from onnx import TensorProto

    usual = load(ZOO / "cifar10_resnet20_w2a2.safetensors")
    for program, kind in ((usual, TensorProto.FLOAT), (CASES["wide"](), TensorProto.DOUBLE)):
        result = qonnx_model(program).graph.output[0]
        assert result.type.tensor_type.elem_type == kind
