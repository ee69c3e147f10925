"""Run all proofs, print the table and write docs/proofs.md: `python -m proofs [PART OF A NAME]`."""

import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .catalogue import catalogue
from .prover import Proof, Verdict, run
from .report import page

PAGE = Path("docs/proofs.md")
WORKERS = 2


def attempt(proof: Proof) -> tuple[Proof, Verdict]:
    """One proof, and a line about it."""
    verdict = run(proof)
    word = "proven" if verdict.proven else f"NOT PROVEN ({verdict})"
    print(f"{proof.component}, {proof.configuration}: {word}, {verdict.seconds:.1f} s", flush=True)
    if proof.fault:
        print(f"    bug '{proof.fault[0]}': {verdict.refuted or 'NOT REFUTED'}", flush=True)
    return proof, verdict


def main(wanted: str = "") -> int:
    warnings.simplefilter("ignore")  # components that are only elaborated by hand
    proofs = [p for p in catalogue() if wanted in f"{p.component}, {p.configuration}"]
    begin = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(attempt, proofs))
    seconds = time.monotonic() - begin
    good = all(v.proven and (v.refuted or not p.fault) for p, v in results)
    print(f"{sum(v.proven for _, v in results)} of {len(results)} proven in {seconds:.0f} s")
    if not wanted:
        PAGE.write_text(page(results, seconds), encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
