"""The ten public functions: lazy, typed, documented, and the same as the commands."""

import inspect
import subprocess
import sys

import numpy as np
import programs
import pytest
from simulators import quickest

import adqhw
from adqhw.spec import golden
from adqhw.spec.errors import ContractError, InputError
from adqhw.spec.program_file import save

FUNCTIONS = [name for name in adqhw.__all__ if name[0].islower()]


@pytest.fixture(scope="module")
def program():
    return programs.every_kind(3)


@pytest.fixture(scope="module")
def images(program):
    return programs.random_images(program, 3, seed=3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented_with_an_example_and_typed(name):
    function = getattr(adqhw, name)
    assert ">>> " in function.__doc__, name
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(
        parameter.annotation is not inspect.Parameter.empty
        for parameter in signature.parameters.values()
    )


def test_import_loads_nothing_heavy():
    code = (
        "import sys, adqhw; dir(adqhw); "
        "print([n for n in ('numpy','torch','numba','onnx','amaranth') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = adqhw.quantise


def test_simulate_takes_a_program_a_path_and_a_runner(program, images, tmp_path):
    save(program, tmp_path / "p.safetensors")
    expected = golden.run(program, images, "all")
    runner = adqhw.load_program(tmp_path / "p.safetensors")
    for given in (program, tmp_path / "p.safetensors", str(tmp_path / "p.safetensors"), runner):
        result = adqhw.simulate(given, images, keep="all")
        np.testing.assert_array_equal(result.logits, expected.logits)
        assert set(result.tensors) == set(expected.tensors)
    for engine in ("golden", "torch"):
        result = adqhw.simulate(program, images, engine=engine)
        np.testing.assert_array_equal(result.logits, expected.logits)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, x: adqhw.simulate(3, x), "Program must be a Program or a path, not int"),
        (lambda p, x: adqhw.simulate("absent.safetensors", x), "Program must be a file"),
        (lambda p, x: adqhw.simulate(p, x[:, :1]), r"Input must be \(N, 3, 9, 9\)"),
        (lambda p, x: adqhw.simulate(p, x.astype(float)), "not dtype float64"),
        (lambda p, x: adqhw.simulate(p, x, engine="gpu"), "Engine must be one of"),
        (lambda p, x: adqhw.simulate(p, x, keep=["nothing"]), "Traced tensor must be one"),
        (lambda p, x: adqhw.estimate(p, micro="magic"), "magic"),
        (lambda p, x: adqhw.estimate(p, technology="vapour"), "vapour"),
        (lambda p, x: adqhw.sweep({"p": p}, images=x), "both images and labels or neither"),
        (lambda p, x: adqhw.sweep({"p": p}, images=x, labels=[1]), r"Labels must be \(3,\)"),
        (lambda p, x: adqhw.import_model("absent.onnx", "deeploy"), "absent.onnx"),
        (lambda p, x: adqhw.import_model("absent.onnx", "klingon"), "klingon"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message, program, images):
    with pytest.raises((InputError, ContractError), match=message) as caught:
        call(program, images)
    assert "\n" not in str(caught.value)


def test_estimate_and_sweep_agree(program, images):
    costs = adqhw.estimate(program, images=images, rows=4, cols=4)
    (design,) = adqhw.sweep(
        {"every kind": program}, images=images, labels=[0, 1, 2], arrays=[(4, 4)],
        micros=["decode"],
    )  # fmt: skip
    assert design.estimate.cycles == costs.cycles
    assert design.estimate.energy.total == costs.energy.total
    assert design.workload.accuracy is not None
    with pytest.raises(InputError, match="not from both"):
        adqhw.estimate(program, arch=costs.arch, rows=4)
    assert adqhw.estimate(program, arch=costs.arch).arch == costs.arch


def test_emitted_manifest_names_the_program(program, tmp_path):
    manifest = adqhw.emit_verilog(program, tmp_path / "v", rows=2, cols=3)
    assert (tmp_path / "v" / "manifest.json").is_file()
    assert manifest["testbench"]["images"] == 1


@pytest.mark.simulator
def test_one_layer_through_the_verilog(program, images, tmp_path):
    report = adqhw.cosimulate(
        program, images[:1], layers=["mac0"], rows=2, cols=3, simulator=quickest(),
        build_dir=tmp_path,
    )  # fmt: skip
    assert report.passed
    assert report.compared > 0
