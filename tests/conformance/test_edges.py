"""Every format a tensor may have, at its edges, through every kind of layer, in every engine.

What is right comes from `reference.py`, plain Python integers: golden is one engine among others.
"""

import edge_programs
import modes
import numpy as np
import pytest
import reference
from backends import run
from identical import assert_identical

from adqhw.spec import IntFormat, Result, golden
from adqhw.spec.program_file import encode


def expected_of(program, images):
    """Result of the reference, in the types that engines use."""
    encoded = encode(program)
    maps = [reference.run(encoded.header, encoded.tensors, image.tolist()) for image in images]
    tensors = {
        layer.name: np.array([m[layer.name] for m in maps], program.tensor_format(layer.name).dtype)
        for layer in program.layers
    }
    last = tensors[program.layers[-1].name]
    return Result(logits=last.reshape(len(images), -1).astype(np.int32), tensors=tensors)


def check(name, engines, linear=False):
    program = edge_programs.edge_program(name, linear=linear)
    images = edge_programs.images(program)
    expected = expected_of(program, images)
    for engine in engines:
        if engine == "golden":
            found = golden.run(program, images, "all")
        elif engine == "torch":
            found = run("torch", program, images)
        else:
            found = modes.run_mode(engine, program, images)
        assert_identical(expected, found, program, images, engine)


QUICK = ("golden", "torch", modes.supported_modes()[0])


@pytest.mark.parametrize("name", edge_programs.FORMATS)
def test_format_at_its_edges(name):
    check(name, QUICK)


@pytest.mark.parametrize("name", ["u1", "u8", "u9", "u31", "s1", "s8", "s9", "s32"])
def test_format_at_its_edges_in_every_mode(name):
    """Both sides of each element type, on maps and on vectors."""
    check(name, modes.supported_modes(), linear=True)
    check(name, modes.supported_modes())


@pytest.mark.slow
@pytest.mark.parametrize("name", edge_programs.FORMATS)
def test_format_at_its_edges_everywhere(name):
    for linear in (False, True):
        check(name, ("golden", "torch", *modes.supported_modes()), linear)


def test_formats_are_those_that_fit_s32():
    every = [IntFormat(width=w, signed=s) for w in range(1, 64) for s in (False, True)]
    fitting = {f.name for f in every if f.min >= -(2**31) and f.max < 2**31}
    assert set(edge_programs.FORMATS) == fitting
