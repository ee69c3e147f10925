"""What `simulate` reads and writes: hostile .npy files, and archives for every legal layer name."""

import io
import random
import struct
from dataclasses import replace

import numpy as np
import programs
import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands.simulate import entry
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.host.npy import read_npy
from adqhw.spec.program_file import save


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def assert_refused(result, words):
    """Exit code 2 and one line on standard error."""
    assert result.exit_code == 2, (result.output, result.exception)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert words in lines[0]


AWKWARD = ("logits", "file", "allow_pickle", "x", "x.npy", "logits.npy", "self", "all", "a.b-c_1")


def named(names):
    """A chain of thresholds with these names."""
    builder = programs.Builder(np.random.default_rng(0), (2, 3, 3))
    for _ in names:
        builder.read(3)
    layers = [
        replace(layer, input=("input", *names)[i], name=names[i])
        for i, layer in enumerate(builder.layers)
    ]
    builder.layers = layers
    return builder.build()


def test_every_legal_name_has_its_entry(tmp_path):
    program = named(AWKWARD)
    save(program, tmp_path / "p.safetensors")
    images = programs.random_images(program, 3)
    np.save(tmp_path / "x.npy", images)
    common = ("simulate", tmp_path / "p.safetensors", "--input", tmp_path / "x.npy")
    for out in ("one.npz", "two.npz"):
        done = call(*common, "-o", tmp_path / out, "--trace", "all")
        assert done.exit_code == 0, done.output
    expected = golden.run(program, images, "all")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as made:
        assert sorted(made.files) == sorted(["logits", *map(entry, AWKWARD)])
        np.testing.assert_array_equal(made["logits"], expected.logits)
        for name in AWKWARD:
            np.testing.assert_array_equal(made[entry(name)], expected.tensors[name])
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(text, data=b"", version=1):
    body = text.encode("latin-1")
    size = struct.pack("<H" if version == 1 else "<I", len(body))
    return b"\x93NUMPY" + bytes((version, 0)) + size + body + data


FIELDS = "{'descr': %s, 'fortran_order': False, 'shape': %s}"
HOSTILE = {
    "empty": b"",
    "zip": b"PK\x03\x04",
    "only magic": b"\x93NUMPY\x01\x00",
    "huge shape": with_header(FIELDS % ("'|u1'", "(9999999999999, 9999999999999)")),
    "negative shape": with_header(FIELDS % ("'|u1'", "(-1, 3)")),
    "bool shape": with_header(FIELDS % ("'|u1'", "(True, 3)"), b"abc"),
    "digits": with_header(FIELDS % ("'|u1'", f"({'9' * 4000},)")),
    "nested": with_header("(" * 1900 + ")" * 1900),
    "objects": with_header(FIELDS % ("'|O'", "(1,)"), b"x" * 8),
    "record": with_header(FIELDS % ("[('a', '<i4')]", "(1,)"), b"x" * 4),
    "no type": with_header(FIELDS % ("'<i7'", "(1,)"), b"x" * 7),
    "call": with_header(FIELDS % ("__import__('os')", "(1,)")),
    "not closed": with_header("{'descr': '|u1'"),
    "null": with_header("\0"),
    "long header": with_header(" " * 5000 + FIELDS % ("'|u1'", "(1,)"), b"a"),
    "trailing": npy(np.zeros((1, 2, 3, 3), np.uint8)) + b"x",
    "truncated": npy(np.zeros((1, 2, 3, 3), np.uint8))[:-1],
    "version": with_header(FIELDS % ("'|u1'", "(1,)"), b"a", version=9),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_arrays_are_one_line(kind, tmp_path):
    save(named(("a",)), tmp_path / "p.safetensors")
    (tmp_path / "x.npy").write_bytes(HOSTILE[kind])
    done = call("simulate", tmp_path / "p.safetensors", "--input", tmp_path / "x.npy")
    assert_refused(done, "must be a .npy file of integers")


@pytest.mark.parametrize("dtype", ["<i8", ">i2", "|u1", "<u4", ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_byte_order(dtype, order, tmp_path):
    array = np.asarray(np.arange(24).reshape(2, 3, 2, 2), dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(read_npy(tmp_path / "x.npy"), np.load(tmp_path / "x.npy"))


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_damaged_arrays_are_read_as_numpy_does_or_refused(count, tmp_path):
    rng = random.Random(0)
    good = npy(np.arange(36, dtype=np.int16).reshape(1, 4, 3, 3))
    path, refused = tmp_path / "x.npy", 0
    for _ in range(count):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(data) if rng.random() < 0.2 else 128)
            data[place] = rng.choice((rng.randrange(256), ord("9"), ord("("), ord("'")))
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            array = read_npy(path)
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(array, np.load(path))
    assert count // 4 < refused < count
