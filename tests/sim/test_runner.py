"""Arrays in and out, threads, streaming, and every kind of bad input."""

import numpy as np
import programs
import pytest

from adqhw.sim import engine, runner
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.errors import InputError


@pytest.fixture(scope="module")
def program():
    return programs.every_kind(1)


@pytest.fixture(scope="module")
def images(program):
    return programs.random_images(program, 21, seed=4)


@pytest.fixture(scope="module")
def logits(program, images):
    return golden.run(program, images).logits


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("in_flight", [1, 4, 64])
def test_threads_and_chunks(program, images, logits, threads, in_flight, monkeypatch):
    monkeypatch.setattr(runner, "MAPS_BYTES", 1 << 40)
    monkeypatch.setattr(runner, "MOST_IMAGES", in_flight)
    made = Runner(program, threads=threads)
    for count in (21, 1, 5, 21):  # buffers of a longer run must not leak into a shorter one
        np.testing.assert_array_equal(made(images[:count]), logits[:count])


def test_rows_of_one_image(program, images, logits, monkeypatch):
    """With fewer images than threads, the rows of each layer are shared out."""
    monkeypatch.setattr(runner, "ROWS_MACS", 0)
    np.testing.assert_array_equal(Runner(program, threads=2)(images[:1]), logits[:1])


def test_stream(program, images, logits):
    found = list(Runner(program).stream([images[:4], images[4:4], images[4:]]))
    assert [len(part) for part in found] == [4, 0, 17]
    np.testing.assert_array_equal(np.concatenate(found), logits)


def test_kept_tensors(program, images):
    names = ("act2", "mac4")
    found = engine.run(program, images, names)
    expected = golden.run(program, images, names)
    for name in names:
        assert found.tensors[name].dtype == expected.tensors[name].dtype
        np.testing.assert_array_equal(found.tensors[name], expected.tensors[name])


def test_torch_tensor(program, images, logits):
    import torch

    np.testing.assert_array_equal(Runner(program)(torch.from_numpy(images)), logits)
    with pytest.raises(InputError, match="array of integers"):
        Runner(program)(torch.zeros(1, *program.input_shape, requires_grad=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(np.int64),
        lambda x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x.astype(">i2"),
        lambda x: x.tolist(),
    ],
    ids=["fortran", "int64", "channels-last", "strided", "big-endian", "list"],
)
def test_same_images_in_another_form(program, images, logits, change):
    np.testing.assert_array_equal(Runner(program)(change(images)), logits)


def test_no_images(program):
    assert Runner(program)(np.zeros((0, *program.input_shape), np.uint8)).shape == (0, 10)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((1, 3, 9, 9), np.nan), r"must be an integer array, not dtype float64"),
        (np.zeros((1, 3, 9, 9), np.float32), r"must be an integer array, not dtype float32"),
        (np.zeros((1, 9, 9, 3), np.uint8), r"must be \(N, 3, 9, 9\), not \(1, 9, 9, 3\)"),
        (np.zeros((3, 9, 9), np.uint8), r"must be \(N, 3, 9, 9\), not \(3, 9, 9\)"),
        (np.full((2, 3, 9, 9), -1), r"0\.\.255 \(u8\), not -1 at index \(0, 0, 0, 0\)"),
        (np.full((1, 3, 9, 9), 256), r"0\.\.255 \(u8\), not 256 at index \(0, 0, 0, 0\)"),
        ([[1], [2, 3]], r"array of integers"),
        (None, r"must be \(N, 3, 9, 9\)"),
    ],
    ids=["nan", "float", "layout", "no batch", "negative", "too large", "ragged", "none"],
)
def test_bad_images(program, bad, message):
    with pytest.raises(InputError, match=message):
        Runner(program)(bad)


def test_bad_options(program):
    with pytest.raises(InputError, match="Threads must be at least 1, not 0"):
        Runner(program, threads=0)
    with pytest.raises(InputError, match="SIMD mode must be one of"):
        Runner(program, simd="mmx")
    with pytest.raises(InputError, match="Traced tensor must be one of"):
        Runner(program, keep=["nothing"])


def test_load_program(program, images, logits, tmp_path):
    from adqhw.spec.program_file import save

    save(program, tmp_path / "p.safetensors")
    np.testing.assert_array_equal(runner.load_program(tmp_path / "p.safetensors")(images), logits)
