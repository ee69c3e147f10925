"""Mutants of programs: refused in one line, or computed alike by every engine and the reference."""

import random
from collections import Counter

import modes
import mutants
import numpy as np
import pytest
import reference
from backends import run
from identical import write_reproducer

from adqhw.sim import engine
from adqhw.spec import golden
from adqhw.spec.errors import ContractError, InputError
from adqhw.spec.program_file import encode, load

MOST_WORK = 60_000
"""Products and codes of a mutant beyond which the reference in plain Python is too slow."""
MEMORY = "0.25"


def engines(program, images, simd):
    """Results by name, each with every tensor."""
    yield "golden", golden.run(program, images, "all")
    yield "torch", run("torch", program, images)
    for mode in simd:
        yield mode, engine.run(program, images, "all", simd=mode, threads=1)


def verdict(mutant, rng, path, simd):
    """`refused`, `large` or `equal`; anything else raises."""
    path.write_bytes(mutant.data())
    message = ""
    try:
        program = load(path)
    except InputError as error:
        message = str(error)
    if message:
        assert "\n" not in message
        assert len(message) < 1000
        return "refused"
    assert encode(program).digest == program.digest
    if mutants.work(program) > MOST_WORK:
        return "large"
    images = mutants.images(program, rng)
    want = [reference.run(mutant.header, mutant.tensors, image.tolist()) for image in images]
    for name, result in engines(program, images, simd):
        for layer in program.layers:
            expected = np.array([maps[layer.name] for maps in want], object)
            found = result.tensors[layer.name]
            if not np.array_equal(expected, found.astype(object)):
                folder = write_reproducer(program, images, name)
                raise AssertionError(f"{name}, {layer.name}, {mutant.made_by}: {folder}")
        logits = expected.reshape(len(images), -1)
        assert np.array_equal(logits, result.logits.astype(object)), (name, mutant.made_by)
    return "equal"


def try_mutants(count, seed, path, simd):
    """Counts of mutants by verdict."""
    rng = random.Random(seed)
    parents = mutants.parents()
    ends = Counter()
    for index in range(count):
        mutant = mutants.mutant(parents[index % len(parents)], rng)
        try:
            ends[verdict(mutant, rng, path, simd)] += 1
        except BaseException as error:
            error.add_note(f"mutant {index} of seed {seed}: {mutant.made_by}")
            raise
    return ends


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch):
    monkeypatch.setenv("ADQHW_MEMORY", MEMORY)


def test_mutants_are_refused_or_right(tmp_path):
    ends = try_mutants(300, 0, tmp_path / "p.safetensors", modes.supported_modes()[:1])
    assert ends["equal"] > 60
    assert ends["refused"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_three_thousand_mutants(seed, tmp_path):
    simd = [mode for mode in modes.MODES if mode in modes.supported_modes()]
    ends = try_mutants(3000, seed, tmp_path / "p.safetensors", simd)
    assert ends["equal"] > 600
    assert ends["refused"] > 1000


@pytest.mark.parametrize("name", ["u32", "u33", "u40", "u62", "u63", "s33", "s62", "s64"])
def test_formats_beyond_s32_are_refused(name, tmp_path):
    """Engines differ there: their maps are int32, and bounds of 64-bit codes wrap in int64."""
    for parent in mutants.parents():
        mutant = mutants.mutant(parent, random.Random(0))
        encoded = encode(parent)
        mutant.header, mutant.tensors = dict(encoded.header), dict(encoded.tensors)
        mutant.header["input_format"] = name
        path = tmp_path / "p.safetensors"
        path.write_bytes(mutant.data())
        with pytest.raises(ContractError, match="must fit s32"):
            load(path)
