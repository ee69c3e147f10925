"""How strong the cells of a library are: delays, target loads, the size that a load asks for.

A cell's target load is the one at which its output is as fast as the library's buffers are on
average when each drives ten times its own input: cells are sized so that no edge is much slower or
faster (OpenROAD, `src/rsz/src/Resizer.cc`: findBufferTargetSlews, findTargetLoad, findTargetCell,
and `tgt_slew_load_cap_factor`, 10).
"""

from collections.abc import Callable, Container, Iterable
from functools import cache, cached_property

import numpy as np

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..liberty.table import LOAD, Table, together
from ..netlist.timing import Way, ways_of
from ..placement.buffers import buffers
from .variants import usable_cells, variants

LOADED = 10.0
"""Load of a buffer over its input, where target transition times are read."""
CLOSE_ENOUGH = 1.1
"""How much worse than the best a buffer may be in one of load and delay: delay cells are buffers,
too (findTargetCell)."""
STEPS = 40


TimedWay = tuple[str, int, int, Callable[[float, float], tuple[float, float]]]
"""Input, edge of the output, of the input; delay and transition at a slew and a load."""


class Drives:
    """Of one library."""

    def __init__(
        self,
        library: Library,
        avoided: Iterable[str] = (),
        placeable: Container[str] | None = None,
    ) -> None:
        """What may be chosen, as in `usable_cells`."""
        self.library = library
        usable = usable_cells(library, avoided, placeable)
        self.usable = frozenset(usable)
        self.variants = variants(library, usable)
        self.buffers = tuple(name for name in buffers(library) if name in self.usable)
        self.ways = cache(self._ways)
        self.timed = cache(self._timed)
        self.target_load = cache(self._target_load)
        self.resistance = cache(self._resistance)

    def _ways(self, cell: str, pin: str) -> tuple[Way, ...]:
        """The delays to one output."""
        return tuple(
            way for out, _, some in ways_of(self.library, cell) if out == pin for way in some
        )

    def _timed(self, cell: str, pin: str) -> tuple[TimedWay, ...]:
        """The same with both tables in one."""
        return tuple(
            (related, edge, start, together(delay, transition))
            for related, edge, start, delay, transition in self.ways(cell, pin)
        )

    def _pins(self, buffer: str) -> tuple[str, str]:
        cell = self.library.cell(buffer)
        return cell.inputs[0], cell.outputs[0]

    def input_ff(self, cell: str, pin: str) -> float:
        """Capacitance of an input."""
        return self.library.cell(cell).pins[pin].capacitance_ff or 0.0

    def buffer_pins(self, buffer: str) -> tuple[str, str]:
        """Its input and its output."""
        return self._pins(buffer)

    @cached_property
    def smallest(self) -> str:
        """The weakest buffer."""
        self._check_buffers()
        return max(
            self.buffers, key=lambda name: (self.resistance(name, self._pins(name)[1]), name)
        )

    def _check_buffers(self) -> None:
        """What meets its period needs none."""
        if not self.buffers:
            raise InputError(
                f"Liberty {self.library.where!r} must have a buffer that can be placed to repair "
                "with, not none; without one a netlist is placed as it is (--no-repair)"
            )

    @cached_property
    def slews(self) -> tuple[float, float]:
        """ns, the target of a rise and a fall."""
        self._check_buffers()
        found: tuple[list[float], list[float]] = ([], [])
        for name in self.buffers:
            pin, out = self._pins(name)
            load = LOADED * self.input_ff(name, pin)
            for _, edge, _, _, transition in self._ways(name, out):
                first = transition.number_at(0.0, load)
                found[edge].append(transition.number_at(first, load))
        if not all(found):
            raise InputError(
                f"Liberty {self.library.where!r}: buffers must have delays to repair with, not none"
            )
        return float(np.mean(found[0])), float(np.mean(found[1]))

    def _target_load(self, cell: str, pin: str) -> float:
        """fF at which an output is as fast as the target; 0 without delays."""
        loads = [
            self._load_at(transition, self.slews[start], self.slews[edge])
            for _, edge, start, _, transition in self.ways(cell, pin)
        ]
        return float(np.mean(loads)) if loads else 0.0

    def _load_at(self, transition: Table, slew: float, target: float) -> float:
        """Halving between no load and a load that is too much, as findTargetLoad does."""
        low, high = 0.0, max((float(p[-1]) for v, p in transition.axes if v == LOAD), default=0.0)
        for _ in range(STEPS if high > 0 else 0):
            if transition.number_at(slew, high) >= target:
                break
            low, high = high, 2 * high
        for _ in range(STEPS):
            middle = (low + high) / 2
            if transition.number_at(slew, middle) < target:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _resistance(self, cell: str, pin: str) -> float:
        """ns per fF: the steepest of an output's delays, from no load to the end of its table."""
        steepest = 0.0
        for _, _, _, delay, _ in self.ways(cell, pin):
            end = max((float(p[-1]) for v, p in delay.axes if v == LOAD), default=0.0)
            if end > 0:
                slope = (delay.number_at(0.0, end) - delay.number_at(0.0, 0.0)) / end
                steepest = max(steepest, slope)
        return steepest

    def delay(self, cell: str, pin: str, load_ff: float) -> float:
        """ns, the longest of an output's, at target transition times."""
        return max(
            (
                delay.number_at(self.slews[start], load_ff)
                for _, _, start, delay, _ in self.ways(cell, pin)
            ),
            default=0.0,
        )

    def for_load(self, cell: str, pin: str, load_ff: float, *, larger: bool = False) -> str:
        """The variant whose target load is nearest; larger: never one for less load."""
        copies = self._copies(cell)
        best, load = cell, self.target_load(cell, pin)
        near = abs(load_ff - load)
        delay = self.delay(cell, pin, load_ff) if copies else 0.0
        for other in self.variants[cell]:
            its_load = self.target_load(other, pin)
            its_near = abs(load_ff - its_load)
            if (larger and its_load <= load) or its_near >= near * (CLOSE_ENOUGH if copies else 1):
                continue
            its_delay, better = 0.0, its_near < near
            if copies:
                its_delay = self.delay(other, pin, load_ff)
                better = its_delay < delay or (better and its_delay < delay * CLOSE_ENOUGH)
            if better:
                best, near, delay, load = other, its_near, its_delay, its_load
        return best

    def _copies(self, cell: str) -> bool:
        """Whether it is a buffer or an inverter."""
        found = self.library.cell(cell)
        return len(found.inputs) == len(found.outputs) == 1 and found.ff is None

    def upsized(
        self, cell: str, pin: str, related: str, load_ff: float, before: float
    ) -> str | None:
        """The weakest stronger variant that is faster, its input's load on the gate before counted.

        related: the input that the path comes in at; before: resistance of what drives it, ns/fF
        (OpenROAD, `src/rsz/src/BaseMove.cc`: upsizeCell).
        """
        drive = self.resistance(cell, pin)
        delay = self.delay(cell, pin, load_ff) + before * self.input_ff(cell, related)
        stronger = [
            (-self.resistance(other, pin), self.delay(other, pin, 0.0), other)
            for other in self.variants[cell]
            if self.resistance(other, pin) < drive
        ]
        for _, _, other in sorted(stronger):
            its = self.delay(other, pin, load_ff) + before * self.input_ff(other, related)
            if its < delay:
                return other
        return None
