"""Exact comparison that names the first difference and writes a reproducer."""

import hashlib
from pathlib import Path

import numpy as np

from adqhw.spec.program_file import save

FAILURES = Path("runs/failures")


def assert_identical(expected, actual, program, images, engine):
    """Every tensor and the logits are equal, dtype included; else layer, index and both values."""
    assert sorted(expected.tensors) == sorted(actual.tensors)
    for layer in program.layers:
        want, got = expected.tensors[layer.name], actual.tensors[layer.name]
        assert want.dtype == got.dtype, (engine, layer.name, want.dtype, got.dtype)
        assert want.shape == got.shape, (engine, layer.name, want.shape, got.shape)
        if not np.array_equal(want, got):
            index = tuple(int(i) for i in np.argwhere(want != got)[0])
            folder = write_reproducer(program, images, engine)
            raise AssertionError(
                f"{engine}: layer {layer.name!r} index {index}: "
                f"expected {want[index]}, got {got[index]}; reproducer in {folder}"
            )
    np.testing.assert_array_equal(expected.logits, actual.logits)


def write_reproducer(program, images, engine):
    """Program and images in a folder; copied to tests/vectors they become a regression test."""
    key = hashlib.sha256(program.digest.encode() + images.tobytes()).hexdigest()[:16]
    folder = FAILURES / f"{engine}-{key}"
    save(program, folder / "program.safetensors")
    np.save(folder / "images.npy", images)
    return folder
