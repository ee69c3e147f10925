"""The page of `adqhw bench budgets`: a table, and a verdict in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...cost.technology.technology import BAND_KEYS, Band, Technology
from ...gates.model.parts import lanes_of
from ...rtl.arch.registry import BASELINE
from ...spec.host.markdown import table
from .break_even import break_even_lines, break_evens
from .budgets import Row

SEE = (
    "[Gates](../gates.md), [dataflow](dataflow.md), [methods](../methods.md); first accelerator: "
    "[bit budgets](bit-budgets.md); that holds weights: [bit budgets](bit-budgets-held.md)."
)
HEAD = """# Bit budgets

Written by `{command}`; do not edit.

Programs on {size} arrays, one image. **array**: lanes, adder trees, accumulators, codebook and
control by their gates in the library (docs/gates.md), clock and leakage included; the bar is the
worst error on layers that were not fitted. **output**: threshold and requant unit by their gates,
likewise. Neither has glitches, placed wires or a clock tree. **memory**: on-chip memories,
technology {technology}, of the library's node, corners as the bar. DRAM is in none. *x
uniform*: against the row of the same program and library whose lanes multiply stored levels,
expected values. A verdict takes the array's bars whole, memories and output stage at each corner,
the same one for both: one table prices them.
"""
AGAINST_PLAIN = "Learned codebooks against plain weights on plain multipliers, top-1 within 0.5"
SECOND = "-break-even"
HELD = """# Bit budgets on arrays that hold weights

Written by `{command}`; do not edit.

Programs on {size} arrays with hold {hold}, one image; the same for the array that reads its weights
for every pixel: [bit budgets](bit-budgets.md). **array**: lanes, station, adder trees, codebook and
control by their gates in the library (docs/gates.md), clock and leakage included; the bar is the
worst error on layers that were not fitted. Its **sums**, {words} words in every column, are in
flip-flops, by their gates, all clocked in every cycle; or in memories, priced with the additions to
them by {technology} and counted under **memory**: the first is the most that they cost,
the second what an array with register files would draw. **output**: output lanes, by events of
{technology}, the same in all rows of a program. **memory**: on-chip memories, {technology}, corners
as the bar. None has glitches, placed wires or a clock tree; DRAM is in none. `uniform` multiplies
8-bit levels, `uniform_4` takes levels by 4 bits at a time: a plain design of 4-bit weights, with
two cycles for wider ones. *x uniform*: against the row of the same program, library and sums on
`uniform`, expected values. A verdict takes the array's bars whole, memories and output stage at
each corner, the same one for both: one table prices them.
"""
EQUAL_POINTS = 0.5
"""Programs so close in top-1 count as equally accurate: 10,000 images decide about 0.3 points."""
BREAK_EVEN = """Each program on look-up against itself on `uniform`: the same answers.
**fJ/bit**: what a read of a weight bit must cost for look-up to draw as little (its array's extra
energy over the weight bits it does not read; the bar takes both arrays' bars apart; below 0:
look-up wins with free memories). Beside it the memory's price. Weights are read again for every
{reads} here; of an array that keeps them for as many pixels as the last column says, some layer
gains nothing by look-up. Tables are loaded once per layer and counted in the table, not here.
"""
COLUMNS = (
    "library", "program", ("top-1 %", "---:"), ("weight bits", "---:"), "micro",
    ("cycles", "---:"), ("array uJ", "---:"), ("output uJ", "---:"), ("memory uJ", "---:"),
    ("array x uniform", "---:"), ("all x uniform", "---:"), ("logic mm2", "---:"),
)  # fmt: skip


def page(
    measured: Sequence[Row],
    technologies: Sequence[Technology],
    size: str,
    command: str,
    pictures: Sequence[Path] = (),
    left_out: Sequence[str] = (),
) -> str:
    """The table as Markdown, with a verdict per library and program.

    pictures: files beside it, as `budgets_plot.write_pictures` names them. left_out: what was
    characterized too narrow, and why.
    """
    hold = max((row.hold for row in measured), default=1)
    head = (HEAD if hold == 1 else HELD).format(
        command=command, size=size, hold=hold, words=2 * hold,
        technology=", ".join(f"{table.name} ({table.node})" for table in technologies),
    )  # fmt: skip
    kinds = by_sums(measured)
    lines = [head.rstrip(), *_sections("Verdict", {k: verdicts(rows) for k, rows in kinds.items()})]
    lines += _sections(AGAINST_PLAIN, {k: against_plain(rows) for k, rows in kinds.items()})
    lines += _shown(pictures, "top-1 against energy", second=False)
    breaks = {kind: break_evens(rows) for kind, rows in kinds.items()}
    if any(breaks.values()):
        reads = "pixel" if hold == 1 else f"{hold} pixels"
        said = {k: [*break_even_lines(found)] for k, found in breaks.items() if found}
        lines += _sections("Break-even, layer by layer", said, BREAK_EVEN.format(reads=reads))
        lines += _shown(pictures, "break-even price by layer", second=True)
    lines += _sections("All rows", {k: _table(rows) for k, rows in kinds.items()})
    if left_out:
        lines += ["", "Not in the table, characterized too narrow:", ""]
        lines += [f"- {text}" for text in left_out]
    return "\n".join([*lines, ""])


def by_sums(measured: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by where they have their sums, in order: only those of one kind are compared."""
    kinds = dict.fromkeys(row.sums for row in measured)
    return {kind: [row for row in measured if row.sums == kind] for kind in kinds}


def _sections(title: str, said: Mapping[str, Sequence[str]], before: str = "") -> list[str]:
    """A heading and, for every kind of sums, its lines; nothing where there are none."""
    if not any(said.values()):
        return []
    lines = ["", f"## {title}", *(["", before.rstrip()] if before else [])]
    for kind, text in said.items():
        lines += [*(["", f"### Sums in {kind}"] if kind else []), "", *text]
    return lines


def _table(measured: Sequence[Row]) -> list[str]:
    plain = {(r.library, r.program): r for r in measured if r.micro == BASELINE}
    rows = []
    for row in measured:
        base = plain.get((row.library, row.program))
        rows.append([*_facts(row), *_ratios(row, base), f"{row.area_um2 / 1e6:.3f}"])
    return table(COLUMNS, rows)


def break_even_path(picture: Path) -> Path:
    """Of the second picture, beside the first."""
    return picture.with_name(f"{picture.stem}{SECOND}{picture.suffix}")


def _shown(pictures: Sequence[Path], what: str, *, second: bool) -> list[str]:
    """The Markdown of the first or of the second picture, if it is among them."""
    return [
        text
        for path in pictures
        if path.stem.endswith(SECOND) == second
        for text in ("", f"![{what}]({path.name})")
    ]


def against_plain(rows: Sequence[Row]) -> list[str]:
    """Learned programs' best look-ups against plain weights on the best plain multipliers.

    Of every plain program those within `EQUAL_POINTS` of its top-1. Energies as in a verdict: the
    array's bars whole, what is shared at each corner.
    """
    lines = []
    for base in _plain_designs(rows):
        rivals = [
            r
            for r in rows
            if r.library == base.library
            and not r.plain
            and abs(r.top1 - base.top1) <= EQUAL_POINTS + 1e-9
        ]
        for name in dict.fromkeys(r.program for r in rivals):
            mine = [r for r in rivals if r.program == name and not multiplies(r.micro)]
            if mine:
                lines.append(_compared(min(mine, key=_expected), base))
    return lines


def multiplies(lanes: str) -> bool:
    """Whether lanes are plain multipliers of some width."""
    return lanes_of(lanes)[0] == BASELINE


def _plain_designs(rows: Sequence[Row]) -> list[Row]:
    """Of every plain program and library the plain multipliers that need the least energy."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row.plain and multiplies(row.micro):
            known = found.get((row.library, row.program), row)
            found[row.library, row.program] = min(known, row, key=_expected)
    return list(found.values())


def _expected(row: Row) -> float:
    return float((row.array_pj + row.shared_pj).expected)


def _compared(row: Row, base: Row) -> str:
    ours, theirs = row.array_pj + row.shared_pj, base.array_pj + base.shared_pj
    factor = ours.expected / theirs.expected
    below = all(_corner(row, "high", c) < _corner(base, "low", c) for c in BAND_KEYS)
    above = all(_corner(row, "low", c) > _corner(base, "high", c) for c in BAND_KEYS)
    said = "wins" if below else "loses" if above else "bars overlap: no verdict"
    return (
        f"- {row.library}: {row.program} ({row.weight_bits:.2f} bits) on {row.micro} against "
        f"{base.program} ({base.weight_bits:.2f} bits) on {base.micro}: {factor:.2f}x the energy "
        f"({said}), array alone {row.array_pj.expected / base.array_pj.expected:.2f}x; top-1 "
        f"{row.top1 - base.top1:+.2f} points."
    )


def _corner(row: Row, array: str, shared: str) -> float:
    return float(getattr(row.array_pj, array) + getattr(row.shared_pj, shared))


def verdicts(measured: Sequence[Row]) -> list[str]:
    """In words: the row with the least energy, and whether bars overlap."""
    lines = []
    for library, program in dict.fromkeys((r.library, r.program) for r in measured):
        rows = [r for r in measured if (r.library, r.program) == (library, program)]
        array, both = _least(rows, memories=False), _least(rows, memories=True)
        lines.append(
            f"- {library}, {program}: least of the array {array}; with memories and output stage "
            f"{both}."
        )
    return lines


def _least(rows: Sequence[Row], *, memories: bool) -> str:
    """The first against the second; one table prices the memories of both, with the same error."""

    def corner(row: Row, array: str, memory: str) -> float:
        other = getattr(row.shared_pj, memory) if memories else 0.0
        return float(getattr(row.array_pj, array) + other)

    order = sorted(rows, key=lambda row: corner(row, "expected", "expected"))
    if len(order) == 1:
        return f"{order[0].micro} (alone)"
    first, second = order[:2]
    gain = 1 - corner(first, "expected", "expected") / corner(second, "expected", "expected")
    apart = all(corner(first, "high", c) < corner(second, "low", c) for c in BAND_KEYS)
    said = "bars apart" if apart else "bars overlap: no verdict"
    return f"{first.micro} ({100 * gain:.0f} % below {second.micro}, {said})"


def _facts(row: Row) -> list[str]:
    return [
        row.library, row.program, f"{row.top1:.2f}", f"{row.weight_bits:.2f}", row.micro,
        f"{row.cycles:,}", _micro_joule(row.array_pj),
        "-" if row.output_pj is None else _micro_joule(row.output_pj), _micro_joule(row.memory_pj),
    ]  # fmt: skip


def _ratios(row: Row, base: Row | None) -> list[str]:
    if base is None:
        return ["-", "-"]
    array = row.array_pj.expected / base.array_pj.expected
    both = (row.array_pj + row.shared_pj).expected / (base.array_pj + base.shared_pj).expected
    return [f"{array:.2f}", f"{both:.2f}"]


def _micro_joule(band: Band) -> str:
    return f"{band.expected / 1e6:.2f} ({band.low / 1e6:.2f}-{band.high / 1e6:.2f})"
