"""Arrival times of placed gates added up by hand; kept up to date, they are those of a new walk."""

import numpy as np
import pytest
from drive_library import drive_library
from gate_oracle import netlist_json
from hand_laid import chain_netlist, changed_at_random, hand_laid, random_netlist

from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.netlist.static import Assumptions, StaticTiming
from adqhw.gates.placement.clocked import clock_cone
from adqhw.gates.repair.arrivals import Arrivals
from adqhw.gates.repair.clocking import Clocking
from adqhw.gates.repair.draft import Draft
from adqhw.gates.repair.drives import Drives
from adqhw.gates.repair.required import margins_of
from adqhw.spec import InputError

IN_A_ROW = {"first": (0.0, 0.0), "on0": (10.0, 0.0), "last": (20.0, 0.0)}
PERIOD = Clocking(period_ns=1.0, io_share=0.2)


def timed(netlist, library, clocking=PERIOD, **wires):
    draft = Draft(netlist, library, hand_laid(netlist, library, **wires))
    return draft, Arrivals(draft, Drives(library), clocking, clock_cone(netlist, library))


def test_from_register_to_register():
    """CK to Q 0.2 and 3 fF x 0.01 (1 fF of wires); INV 0.1 and 2 fF x 0.01; set-up 0.1."""
    library = drive_library()
    netlist = chain_netlist(library, 1, 0)
    _, arrivals = timed(netlist, library, spots=IN_A_ROW, ohm=0.0)
    names = {gate.name: number for number, gate in enumerate(netlist.gates)}
    slack = arrivals.slacks[names["last"], "D"]
    assert slack == pytest.approx(1 - (0.2 + 0.03 + 0.1 + 0.02 + 0.1))
    path = arrivals.path((names["last"], "D"))
    assert [stage.gate for stage in path] == [names["first"], names["on0"]]
    assert arrivals.slacks[names["first"], "D"] == pytest.approx(1 - 0.2 - 0.1)  # from a port
    assert arrivals.stage_delay(path[1]) == (pytest.approx(0.12), pytest.approx(0.1))


def test_wires_are_late_and_slow():
    """10 um of 1 kOhm/um and 0.1 fF/um: 10 kOhm x (3 + 2) / 2 fF = 25 ps; the slope's root of
    squares of 0.05 + 3 x 0.001 and 2.2 x 25 ps."""
    library = drive_library()
    netlist = chain_netlist(library, 1, 0)
    draft, arrivals = timed(netlist, library, spots=IN_A_ROW, ohm=1000.0)
    inverter = next(n for n, gate in enumerate(netlist.gates) if gate.name == "on0")
    net = draft.pins[inverter]["A"]
    at, slew = arrivals.at(inverter, "A", net, 0)
    assert at == pytest.approx(0.23 + 0.025)
    assert slew == pytest.approx(np.hypot(0.053, np.log(9) * 0.025))


def test_ports_arrive_and_are_due_shares_of_the_period():
    """0.2 to 0.8: INV 0.1 at the port's own 0 fF and no wires."""
    library = drive_library()
    ports = {"p": ("input", [2]), "q": ("output", [3])}
    netlist = parse_netlist(netlist_json(ports, {"x": ("INV", {"A": 2, "Y": 3})}), "top", library)
    _, arrivals = timed(netlist, library, ff=0.0)
    assert arrivals.worst() == (pytest.approx(0.8 - 0.2 - 0.1), (-1 - netlist.outputs["q"][0], ""))
    assert arrivals.total_negative() == 0
    assert arrivals.violating() == []


@pytest.mark.parametrize("seed", range(5))
def test_without_wires_the_slacks_are_those_of_static_timing(seed):
    """The timing that repair keeps up to date and the one of a whole netlist, end by end."""
    library = drive_library()
    netlist = random_netlist(library, 80, seed)
    clocking = Clocking(period_ns=1.0, io_share=0.0)
    _, arrivals = timed(netlist, library, clocking, ff=0.0, ohm=0.0)
    assumed = Assumptions(period_ns=1.0, slew_ns=0.0, access_ns=0.0, memory_setup_ns=0.0)
    whole = StaticTiming(netlist, library, assumed, {})
    assert len(whole.ends) > 5
    slacks = [end.slack_ns for end in whole.ends]
    assert sorted(arrivals.slacks.values()) == pytest.approx(slacks, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_kept_up_to_date(seed):
    library = drive_library()
    netlist = random_netlist(library, 80, seed)
    draft, arrivals = timed(netlist, library, ohm=20.0)
    random = np.random.default_rng(seed)
    marks = []
    for step in range(12):
        marks.append(draft.mark())
        changed_at_random(draft, random, 4)
        if step % 3 == 2:
            draft.rollback(marks.pop(int(random.integers(len(marks)))))
            marks = [mark for mark in marks if mark <= draft.mark()]
        arrivals.update()
    fresh = Arrivals(draft, arrivals.drives, PERIOD, arrivals.ideal)
    assert len(fresh.slacks) > 5
    assert set(arrivals.slacks) == set(fresh.slacks)
    for end, slack in fresh.slacks.items():
        assert arrivals.slacks[end] == pytest.approx(slack, abs=1e-4)
    assert arrivals.worst()[0] == pytest.approx(fresh.worst()[0], abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_slack_of_pins(seed):
    """The least of the pins on the longest path to the worst end is that end's; none is less."""
    library = drive_library()
    netlist = random_netlist(library, 80, seed)
    draft, arrivals = timed(netlist, library, ohm=20.0)
    margins = margins_of(arrivals)
    worst, end = arrivals.worst()
    assert end is not None
    assert min(margins.values()) >= worst - 1e-9
    path = [stage for stage in arrivals.path(end) if not arrivals.clocks(stage.gate)]
    assert path
    for stage in path:
        assert margins[stage.gate, stage.pin] == pytest.approx(worst, abs=1e-9)
    assert draft.dirty == set()


def test_a_loop_of_gates_is_refused():
    library = drive_library()
    cells = {"x": ("INV", {"A": 2, "Y": 3}), "z": ("INV", {"A": 3, "Y": 2})}
    netlist = parse_netlist(netlist_json({"q": ("output", [3])}, cells), "top", library)
    with pytest.raises(InputError, match="must have no loop of gates"):
        timed(netlist, library)


@pytest.mark.parametrize("values", [{"period_ns": 0.0}, {"period_ns": 1.0, "io_share": 0.5}])
def test_clockings_that_are_refused(values):
    with pytest.raises(InputError, match="must be"):
        Clocking(**values)
