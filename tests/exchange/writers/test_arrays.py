"""program.npz: the reader that docs/export.md prints runs it, equal in every tensor."""

import io
import json
import re

import numpy as np
import programs
import pytest
from conformance_cases import CASES
from exact_limits import LIMITS
from hypothesis import given, settings
from hypothesis import strategies as st
from identical import assert_identical
from places import ROOT, VECTORS, ZOO

from adqhw.exchange.writers.arrays import npz_file
from adqhw.sim.engine import run
from adqhw.spec import Result, golden
from adqhw.spec.program_file import load

PAGE = (ROOT / "docs" / "export.md").read_text()
CODE = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]


@pytest.fixture(scope="module")
def reader():
    """The names that the page's code defines."""
    names = {}
    exec(compile(CODE, "docs/export.md", "exec"), names)
    return names


def read_and_run(reader, program, images):
    record, arrays = reader["read"](io.BytesIO(npz_file(program)))
    tensors = reader["run"](record, arrays, images)
    kept = {
        layer.name: tensors[layer.name].astype(program.tensor_format(layer.name).dtype)
        for layer in program.layers
    }
    for name, codes in kept.items():
        np.testing.assert_array_equal(codes.astype(np.int64), tensors[name])
    logits = kept[program.layers[-1].name].reshape(len(images), -1).astype(np.int32)
    return Result(logits=logits, tensors=kept)


def test_the_reader_is_short_and_plain():
    assert len(CODE.splitlines()) <= 110
    code = [line for line in CODE.splitlines() if line.strip()]
    assert len(code) <= 100
    imported = re.findall(r"^(?:import|from) (\w+)", CODE, re.M)
    assert imported == ["json", "numpy", "numpy"]


@pytest.mark.parametrize("case", [*CASES, *LIMITS])
def test_conformance_case(reader, case):
    program = {**CASES, **LIMITS}[case]()
    images = programs.random_images(program, 3, seed=1)
    expected = golden.run(program, images, "all")
    assert_identical(expected, read_and_run(reader, program, images), program, images, "npz")


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*/program.safetensors")))
def test_frozen_vector(reader, path):
    program, images = load(path), np.load(path.parent / "images.npy")
    expected = golden.run(program, images, "all")
    assert_identical(expected, read_and_run(reader, program, images), program, images, "npz")


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), windows=st.booleans())
def test_random_program(reader, seed, windows):
    program = (programs.random_windows if windows else programs.random_program)(seed)
    images = programs.random_images(program, 2, seed)
    expected = golden.run(program, images, "all")
    assert_identical(expected, read_and_run(reader, program, images), program, images, "npz")


def test_zoo_program(reader):
    program = load(ZOO / "cifar10_resnet20_mixed279_a4_seed0.safetensors")
    images = programs.random_images(program, 3)
    expected = run(program, images, "all")
    assert_identical(expected, read_and_run(reader, program, images), program, images, "npz")


def test_equal_programs_give_equal_bytes_and_the_record_names_the_program():
    program, again = (programs.second_version(0) for _ in range(2))
    content = npz_file(program)
    assert content == npz_file(again)
    assert content != npz_file(programs.second_version(1))
    record = json.loads(str(np.load(io.BytesIO(content))["program"]))
    assert record["digest"] == program.digest
