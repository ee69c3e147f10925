"""Flip-flops in closed form: those of the elaborated hardware and of the synthesized netlists."""

import pytest
from amaranth.hdl import Fragment, Signal, Value
from amaranth.hdl._ir import build_netlist
from amaranth.hdl._nir import FlipFlop
from places import ROOT

from adqhw.cost.events.flip_flops import ARRAY, flip_flops
from adqhw.gates.model.characterization_file import read_content
from adqhw.gates.model.parts import WIDTHS, Part, lanes_of
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import names
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.engine.drain import Drain
from adqhw.rtl.engine.requant_unit import RequantUnit
from adqhw.rtl.engine.threshold_unit import ThresholdUnit
from adqhw.rtl.lanes.lane_array import LaneArray
from adqhw.rtl.output.output_lane import OutputLane

GATES = sorted((ROOT / "gates" / "tech").glob("*.toml"))
NARROW = {"act_width": 3, "weight_width": 3, "level_width": 5, "acc_width": 12, "channels": 9}


def elaborated(component) -> int:
    """Bits of the flip-flops that Amaranth builds."""
    ports = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    signals = [port for port in ports if isinstance(port, Signal)]
    cells = build_netlist(Fragment.get(component, None), ports=signals).cells
    return sum(len(cell.data) for cell in cells if isinstance(cell, FlipFlop))


@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize(("rows", "cols", "widths"), [(4, 2, {}), (1, 1, NARROW), (5, 3, NARROW)])
def test_closed_form_is_what_the_generators_build(micro, rows, cols, widths):
    arch = Arch(rows=rows, cols=cols, micro=micro, **widths)
    bits = flip_flops(arch)
    assert elaborated(LaneArray(arch)) == sum(bits[part] for part in ARRAY)
    assert elaborated(Drain(arch)) == bits["drain"]
    assert elaborated(ThresholdUnit(arch)) == bits["threshold unit"]
    assert elaborated(RequantUnit(arch)) == bits["requant unit"]


HOLDS = ("decode", "uniform", "bit_serial", "product_table", "shift_add")
WIDE = {"acc_width": 32, "threshold_width": 6, "level_width": 12, "out_width": 16}


@pytest.mark.parametrize("micro", HOLDS)
@pytest.mark.parametrize(
    ("rows", "cols", "size", "widths"),
    [
        (4, 2, {"hold": 4, "fill": 2, "out_lanes": 2}, {}),
        (1, 1, {"hold": 2}, NARROW),
        (6, 3, {"hold": 7, "fill": 3, "out_lanes": 3}, NARROW),
        (3, 2, {"hold": 5}, WIDE),
    ],
)
def test_closed_form_is_what_holding_arrays_have(micro, rows, cols, size, widths):
    arch = Arch(rows=rows, cols=cols, micro=micro, **size, **widths)
    bits = flip_flops(arch)
    assert elaborated(HeldArray(arch)) == sum(bits[part] for part in ARRAY)
    assert elaborated(OutputLane(arch)) * arch.out_lanes == bits["output lanes"]


def test_closed_form_of_narrow_multipliers_that_hold():
    arch = Arch(rows=4, cols=2, micro="uniform", hold=4, fill=2, multiply_width=3)
    assert elaborated(HeldArray(arch)) == sum(flip_flops(arch)[part] for part in ARRAY)


def characterized() -> list:
    found = []
    for path in GATES:
        content = read_content(path)
        for micro, table in content.get("micro", {}).items():
            rows, cols = content["characterization"]["test_size"]
            found.append(pytest.param(micro, table, rows, cols, id=f"{path.stem}-{micro}"))
    return found


@pytest.mark.parametrize(("micro", "table", "rows", "cols"), characterized())
def test_closed_form_is_what_synthesis_left(micro, table, rows, cols):
    widths = {name: int(table[name]) for name in WIDTHS[Part.ARRAY]}
    lanes, narrow = lanes_of(micro)
    bits = flip_flops(Arch(rows=rows, cols=cols, micro=lanes, multiply_width=narrow, **widths))
    built = sum(bits[part] for part in ARRAY)
    # products of code 0 are 0, a bin counter's top bit may be: synthesis drops what is constant,
    # as the two low bits of a shift by 0 or 4, which travels twice beside the data
    dropped = {"product_table": 16 * 12, "binned": 1, "uniform_4": 2 * 2}.get(micro, 0)
    assert table["flip_flops"] == built - dropped
