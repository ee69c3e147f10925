"""`adqhw bench timing`: the designs it compares, nextpnr's paths, its page."""

import json

import pytest
from json_records import check

from adqhw.gates.netlist.static import Assumptions
from adqhw.gates.netlist.worst_paths import PathReport, TimingReport
from adqhw.rtl.accelerator.ports import Target, row_widths, target_rows
from adqhw.spec import InputError
from adqhw.studies.rtl import synthesis, timing, timing_page
from adqhw.studies.rtl.synthesis import ECP5, Synthesis
from adqhw.studies.rtl.timing import Placed, Timed, designs

REPORT = {
    "critical_paths": [
        {"from": "async", "to": "posedge clk", "path": [
            {"type": "logic", "delay": 99.0, "to": {"cell": "x"}},
        ]},
        {"from": "posedge clk", "to": "posedge clk", "path": [
            {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "unit.a_TRELLIS_FF_Q_3"}},
            {"type": "routing", "delay": 1.0, "net": "unit.a[3]", "to": {"cell": "y"}},
            {"type": "logic", "delay": 0.25, "to": {"cell": "unit.sum_CCU2C_S0"}},
            {"type": "routing", "delay": 2.0, "net": "unit.sum[1]", "to": {"cell": "z"}},
            {"type": "setup", "delay": 0.0, "to": {"cell": "unit.b_TRELLIS_FF_Q"}},
        ]},
    ],
    "detailed_net_timings": [
        {"event": "<async>", "net": "in", "endpoints": [{"cell": "unit.c", "delay": [9.0, 9.0]}]},
        *({"event": "posedge clk", "net": f"unit.sum[{bit}]", "endpoints": [
            {"cell": f"unit.b_TRELLIS_FF_Q_{bit}", "delay": [1.0, 2.0 + bit]},
            {"cell": f"memory.bank_{bit}_DP16KD_DOA", "delay": [3.0, 3.0]},
        ]} for bit in (1, 3, 2)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("micro", timing.MICROS)
def test_both_accelerators_have_memories_of_the_same_size(micro):
    """As many bits of weights, activations and parameters, in rows of other widths."""
    first, second = (design.arch for design in designs((micro,)))
    assert (first.holds, second.holds) == (False, True)
    for target in (Target.WEIGHTS, Target.ACTIVATIONS, Target.CODEBOOKS):
        bits = [row_widths(arch)[target] * target_rows(arch)[target] for arch in (first, second)]
        assert bits[0] == bits[1], target
    for name in ("threshold_rows", "requant_rows"):
        channels = [getattr(arch.storage, name) * arch.out_lanes for arch in (first, second)]
        assert channels[0] == channels[1]
    assert [design.arch for design in designs((micro,), held=True)] == [second]
    assert [design.arch for design in designs((micro,), held=False)] == [first]


def record():
    figures = Synthesis(
        design="decode", target=ECP5, luts=12, ffs=34, dsps=5, brams=6, fmax_mhz=78.9,
        note="yosys | failed",
    )  # fmt: skip
    path = PathReport(
        begin="unit.a[3]", end="unit.b[0]", levels=7, buffers=1, arrival_ns=1.25, setup_ns=0.125,
        slack_ns=-0.375, through=("p", "q", "r", "s", "t"),
    )  # fmt: skip
    report = TimingReport(
        cells=99, flip_flops=34, area=1234.4, memories=3, critical_ns=2.0, slack_ns=0.5,
        worst=(path,),
    )  # fmt: skip
    assumed = Assumptions(period_ns=2.5, slew_ns=0.05, access_ns=0.5, memory_setup_ns=0.1)
    return timing_page.Record(
        versions={"yosys": "1"},
        arch="rows 8",
        placed=[
            Placed(
                design="decode",
                figures=figures,
                hops=tuple(timing.hops(REPORT)),
                arrivals=timing.latest(REPORT, 10),
            )
        ],
        timed=[Timed(design="decode", liberty="cells", assumed=assumed, timing=report)],
    )


def test_the_longest_path_from_clock_to_clock():
    found = list(timing.hops(REPORT))
    assert [hop.kind for hop in found] == ["clk-to-q", "routing", "logic", "routing", "setup"]
    assert (found[0].net, found[-1].net) == ("unit.a", "unit.b")
    assert list(timing.hops({"critical_paths": []})) == []


def test_the_latest_arrivals_of_registers_that_differ_in_more_than_bits():
    found = [(one.end, one.net, one.ns) for one in timing.latest(REPORT, 10)]
    assert found == [("unit.b", "unit.sum[3]", 5.0), ("memory.bank_1", "unit.sum[1]", 3.0)]
    assert [one.ns for one in timing.latest(REPORT, 1)] == [5.0]
    assert timing.latest({}, 10) == ()


def test_a_placer_that_takes_too_long_leaves_the_counts(tmp_path, monkeypatch):
    """With a note; a run without a limit that is kept counts first."""
    runs = []

    def tool(name, arguments, folder, *, minutes=None):
        runs.append((name, minutes))
        if name == "yosys":
            if "stat.json" in arguments[-1]:
                (folder / "stat.json").write_text('{"design": {"num_cells_by_type": {"LUT4": 7}}}')
            else:
                (folder / synthesis.NETLIST).write_text("{}")
            return ""
        if minutes is not None:
            raise InputError(f"{name} must end within {minutes:g} minutes, it did not")
        (folder / "report.json").write_text('{"fmax": {"clk": {"achieved": 99.96}}}')
        return ""

    monkeypatch.setattr(synthesis, "run_tool", tool)
    monkeypatch.setattr(timing.metadata, "version", lambda name: "1")
    monkeypatch.setattr(timing.Design, "texts", lambda self: ("", ""))
    (design,) = designs(("decode",), held=False)
    figures = timing.place(design, tmp_path, 2.5).figures
    assert (figures.luts, figures.fmax_mhz) == (7, None)
    assert figures.note == "nextpnr-ecp5 must end within 2.5 minutes, it did not"
    assert timing.place(design, tmp_path).figures.fmax_mhz == 100.0
    assert timing.place(design, tmp_path, 2.5).figures.fmax_mhz == 100.0
    assert [run for run in runs if run[0] == "nextpnr-ecp5"] == [
        ("nextpnr-ecp5", 2.5), ("nextpnr-ecp5", None),
    ]  # fmt: skip
    assert len(runs) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("array$1.column_5.sums[13][23]", "column: read a sum, add, write it"),
        ("stage$2.lane_1.scaled_00[3]", "output lane: multiply"),
        ("stage$2.lane_0.reached_0[3]", "output lane: thresholds"),
        ("sequencer.descriptor[58]", "sequencer: descriptor, counters"),
        ("result_code", "ports"),
    ],
)
def test_the_unit_of_a_register(name: str, words: str):
    assert timing_page.unit_of(name) == words


def test_page_and_rows():
    shown = record()
    assert timing_page.placed_rows(shown) == [
        ("decode", 12, 34, 5, 6, 78.9, "3.8", "0.8", 1, "unit.a", "unit.b")
    ]
    assert timing_page.timed_rows(shown) == [
        ("decode", "cells", 99, 34, "1234", 3, "2.000", "500", "400", "0.500")
    ]
    text = timing_page.page(shown)
    assert "| decode | 12 | 34 | 5 | 6 | 78.9 | 3.8 | 0.8 | 1 | unit.a | unit.b |" in text
    assert "| ports | unit.a\\[3\\] | unit.b\\[0\\] | 7 | 1 | 1.250 | 0.125 | -0.375 |" in text
    assert "p, q, r, .., t |" in text
    assert "| decode | unit.b | ports | unit.sum\\[3\\] | 5.00 |" in text
    assert "yosys \\| failed" in text
    check("bench timing", shown.to_dict())
    assert json.loads(json.dumps(shown.to_dict()))["timed"][0]["timing"]["cells"] == 99


def test_a_page_without_an_fpga_or_without_a_liberty():
    shown = record()
    shown.placed = []
    assert "## ECP5" not in timing_page.page(shown)
    shown.timed = []
    assert "##" not in timing_page.page(shown)
