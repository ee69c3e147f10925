"""The page that holds the events' bars against the gates: `docs/results/event-bars.md`."""

import itertools
from collections.abc import Sequence
from statistics import median

from ...cost.report.report import energy_text
from ...cost.technology.technology import Technology
from ...spec.host.markdown import table
from .event_bars import Bar, slope, swaps

SEE = (
    "[Gates](../gates.md), [estimate](../estimate.md), "
    "[lookup MACs](../lookup_macs.md), [errors of the model](gate-model.md)."
)
HEAD = """# The bars of the events against the gates

Written by `{command}`; do not edit.

Lane array in the layers with weights, one image: by gates (a model fitted to netlists, [its
errors](gate-model.md), tested to 16x16; larger arrays are its extrapolation) and by events times
`{tech}`. Drain, output stage, memories are in neither. A bar is open for what its sources disagree
about, supply among it: low and expected stand at 0.9 V, the gates and the high corner at 1.1 V
(energies 1.49x by the supply alone). Expected, **a gate figure lies at {least:.1f} to {most:.1f}
times the events'**, {middle:.1f} in the median. Expected and high corner of a clocked flip-flop
come from these characterizations; flip-flops, cycles and all other events and prices do not.

**{inside} of {all}** gate figures lie inside their bar{outside}
"""
COLUMNS = (
    "program", "array", "micro", ("gates", "---:"), ("gates x 0.67 (0.9 V)", "---:"),
    ("events", "---:"), "",
)  # fmt: skip
AREA_COLUMNS = ("array", "micro", ("gates mm2", "---:"), ("events mm2", "---:"), "")
SUPPLY = (0.9 / 1.1) ** 2


def page(bars: Sequence[Bar], technology: Technology, command: str) -> str:
    """Markdown: every bar, orders, slopes, areas."""
    missed = [bar for bar in bars if not bar.inside]
    outside = "; not:\n" if missed else ".\n"
    outside += "\n".join(f"\n* {missed_text(bar)}" for bar in missed)
    times = [bar.gates_pj.expected / bar.events_pj.expected for bar in bars]
    head = HEAD.format(
        command=command, tech=technology.name, all=len(bars),
        inside=len(bars) - len(missed), outside=outside,
        least=min(times), most=max(times), middle=median(times),
    )  # fmt: skip
    return "\n".join(
        [
            head,
            "## Every bar",
            "",
            *_bars(bars),
            "",
            *_orders(bars),
            "",
            *_slopes(bars),
            "",
            *_areas(bars),
            "",
        ]
    )


def missed_text(bar: Bar) -> str:
    own = " (their own bar reaches it)" if bar.touches else ""
    return (
        f"{bar.program} on {bar.micro} {bar.size}: {energy_text(bar.gates_pj)} by gates, "
        f"{bar.off_percent:+.1f} % off the bar{own}"
    )


def _bars(bars: Sequence[Bar]) -> list[str]:
    rows = [
        [
            bar.program, bar.size, bar.micro, energy_text(bar.gates_pj),
            f"{bar.gates_pj.expected * SUPPLY / 1e6:.1f}", energy_text(bar.events_pj),
            "" if bar.inside else "**outside**",
        ]
        for bar in bars
    ]  # fmt: skip
    return table(COLUMNS, rows)


def _orders(bars: Sequence[Bar]) -> list[str]:
    """Pairs in another order."""
    groups = len({(bar.program, bar.library, bar.size) for bar in bars})
    swapped = list(swaps(bars))
    wrong = [swap for swap in swapped if not swap.undecided]
    lines = [
        "## Order of the micro-architectures",
        "",
        (
            f"{groups} programs and arrays: {len(swapped)} pairs stand in another order by events "
            f"than by gates; in {len(swapped) - len(wrong)} of them the bars overlap, so that the "
            "events do not decide."
        ),
        "",
    ]
    columns = ("program", "array", "cheaper by gates", "cheaper by events", ("gates", "---:"),
               ("events", "---:"))  # fmt: skip
    rows = [
        [
            swap.cheaper.program, swap.cheaper.size, swap.cheaper.micro, swap.dearer.micro,
            f"{swap.dearer.gates_pj.expected / swap.cheaper.gates_pj.expected:.2f}x",
            f"{swap.dearer.events_pj.expected / swap.cheaper.events_pj.expected:.2f}x"
            + ("" if swap.undecided else " **decided wrongly**"),
        ]
        for swap in swapped
    ]  # fmt: skip
    return lines + (table(columns, rows) if rows else [])


def _slopes(bars: Sequence[Bar]) -> list[str]:
    """First program against every other, per micro-architecture and array."""
    lines = ["## Bits against energy", "", "Energy as a multiple of the other program's:", ""]
    columns = ("programs", "array", "micro", ("gates", "---:"), ("events", "---:"))
    rows = []
    first = bars[0].program
    for one, other in itertools.permutations(bars, 2):
        same = all(getattr(one, n) == getattr(other, n) for n in ("library", "micro", "size"))
        if one.program != first or other.program == first or not same:
            continue
        gates, events = slope(one, other)
        text = f"{events.expected:.2f} ({events.low:.2f} to {events.high:.2f})"
        rows.append([f"{one.program} / {other.program}", one.size, one.micro, f"{gates:.2f}", text])
    return [*lines, *table(columns, rows)]


def _areas(bars: Sequence[Bar]) -> list[str]:
    """Once per array: the area does not depend on the program."""
    lines = ["## Area", "", "The lane array, by the fitted gates and by the table:", ""]
    seen: dict[tuple[str, str], Bar] = {}
    for bar in bars:
        seen.setdefault((bar.size, bar.micro), bar)
    rows = []
    for bar in seen.values():
        low, middle, high = (
            getattr(bar.events_um2, key) / 1e6 for key in ("low", "expected", "high")
        )
        inside = low <= bar.gates_um2 / 1e6 <= high
        text = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        cells = [bar.size, bar.micro, f"{bar.gates_um2 / 1e6:.3f}", text]
        rows.append([*cells, "" if inside else "**outside**"])
    return [*lines, *table(AREA_COLUMNS, rows)]
