"""Topologies: SCALE-Sim's files load, bad fields are named, its stall-free cycles come out."""

import json

import numpy as np
import pytest
from places import VECTORS as SHARED

from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.points import Points, estimate_points
from adqhw.cost.technology.technology import load
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.systolic import Dataflow, layer_systolic, topology_systolic, total_cycles
from adqhw.cost.topologies.topology import LayerSize, Topology, load_topology, parse_topology
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.spec import InputError

VECTORS = json.loads((SHARED / "scalesim.json").read_text())
HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
    "Strides,\n"
)
TEXT = HEADER + "Conv1, 6, 5, 3, 2, 3, 7, 2,\n,,,,,,,\n\nFC, 1, 1, 1, 1, 16, 5, 1,\n"
LITERATURE = load("literature45")


def frozen_topology(name: str) -> Topology:
    sizes = [LayerSize(name=n, **dict(zip(VECTORS["fields"], v, strict=True)))
             for n, *v in VECTORS["topologies"][name]["layers"]]  # fmt: skip
    return Topology(name=name, layers=tuple(sizes))


@pytest.mark.parametrize(
    "case",
    VECTORS["cases"],
    ids=lambda c: f"{c['topology']}-{c['rows']}x{c['cols']}-{c['dataflow']}",
)
def test_cycles_are_those_that_scalesim_found(case):
    """Recorded from the package (tools/scalesim_vectors.py); sources are in the file."""
    layers = frozen_topology(case["topology"]).layers
    found = [
        layer_systolic(size, case["rows"], case["cols"], Dataflow(case["dataflow"])).cycles
        for size in layers
    ]
    assert found == case["cycles"]


def test_the_frozen_cases_cover_the_dataflows_and_whole_simulations():
    assert {case["dataflow"] for case in VECTORS["cases"]} == set(Dataflow)
    assert len({case["topology"] for case in VECTORS["cases"]}) >= 3
    assert sum(case["simulated_layers"] for case in VECTORS["cases"]) > 0


def test_folds_counted_by_hand():
    """9 pixels, 7 filters, windows of 18 on 4x4; os: 3 x 2 folds of 18 + 4 + 4 - 2 = 24 cycles.

    ws: 5 x 2 folds of 9 + 8 + 4 - 2 = 19; is: 5 x 3 folds of 7 + 8 + 4 - 2 = 17. Less one each.
    """
    size = parse_topology(TEXT, "tiny.csv").layers[0]
    assert (size.pixels, size.window, size.macs) == (9, 18, 9 * 18 * 7)
    cycles = [layer_systolic(size, 4, 4, dataflow).cycles for dataflow in Dataflow]
    assert cycles == [6 * 24 - 1, 10 * 19 - 1, 15 * 17 - 1]
    assert layer_systolic(size, 4, 4, Dataflow.OUTPUT).utilization == size.macs / (16 * 144)


def test_a_topology_loads(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(TEXT)
    topology = load_topology(path)
    assert topology.name == "net"
    assert [x.name for x in topology.layers] == ["Conv1", "FC"]
    fields = ("height", "width", "filter_height", "filter_width", "channels", "filters", "stride")
    assert [getattr(topology.layers[0], f) for f in fields] == [6, 5, 3, 2, 3, 7, 2]


def test_matrix_products_and_depthwise_layers():
    gemm = parse_topology("Layer,M,N,K,\nqkv,128,1536,512,\n", "g.csv").layers[0]
    assert (gemm.pixels, gemm.filters, gemm.window) == (128, 1536, 512)
    deep = parse_topology(HEADER + "DP1, 8, 8, 3, 3, 16, 1, 1,\n", "d.csv").layers[0]
    assert (deep.repeat, deep.channels, deep.macs) == (16, 1, 16 * 36 * 9)
    alone = layer_systolic(parse_topology(HEADER + "C, 8, 8, 3, 3, 1, 1, 1,\n", "c").layers[0],
                           4, 4, Dataflow.WEIGHT)  # fmt: skip
    assert layer_systolic(deep, 4, 4, Dataflow.WEIGHT).cycles == 16 * alone.cycles


@pytest.mark.parametrize(
    ("rows", "place", "value"),
    [
        ("A, 0, 5, 3, 2, 3, 7, 2,", "row 2 (A), column 2 (IFMAP Height)", "'0'"),
        ("A, 6, 5, 3, 2, 3.5, 7, 2,", "row 2 (A), column 6 (Channels)", "'3.5'"),
        ("A, 6, 5, 3, 2, 3, 7, 2,\nB, 6, 5, 3, 2, -3, 7, 2,", "row 3 (B), column 6", "'-3'"),
        ("A, 6, 5, 3, 2, 3, 7", "row 2 (A), column 8 (Strides)", "not ''"),
        ("A, 6, 5, 3, 2, ٣, 7, 2,", "row 2 (A), column 6 (Channels)", "'٣'"),
        ("A, 6, 5, 3, 2, 3, 2147483648, 2,", "row 2 (A), column 7 (Num Filter)", "below 2^31"),
        ("A, 6, 5, 3, 2, 3, " + "9" * 5000 + ", 2,", "row 2 (A), column 7", "below 2^31"),
        ("A, 6, 5, 3, 2, " + "0" * 5000 + ", 7, 2,", "row 2 (A), column 6", "positive integer"),
        ("A, 6, 5, 3, 2, 1e3, 7, 2,", "row 2 (A), column 6", "'1e3'"),
        ("\x1b[31mA, 6, 5, 3, 2, , 7, 2,", "row 2 (\\x1b[31mA), column 6", "''"),
        (
            'B, 1, 1, 1, 1, 1, 1, 1,\n"A, 6, 5, 3, 2, 3, 7, 2,\nC, 1, 1, 1, 1, 1, 1, 1,',
            "row 3",
            "CSV",
        ),
        ("A" * 200_000 + ", 6, 5, 3, 2, 3, 7, 2,", "row 2", "field larger than field limit"),
        ("A, 6, 5, 3, 2, 3, 7, 2, 5,", "column 9 must have a header in row 1", "'5'"),
        ("A, 6, 5, 7, 2, 3, 7, 1,", "row 2 (A): Filter Height", "the IFMAP's 6, not 7"),
        (", 6, 5, 3, 2, 3, 7, 2,", "row 2, column 1", "the name of a layer"),
        ("", "must have at least one layer", "not none"),
    ],
)
def test_a_bad_field_is_named_by_row_and_column(rows, place, value):
    with pytest.raises(InputError) as caught:
        parse_topology(HEADER + rows, "net.csv")
    message = str(caught.value)
    assert place in message
    assert value in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace(" Strides,", ""), "row 1, column 8 must be 'Strides', not ''"),
        ("name,a\nA,1", "row 1, column 2 must be 'IFMAP Height', not 'a'"),
        ("Layer,M,N\nA,1,2", "row 1, column 4 must be 'K', not none"),
        ("Layer,M,N,K\nA,1,zwei,3", "column 3 (N) must be a positive integer, not 'zwei'"),
        ("", "a header in row 1"),
    ],
)
def test_a_bad_header_or_product_is_named(text, message):
    with pytest.raises(InputError) as caught:
        parse_topology(text, "net.csv")
    assert message in str(caught.value)
    assert "'net.csv'" in str(caught.value)


def test_vectors_of_arrays_give_the_same_cycles():
    topology = parse_topology(TEXT, "net.csv")
    rows, cols = np.array([1, 4, 8, 32]), np.array([3, 4, 1, 16])
    for dataflow in Dataflow:
        together = total_cycles(topology_systolic(topology, rows, cols, dataflow))
        alone = [
            total_cycles(topology_systolic(topology, int(r), int(c), dataflow))
            for r, c in zip(rows, cols, strict=True)
        ]
        assert together.tolist() == alone
    with pytest.raises(InputError, match="Systolic rows must be at least 1"):
        topology_systolic(topology, 0, 4, Dataflow.INPUT)
    with pytest.raises(InputError, match="Dataflow must be one of os, ws, is"):
        Dataflow.of("rs")


def test_a_bare_topology_is_costed_with_its_assumptions_said():
    """Conv1 on 4x4 lanes: 1 input block, 6 kernel positions, 2 column blocks of 9 pixels."""
    assumed = Assumptions(weight_bits=3, act_bits=2)
    program = assumed_network(parse_topology(TEXT, "net.csv"), assumed)
    arch = narrowest_lanes(program, rows=4, cols=4)
    result = estimate(program, arch, LITERATURE, statistics=assumed.text)
    assert "3-bit codes" in result.statistics
    assert "2-bit activations, none of them 0" in result.statistics
    conv = result.layers[0]
    assert conv.events.macs == 9 * 7 * 18
    assert conv.events.beats == 2 * 9 * 6
    assert conv.events.gated_macs == (7 * 18 >> 3) * 9
    assert conv.events.counts["weight_read_bit"] == conv.events.beats * 16 * 3
    assert [x.events.cycles for x in result.layers] == [
        model.cycles for model in network_cycles(arch, program)[1:]
    ]
    assert 0 < result.energy.total.low < result.energy.total.expected < result.energy.total.high


def test_a_bare_topology_on_many_arrays():
    program = assumed_network(frozen_topology("alexnet"), Assumptions())
    points = Points.for_program(program, [(16, 16), (8, 32), (64, 4)])
    costs = estimate_points(program, points, [LITERATURE])[0]
    for i, (rows, cols) in enumerate(((16, 16), (8, 32), (64, 4))):
        alone = estimate(program, narrowest_lanes(program, rows=rows, cols=cols), LITERATURE)
        assert costs.cycles[i] == alone.cycles
        assert costs.energy_pj[1, i] == pytest.approx(alone.energy.total.expected, rel=1e-12)


def test_bad_assumptions_are_refused():
    with pytest.raises(InputError, match="Assumed weight_bits must be"):
        Assumptions(weight_bits=1)
