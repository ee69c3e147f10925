"""The page of `adqhw bench tornado`: the verdict first, then every assumption by its swing."""

from collections.abc import Sequence
from pathlib import Path

from ...spec.host.markdown import table
from .assumptions import Assumption, Tornado

HEAD = """# Sensitivity of the verdict

{verdicts}

Energy of one image of **{learned}** over that of **{plain}**, as expected; {accuracy}.
As assumed: {common}.
One assumption is changed at a time, for both designs alike, all others stand as assumed,
entries at their expected value. An entry goes from its low to its high, a choice through all its
cases. *turns*: the other design needs less at one of the ends.

![Ratio by assumption, the largest swing first]({picture})
"""
SEE = (
    "[Memories, DRAM, clock and supply](../memories.md), [what is held where](dataflow.md), bit "
    "budgets of [both](bit-budgets.md) [arrays](bit-budgets-held.md), "
    "[bars of the event model](event-bars.md)."
)
COLUMNS = (
    "assumption", ("least", "---:"), "at", ("most", "---:"), "at", ("swing", "---:"), "verdict",
)  # fmt: skip


def page(tornados: Sequence[Tornado], *, command: str, accuracy: str, picture: Path) -> str:
    """Markdown; `tornados` compare the same two designs under several assumptions."""
    first = tornados[0]
    lines = [
        HEAD.format(
            verdicts="\n".join(f"- {verdict(one)}" for one in tornados),
            learned=first.learned,
            plain=first.plain,
            common=first.common,
            accuracy=accuracy,
            picture=picture.name,
        )
    ]
    for one in tornados:
        lines += [f"## {one.base}: {one.ratio:.3f}", ""]
        lines += table(COLUMNS, map(_row, one.assumptions))
        lines += ["", f"Without effect: {', '.join(one.still) or 'none'}.", ""]
        if one.refused:
            lines += ["Not possible:", "", *(f"- {reason}" for reason in one.refused), ""]
    lines += [f"Written by `{command}`; do not edit.", "", ""]
    return "\n".join(lines)


def verdict(one: Tornado) -> str:
    """One sentence: who needs less, and what turns it."""
    less = "less" if one.ratio < 1 else "more"
    turning = [assumption.name for assumption in one.assumptions if assumption.turns]
    turn = "turns" if len(turning) == 1 else "turn"
    told = f"{len(turning)} of {len(one.assumptions)} assumptions {turn} it: {', '.join(turning)}"
    none = f"none of {len(one.assumptions)} assumptions turns it"
    widest = one.assumptions[0] if one.assumptions else None
    most = "" if widest is None else f"; what moves it most is {widest.name}, {_span(widest)}"
    return (
        f"{one.base}: learned codebooks need **{one.ratio:.2f} times** the energy of plain bits "
        f"({less}); {told if turning else none}{most}."
    )


def _span(assumption: Assumption) -> str:
    least, most = assumption.cases[0], assumption.cases[-1]
    return f"from {least.ratio:.2f} ({least.what}) to {most.ratio:.2f} ({most.what})"


def _row(assumption: Assumption) -> tuple[str, ...]:
    least, most = assumption.cases[0], assumption.cases[-1]
    return (
        assumption.name, f"{least.ratio:.3f}", least.what, f"{most.ratio:.3f}", most.what,
        f"{assumption.swing:.3f}", "turns" if assumption.turns else "",
    )  # fmt: skip
