"""Toggles of an array that holds weights: bits that a group of pixels changes, without its gates.

A group is followed with the last beat before it. Arrays have the time first: words, and for each
word the pixels of the group. What a beat's cycles give the lanes is the micro-architecture's
(`Micro.held_cycles`); station, trees and memories of sums are the same for all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arch.arch import Arch
from ..timing.held_timing import TREE_LEVELS
from .toggles import Coded, Codes, levels_of, mask

HELD_TOGGLES = (
    "step", "bus", "port", "operand", "level", "factor", "multiply", "word", "reach", "term",
    "partial", "sum", "stored", "written", "read",
)  # fmt: skip
"""step: cycles in which a column adds. The others in bits. bus: beats and fields on their ports.
port: fields as they are looked up. operand: what the rows' registers give, once for every column.
level: registers of the lanes, and as many of the station. factor: what is taken of them in a cycle.
multiply: changed bits of one factor times ones of the other. word, reach: of shared tables
(`product_table`), once, and once for every column. term, partial, sum: registers of the lanes'
terms, of the trees, of the tree sums (signs as wide as the sums). stored: places of sums. written,
read: what is written to them and read from them, cycle after cycle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldCycles:
    """What lanes compute in T cycles."""

    operands: Codes
    """(T, rows) what is taken of the activations."""
    factors: Codes
    """(T, cols, rows) what is taken of the held values, without sign."""
    terms: tuple[Codes, ...]
    """(T, cols, rows) signed, of every tree."""
    shifts: Codes
    """(T,) places by which the tree sums are shifted."""
    words: Codes | None = None
    """(T - 1,) changed bits of what the rows select of a shared table."""


def multiplied(arch: Arch, layer: Coded, activations: Codes, fields: Codes) -> HeldCycles:
    """Lanes that multiply levels, a beat per cycle."""
    levels = levels_of(layer, fields)
    return HeldCycles(
        operands=activations,
        factors=levels & mask(arch.level_width),
        terms=(activations[:, None] * levels,),
        shifts=np.zeros(len(activations), np.int64),
    )


def beat_numbers(layer: Coded, beats: int) -> tuple[Codes, Codes, Codes]:
    """Of every cycle of so many beats: its beat, its digit of the level, of the activation."""
    work = layer.work
    beat = np.repeat(np.arange(beats), work.beat_cycles)
    level = np.tile(np.repeat(np.arange(work.level_digits), work.act_digits), beats)
    return beat, level, np.tile(np.arange(work.act_digits), beats * work.level_digits)


def group_toggles(arch: Arch, layer: Coded, activations: Codes, fields: Codes) -> dict[str, float]:
    """The numbers of `HELD_TOGGLES` of one group.

    activations: (2, words, pixels, rows), of the group before and of this one. fields: (words,
    cols, rows).
    """
    words, pixels, rows = activations.shape[1:]
    cols = fields.shape[1]
    beats = np.concatenate([activations[0, -1, -1:], activations[1].reshape(-1, rows)])
    of_beat = np.concatenate([[words - 1], np.repeat(np.arange(words), pixels)])
    cycles = arch.lanes.held_cycles(arch, layer, beats, fields[of_beat])
    last = layer.work.beat_cycles - 1  # the cycle before the group's first one
    operands, factors = cycles.operands[last:], cycles.factors[last:]
    ones = np.bitwise_count(operands), np.bitwise_count(factors).sum(axis=1, dtype=np.int64)
    moved, turned = changed(operands), changed(factors).sum(axis=1, dtype=np.int64)
    held = arch.lanes.held_bits(arch, layer, fields)
    lookups = 0 if cycles.words is None else int(cycles.words[last:].sum())
    port = fields.reshape(words * arch.fill, -1), held.reshape(words * arch.fill, -1)
    found = {
        "step": float(cols * words * pixels * layer.work.beat_cycles),
        "bus": amount(changed(beats)) + amount(changed(_closed(port[0]))),
        "port": amount(changed(_closed(port[1]))),
        "operand": cols * amount(moved),
        "level": amount(changed(_closed(held))),
        "factor": amount(turned),
        "multiply": amount(moved * ones[1][1:]) + amount(turned * ones[0][1:]),
        "word": float(lookups),
        "reach": float(lookups * cols),
    }
    found |= dict.fromkeys(HELD_TOGGLES[len(found) :], 0.0)
    for terms in cycles.terms:
        shape = words, pixels, layer.work.beat_cycles, cols
        of_tree = _tree(arch, terms[last:], cycles.shifts[last:], shape)
        found |= {name: found[name] + bits for name, bits in of_tree.items()}
    return found


def _tree(
    arch: Arch, terms: Codes, shifts: Codes, shape: tuple[int, int, int, int]
) -> dict[str, float]:
    """Of a tree and its sums; shape: words, pixels, cycles of a beat, columns.

    A place has the sum of the group before the one before: its bits are taken as those of this
    group's sum in the same slot.
    """
    narrow, wide = mask(arch.lanes.held_term(arch)[0]), mask(arch.acc_width)
    found = {"term": amount(changed(terms & narrow)), "partial": 0.0}
    stage = terms
    while True:
        stage = np.add.reduceat(stage, np.arange(0, stage.shape[2], 1 << TREE_LEVELS), axis=2)
        if stage.shape[2] == 1:
            break
        found["partial"] += amount(changed(stage & wide))
    totals = stage[:, :, 0]
    found["sum"] = amount(changed(totals & wide))
    words, pixels, steps, cols = shape
    added = (totals << shifts[:, None])[1:].reshape(words, pixels, steps, cols)
    places = added.transpose(1, 0, 2, 3).reshape(pixels, words * steps, cols)
    running = np.cumsum(places, axis=1) & wide
    before = np.concatenate([running[:, -1:], running[:, :-1]], axis=1)
    drained = changed(running[:, -1])
    return found | {
        "stored": amount(np.bitwise_count(running ^ before)),
        "written": amount(changed(_in_time(running, shape))),
        "read": amount(changed(_in_time(before, shape))) + amount(drained),
    }


def _in_time(places: Codes, shape: tuple[int, int, int, int]) -> Codes:
    """(T, cols) of (pixels, words x cycles of a beat, cols)."""
    words, pixels, steps, cols = shape
    return places.reshape(pixels, words, steps, cols).transpose(1, 0, 2, 3).reshape(-1, cols)


def _closed(values: Codes) -> Codes:
    """The last one in front: what came before is the same."""
    return np.concatenate([values[-1:], values])


def changed(values: Codes) -> npt.NDArray[np.uint8]:
    """Bits of values that are not negative which differ from the one before."""
    found: npt.NDArray[np.uint8] = np.bitwise_count(values[1:] ^ values[:-1])
    return found


def amount(counts: npt.NDArray[Any]) -> float:
    """Of all of them."""
    return float(counts.sum(dtype=np.int64))
