"""The page of the entropy-coded weights: `docs/results/entropy-coding.md`."""

from collections.abc import Sequence

from ...cost.technology.dram_types import Dram
from ...cost.technology.technology import Technology
from ...spec.host.markdown import table
from .break_even import Saving

SEE = (
    "[Memories and DRAM](../memories.md), [estimate](../estimate.md), "
    "[dataflow](dataflow.md), [programs](../../zoo/README.md)."
)
HEAD = """# Entropy-coded weights

Written by `{command}`; do not edit.

Static canonical Huffman codes, one per layer with weights, each with its table of lengths; a layer
whose code does not save its table stays as it is. Frequencies are those of the program's own codes.
Energies: 16x16 `decode`, `{tech}`, the network loaded from DRAM for
every image, where coding is worth most.
"""
BITS = (
    "program", ("bits", "---:"), ("Huffman", "---:"), ("entropy", "---:"), ("saved %", "---:"),
    ("longest word", "---:"),
)  # fmt: skip
ENERGY = (
    "program", ("decoder pJ/weight", "---:"), ("break-even pJ/bit", "---:"),
    ("saved from DRAM pJ/weight", "---:"), ("saved per read on chip pJ/weight", "---:"),
    ("image uJ", "---:"), ("of it DRAM uJ", "---:"), ("change %", "---:"),
    ("change of DRAM %", "---:"),
)  # fmt: skip


def page(
    savings: Sequence[Saving], technology: Technology, drams: Sequence[Dram], command: str
) -> str:
    """Markdown: bits, energies, and what follows."""
    lines = [HEAD.format(command=command, tech=technology.name), _verdict(savings), ""]
    lines += [
        "## Bits",
        "",
        *_bits(savings),
        "",
        "## Energy",
        "",
        *_energies(savings, technology),
        "",
        *_drams(savings, drams),
        "",
    ]
    return "\n".join(lines)


def _bits(savings: Sequence[Saving]) -> list[str]:
    rows = [
        [
            s.program,
            f"{s.raw:.3f}",
            f"{s.coded:.3f}",
            f"{s.entropy:.3f}",
            f"{100 * (1 - s.coded / s.raw):.1f}",
            s.longest,
        ]
        for s in savings
    ]
    return [
        "Bits per weight, all layers (first and last of 8 bits among them), tables included:",
        "",
        *table(BITS, rows),
    ]


def _energies(savings: Sequence[Saving], technology: Technology) -> list[str]:
    dram = technology["dram"].expected
    rows = []
    for s in savings:
        per_weight = s.saved_bits / s.weights
        even = s.decoder_pj.expected / per_weight if per_weight else float("inf")
        rows.append(
            [
                s.program,
                f"{s.decoder_pj.expected:.3f} ({s.decoder_pj.low:.3f}–{s.decoder_pj.high:.3f})",
                f"{even:.2f}",
                f"{per_weight * dram:.2f}",
                f"{s.read_saved_pj:.3f}",
                f"{s.total_pj.expected / 1e6:.1f}",
                f"{s.dram_pj.expected / 1e6:.1f}",
                f"{100 * s.share:+.1f}",
                f"{-100 * s.saved_bits * dram / s.dram_pj.expected:+.1f}",
            ]
        )
    return [
        "A weight decoded once, behind DRAM, costs one use of a decoder; a weight that stays coded",
        "on chip is decoded at every read, by as many decoders as the array has lanes. Coding pays",
        "where a bit costs more than the break-even:",
        "",
        *table(ENERGY, rows),
    ]


def _drams(savings: Sequence[Saving], drams: Sequence[Dram]) -> list[str]:
    rows = []
    for dram in drams:
        ratios = [
            s.saved_bits * dram.pj_per_bit.low / (s.decoder_pj.high * s.weights)
            for s in savings
            if s.saved_bits
        ]
        rows.append(
            [dram.name, f"{dram.pj_per_bit.low:g}", f"{min(ratios):.1f}", f"{max(ratios):.1f}"]
        )
    return [
        "Saved over spent behind each DRAM, both at their worst corner (least pJ per bit, dearest",
        "decoder):",
        "",
        *table(("DRAM", ("pJ/bit, low", "---:"), ("least", "---:"), ("most", "---:")), rows),
    ]


def _verdict(savings: Sequence[Saving]) -> str:
    changes = [100 * s.share for s in savings]
    wins = [s for s in savings if s.behind_dram_pj < 0]
    loses = [s for s in savings if s.read_saved_pj < s.decoder_pj.expected]
    return f"""## What follows

* Behind DRAM a decoder spends less than it saves in {len(wins)} of {len(savings)} programs. The
  energy of an image changes by {min(changes):+.1f} to {max(changes):+.1f} % only: weights cross
  DRAM once, and on-chip reads dominate. A network that is resident, or loaded once for a batch,
  saves next to nothing; one whose weights are streamed for every image saves the last column of its
  DRAM energy and, where DRAM is the limit, of its time.
* From on-chip memory it loses in {len(loses)} of {len(savings)} programs, before the memory is cut
  into one stream per decoder, which variable lengths require.
* The accelerators have no decoder. Their memory images hold bit planes over all lanes, not codes
  one after the other, and jobs move rows of a fixed size: a decoder behind the DMA needs a
  transposer beside it, and jobs by length. For {-max(changes):.1f} to {-min(changes):.1f} % of the
  energy of these networks that does not clearly pay.
"""
