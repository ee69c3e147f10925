"""Damaged Liberty files: seeded mutants of a text, and a reader of every part of one."""

import gzip
import random
from collections.abc import Iterator

from adqhw.gates.liberty.liberty import Library
from adqhw.gates.netlist.arcs import arc_uses, leakage_nw
from adqhw.gates.netlist.mapping import mapping_script

WORDS = ("{", "}", "(", ")", '"', "/*", "*/", ";", ":", ",", "\\\n", "\0", "\n", "!", "'", "[0]",
         "1e999", "nan", "-1", "9" * 5000, "(" * 300, "!" * 300, "x {" * 30, "A B " * 300, "é",
         "\u202e", "cell (a;b) { area : 1; }", "scalar", "false_unate", "IQ", "Y", "values", "$",
         "`id`")  # fmt: skip


def texts(text: str, seed: int, count: int) -> Iterator[str]:
    """Mutants of a text: cut, a word put in or over, a part doubled, moved or lost."""
    rng = random.Random(seed)
    for _ in range(count):
        made = text
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            at, end = sorted(rng.randrange(len(made)) for _ in range(2))
            end = min(end, at + rng.choice((1, 3, 40, 400)))
            part = made[at:end]
            other = rng.randrange(len(made))
            match rng.randrange(6):
                case 0:
                    made = made[:at] + made[end:]
                case 1:
                    made = made[:at] + rng.choice(WORDS) + made[at:]
                case 2:
                    made = made[:at] + rng.choice(WORDS) + made[end:]
                case 3:
                    made = made[:other] + part + made[other:]
                case 4:
                    made = made[: max(1, at)]
                case _:
                    made = made[:at] + made[at:].replace(
                        part[:8] or "x", made[other : other + 8], 1
                    )
        yield made


def packed(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Mutants of the gzip file of `data`: bytes changed, cut, doubled."""
    rng = random.Random(seed)
    whole = gzip.compress(data, mtime=0)
    for _ in range(count):
        made = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = (
                rng.randrange(len(made))
                if rng.random() < 0.7
                else rng.randrange(min(20, len(made)))
            )
            match rng.randrange(4):
                case 0:
                    made[at] = rng.randrange(256)
                case 1:
                    del made[max(1, at) :]
                case 2:
                    made[at:at] = rng.randbytes(3)
                case _:
                    made += whole[:at]
        yield bytes(made)


def use(library: Library) -> None:
    """Read every cell, its energies and leakage where it may be used, and write the script."""
    for name in library.groups:
        cell = library.cell(name)
        for pin in cell.outputs:
            library.timings(name, pin)
        if not cell.refusal and len(cell.inputs) <= 4 and (cell.ff is None or cell.outputs):
            pins = cell.inputs
            if cell.ff is not None:
                clock = str(cell.ff.clocked_on.tree[-1])
                pins = (*(p for p in pins if p != clock), cell.outputs[0])
            arc_uses(cell, pins)
            leakage_nw(cell, pins)
    mapping_script(library)
