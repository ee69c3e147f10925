"""The loop of the bit-parallel gate simulation: 64 copies of a netlist in the bits of a word.

Every net is one 64-bit word, lane l in bit l. Gates are evaluated by their truth tables, in an
order in which inputs come first; flip-flops move together. What is counted is what the Verilator
model counts (`templates/gates_main.cpp`): per gate its state before and after a cycle, per net its
changes, in lanes whose row is counted and whose row before was.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

REPEATED, RECORDED, FOLLOWED = 2, 4, 8
"""Flags of a row, as in `gate_simulation`; which lanes are counted is said by words."""
DONE, OUT_OF_STEP, STUCK = 0, 1, 2
MOST_REPEATS = 1000
ONE = np.uint64(1)
NONE = np.uint64(0)


def _bit_intrinsic(name: str, *flags: bool) -> Any:
    def typed(context: Any, word: Any) -> Any:
        def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = [ir.IntType(64), *(ir.IntType(1) for _ in flags)]
            function = builder.module.declare_intrinsic(
                f"llvm.{name}.i64", fnty=ir.FunctionType(ir.IntType(64), kinds)
            )
            extra = [ir.Constant(ir.IntType(1), int(flag)) for flag in flags]
            return builder.call(function, [values[0], *extra])

        return types.uint64(types.uint64), generate

    return intrinsic(typed)


ones = _bit_intrinsic("ctpop")
"""Set bits of a word."""
lowest = _bit_intrinsic("cttz", True)
"""Number of the lowest set bit; the word must not be 0."""


@njit(nogil=True, inline="always")
def minterms(pins, first, count, values, mask, out):
    """out[state]: lanes of `mask` in which pins first..first+count-1 are in that state."""
    out[0] = mask
    for pin in range(count):
        word = values[pins[first + pin]]
        for state in range(1 << pin):
            out[state + (1 << pin)] = out[state] & word
            out[state] = out[state] & ~word


@njit(nogil=True)
def settle(nodes, pins, truth, values, scratch):
    """Every node's output from its pins; nodes: (nodes, 4) first pin, pins, first truth, net."""
    for node in range(len(nodes)):
        first, count, table = nodes[node, 0], nodes[node, 1], nodes[node, 2]
        values[nodes[node, 3]] = _output(pins, first, count, truth, table, values, scratch)


@njit(nogil=True, inline="always")
def _output(pins, first, count, truth, table, values, scratch):
    minterms(pins, first, count, values, ~NONE, scratch)
    word = NONE
    for state in range(1 << count):
        word |= scratch[state] & truth[table + state]
    return word


@njit(nogil=True, inline="always")
def _add_pairs(counts, old, after, states):
    """counts[new] of one state before; unsigned numbers of elements let LLVM vectorize it."""
    for new in range(np.uint64(states)):
        counts[new] += ones(old & after[new])


@njit(nogil=True)
def count_gates(gates, pins, values, before, active, counts, scratch, after):
    """Add a cycle to the counters of all gates; gates: (gates, 3) first pin, pins, counter."""
    for gate in range(len(gates)):
        first, count, base = gates[gate, 0], gates[gate, 1], gates[gate, 2]
        changed = NONE
        for pin in range(first, first + count):
            changed |= values[pins[pin]] ^ before[pins[pin]]
        minterms(pins, first, count, values, active & ~changed, scratch)
        for state in range(1 << count):
            counts[base + state * ((1 << count) + 1)] += ones(scratch[state])
        changed &= active
        # gathering a lane's state costs as much as six pairs of states do
        if (1 << (2 * count)) < 6 * ones(changed):
            minterms(pins, first, count, before, changed, scratch)
            minterms(pins, first, count, values, changed, after)
            for old in range(1 << count):
                if scratch[old]:
                    _add_pairs(counts[base + (old << count) :], scratch[old], after, 1 << count)
            continue
        while changed:
            lane = lowest(changed)
            old = new = 0
            for pin in range(count):
                net = pins[first + pin]
                old |= int((before[net] >> lane) & ONE) << pin
                new |= int((values[net] >> lane) & ONE) << pin
            counts[base + (old << count) + new] += ONE
            changed &= changed - ONE


@njit(nogil=True)
def count_nets(values, before, active, toggles):
    """Add a cycle to the changes of all nets."""
    for net in range(len(toggles)):
        toggles[net] += ones((values[net] ^ before[net]) & active)


@njit(cache=True, nogil=True)
def run(rows, in_nets, active, flags, lanes, watch, record, nodes, gates, flops, pins, truth, nets):
    """Play `rows` (rows, inputs) from all flip-flops 0.

    active: (rows,) lanes that are counted. flags: (rows,). lanes: lanes that have to be in step.
    watch: nets of ready and valid, or -1. flops: (flops, 4) like nodes: first pin, pins, first
    truth, net of the stored bit. nets: words, two of them the constants 0 and 1.

    Returns state, cycles, toggles, counts, records (records, nets).
    """
    size = 0
    for gate in range(len(gates)):
        size = max(size, gates[gate, 2] + (1 << (2 * gates[gate, 1])))
    counts, toggles = np.zeros(size, np.uint64), np.zeros(nets - 2, np.uint64)
    values, before = np.zeros(nets, np.uint64), np.zeros(nets, np.uint64)
    values[nets - 1] = ~NONE
    before[nets - 1] = ~NONE
    scratch, after = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    following = np.zeros(len(flops), np.uint64)
    records, recorded = np.zeros((len(rows), len(record)), np.uint64), 0
    was, cycles, repeats, row = NONE, 0, 0, 0
    while row < len(rows):
        for net in range(nets):
            before[net] = values[net]
        for flop in range(len(flops)):
            values[flops[flop, 3]] = following[flop]
        for bit in range(len(in_nets)):
            values[in_nets[bit]] = rows[row, bit]
        settle(nodes, pins, truth, values, scratch)
        both = was & active[row]
        if both:
            count_gates(gates, pins, values, before, both, counts, scratch, after)
            count_nets(values, before, both, toggles)
            cycles += int(ones(both))
        was = lanes if flags[row] & FOLLOWED else active[row]
        if watch[1] >= 0 and flags[row] & RECORDED and values[watch[1]] & lanes:
            if values[watch[1]] & lanes != lanes or recorded == len(records):
                return OUT_OF_STEP, cycles, toggles, counts, records[:recorded]
            for bit in range(len(record)):
                records[recorded, bit] = values[record[bit]]
            recorded += 1
        for flop in range(len(flops)):
            first, count, table = flops[flop, 0], flops[flop, 1], flops[flop, 2]
            following[flop] = _output(pins, first, count, truth, table, values, scratch)
        if flags[row] & REPEATED and watch[0] >= 0:
            ready = values[watch[0]] & lanes
            if ready != NONE and ready != lanes:
                return OUT_OF_STEP, cycles, toggles, counts, records[:recorded]
            repeats = 0 if ready else repeats + 1
            if repeats > MOST_REPEATS:
                return STUCK, cycles, toggles, counts, records[:recorded]
            row += 1 if ready else 0
        else:
            row += 1
    return DONE, cycles, toggles, counts, records[:recorded]
