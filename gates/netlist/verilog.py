"""A netlist as Verilog for Verilator: cell functions from the Liberty, every net visible.

One input vector carries all input ports, low bit first in port order; the nets leave in vectors
of 64, net `i` as bit `i % 64` of `probe_{i // 64}`.
"""

from ...spec.errors import InputError
from ..liberty.liberty import Library
from .netlist import ONE, ZERO, Gate, Netlist, clock_pin

MODULE = "gates"
PROBE = 64
WIDE = 65
"""Verilator passes a port of more than 64 bits as an array of words, whatever its width."""


def input_width(netlist: Netlist) -> int:
    """Bits of the input vector."""
    return max(WIDE, sum(len(nets) for nets in netlist.inputs.values()))


def probes(netlist: Netlist) -> int:
    """Number of probe vectors."""
    return -(-netlist.nets // PROBE)


def gate_verilog(netlist: Netlist, library: Library) -> str:
    """The module `gates`."""
    count = probes(netlist)
    outs = ", ".join(f"output [{PROBE - 1}:0] probe_{i}" for i in range(count))
    registers = {net for gate in netlist.gates for net in _registers(gate, library)}
    lines = [f"module {MODULE} (input clk, input [{input_width(netlist) - 1}:0] stimulus, {outs});"]
    lines += [f"  wire n{net};" for net in range(netlist.nets) if net not in registers]
    lines += [f"  reg n{net} = 1'b0;" for net in sorted(registers)]
    ports = [net for nets in netlist.inputs.values() for net in nets]
    lines += [f"  assign n{net} = stimulus[{bit}];" for bit, net in enumerate(ports)]
    if netlist.clock is not None:
        lines.append(f"  assign n{netlist.clock} = clk;")
    for gate in netlist.gates:
        lines += _gate(gate, library)
    for probe in range(count):
        bits = range(probe * PROBE, min(netlist.nets, (probe + 1) * PROBE))
        # The clock is not data: its edges are counted in cycles.
        names = ["1'b0" if net == netlist.clock else f"n{net}" for net in reversed(bits)]
        pad = [f"{PROBE - len(names)}'d0"] if len(names) < PROBE else []
        lines.append(f"  assign probe_{probe} = {{{', '.join(pad + names)}}};")
    return "\n".join([*lines, "endmodule", ""])


def state_output(gate: Gate, library: Library) -> str:
    """The connected output pin that shows a flip-flop's state, or its inverse."""
    cell = library.cell(gate.cell)
    assert cell.ff is not None
    for pin in cell.outputs:
        function = cell.pins[pin].function
        assert function is not None
        shown = function.tree in (("pin", cell.ff.state), ("pin", cell.ff.inverse))
        if shown and gate.pins.get(pin, ZERO) >= 0:
            return pin
    raise InputError(f"Flip-flop {gate.name!r} ({cell.name}) must show its state on an output")


def _registers(gate: Gate, library: Library) -> list[int]:
    if library.cell(gate.cell).ff is None:
        return []
    return [gate.pins[state_output(gate, library)]]


def _gate(gate: Gate, library: Library) -> list[str]:
    cell = library.cell(gate.cell)
    nets = {pin: _operand(gate.pins[pin]) for pin in cell.inputs}
    lines, shown = [], ""
    if cell.ff is not None:
        shown = state_output(gate, library)
        function = cell.pins[shown].function
        assert function is not None
        inverted = function.tree == ("pin", cell.ff.inverse)
        state = _operand(gate.pins[shown])
        plain, other = (f"~{state}", state) if inverted else (state, f"~{state}")
        nets |= {cell.ff.state: plain, cell.ff.inverse: other}
        following = cell.ff.next_state.verilog(nets)
        following = f"~({following})" if inverted else following
        lines.append(f"  always @(posedge {nets[clock_pin(cell)]}) {state} <= {following};")
    for pin in cell.outputs:
        function = cell.pins[pin].function
        if pin == shown or function is None or gate.pins.get(pin, ZERO) < 0:
            continue
        lines.append(f"  assign {_operand(gate.pins[pin])} = {function.verilog(nets)};")
    return lines


def _operand(net: int) -> str:
    return {ZERO: "1'b0", ONE: "1'b1"}.get(net, f"n{net}")
