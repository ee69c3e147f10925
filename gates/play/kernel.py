"""The loop of the bit-parallel gate simulation: 64 copies of a netlist in the bits of a word.

Every net is one 64-bit word, lane l in bit l. Gates are evaluated by their truth tables, in an
order in which inputs come first; flip-flops move together. A gate whose pins do not change in any
lane is passed over: it has its output already, and cycles in which it stands are counted together
when it moves. What is counted is what the Verilator
model counts (`templates/gates_main.cpp`): per gate its state before and after a cycle, per net its
changes, in lanes whose row is counted and whose row before was.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from ...spec.host.kernel_cache import cached_kernel
from ...spec.host.llvm import I32, I64, Emitter, by_address

REPEATED, RECORDED, FOLLOWED = 2, 4, 8
"""Flags of a row, as in `gate_simulation`; which lanes are counted is said by words."""
DONE, OUT_OF_STEP, STUCK = 0, 1, 2
MOST_REPEATS = 1000
ONE = np.uint64(1)
NONE = np.uint64(0)


@intrinsic
def ones(context: Any, word: Any) -> Any:
    """Set bits of a word."""

    def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
        return Emitter(builder).call("llvm.ctpop.i64", I64, values[0])

    return types.uint64(types.uint64), generate


def _counter(pins: int) -> Any:
    """An intrinsic that adds a cycle to the counters of a gate with so many pins, by address.

    The states before and after are words in registers; a row of counters is one vector.
    """
    states = 1 << pins
    kind = ir.VectorType(I64, states)

    def count(
        e: Emitter,
        nets: ir.Value,
        values: ir.Value,
        before: ir.Value,
        active: ir.Value,
        counts: ir.Value,
    ) -> None:
        places = [e.ir.shl(e.load(e.at(nets, 8 * pin), I64), e.number(3)) for pin in range(pins)]
        old = _states(e, [e.load(e.ir.add(before, p), I64) for p in places], active)
        new = _states(e, [e.load(e.ir.add(values, p), I64) for p in places], active)
        after: Any = ir.Constant(kind, ir.Undefined)
        for state, word in enumerate(new):
            after = e.ir.insert_element(after, word, e.number(state, I32))
        for state, word in enumerate(old):
            row = e.at(counts, 8 * states * state)
            both = e.ir.and_(e.splat(word, states), after)
            found = e.call(f"llvm.ctpop.v{states}i64", kind, both)
            e.store(e.ir.add(e.load(row, kind), found), row)

    return by_address(count)


def _states(e: Emitter, words: list[ir.Value], active: ir.Value) -> list[ir.Value]:
    """Lanes of `active` by state of the words, low bit first."""
    found = [active]
    for word in words:
        without = e.ir.not_(word)
        found = [e.ir.and_(f, without) for f in found] + [e.ir.and_(f, word) for f in found]
    return found


count1, count2, count3, count4 = (_counter(pins) for pins in (1, 2, 3, 4))


@njit(nogil=True, inline="always")
def minterms(pins, first, count, values, mask, out):
    """out[state]: lanes of `mask` in which pins first..first+count-1 are in that state."""
    out[0] = mask
    for pin in range(count):
        word = values[pins[first + pin]]
        for state in range(1 << pin):
            out[state + (1 << pin)] = out[state] & word
            out[state] = out[state] & ~word


@njit(nogil=True, inline="always")
def moved(pins, first, count, values, before):
    """Whether a pin changes in a lane."""
    found = NONE
    for pin in range(first, first + count):
        found |= values[pins[pin]] ^ before[pins[pin]]
    return found != NONE


@njit(nogil=True)
def settle(nodes, pins, truth, values, before, begins, scratch):
    """Every node's output from its pins; nodes: (nodes, 4) first pin, pins, first truth, net.

    begins: no output is known yet.
    """
    for node in range(len(nodes)):
        first, count, table = nodes[node, 0], nodes[node, 1], nodes[node, 2]
        if begins or moved(pins, first, count, values, before):
            values[nodes[node, 3]] = _output(pins, first, count, truth, table, values, scratch)


@njit(nogil=True, inline="always")
def _output(pins, first, count, truth, table, values, scratch):
    minterms(pins, first, count, values, ~NONE, scratch)
    word = NONE
    for state in range(1 << count):
        word |= scratch[state] & truth[table + state]
    return word


@njit(nogil=True, inline="always")
def count_standing(pins, first, count, base, values, lanes, cycles, counts, scratch):
    """Add cycles in which a gate stands."""
    minterms(pins, first, count, values, lanes, scratch)
    for state in range(1 << count):
        counts[base + (state << count) + state] += cycles * ones(scratch[state])


@njit(nogil=True)
def count_all_standing(gates, pins, values, lanes, standing, counts, scratch):
    """Add the cycles in which gates have stood until now."""
    for gate in range(len(gates)):
        if standing[gate]:
            first, count, base = gates[gate, 0], gates[gate, 1], gates[gate, 2]
            cycles = standing[gate]
            count_standing(pins, first, count, base, values, lanes, cycles, counts, scratch)
            standing[gate] = NONE


@njit(nogil=True)
def count_gates(gates, pins, values, before, active, lanes, standing, counts, scratch, after):
    """Add a cycle to the counters of all gates; gates: (gates, 3) first pin, pins, counter.

    standing: (gates,) cycles of all `lanes`, not counted yet, in which the gate was as before.
    """
    wires, now, then = pins.ctypes.data, values.ctypes.data, before.ctypes.data
    here, mask = counts.ctypes.data, np.int64(active)
    for gate in range(len(gates)):
        first, count, base = gates[gate, 0], gates[gate, 1], gates[gate, 2]
        if active == lanes and not moved(pins, first, count, values, before):
            standing[gate] += ONE
            continue
        if standing[gate]:
            cycles = standing[gate]
            count_standing(pins, first, count, base, before, lanes, cycles, counts, scratch)
            standing[gate] = NONE
        nets, row = wires + 8 * first, here + 8 * base
        if count == 2:
            count2(nets, now, then, mask, row)
        elif count == 3:
            count3(nets, now, then, mask, row)
        elif count == 1:
            count1(nets, now, then, mask, row)
        elif count == 4:
            count4(nets, now, then, mask, row)
        else:
            minterms(pins, first, count, before, active, scratch)
            minterms(pins, first, count, values, active, after)
            for old in range(1 << count):
                if scratch[old]:
                    for new in range(1 << count):
                        counts[base + (old << count) + new] += ones(scratch[old] & after[new])


@njit(nogil=True)
def count_nets(values, before, active, toggles):
    """Add a cycle to the changes of all nets."""
    for net in range(len(toggles)):
        toggles[net] += ones((values[net] ^ before[net]) & active)


@cached_kernel()
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
    following, standing = np.zeros(len(flops), np.uint64), np.zeros(len(gates), np.uint64)
    begins, stand = True, False
    records, recorded = np.zeros((len(rows), len(record)), np.uint64), 0
    was, cycles, repeats, row = NONE, 0, 0, 0
    while row < len(rows):
        for net in range(nets):
            before[net] = values[net]
        for flop in range(len(flops)):
            values[flops[flop, 3]] = following[flop]
        for bit in range(len(in_nets)):
            values[in_nets[bit]] = rows[row, bit]
        settle(nodes, pins, truth, values, before, begins, scratch)
        both = was & active[row]
        if both:
            count_gates(gates, pins, values, before, both, lanes, standing, counts, scratch, after)
            count_nets(values, before, both, toggles)
            cycles += int(ones(both))
            stand = True
        elif stand:
            count_all_standing(gates, pins, before, lanes, standing, counts, scratch)
            stand = False
        was = lanes if flags[row] & FOLLOWED else active[row]
        if watch[1] >= 0 and flags[row] & RECORDED and values[watch[1]] & lanes:
            if values[watch[1]] & lanes != lanes or recorded == len(records):
                return OUT_OF_STEP, cycles, toggles, counts, records[:recorded]
            for bit in range(len(record)):
                records[recorded, bit] = values[record[bit]]
            recorded += 1
        for flop in range(len(flops)):
            first, count, table = flops[flop, 0], flops[flop, 1], flops[flop, 2]
            if begins or moved(pins, first, count, values, before):
                following[flop] = _output(pins, first, count, truth, table, values, scratch)
        begins = False
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
    count_all_standing(gates, pins, values, lanes, standing, counts, scratch)
    return DONE, cycles, toggles, counts, records[:recorded]
