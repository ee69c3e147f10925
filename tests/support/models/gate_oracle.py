"""A gate netlist cycle by cycle in plain Python: the oracle of the Verilator simulation."""

import json

import numpy as np

from adqhw.gates.liberty.liberty import Library
from adqhw.gates.netlist.netlist import Netlist, parse_netlist
from adqhw.gates.netlist.verilog import state_output
from adqhw.gates.play.simulation import COUNT, Stimulus, Switching, state_pins


def netlist_json(ports: dict, cells: dict) -> str:
    """yosys's JSON. ports: name -> (direction, bits). cells: name -> (cell, pin -> bit)."""
    module = {
        "ports": {n: {"direction": d, "bits": bits} for n, (d, bits) in ports.items()},
        "cells": {
            n: {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}
            for n, (kind, pins) in cells.items()
        },
    }
    return json.dumps({"modules": {"top": module}})


def small_netlist(library: Library) -> Netlist:
    """q follows !(!(a & b)) a cycle later."""
    return parse_netlist(
        netlist_json(
            {
                "clk": ("input", [2]), "a": ("input", [3]), "b": ("input", [4]),
                "q": ("output", [7]),
            },
            {
                "nand": ("NAND2", {"A": 3, "B": 4, "Y": 5}),
                "inv": ("INV", {"A": 5, "Y": 6}),
                "flop": ("DFF", {"CK": 2, "D": 6, "Q": 7}),
            },
        ),
        "top",
        library,
    )  # fmt: skip


def rows(flags: int = COUNT, **ports: list[int]) -> Stimulus:
    """Single-bit ports, a value per cycle."""
    bits = {name: np.array(values, np.uint8)[:, None] for name, values in ports.items()}
    count = len(next(iter(bits.values())))
    return Stimulus(ports=bits, flags=np.full(count, flags, np.uint32))


def oracle_switching(netlist: Netlist, library: Library, stimulus: Stimulus) -> Switching:
    """Settle, count, clock; a gate is evaluated until nothing changes."""
    nets = np.zeros(netlist.nets + 2, np.int64)
    nets[-1] = 1  # net -2 is constant 0, net -1 constant 1
    pins = [state_pins(gate, library) for gate in netlist.gates]
    transitions = [np.zeros((1 << len(p), 1 << len(p)), np.uint32) for p in pins]
    toggles = np.zeros(netlist.nets, np.uint32)
    before = states_before = None
    for row in range(len(stimulus.flags)):
        for name, wires in netlist.inputs.items():
            nets[list(wires)] = stimulus.ports[name][row]
        _settle(netlist, library, nets)
        states = [
            sum(int(nets[gate.pins[pin]]) << bit for bit, pin in enumerate(names))
            for gate, names in zip(netlist.gates, pins, strict=True)
        ]
        counted = row and stimulus.flags[row] & stimulus.flags[row - 1] & COUNT
        if counted:
            toggles += (nets[:-2] != before).astype(np.uint32)
            for table, old, new in zip(transitions, states_before, states, strict=True):
                table[old, new] += 1
        before, states_before = nets[:-2].copy(), states
        _clock(netlist, library, nets)
    cycles = int(transitions[0].sum())
    return Switching(
        cycles=cycles, toggles=toggles, transitions=tuple(transitions),
        records=np.zeros((0, 1), np.uint8),
    )  # fmt: skip


def _values(gate, library, nets):
    cell = library.cell(gate.cell)
    values = {pin: int(nets[gate.pins[pin]]) for pin in cell.inputs}
    if cell.ff is not None:
        shown = state_output(gate, library)
        bit = int(nets[gate.pins[shown]])
        inverted = cell.pins[shown].function.tree[1] == cell.ff.inverse
        values |= {cell.ff.state: bit ^ inverted, cell.ff.inverse: 1 - (bit ^ inverted)}
    return cell, values


def _settle(netlist, library, nets):
    changed = True
    while changed:
        changed = False
        for gate in netlist.gates:
            cell, values = _values(gate, library, nets)
            for pin in cell.outputs:
                net = gate.pins.get(pin, -1)
                value = cell.pins[pin].function.evaluate(values)
                if net >= 0 and nets[net] != value:
                    nets[net], changed = value, True


def _clock(netlist, library, nets):
    """All flip-flops at once, from the settled values."""
    following = {}
    for gate in netlist.gates:
        cell, values = _values(gate, library, nets)
        if cell.ff is not None:
            state = cell.ff.next_state.evaluate(values)
            shown = state_output(gate, library)
            inverted = cell.pins[shown].function.tree[1] == cell.ff.inverse
            following[gate.pins[shown]] = state ^ inverted
    for net, value in following.items():
        nets[net] = value
