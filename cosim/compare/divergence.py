"""The first code in which two engines differ: layer, index, both values, and the cycle in RTL."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...rtl.accelerator.ports import Target
from ...rtl.arch.arch import Arch
from ...rtl.program.image import Row
from ...spec.engines import Engine
from ...spec.formats import IntArray
from ...spec.program import Program
from ..network.network import Case, run_network
from ..network.trace import LayerTrace
from ..simulators.toolchain import find_simulator

WINDOW = 32
"""Cycles before and after a divergence in a wave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """Engines `a` and `b` agree in every layer before `layer`, and in it before `index`.

    cycle: when the RTL gave the code, counted from the start of its image; None without RTL.
    """

    layer: str
    image: int
    index: tuple[int, ...]
    """(channel, y, x)."""
    a: int
    b: int
    differing: int
    """Codes of that layer that differ, all images together."""
    cycle: int | None = None
    window: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


Tensors = dict[str, IntArray]
Traces = list[dict[str, LayerTrace]]


def first_divergence(
    program: Program, a: Tensors, b: Tensors, traces: Traces | None = None
) -> Divergence | None:
    """Compare every layer's codes in order; in RTL the earliest differing code comes first."""
    for layer in program.layers:
        left, right = (np.asarray(side[layer.name], dtype=np.int64) for side in (a, b))
        wrong = np.argwhere(left != right)
        if not len(wrong):
            continue
        image = int(wrong[0][0])
        mine = wrong[wrong[:, 0] == image][:, 1:]
        cycle = None
        if traces is not None:
            at_cycle = traces[image][layer.name].at_cycle[tuple(mine.T)]
            mine, cycle = mine[np.argmin(at_cycle) :], int(at_cycle.min())
        index = tuple(int(i) for i in mine[0])
        return Divergence(
            layer=layer.name,
            image=image,
            index=index,
            a=int(left[(image, *index)]),
            b=int(right[(image, *index)]),
            differing=len(wrong),
            cycle=cycle,
            window=None if cycle is None else (max(0, cycle - WINDOW), cycle + WINDOW),
        )
    return None


def rtl_tensors(
    program: Program, images: IntArray, arch: Arch, build_dir: Path,
    change: Callable[[list[Row]], list[Row]] = lambda rows: rows,
) -> tuple[Tensors, Traces]:  # fmt: skip
    """Every layer's codes on the accelerator (Verilator), and the traces they come from."""
    build_dir.mkdir(parents=True, exist_ok=True)
    case = Case(program=program, images=images, change=change)
    (traces,) = run_network([case], arch, find_simulator("verilator"), build_dir).cases
    names = [layer.name for layer in program.layers]
    return {name: np.stack([trace[name].codes for trace in traces]) for name in names}, traces


def engine_tensors(run: Engine, program: Program, images: IntArray) -> Tensors:
    """Every layer's codes by an engine without a clock."""
    return dict(run(program, images, "all").tensors)


MOST_BITS = 1 << 16
"""Of a row of any memory."""


def parse_flip(text: str) -> Callable[[list[Row]], list[Row]]:
    """`TARGET:ROW:BIT`: the memory image with one bit inverted (a fault to be found)."""
    from ...spec.errors import InputError
    from ...spec.host.text import shown

    try:
        name, row, bit = text.split(":")
        target, number, place = Target[name.upper()], int(row), int(bit)
        if place >= MOST_BITS:
            raise ValueError(f"{MOST_BITS} bits")
        mask = 1 << place
    except (ValueError, KeyError):
        known = ", ".join(target.name.lower() for target in Target)
        raise InputError(
            f"Flip must be TARGET:ROW:BIT with a target of {known}, not {shown(text)}"
        ) from None

    def change(rows: list[Row]) -> list[Row]:
        if not any((t, r) == (target, number) for t, r, _ in rows):
            raise InputError(f"Flip must name a loaded row of {name}, not {shown(number)}")
        return [(t, r, d ^ mask if (t, r) == (target, number) else d) for t, r, d in rows]

    return change
