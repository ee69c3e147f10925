"""Assumptions of a verdict: what each may be, all others left as they are.

Entries of the technology and of its memory table stand at their low and at their high. The rest are
choices: DRAM type, memories, array, dataflow, loads from DRAM, supply, leakage, activations, and
the lanes of plain weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...cost.events.traffic import Options
from ...cost.sweep.arrays import Lanes
from ...cost.technology.dram_types import Dram
from ...cost.technology.entries import BAND_KEYS, Entry
from ...cost.technology.memory_table import NAMES, MemoryTable, Organization
from ...cost.technology.technology import Technology, at_voltage, with_dram, with_memories
from ...spec.errors import InputError
from .ratio import Assumed, Rival, at_corner, at_middle, ratio_of

SAME = 1e-9
"""Ratios that differ by less do not: the assumption has no effect."""
SUPPLIES = (0.8, 1.2)
BATCHES = (1, 10, 100)
CLOCKS = (50.0, 200.0, 800.0)
ZEROS = (0.0, 0.25, 0.5, 0.75)
BANKS = (1, 4, 16)
WIDTHS = (32, 64, 128)


@dataclass(frozen=True, kw_only=True, eq=False)
class Offers:
    """What choices may be changed to."""

    technologies: tuple[Technology, ...] = ()
    """Whole tables, of any node: no sum has parts of two."""
    drams: tuple[Dram, ...] = ()
    memories: tuple[MemoryTable, ...] = ()
    """Those of the technology's node are taken."""
    sizes: tuple[tuple[int, int], ...] = ()
    ways: tuple[tuple[int, int, int], ...] = ()
    """hold, fill, output lanes."""
    plain_micros: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """The ratio with one assumption changed."""

    what: str
    ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumption:
    """One assumption; its cases from the least ratio to the largest."""

    name: str
    cases: tuple[Case, ...]

    @property
    def swing(self) -> float:
        return self.cases[-1].ratio - self.cases[0].ratio

    @property
    def turns(self) -> bool:
        """The verdict is another one at one of its ends."""
        return self.cases[0].ratio < 1.0 < self.cases[-1].ratio


@dataclass(frozen=True, kw_only=True, slots=True)
class Tornado:
    """The verdict and what moves it, the largest swing first."""

    learned: str
    plain: str
    base: str
    """The array and the loads from DRAM in words."""
    common: str
    """The other assumptions in words."""
    ratio: float
    assumptions: tuple[Assumption, ...]
    still: tuple[str, ...]
    """Assumptions without any effect."""
    refused: tuple[str, ...]
    """Cases that a design cannot be built for, each with the reason."""


Change = tuple[str, Rival, Rival, Assumed]
"""What is changed in words, and what is compared then."""


def tornado(
    learned: Rival,
    plain: Rival,
    assumed: Assumed,
    offers: Offers,
    *,
    others: Mapping[str, Sequence[Case]] | None = None,
    refused: Sequence[str] = (),
) -> Tornado:
    """Every assumption at each of its cases, one at a time.

    Entries that are not changed stand at their expected value. others: cases that are computed
    elsewhere, beside the one as assumed. refused: those that are not possible.
    """
    middle = replace(assumed, technology=at_middle(assumed.technology))
    now, failed = ratio_of(learned, plain, middle), list(refused)
    found: list[Assumption] = []
    still: list[str] = []

    def take(name: str, cases: list[Case]) -> None:
        made = Assumption(name=name, cases=tuple(sorted(cases, key=lambda case: case.ratio)))
        if len(cases) > 1 and made.swing > SAME:
            found.append(made)
        elif len(cases) > 1:
            still.append(name)

    for name, cases in (others or {}).items():
        take(name, [Case(what="by events", ratio=now), *cases])
    for name, changes in _all(learned, plain, assumed, middle, offers):
        cases = []
        for what, ours, theirs, changed in changes:
            try:
                cases.append(Case(what=what, ratio=ratio_of(ours, theirs, changed)))
            except InputError as error:
                failed.append(f"{name}, {what}: {error}")
        take(name, cases)
    return Tornado(
        learned=learned.label,
        plain=plain.label,
        base=f"{_size(assumed.lanes)}, {_way(assumed.lanes[2:])}, {_loads(assumed.options)}",
        common=said(assumed),
        ratio=now,
        assumptions=tuple(sorted(found, key=lambda one: -one.swing)),
        still=tuple(still),
        refused=tuple(failed),
    )


def said(assumed: Assumed) -> str:
    """The assumptions that all tornados of a page share, in words."""
    table = assumed.technology
    supply = "" if table.voltage is None else f" at {table.voltage:g} V"
    return f"{table.name}{supply}"


def _loads(options: Options) -> str:
    if not options.weights_from_dram:
        return "network on chip"
    every = "every image" if options.batch == 1 else f"{options.batch} images"
    return f"network from DRAM for {every}"


def _all(
    learned: Rival, plain: Rival, assumed: Assumed, middle: Assumed, offers: Offers
) -> Iterator[tuple[str, list[Change]]]:
    for name, choices in _shared(assumed, middle, offers):
        yield name, [(what, learned, plain, changed) for what, changed in choices]
    others = [(micro, replace(plain, micro=micro)) for micro in offers.plain_micros]
    yield "lanes of plain weights", [(micro, learned, one, middle) for micro, one in others]


Choices = list[tuple[str, Assumed]]


def _shared(assumed: Assumed, middle: Assumed, offers: Offers) -> Iterator[tuple[str, Choices]]:
    """Assumptions of both designs alike."""
    yield from _entries(assumed, middle)
    yield from _parts(assumed, middle, offers)
    lanes = middle.lanes
    sizes = [Lanes(*size, *lanes[2:]) for size in offers.sizes]
    yield "array", [(_size(one), replace(middle, lanes=one)) for one in sizes]
    held = [Lanes(lanes.rows, lanes.cols, *way) for way in offers.ways]
    yield "dataflow", [(_way(one[2:]), replace(middle, lanes=one)) for one in held]
    loads = [(f"once per {batch}", Options(batch=batch)) for batch in BATCHES]
    loads.append(("never", Options(weights_from_dram=False)))
    yield "network from DRAM", [(what, replace(middle, options=one)) for what, one in loads]
    zeros = [(f"{share:.0%} are 0", replace(middle, zeros=share)) for share in ZEROS]
    yield "activations", [("as measured, or none is 0", middle), *zeros]
    if middle.technology.memories is not None:
        clocks = [(f"at {mhz:g} MHz", replace(middle, leakage_mhz=mhz)) for mhz in CLOCKS]
        yield "leakage of memories", [("not counted", middle), *clocks]


def _entries(assumed: Assumed, middle: Assumed) -> Iterator[tuple[str, Choices]]:
    """Every entry at its low and at its high."""
    given, technology = assumed.technology, middle.technology
    for name, entry in given.entries.items():
        yield (
            name,
            [
                (_end(entry, corner), _priced(middle, entries=_with(technology.entries, name, one)))
                for corner, one in _ends(entry)
            ],
        )
    if given.memories is None or technology.memories is None:
        return
    table = technology.memories
    for name, entry in given.memories.entries.items():
        yield (
            f"{table.name}: {name}",
            [
                (
                    _end(entry, corner),
                    _priced(middle, memories=_table(table, _with(table.entries, name, one))),
                )
                for corner, one in _ends(entry)
            ],
        )


def _parts(assumed: Assumed, middle: Assumed, offers: Offers) -> Iterator[tuple[str, Choices]]:
    """Technology, DRAM, memories and supply as wholes."""
    technology, table = assumed.technology, middle.technology.memories
    wholes = [(one.name, replace(middle, technology=at_middle(one))) for one in offers.technologies]
    yield "technology", [(technology.name, middle), *wholes] if wholes else []
    drams = [(one.name, with_dram(technology, one)) for one in offers.drams]
    yield "DRAM type", [(n, replace(middle, technology=at_middle(t))) for n, t in drams]
    tables = [one for one in offers.memories if one.node == technology.node]
    built = [(one.name, with_memories(technology, one)) for one in tables]
    bare = replace(technology, memories=None)
    cases = [("entries sram of the technology", bare), *built] if built else []
    yield "on-chip memories", [(n, replace(middle, technology=at_middle(t))) for n, t in cases]
    if table is not None:
        for what, values in (("banks", BANKS), ("width", WIDTHS)):
            yield (
                f"{what} of all memories",
                [(str(v), _priced(middle, memories=_organized(table, what, v))) for v in values],
            )
    volts = technology.voltage
    scaled = [] if volts is None else [volts * by for by in SUPPLIES]
    yield (
        "supply",
        [
            (f"{v:.3g} V", replace(middle, technology=at_middle(at_voltage(technology, v))))
            for v in scaled
        ],
    )


def _ends(entry: Entry) -> list[tuple[str, Entry]]:
    return [(corner, at_corner(entry, corner)) for corner in (BAND_KEYS[0], BAND_KEYS[-1])]


def _end(entry: Entry, corner: str) -> str:
    unit = "" if entry.unit == "1" else f" {entry.unit}"
    return f"{corner}, {getattr(entry.value, corner):.4g}{unit}"


def _with(entries: Mapping[str, Entry], name: str, one: Entry) -> dict[str, Entry]:
    return {**entries, name: one}


def _table(table: MemoryTable, entries: Mapping[str, Entry]) -> MemoryTable:
    return replace(table, entries=entries)


def _organized(table: MemoryTable, what: str, value: int) -> MemoryTable:
    """The table with so many banks, or so wide macros, for every memory."""
    made: dict[str, Organization] = {}
    for name in NAMES:
        use = table.organization(name)
        made[name] = replace(use, banks=value) if what == "banks" else replace(use, width=value)
    return replace(table, organizations=made)


def _priced(middle: Assumed, **changed: object) -> Assumed:
    return replace(middle, technology=replace(middle.technology, **changed))  # type: ignore[arg-type]


def _size(lanes: Lanes) -> str:
    return f"{lanes.rows}x{lanes.cols}"


def _way(way: Sequence[int]) -> str:
    hold, fill, out_lanes = way
    if hold == 1:
        return "weights read for every pixel"
    return f"weights held for {hold} pixels, filled in {fill} cycles, {out_lanes} output lane(s)"
