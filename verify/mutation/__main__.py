"""`make mutate`: every unit's mutants against its bench; resumes; writes docs/mutation.md.

python -m adqhw.verify.mutation [--count N] [--seed N] [PART OF A UNIT'S NAME]
"""

import argparse
import json
import warnings
from pathlib import Path

from .benches import reset_bench
from .equivalence import equivalent
from .mutant_simulator import mutant
from .netlist import Model, build
from .report import page, summary
from .units import UNITS, Unit

ROOT = Path("runs/mutation")
PAGE = Path("docs/mutation.md")


def killed(unit: Unit, model: Model, number: int) -> bool:
    """Does the bench or the reset bench fail on this mutant?"""
    simulator = mutant(model.folder / "model.so", number)
    try:
        reset_bench(unit.make, simulator, unit.kept)
        unit.bench(unit.make, simulator)
    except (AssertionError, IndexError):
        return True
    return False


class Record:
    """Verdicts of a unit's mutants, kept in a file so that a run resumes."""

    def __init__(self, unit: Unit, *, count: int, seed: int) -> None:
        self.unit = unit
        self.folder = ROOT / unit.name.replace(" ", "_")
        self.model = build(unit.make, self.folder, count=count, seed=seed)
        self.path, self.key = self.folder / "verdicts.json", (self.folder / "key").read_text()
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.verdicts = kept["verdicts"] if kept.get("key") == self.key else {}

    def put(self, number: int, verdict: str) -> None:
        self.verdicts[str(number)] = verdict
        self.path.write_text(json.dumps({"key": self.key, "verdicts": self.verdicts}))

    def kill(self, first: int) -> None:
        """The first mutants without a verdict; survivors again, for benches may have grown."""
        if killed(self.unit, self.model, 0):
            raise AssertionError(f"Unit {self.unit.name} itself must pass its benches")
        for number in range(1, min(first, len(self.model.mutants)) + 1):
            if self.verdicts.get(str(number)) in ("killed", "equivalent"):
                continue
            dead = killed(self.unit, self.model, number)
            self.put(number, "killed" if dead else "survived")
        print(summary(self.unit.name, self.verdicts), flush=True)

    def excuse(self) -> None:
        """Survivors that are proven equal to the unit are not faults."""
        for number, verdict in list(self.verdicts.items()):
            if verdict == "survived":
                if equivalent(self.model, int(number)):
                    self.put(int(number), "equivalent")
                print(
                    f"  {self.verdicts[number]}: {self.model.mutants[int(number) - 1]}", flush=True
                )
        print(summary(self.unit.name, self.verdicts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1 << 12, help="of each unit's mutants")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"seed {chosen.seed}, {chosen.count} mutants per unit", flush=True)
    units = [unit for unit in UNITS if chosen.part in unit.name]
    records = [Record(unit, count=chosen.count, seed=chosen.seed) for unit in units]
    for record in records:
        record.kill(chosen.first)
    for record in records:
        write(records, chosen)
        record.excuse()
    write(records, chosen)


def write(records: list[Record], chosen: argparse.Namespace) -> None:
    """The page as far as it is known; only for all units together."""
    if not chosen.part:
        results = {record.unit.name: record.verdicts for record in records}
        PAGE.write_text(page(results, ROOT, chosen.count, chosen.seed), encoding="utf-8")
        print(f"wrote {PAGE}", flush=True)


if __name__ == "__main__":
    main()
