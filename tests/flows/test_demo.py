"""The demo's chain with one epoch each: every file, every key, no mismatch, cycles as modelled."""

import json

from explorer_pages import data_of
from json_records import check

from adqhw.flows import demo
from adqhw.spec.program_file import load


def test_quick_demo_leaves_everything(tmp_path):
    out = tmp_path / "demo"
    summary = demo.run(demo.Settings(out=out, quick=True, rows=4, cols=4, cosim_images=2))
    for name in ("program.safetensors", "layers.csv", "report.html", "pareto.png", "summary.json"):
        assert (out / name).stat().st_size > 0, name
    page = data_of((out / "report.html").read_text(encoding="utf-8"))
    assert [program["name"] for program in page["programs"]] == list(demo.ALLOCATIONS)
    (run,) = page["cosimulated"]
    assert run["cycles"] == {x["name"]: x["cycles_rtl"] for x in summary["layers"]}
    assert (out / "verilog" / "manifest.json").is_file()
    assert json.loads((out / "summary.json").read_text()) == summary
    program = load(out / "program.safetensors")
    assert summary["program"]["digest"] == program.digest
    check("demo", summary)
    counts = summary["mismatches"]
    for engine in ("torch_integer", "numba", "rtl"):
        assert counts[engine] == 0
        assert counts[f"{engine}_compared"] > 0
    codes = sum(
        c * h * w for c, h, w in (program.tensor_shape(layer.name) for layer in program.layers)
    )
    assert counts["rtl_compared"] == 2 * codes
    assert counts["numba_compared"] == len(demo.ALLOCATIONS) * demo.COMPARED_IMAGES * codes
    assert [x["name"] for x in summary["layers"]] == [layer.name for layer in program.layers]
    for layer in summary["layers"]:
        assert layer["cycles_rtl"] == layer["cycles_model"] > 0
        assert layer["macs"] == program.macs(layer["name"])
        low, expected, high = (layer["energy_pj"][k] for k in ("low", "expected", "high"))
        assert 0 < low <= expected <= high
    accuracy = summary["accuracy"]
    assert set(accuracy["integer"]) == set(accuracy["fakequant"]) == set(demo.ALLOCATIONS)
    assert all(0 <= value <= 100 for value in accuracy["integer"].values())
    bits = summary["average_weight_bits"]
    assert (bits["w4"], bits["w3"], bits["w2"]) == (4, 3, 2)
    assert bits["mixed"] <= 2.81
