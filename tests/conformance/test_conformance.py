"""One suite, every engine: each case equals the golden interpreter in every code of every layer."""

import numpy as np
import programs
import pytest
from backends import BACKENDS, RTL, run, run_rtl
from conformance_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from identical import assert_identical
from places import VECTORS
from simulators import quickest

from adqhw.spec import LayerKind, Requant, Threshold, golden
from adqhw.spec.program_file import load

FROZEN = sorted(path.parent for path in VECTORS.glob("*/program.safetensors"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES)
def test_case_equals_golden(backend, case):
    program = CASES[case]()
    images = programs.random_images(program, 5, seed=1)
    expected = golden.run(program, images, "all")
    assert_identical(expected, run(backend, program, images), program, images, backend)


def check_rtl(program, images, tmp_path):
    expected = golden.run(program, images, "all")
    result = run_rtl(program, images, tmp_path, quickest())
    assert_identical(expected, result, program, images, RTL)


@pytest.mark.simulator
@pytest.mark.parametrize(
    "case",
    [c if c == "grouped" else pytest.param(c, marks=pytest.mark.slow) for c in CASES],
)
def test_case_on_rtl_equals_golden(case, tmp_path):
    """Wide sums, groups, every kind: on two rows and three columns, one image."""
    program = CASES[case]()
    check_rtl(program, programs.random_images(program, 1, seed=1), tmp_path)


@pytest.mark.simulator
@pytest.mark.slow
@pytest.mark.parametrize("folder", FROZEN, ids=lambda folder: folder.name)
def test_frozen_vector_on_rtl(folder, tmp_path):
    program = load(folder / "program.safetensors")
    check_rtl(program, np.load(folder / "images.npy")[:1], tmp_path)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("backend", BACKENDS)
def test_random_program_equals_golden(backend, seed):
    program = programs.random_program(seed)
    images = programs.random_images(program, 3, seed)
    expected = golden.run(program, images, "all")
    assert_identical(expected, run(backend, program, images), program, images, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("folder", FROZEN, ids=lambda folder: folder.name)
def test_frozen_vector(backend, folder):
    """Frozen cases: golden itself must give the stored answers, and so must every engine."""
    program = load(folder / "program.safetensors")
    images = np.load(folder / "images.npy")
    expected = golden.run(program, images, "all")
    frozen = np.load(folder / "logits.npy")
    np.testing.assert_array_equal(expected.logits, frozen)
    assert_identical(expected, run(backend, program, images), program, images, backend)


def test_cases_cover_every_kind_and_stage():
    layers = [layer for make in CASES.values() for layer in make().layers]
    assert {layer.kind for layer in layers} == set(LayerKind)
    stages = {type(layer.output) for layer in layers if layer.output is not None}
    assert stages == {Threshold, Requant}
    signs = {int(s) for x in layers if isinstance(x.output, Threshold) for s in x.output.sign}
    assert signs == {-1, 1}


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_images_and_strided_images(backend):
    program = programs.every_kind()
    none = np.zeros((0, *program.input_shape), np.uint8)
    assert run(backend, program, none).logits.shape == (0, 10)
    images = programs.random_images(program, 4)
    expected = golden.run(program, images[::2], "all")
    strided = np.asfortranarray(images)[::2].astype(np.int64)
    assert_identical(expected, run(backend, program, strided), program, images[::2], backend)
