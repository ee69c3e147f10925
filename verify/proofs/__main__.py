"""Run proofs, print the table, write docs/proofs.md: `python -m adqhw.verify.proofs [PART]`.

A part runs those proofs again and keeps what is known of the others (runs/proofs.json); the page is
written when all are known.
"""

import json
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .catalogue import catalogue
from .prover import Proof, run
from .report import Result, page

PAGE, KNOWN = Path("docs/proofs.md"), Path("runs/proofs.json")
WORKERS = 2


def attempt(proof: Proof) -> tuple[str, Result]:
    """One proof, and a line about it."""
    verdict = run(proof)
    print(f"{proof.name}: {verdict.word}, {verdict.seconds:.1f} s", flush=True)
    if proof.fault:
        print(f"    bug '{proof.fault[0]}': {verdict.refuted or 'NOT REFUTED'}", flush=True)
    result = {"proven": verdict.proven, "seconds": verdict.seconds, "refuted": verdict.refuted}
    return proof.name, result


def main(wanted: str = "") -> int:
    warnings.simplefilter("ignore")  # components that are only elaborated by hand
    proofs = [proof for proof in catalogue() if wanted in proof.name]
    begin = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        results = dict(pool.map(attempt, proofs))
    proven = sum(result["proven"] for result in results.values())
    print(f"{proven} of {len(results)} proven in {time.monotonic() - begin:.0f} s")
    known = json.loads(KNOWN.read_text()) if wanted and KNOWN.exists() else {}
    known |= results
    KNOWN.parent.mkdir(exist_ok=True)
    KNOWN.write_text(json.dumps(known, indent=1))
    if all(proof.name in known for proof in catalogue()):
        PAGE.write_text(page(catalogue(), known), encoding="utf-8")
        print(f"wrote {PAGE}")
    good = all(
        results[p.name]["proven"] and (results[p.name]["refuted"] or not p.fault) for p in proofs
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
