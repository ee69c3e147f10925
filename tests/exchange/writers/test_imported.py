"""Networks of others, imported and written again: padding by side, signed codes, additions."""

from pathlib import Path

import needs
import numpy as np
import programs
import pytest
from identical import assert_identical
from onnx_engines import run_onnx
from places import VECTORS

from adqhw.exchange.dialects import import_model
from adqhw.exchange.writers.standard import standard_model
from adqhw.sim.engine import run

FILES = {
    "mlperf_tiny/resnet8_int8.tflite": "tflite-micro",
    "mlperf_tiny/dscnn_kws_int8.tflite": "tflite-reference",
    "deeploy/KeywordSpotting/network.onnx": "deeploy",
    "deeploy/miniMobileNetv2/network.onnx": "deeploy",
}


def check(path, dialect, count):
    program = import_model(path, dialect).program
    images = programs.random_images(program, count)
    expected = run(program, images, "all")
    first = expected.tensors[program.layers[0].name].reshape(count, -1)
    assert len(np.unique(first, axis=0)) == count  # logits of random weights may be all equal
    found = run_onnx(standard_model(program), program, images)
    assert_identical(expected, found, program, images, "onnxruntime")


@pytest.fixture(autouse=True)
def _installed():
    needs.package("onnxruntime", "pip install 'adqhw[oracles]'")


def test_our_own_file():
    check(VECTORS / "imported" / "tiny_deeploy.onnx", "deeploy", 5)


@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
def test_foreign_file(name):
    path = Path(needs.cifar10()) / "models" / name
    if not path.is_file():
        needs.absent("data", f"ADQHW_DATA must have models/{name}")
    check(path, FILES[name], 5)
