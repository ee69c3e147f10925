"""docs/mutation.md: the score of every unit, and every survivor."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

from ...spec.host.markdown import table

VERDICTS = ("killed", "equivalent", "survived")
HEAD = """# Mutation test

Written by `make mutate` (`verify/mutation/`). The emitted Verilog of each unit (small
widths) is read by Yosys, cleaned of dead bits and don't cares, and `mutate -list` samples
single-bit faults (inverted, stuck at 0 or 1, inverted when another bit is 0 or 1) at cell ports,
clocks excepted. All mutants of a unit live in one CXXRTL model and are chosen by an input. Each is
run against the bench that the test suite runs on the unit itself
(`tests/verify/mutation/test_unit_benches.py`: the same function, another
simulator), which compares with `adqhw.spec` or with a model in plain Python, checks the rules of
streams and of AXI4, cycles and reset. Here, as this simulator is fast, the benches of fold unit and
feeders also play walks of 700 to 3,000 rounds to their end, that of the output stage more passes.
[Verification](verification.md), [proofs](proofs.md), [architecture](architecture.md).

A mutant that passes everything is compared with the unit by Yosys's `equiv_induct`, both in gates,
without the bits that reach no output; proven equal it is *equivalent* and not counted, otherwise it
*survived*. The lookup-MACs are lane arrays of 2x2,
the held arrays those that hold weights; the job engine has its packer and unpacker inside, the held
feeder its walker, the output stage its lanes, walker, reader, trackers and rows.
"""


def summary(name: str, verdicts: dict[str, str]) -> str:
    """A line for people."""
    count = Counter(verdicts.values())
    return f"{name}: " + ", ".join(f"{count[k]} {k}" for k in VERDICTS)


def score(verdicts: dict[str, str]) -> float:
    """Killed of those that are not equivalent.

    >>> score({"m1": "killed", "m2": "equivalent", "m3": "survived", "m4": "killed"})
    0.6666666666666666
    """
    count = Counter(verdicts.values())
    return count["killed"] / max(1, count["killed"] + count["survived"])


def page(results: dict[str, dict[str, str]], root: Path, count: int, seed: int) -> str:
    tried = sum(map(len, results.values()))
    lines = [HEAD, f"Seed {seed}, {count} mutants per unit sampled, {tried} tried in all.", ""]
    whole = {f"{name} {k}": v for name, of in results.items() for k, v in of.items()}
    rows = [_cells(name, verdicts) for name, verdicts in {**results, "all": whole}.items()]
    lines += table(("unit", *VERDICTS, "score"), rows)
    lines += ["", "## Survivors", ""]
    for name, verdicts in results.items():
        folder = root / name.replace(" ", "_")
        mutants = (folder / "mutants.ys").read_text().splitlines()
        source = (folder / "unit.v").read_text().splitlines()
        for number, verdict in verdicts.items():
            if verdict == "survived":
                lines.append(f"* {name}, {_described(mutants[int(number) - 1], source)}")
    notes = Path(__file__).with_name("survivors.md")
    if notes.exists():
        lines += ["", notes.read_text(encoding="utf-8").rstrip()]
    return "\n".join(lines) + "\n"


def _cells(name: str, verdicts: dict[str, str]) -> list[object]:
    count = Counter(verdicts.values())
    return [name, *(count[k] for k in VERDICTS), f"{100 * score(verdicts):.1f} %"]


def _described(mutant: str, source: list[str]) -> str:
    words = mutant.split()
    value = {a: b for a, b in pairwise(words) if a.startswith("-")}
    place = value.get("-src", "")
    line = place.partition(":")[2].partition(".")[0]
    text = source[int(line) - 1].strip() if line.isdigit() else ""
    cell = value["-cell"].removeprefix("$flatten")
    return f"{value['-mode']} at `{cell}` {value['-port']}[{value['-portbit']}]: `{text}`"
