"""Run proofs, print the table, write docs/proofs.md: `python -m adqhw.verify.proofs [PART]`.

Verdicts are kept in runs/proofs by what was proven, and taken from there; `--again` proves all. A
part of the names chooses some proofs, and writes no page.
"""

import argparse
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

from . import kept
from .catalogue import catalogue
from .prover import Proof, run, task_of
from .report import Result, page

PAGE = Path("docs/proofs.md")


def attempt(proof: Proof, *, again: bool) -> tuple[str, Result]:
    """One proof, and a line about it; a failed one is not kept."""
    task = task_of(proof)
    key = kept.key(proof, task)
    known = None if again else kept.find(key)
    if known is not None:
        print(f"{proof.name}: kept, {known['seconds']:.1f} s then", flush=True)
        return proof.name, known | {"kept": True}
    verdict = run(proof, task)
    print(f"{proof.name}: {verdict.word}, {verdict.seconds:.1f} s", flush=True)
    if proof.fault:
        print(f"    bug '{proof.fault[0]}': {verdict.refuted or 'NOT REFUTED'}", flush=True)
    result = {"proven": verdict.proven, "seconds": verdict.seconds, "refuted": verdict.refuted}
    if good(proof, result):
        kept.keep(key, {"name": proof.name, "made": f"{date.today()}"} | result)
    return proof.name, result | {"kept": False}


def good(proof: Proof, result: Result) -> bool:
    """Proven, and its bug refuted."""
    return result["proven"] and bool(result["refuted"] or not proof.fault)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--again", action="store_true", help="what is kept, too")
    parser.add_argument("--jobs", type=int, default=2, help="proofs at a time")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")  # components that are only elaborated by hand
    proofs = [proof for proof in catalogue() if chosen.part in proof.name]
    begin = time.monotonic()
    with ThreadPoolExecutor(chosen.jobs) as pool:
        results = dict(pool.map(partial(attempt, again=chosen.again), proofs))
    proven = sum(result["proven"] for result in results.values())
    print(f"{proven} of {len(results)} proven in {time.monotonic() - begin:.0f} s")
    if not chosen.part:
        PAGE.write_text(page(proofs, results), encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0 if all(good(p, results[p.name]) for p in proofs) else 1


if __name__ == "__main__":
    sys.exit(main())
