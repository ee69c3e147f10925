"""The page of `adqhw bench verdict`: verdict first, one table, how it was made."""

from collections.abc import Sequence

from ...cost.technology.technology import Technology
from ...spec.host.markdown import table
from .budgets import Row
from .page import EQUAL_POINTS
from .verdict import LOSES, OPEN, WINS, Case, Side

HEAD = """# Verdict: learned codebooks or plain multipliers

Energy of one image with a **learned codebook on look-up lanes, over that of plain weights on plain
multipliers**, at equal accuracy (at most {points} points of top-1 less), on {size} arrays; below 1
the codebook saves. Gates without wires -> **placed gates** (wires, repeaters, clock tree).
"""
COLUMNS = (
    "library", "array", "plain weights: bits, top-1", "learned: bits, top-1",
    ("arrays alone", "---:"), ("on chip", "---:"), ("with DRAM", "---:"),
    ("layers won on chip", "---:"),
)  # fmt: skip
MADE = """## How it was made

- **arrays alone**: lanes, adder trees, accumulators, codebook and control by their gates
  ([gates](../gates.md)), unplaced or placed ([placement](../placement.md)). **on chip**: with
  output stage and on-chip memories, by {technology}, each library with the table of its node.
  **with DRAM**: also weights, image and logits, once per image, by {dram}.
- **wins**, **loses**: the bars are apart at every corner of what one table prices for both; else
  open. An array's bar is the worst error of its fit on layers that were not fitted.
- Top-1 of the integer program on the test images, as the program files have it. The learned
  program is the one that draws least of those that are accurate enough; the plain one runs on the
  multipliers that draw least for it (those of `--lanes`; levels wider
  than a multiplier take several cycles).
- `hold`: pixels for which an array holds a weight; its sums are in flip-flops or in memories.
  **layers won**: by array and on-chip memories of a layer.
- Not in it: glitches, timing repair, detours of routing.

Written by `{command}`; do not edit.
"""
SEE = (
    "[What moves it](sensitivity.md), [placement](../placement.md), [gates](../gates.md), "
    "[memories](../memories.md); the same "
    "without wires, all programs: [bit budgets](bit-budgets.md), [arrays that hold "
    "weights](bit-budgets-held.md)."
)


def page(
    cases: Sequence[Case],
    technologies: Sequence[Technology],
    size: str,
    command: str,
) -> str:
    """Markdown; cases as the table has them, in order."""
    lines = [HEAD.format(points=EQUAL_POINTS, size=size).rstrip(), ""]
    lines += [f"- {text}" for text in said(cases)]
    lines += ["", *table(COLUMNS, [_row(case) for case in cases]), ""]
    named = ", ".join(f"{one.name.partition('+')[0]} ({one.node})" for one in technologies)
    drams = dict.fromkeys(one.dram.name for one in technologies if one.dram is not None)
    made = MADE.format(
        command=command, technology=named, dram=", ".join(drams) or "the technology's own entry"
    )
    return "\n".join([*lines, made])


def said(cases: Sequence[Case]) -> list[str]:
    """The verdict in words: per array, in all."""
    lines = []
    for hold, sums in dict.fromkeys((case.hold, case.sums) for case in cases):
        own = [case for case in cases if (case.hold, case.sums) == (hold, sums)]
        chip, dram = [case.after for case in own], [case.after_dram for case in own]
        lines.append(
            f"**{_array(own[0])}**, placed: {_counted(chip)} on chip "
            f"({_span(chip)} of the plain energy), {_counted(dram)} with DRAM ({_span(dram)})."
        )
    turned = [case for case in cases if case.turned]
    if turned:
        lines += [f"Wires turn {_named(case)}: {_turns(case)}." for case in turned]
    else:
        lines.append("Wires turn none of these verdicts.")
    return lines


def _counted(sides: Sequence[Side]) -> str:
    words = {WINS: "won", LOSES: "lost", OPEN: "open"}
    counts = {word: sum(side.verdict == kind for side in sides) for kind, word in words.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _span(sides: Sequence[Side]) -> str:
    factors = sorted(side.factor for side in sides)
    return f"{factors[0]:.2f} to {factors[-1]:.2f}" if len(factors) > 1 else f"{factors[0]:.2f}"


def _array(case: Case) -> str:
    if case.hold == 1:
        return "hold 1"
    return f"hold {case.hold}, sums in {case.sums}"


def _named(case: Case) -> str:
    return f"{case.library}, {_array(case)}, against {case.plain.program}"


def _turns(case: Case) -> str:
    pairs = (("on chip", case.before, case.after), ("with DRAM", case.before_dram, case.after_dram))
    return ", ".join(
        f"{where} {one.verdict} -> {other.verdict}"
        for where, one, other in pairs
        if one.verdict != other.verdict
    )


def _row(case: Case) -> list[str]:
    plain, learned = case.plain, case.after.learned
    won, of = case.before.layers_won
    after, _ = case.after.layers_won
    names = [case.before.learned.program, case.after.learned.program]
    changed = "" if names[0] == names[1] else f" (unplaced: {_short(names[0])})"
    return [
        case.library,
        _array(case),
        f"{_program(plain)}, {case.after.plain.micro}",
        f"{_program(learned)}{changed}",
        f"{case.before.array_factor:.2f} -> {case.after.array_factor:.2f}",
        _factors(case.before, case.after),
        _factors(case.before_dram, case.after_dram),
        f"{won} -> {after} of {of}",
    ]


def _program(row: Row) -> str:
    return f"{_short(row.program)}: {row.weight_bits:.2f} bits, {row.top1:.2f} %"


def _factors(before: Side, after: Side) -> str:
    if before.verdict == after.verdict:
        return f"{before.factor:.2f} -> {after.factor:.2f} {after.verdict}"
    return f"{before.factor:.2f} {before.verdict} -> {after.factor:.2f} {after.verdict}"


def _short(program: str) -> str:
    return program.removeprefix("cifar10_resnet20_")
