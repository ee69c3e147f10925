"""Broken files are refused in one line."""

import needs
import numpy as np
import pytest
from tflite_files import Net

from adqhw.exchange.tflite.file import parse_graph, read_graph
from adqhw.exchange.tflite.importer import import_graph
from adqhw.spec.errors import InputError


@pytest.fixture(scope="module")
def data():
    needs.package("ai_edge_litert", "make setup")
    net = Net(seed=1)
    first = net.codes([1, 3, 3, 1])
    t = net.pool("MAX_POOL_2D", net.conv(first, 1, (2, 2)), (2, 2), (1, 1))
    return net.bytes(first, net.dense(t, 1))


def survives(data):
    """Whether it is read and imported; else it is refused in one line."""
    try:
        import_graph(parse_graph(bytes(data), "broken.tflite"), "tflite-reference")
        message = None
    except InputError as error:
        message = str(error)
    assert "\n" not in (message or "")
    return message is None


def test_the_whole_file_is_read(data):
    assert survives(data)


def test_every_truncation_is_refused(data):
    cut = [survives(data[:size]) for size in range(0, len(data) - 1, 37)]
    assert sum(cut) <= len(cut) // 20  # what follows the last vector may be missing


def test_changed_bytes_never_crash(data):
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(100):
        changed = bytearray(data)
        for at in rng.integers(8, len(data), rng.integers(1, 4)):
            changed[at] = rng.integers(256)
        outcomes.add(survives(changed))
    assert outcomes == {True, False}


def test_wild_offsets_never_crash(data):
    rng, words = np.random.default_rng(1), [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF]
    for _ in range(100):
        changed = bytearray(data)
        at = int(rng.integers(2, len(data) // 4)) * 4
        changed[at : at + 4] = int(rng.choice(words)).to_bytes(4, "little")
        survives(changed)


def test_random_bytes_are_refused():
    rng = np.random.default_rng(2)
    for size in (0, 3, 8, 40, 1000):
        raw = rng.bytes(size)
        assert not survives(raw)
        assert not survives(raw[:4] + b"TFL3" + raw[4:])


def test_a_file_that_is_absent_is_refused(tmp_path):
    with pytest.raises(InputError, match="TFLite file"):
        read_graph(tmp_path / "none.tflite")
