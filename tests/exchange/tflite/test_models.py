"""Networks of others: every code of every tensor equals the engine's."""

import pickle
from collections import Counter
from pathlib import Path

import needs
import numpy as np
import pytest
from same_codes import differences, inputs

from adqhw.exchange.tflite.importer import import_tflite
from adqhw.sim import engine
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat

S8, U8 = IntFormat(width=8, signed=True), IntFormat(width=8)


def model(name):
    """A file of the folder of models."""
    needs.package("ai_edge_litert", "make setup")
    needs.package("tflite_micro", "pip install -r requirements-oracles.txt")
    return needs.models() / name


def cifar10():
    with (Path(needs.cifar10()) / "cifar-10-batches-py" / "test_batch").open("rb") as file:
        batch = pickle.load(file, encoding="bytes")
    pixels = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels.astype(np.int64) - 128, np.array(batch[b"labels"])


def stages(imported):
    return Counter(type(layer.output).__name__ for layer in imported.program.layers)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["tflite-reference", "tflite-micro"])
def test_resnet8_on_cifar10(dialect):
    path = model("mlperf_tiny/resnet8_int8.tflite")
    pixels, labels = cifar10()
    imported, wrong, compared = differences(
        path.read_bytes(), dialect, pixels[:1000].astype(np.int8), run=engine.run, many=50
    )
    assert not wrong
    assert compared == 1000 * 114826
    logits = engine.run(imported.program, imported.encode(pixels)).logits
    assert (imported.result(logits).argmax(axis=1) == labels).sum() == 8707


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["tflite-reference", "tflite-micro"])
def test_dscnn(dialect):
    path = model("mlperf_tiny/dscnn_kws_int8.tflite")
    some = inputs((49, 10, 1), S8, 1000)
    imported, wrong, _ = differences(path.read_bytes(), dialect, some, run=engine.run, many=50)
    assert not wrong
    expected = {
        "tflite-reference": {"Requant": 11},
        "tflite-micro": {"Requant": 10, "Threshold": 1},
    }
    assert stages(imported) == expected[dialect]


@pytest.mark.slow
def test_mobilenet_v1_uint8():
    path = model("mobilenet_v1_025_128_uint8.tflite")
    some = inputs((128, 128, 3), U8, 200)
    _, wrong, _ = differences(path.read_bytes(), "tflite-reference", some, run=engine.run, many=20)
    assert not wrong
    with pytest.raises(InputError, match="must have INT8 tensors for tflite-micro"):
        import_tflite(path, "tflite-micro")
