"""Programs on both accelerators: cycles and energy by events, each micro-architecture that fits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...cost.estimate.estimate import Estimate, estimate
from ...cost.technology.technology import Band, Technology
from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import BASELINE, DEFAULT, micro, names
from ...rtl.lanes.micro import Micro
from ...rtl.program.fit import narrowest
from ...spec.errors import InputError
from ...spec.host.markdown import Column, table
from ...spec.program import Program
from .study import FILL, OUT_LANES, SIZE

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

HOLD = 16
HEAD = """## Programs on both accelerators

{size} x {size} lanes, one image, memories as large as the program needs, the network loaded from
DRAM once per image. *narrow*: `uniform` lanes with multipliers as wide as the hidden layers'
levels, wider levels digit by digit: what a plain design of these bits has. Cycles contain the
image's way in. Activity: {statistics}.
"""
COLUMNS: tuple[Column, ...] = (
    "program", "lanes", ("cycles", "---:"), ("hold 16", "---:"), ("energy uJ", "---:"),
    ("hold 16", "---:"), ("ratio", "---:"), ("on chip uJ", "---:"), ("hold 16", "---:"),
    ("memories on chip %", "---:"), ("hold 16", "---:"), ("x uniform on chip", "---:"),
    ("hold 16", "---:"),
)  # fmt: skip
NOTE = """
*ratio*: all energy of hold 16 over that of the first accelerator; *x uniform*: energy on the chip
over that of `uniform` lanes with full multipliers on the same accelerator.
"""


@dataclass(frozen=True, kw_only=True)
class ProgramRow:
    """A program on lanes of one kind, on the first accelerator and on the one that holds."""

    program: str
    lanes: str
    first: Estimate
    held: Estimate

    @property
    def both(self) -> tuple[Estimate, Estimate]:
        return self.first, self.held


def rows_of(
    name: str,
    program: Program,
    technology: Technology,
    activity: "Mapping[str, LayerActivity] | None",
) -> list[ProgramRow]:
    """`program` on `decode`, `uniform`, narrow `uniform` and lanes that take only such programs."""
    found = []
    for lanes, options in lanes_of(program):
        first, held = (
            estimate(program, arch, technology, activity=activity)
            for arch in (_arch(program, options, 1), _arch(program, options, HOLD))
        )
        found.append(ProgramRow(program=name, lanes=lanes, first=first, held=held))
    return found


def lanes_of(program: Program) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and options of `narrowest`."""
    yield DEFAULT, {"micro": DEFAULT}
    yield BASELINE, {"micro": BASELINE}
    hidden = [x.level_width for x in program.mac_layers if x.codebook is not None]
    widest = max((layer.level_width for layer in program.mac_layers), default=0)
    if hidden and 2 <= max(hidden) < widest:
        yield f"{BASELINE}, narrow", {"micro": BASELINE, "multiply_width": max(hidden)}
    for name in names():
        if type(micro(name)).check is not Micro.check and _takes(name, program):
            yield name, {"micro": name}


def _takes(name: str, program: Program) -> bool:
    try:
        micro(name).check(program)
    except InputError:
        return False
    return True


def _arch(program: Program, options: dict[str, Any], hold: int) -> Arch:
    if hold > 1:
        options = {**options, "hold": hold, "fill": FILL, "out_lanes": OUT_LANES}
    return narrowest(program, rows=SIZE, cols=SIZE, **options)


def cycles(result: Estimate) -> int:
    return result.cycles + result.input_cycles


def on_chip(result: Estimate) -> Band:
    split = result.energy.split
    return split["datapath"] + split["memory"]


def memory_share(result: Estimate) -> float:
    """Of the expected energy on the chip."""
    return result.energy.split["memory"].expected / on_chip(result).expected


def section(rows: Sequence[ProgramRow]) -> list[str]:
    """Markdown of the section; nothing without rows."""
    if not rows:
        return []
    plain = {row.program: row for row in rows if row.lanes == BASELINE}
    said = sorted({row.first.statistics for row in rows})
    head = HEAD.format(size=SIZE, statistics="; ".join(said))
    cells = [_cells(row, plain[row.program]) for row in rows]
    return [head, *table(COLUMNS, cells), NOTE, *_ranking(rows), ""]


def _ranking(rows: Sequence[ProgramRow]) -> list[str]:
    """The lanes of least energy on the chip of every program, on both accelerators."""
    lines = ["Least energy on the chip, and on which lanes:", ""]
    for name in dict.fromkeys(row.program for row in rows):
        mine = [row for row in rows if row.program == name]
        old = min(mine, key=lambda row: on_chip(row.first).expected)
        new = min(mine, key=lambda row: on_chip(row.held).expected)
        lines.append(
            f"* {name}: first accelerator {_micro_joule(on_chip(old.first))} uJ on {old.lanes}, "
            f"hold {HOLD} {_micro_joule(on_chip(new.held))} uJ on {new.lanes}."
        )
    return lines


def _cells(row: ProgramRow, plain: ProgramRow) -> list[str]:
    totals = [result.energy.total for result in row.both]
    chip = [on_chip(result) for result in row.both]
    base = [on_chip(result) for result in plain.both]
    return [
        row.program,
        row.lanes,
        *(f"{cycles(result):,}" for result in row.both),
        *(_micro_joule(band) for band in totals),
        f"{totals[1].expected / totals[0].expected:.2f}",
        *(_micro_joule(band) for band in chip),
        *(f"{100 * memory_share(result):.0f}" for result in row.both),
        *(f"{a.expected / b.expected:.2f}" for a, b in zip(chip, base, strict=True)),
    ]


def _micro_joule(band: Band) -> str:
    return f"{band.expected / 1e6:.1f} ({band.low / 1e6:.1f}-{band.high / 1e6:.1f})"


def program_records(rows: Sequence[ProgramRow]) -> list[dict[str, Any]]:
    """Plain JSON data."""
    return [
        {
            "program": row.program,
            "lanes": row.lanes,
            **{
                key: {
                    "cycles": cycles(result),
                    "energy_pj": result.energy.total.as_dict(),
                    "parts_pj": {k: v.expected for k, v in result.energy.parts.items()},
                    "on_chip_pj": on_chip(result).as_dict(),
                    "memory_share": memory_share(result),
                }
                for key, result in zip(("first", "held"), row.both, strict=True)
            },
        }
        for row in rows
    ]
