"""The benchmark: rows of every engine, absent tools named, bad options refused."""

import json

import needs
import numpy as np
import pytest
from json_records import check

from adqhw.commands.bench import sim as bench
from adqhw.sim.kernels.simd import supported
from adqhw.sim.networks import build
from adqhw.spec.errors import InputError
from adqhw.studies.speed import sim as bench_sim

KEYS = {"network", "engine", "images_per_s", "milliseconds", "exact", "ratio_to_best_other"}
EXACT = {*(f"adqhw {mode}" for mode in supported()), "qonnx"}


@pytest.mark.filterwarnings("ignore")  # other people's tools warn about themselves
def test_rows(monkeypatch):
    monkeypatch.setitem(bench_sim.BATCH, "cifar", 4)
    rows = bench_sim.measure_network("resnet8-cifar", threads=1, rounds=1)
    assert {row["engine"] for row in rows} >= EXACT
    for row in rows:
        assert set(row) >= KEYS
        if row["absent"]:
            assert row["images_per_s"] is row["exact"] is row["ratio_to_best_other"] is None
            continue
        assert (
            row["images_per_s"] * row["milliseconds"] >= 999.9
        )  # of the best call, and the median
        assert row["exact"] == (row["engine"] in EXACT)
    others = [r for r in rows if not r["engine"].startswith("adqhw") and not r["absent"]]
    if others:
        assert max(row["ratio_to_best_other"] for row in others) == 1.0


def test_latency_is_of_one_image(monkeypatch, capsys):
    monkeypatch.setattr(bench_sim, "_others", lambda *_: [])
    bench.command(network=["resnet8-cifar"], threads=1, rounds=2, batch=1, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["batch"] == 1
    check("bench sim", record)
    for row in record["rows"]:
        assert row["images_per_s"] * row["milliseconds"] >= 999.9


@pytest.mark.filterwarnings("ignore")
def test_matmul_equals_da4ml():
    needs.package("da4ml", "make setup-bench")
    rows = bench_sim.measure_matmul(threads=1, rounds=1)
    assert all(row["exact"] for row in rows)
    assert rows[-1]["engine"] == "da4ml interpreter"


def test_absent_tool_is_reported():
    def missing():
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    found = bench_sim._prepared("onnxruntime fp32", np.zeros(1), missing)
    rows = bench_sim._rows("resnet20-cifar", [found], 1)
    assert rows[0]["absent"] == "No module named 'onnxruntime'"
    assert rows[0]["images_per_s"] is None


def test_float_twin_is_the_same_network():
    """Same arithmetic in ONNX Runtime and in torch."""
    needs.package("onnxruntime", "make setup-bench")
    from adqhw.studies.speed import onnx as onnx
    from adqhw.studies.speed import torch as torch

    program = build("resnet8-cifar")
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32)).astype(np.float32)
    first = onnx.session(onnx.float_model(program), 1)(images)
    second = torch.float_run(program, 1)(images)
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "Rounds must be at least 1, not 0"),
        ({"batch": 0}, "Images per call must be at least 1, not 0"),
        ({"network": ["vgg"]}, "Network must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        bench.command(**options)
