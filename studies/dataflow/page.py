"""The page of the study: `docs/results/dataflow.md`."""

from collections.abc import Mapping, Sequence

from ...cost.technology.technology import BAND_KEYS, Technology
from ...cost.topologies.assumed import Assumptions
from ...spec.host.markdown import Column, table
from .moves import (
    LANES,
    LEVELS,
    PARAMETER_MEMORY,
    SUMS,
    WEIGHT_MEMORY,
    WEIGHTS,
    clock_energy,
    level_energy,
    moved_energy,
)
from .others import CHANNELS, FILTERS
from .programs import ProgramRow, section
from .study import (
    FILL,
    HOLDS,
    OUT_LANES,
    SIZE,
    Counted,
    Holds,
    find,
    least_regret,
    on_chip,
    per_mac,
)

TYPICAL = 16
FIRST, SYSTOLIC, ROWS = "first accelerator", "output stationary", "row stationary"
SEE = (
    "[The accelerator that holds weights](../accelerator.md), [utilization](utilization.md), "
    "[memories](../memories.md), [bit budgets](bit-budgets-held.md)."
)
HEAD = """# Dataflow: what is held where

Written by `{command}`; do not edit.

Bits that move per product (MAC) for one image, {size} x {size} multipliers in every machine. A bit
moves when it is read from a memory, written to one, or written to a register. The counts of the two
accelerators are closed forms of their schedules; those of the two alternatives follow from the
definitions of their dataflows (`studies/dataflow/others.py`). Energies are `{tech}`'s, the expected
corner unless a bar is given. Multipliers and adders, the same in all, are not in them:
{arithmetic:.2f} pJ per product of {act} x 8 bits, added to a sum of 24.
"""
ASSUMED = """## Assumptions

* Networks: `spec.networks`, images of 224 x 224 (ResNet-20: 32 x 32), batch 1. Hidden weights have
  {weight} bits and codebooks of 8-bit levels, first and last layer 8 bits, activations {act} bits,
  residual streams 8 bits. One weight in {codes} is zero, no activation is.
* All machines have the same memories: {weights} KiB of weights and {parameters} KiB of parameters
  (two blocks of {size} output channels of any layer fit; the next is loaded while one is worked
  on), and the maps that are alive at once. Every weight crosses the external bus once and maps stay
  on the chip: external memory is the same for all and decides nothing here.
* The sums of the array that holds weights lie in a memory of 2 x hold entries per column, priced
  like any memory, not below the table's floor of {floor:g} KiB. Products have a register in all
  machines. Levels are decoded at the port of the weight memory in all but the first.
* First accelerator: residuals and read activations move code by code, each through a word of {size}
  channels, as its hardware does. All others have the new output stage: {out_lanes} codes per cycle,
  read activations computed where the codes are made, kernel columns of a first layer folded into
  rows.
* Output stationary (systolic, SCALE-Sim's `os`): rows are pixels, columns filters; an element
  writes an activation, a level, a product and a sum per product. Given for free: skewing, control.
* Row stationary (the definition of Eyeriss; the paper's own figures were not available in full, see
  papers.md): an element keeps rows of {filters} filters and {channels} channels and a row of the
  map in scratchpads, priced as memories. Given for free: a sum stays in a register for a row of the
  kernel, the multicast network, control, several sets side by side on small maps. Sums of several
  channel passes go through the activation memory.
* The clock of the datapath's flip-flops, not of controllers, runs while the array works; none is
  gated. Cycles in which an array waits are in none of these figures.
"""


def page(
    results: Mapping[str, Sequence[Counted]],
    holds: Mapping[str, Sequence[Holds]],
    technology: Technology,
    assumed: Assumptions,
    command: str,
    programs: Sequence[ProgramRow] = (),
) -> str:
    """Markdown: bits, energies, holds, cycles, the argument, programs, the assumptions."""
    arithmetic = technology["multiply"].expected * assumed.act_bits * 8
    arithmetic += technology["add"].expected * 24
    act, tech = assumed.act_bits, technology.name
    head = HEAD.format(command=command, size=SIZE, tech=tech, act=act, arithmetic=arithmetic)
    lines = [head, "## Why pixels are held", "", *_argument(results, technology), ""]
    lines += ["## Bits per product", ""]
    for name, rows in results.items():
        lines += [f"### {name}", "", *_bits(rows), ""]
    lines += ["## pJ per product", ""]
    for name, rows in results.items():
        lines += [f"### pJ of {name}", "", *_energies(rows, technology), ""]
    lines += ["## How many pixels", "", *_holds(holds), ""]
    lines += ["## Cycles of the array", "", *_cycles(results), ""]
    return "\n".join([*lines, *section(programs), _assumptions(technology, assumed)])


def _assumptions(technology: Technology, assumed: Assumptions) -> str:
    return ASSUMED.format(
        weight=assumed.weight_bits,
        act=assumed.act_bits,
        codes=1 << assumed.weight_bits,
        weights=WEIGHT_MEMORY // 8192,
        parameters=PARAMETER_MEMORY // 8192,
        size=SIZE,
        out_lanes=OUT_LANES,
        floor=technology["sram_floor"].expected,
        filters=FILTERS,
        channels=CHANNELS,
    )


def _bits(rows: Sequence[Counted]) -> list[str]:
    columns: list[Column] = [
        "machine",
        *((level, "---:") for level in LEVELS),
        ("flip-flops clocked", "---:"),
    ]
    lines = [
        [
            row.machine.name,
            *(f"{per_mac(row, level):.2f}" for level in LEVELS),
            f"{row.moves.clocked / row.macs:.1f}",
        ]
        for row in rows
    ]
    return table(columns, lines)


def _energies(rows: Sequence[Counted], technology: Technology) -> list[str]:
    last = (("clock", "---:"), ("on chip", "---:"), ("all (low to high)", "---:"))
    columns: list[Column] = ["machine", *((level, "---:") for level in LEVELS), *last]
    lines = []
    for row in rows:
        levels = [level_energy(row.moves, technology, level).expected for level in LEVELS]
        levels.append(clock_energy(row.moves, technology).expected)
        whole = moved_energy(row.moves, technology)
        low, expected, high = (getattr(whole, key) / row.macs for key in BAND_KEYS)
        lines.append(
            [
                row.machine.name,
                *(f"{value / row.macs:.3f}" for value in levels),
                f"{on_chip(row, technology):.2f}",
                f"{expected:.2f} ({low:.2f}-{high:.2f})",
            ]
        )
    return table(columns, lines)


def _holds(holds: Mapping[str, Sequence[Holds]]) -> list[str]:
    best, worst = least_regret(each for found in holds.values() for each in found)
    every = [each for found in holds.values() for each in found]
    typical = "" if best == TYPICAL else f", hold {TYPICAL} {_most(every, TYPICAL)}"
    text = (
        f"pJ per product on the chip, of {len(HOLDS)} holds from {HOLDS[0]} to {HOLDS[-1]}, by "
        f"what keeps the sums: a small memory at the table's floor, a memory with the root law of "
        f"energy to the end, or flip-flops with a running clock. A memory has a power of two of "
        f"slots. Which hold is best depends on what keeps the sums, on the network hardly: "
        f"**hold {best} is never more than {100 * worst:.0f} % above the least**{typical}."
    )
    columns: tuple[Column, ...] = (
        "network", "sums in", ("best hold", "---:"), ("pJ", "---:"),
        *((f"pJ at {hold}", "---:") for hold in (8, TYPICAL, 32)),
    )  # fmt: skip
    rows = [
        [
            name,
            each.store,
            each.least,
            *(f"{each.pj[hold]:.3f}" for hold in (each.least, 8, TYPICAL, 32)),
        ]
        for name, found in holds.items()
        for each in found
    ]
    return [text, "", *table(columns, rows)]


def _most(every: Sequence[Holds], hold: int) -> str:
    return f"{100 * max(each.excess(hold) for each in every):.0f} %"


def _cycles(results: Mapping[str, Sequence[Counted]]) -> list[str]:
    names = (FIRST, f"hold {TYPICAL}", SYSTOLIC, ROWS)
    columns: list[Column] = ["network", *((name, "---:") for name in names)]
    rows = [
        [name, *(f"{100 * find(found, each).utilization():.1f} %" for each in names)]
        for name, found in results.items()
    ]
    text = (
        "Products per multiplier and cycle of the schedule alone: what is lost to channels, "
        "filters, pixels and rows that do not fill the array."
    )
    return [text, "", *table(columns, rows)]


def _argument(results: Mapping[str, Sequence[Counted]], technology: Technology) -> list[str]:
    lines = [_compared(name, rows, technology) for name, rows in results.items()]
    held = find(results["resnet18"], f"hold {TYPICAL}")
    other = find(results["resnet18"], SYSTOLIC)
    reasons = REASONS.format(
        rows=SIZE,
        fill=FILL,
        typical=TYPICAL,
        own_sums=per_mac(held, SUMS),
        other_sums=per_mac(other, SUMS),
        own_sums_pj=level_energy(held.moves, technology, SUMS).expected / held.macs,
        other_sums_pj=level_energy(other.moves, technology, SUMS).expected / other.macs,
        own_lanes=per_mac(held, LANES),
        other_lanes=per_mac(other, LANES),
        own_clock=held.moves.clocked / held.macs,
        other_clock=other.moves.clocked / other.macs,
    )
    return [*lines, "", reasons]


def _compared(name: str, rows: Sequence[Counted], technology: Technology) -> str:
    """The typical hold against every other machine, corner by corner."""
    held, old = find(rows, f"hold {TYPICAL}"), find(rows, FIRST)
    against = []
    for other in (FIRST, SYSTOLIC, ROWS):
        ratios = _ratios(held, find(rows, other), technology)
        said = "no verdict" if min(ratios) < 1 < max(ratios) else "in every corner"
        against.append(f"{other} {ratios[1]:.2f} ({min(ratios):.2f}-{max(ratios):.2f}, {said})")
    return (
        f"* {name}: {per_mac(held, WEIGHTS):.2f} bits of weights are read per product instead of "
        f"{per_mac(old, WEIGHTS):.2f}. Energy of hold {TYPICAL}, external memory included, over "
        f"that of: {', '.join(against)}."
    )


def _ratios(one: Counted, other: Counted, technology: Technology) -> list[float]:
    ours, theirs = (moved_energy(each.moves, technology) for each in (one, other))
    return [getattr(ours, key) / getattr(theirs, key) for key in BAND_KEYS]


REASONS = """1. **Weights are the widest operand of a lane array.** A beat takes {rows} activations,
   which all columns share, but {rows} x {rows} weights. Per product an activation is already read
   1/{rows} times; a weight is read once unless it is held. So weights are held, not activations.
2. **They are held for a group of pixels, not for a whole map.** A weight stationary array writes
   and reads a partial sum of every pixel for every word. With `hold` sums per column the weights
   are read 1/hold times and no sum leaves its column before it is finished; the price is a memory
   of 2 x hold sums per column.
3. **A sum moves once per {rows} products**, because a tree reduces the rows: {own_sums:.1f} bits
   per product, read and written (ResNet-18), where an output stationary array writes
   {other_sums:.1f}. In energy that is no gain while a bit of a small memory costs as much as the
   table's floor: {own_sums_pj:.3f} pJ against {other_sums_pj:.3f} in registers.
4. **Against an output stationary array of {rows} rows of pixels** hold {typical} reads as many bits
   from the memories. It has fewer registers ({own_clock:.0f} flip-flops clocked per product against
   {other_clock:.0f}; lanes write {own_lanes:.0f} bits against {other_lanes:.0f}) and more of its
   lanes at work, because rows are channels: a classifier fills them, a small map does not
   empty them. The energies alone hardly decide between the two.
5. **Row stationary reads the least from the memories** and pays for it in every element: a product
   reads both operands from scratchpads. 1 x 1 convolutions have no row to reuse.
6. **A group has at least fill + 1 pixels**, or the array waits for words that enter in {fill}
   cycles. Maps of 7 x 7 have 49 pixels: hold {typical} makes four groups of 12 or 13 of them."""
