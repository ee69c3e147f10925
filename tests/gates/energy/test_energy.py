"""Energy of three gates counted by hand; the arithmetic is in the comments."""

import numpy as np
import pytest
from gate_oracle import netlist_json, oracle_switching, rows, small_netlist
from tiny_liberty import tiny

from adqhw.gates.energy.energy import Assumptions, energies, gate_energy, middle_slew_ns
from adqhw.gates.netlist.arcs import arc_uses, leakage_nw
from adqhw.gates.netlist.netlist import net_loads, parse_netlist
from adqhw.spec import InputError

ASSUMED = Assumptions(slew_ns=0.25, period_ns=100.0)

# Settled values: a b -> n = !(a b), y = !n, q = y one cycle earlier.
#        t0 t1 t2 t3 t4
A, B = [1, 1, 0, 0, 1], [0, 1, 1, 0, 0]
#   n     1  0  1  1  1
#   y     0  1  0  0  0
#   q     0  0  1  0  0
#
# Loads in fF: a 3, b 5, n 2 (INV), y 1.5 (D), q 0, clk 1. 2 V: 1/2 V^2 = 2 fJ/fF per change.
#
# t0-t1  b rises. NAND falls by B: 3. INV rises: table 1..3 over slew 0..1, at 0.25: 1.5.
#        D rises, clock high: 0.5. Clock rises with D = Q: 2, falls with D != Q: 7.
# t1-t2  a falls. NAND rises by A: 2..4 over 0..10 fF, at 2 fF: 2.4. INV falls: 0.5. Clock rises
#        with D != Q: 0. Q rises: 10. D falls: 0.25. Clock falls with D = 0, Q = 1: 7.
# t2-t3  b falls, NAND stays. Clock rises with D != Q: 0. Q falls: 20. Clock falls with D = Q: 4.
# t3-t4  a rises, b = 0, NAND stays: the hidden 0.25 of pin A. Clock with D = Q: 2 and 4.
INTERNAL = (3 + 1.5 + 0.5) + (2.4 + 0.5 + 10 + 0.25) + 20 + 0.25
SWITCHING = 2 * ((5 + 2 + 1.5) + (3 + 2 + 1.5) + 5 + 3)
CLOCK = (2 + 7) + (0 + 7) + (0 + 4) + (2 + 4) + 4 * (1 * 2**2)
# NAND leaks 8 nW at t1 (a b = 1), 4 at t2 to t4; INV 5 and DFF 10 always. nW x 100 ns = 0.1 fJ.
LEAKAGE = ((8 + 4 + 4 + 4) + 4 * (5 + 10)) * 0.1


def test_three_gates_counted_on_paper():
    library = tiny()
    netlist = small_netlist(library)
    switching = oracle_switching(netlist, library, rows(a=A, b=B))
    energy = gate_energy(netlist, library, switching, ASSUMED)
    assert energy.parts == pytest.approx(
        {"internal": INTERNAL, "switching": SWITCHING, "clock": CLOCK, "leakage": LEAKAGE}
    )
    assert energy.cycles == 4
    assert energy.total_fj == pytest.approx(INTERNAL + SWITCHING + CLOCK + LEAKAGE)


def test_wires_load_nets_and_tables():
    """As much wire as pins: switching doubles, and the NAND's rise by A is read at 4 fF: +0.4."""
    library = tiny()
    netlist = small_netlist(library)
    switching = oracle_switching(netlist, library, rows(a=A, b=B))
    wired = Assumptions(slew_ns=0.25, period_ns=100.0, wire_factor=1.0)
    energy = gate_energy(netlist, library, switching, wired)
    assert energy.switching_fj == pytest.approx(2 * SWITCHING)
    assert energy.internal_fj == pytest.approx(INTERNAL + 0.4)
    assert energy.clock_fj == pytest.approx(CLOCK + 16)


def charged(cell: str, pins: tuple[str, ...], before: int, after: int) -> float:
    """fJ of one change of state, without load."""
    uses = arc_uses(tiny().cell(cell), pins)
    return float(sum(u.weights[before, after] * u.table.at(0.25, 0.0) for u in uses))


def test_two_pins_at_once_share_the_output_edge():
    """00 -> 11: Y falls, by A 1 or by B 3: 2. A's hidden 0.25 holds before, not after: a half."""
    assert charged("NAND2", ("A", "B"), 0b00, 0b11) == pytest.approx(2 + 0.125)
    # 11 -> 00: Y rises, by A 2 or by B 6: 4; A falls: its hidden 0.75 holds after only.
    assert charged("NAND2", ("A", "B"), 0b11, 0b00) == pytest.approx(4 + 0.375)
    # 01 -> 10: A falls, B rises, Y stays: hidden 0.75 of A's fall, whose condition !B holds before.
    assert charged("NAND2", ("A", "B"), 0b01, 0b10) == pytest.approx(0.375)


def test_nothing_moves_nothing_is_charged_but_the_clock():
    assert charged("NAND2", ("A", "B"), 0b10, 0b10) == 0
    assert charged("DFF", ("D", "Q"), 0b00, 0b00) == 2 + 4


def test_leakage_follows_the_state():
    np.testing.assert_allclose(leakage_nw(tiny().cell("NAND2"), ("A", "B")), [4, 4, 4, 8])


def test_loads_and_area_are_sums():
    library = tiny()
    netlist = small_netlist(library)
    loads = net_loads(netlist, library)
    assert netlist.area(library) == 1 + 2 + 6
    assert [loads[netlist.inputs[n][0]] for n in "ab"] == [3, 5]
    assert netlist.clock is not None
    assert loads[netlist.clock] == 1


NO_ENERGY = """internal_power () { related_pin : "A";
        rise_power (by_both) { values ("1, 1", \\
                                       "3, 3"); }
        fall_power (scalar) { values ("0.5"); }
      }"""
CLOCK_ENERGIES = """internal_power () { when : "(D & Q) + (!D & !Q)";
        rise_power (scalar) { values ("2"); } fall_power (scalar) { values ("4"); } }
      internal_power () { when : "D ^ Q";
        rise_power (scalar) { values ("0"); } fall_power (scalar) { values ("7"); } }"""
SILENT = {
    "no clock energy": (CLOCK_ENERGIES, "pin 'CK' must have internal_power, not none"),
    "a condition of no pin": ("!B & Y", "conditions must be of its signal pins, not of 'VDD'"),
    "no power table": (NO_ENERGY, "must have internal_power, not none"),
    "no capacitance": ("capacitance : 3.0;", "must have a capacitance, not none"),
    "no leakage": ("cell_leakage_power : 5.0;", "must have leakage_power in every state"),
    "half the leakage": (
        """leakage_power () { when : "A' + B'"; value : 4.0; }""",
        "must have leakage_power in every state",
    ),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_a_library_does_not_say_is_refused(case):
    """Nothing defaults to 0 or 1."""
    gone, message = SILENT[case]
    library = tiny((gone, "VDD" if case.startswith("a condition") else ""))
    netlist = small_netlist(library)
    played = oracle_switching(netlist, library, rows(a=A, b=B))
    with pytest.raises(InputError, match=message) as refused:
        gate_energy(netlist, library, played, ASSUMED)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"slew_ns": 0.0}, {"period_ns": -1.0}, {"wire_factor": -0.5}, {"slew_ns": np.nan}]
)
def test_assumptions_are_checked(values):
    with pytest.raises(InputError, match=f"Assumption {next(iter(values))} must be"):
        Assumptions(**{"slew_ns": 0.1, "period_ns": 1.0, **values})


def test_the_middle_slew_needs_an_axis():
    library = tiny()
    assert middle_slew_ns(library, small_netlist(library)) == 1.0  # of 0 and 1
    flop = netlist_json(
        {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [4])},
        {"flop": ("DFF", {"CK": 2, "D": 3, "Q": 4})},
    )
    with pytest.raises(InputError, match="Slew must be given"):
        middle_slew_ns(library, parse_netlist(flop, "top", library))


def netlist_of(cells: dict) -> None:
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [4])}
    parse_netlist(netlist_json(ports, cells), "top", tiny())


REFUSED = {
    "a cell the library lacks": ({"x": ("AND9", {"A": 3, "Y": 4})}, "must be in Liberty"),
    "a latch": ({"x": ("LATCH", {"D": 3, "Q": 4})}, "but it has a latch"),
    "an open input": ({"x": ("NAND2", {"A": 3, "Y": 4})}, "input 'B' must be connected"),
    "a gated clock": ({"x": ("DFF", {"CK": 3, "D": 3, "Q": 4})}, "must be on the clock"),
    "a clock as data": ({"x": ("INV", {"A": 2, "Y": 4})}, "must not be on the clock"),
    "an unknown value": ({"x": ("INV", {"A": "x", "Y": 4})}, "must be a wire, 0 or 1, not 'x'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_netlists_that_cannot_be_costed_are_refused(case):
    cells, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        netlist_of(cells)


def test_groups_of_gates_have_their_own_nets_and_are_together_the_whole():
    """Group 0: NAND and the ports' nets; 1: INV; 2: the flip-flop with its clock pin."""
    library = tiny()
    netlist = small_netlist(library)
    switching = oracle_switching(netlist, library, rows(a=A, b=B))
    kinds = {"NAND2": 0, "INV": 1, "DFF": 2}
    group = np.array([kinds[gate.cell] for gate in netlist.gates])
    found = energies(netlist, library, switching, ASSUMED, group, 3)
    nand, inv, flop = (energy.parts for energy in found)
    assert [energy.clock_fj for energy in found] == pytest.approx([0, 0, CLOCK])
    assert nand["internal"] == pytest.approx(3 + 2.4 + 0.25)
    assert inv["internal"] == pytest.approx(1.5 + 0.5)
    assert flop["internal"] == pytest.approx(0.5 + 10 + 0.25 + 20)
    assert nand["switching"] == pytest.approx(2 * (5 + 2 + 3 + 2 + 5 + 3))
    assert inv["switching"] == pytest.approx(2 * (1.5 + 1.5))
    assert flop["switching"] == 0
    assert [energy.leakage_fj for energy in found] == pytest.approx([2.0, 2.0, 4.0])
