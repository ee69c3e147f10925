"""Break-even: bits that coded weights save, priced, against what their decoder spends.

The decoder of one symbol per cycle, by entries of the technology, of the longest word L and codes
of b bits: 2 L bits of window, clocked and written; a shifter of L bits over ceil(log2(L + 1))
stages; L comparisons with the first word of each length, of 1 to L bits; an addition of b bits and
a table of 2^b entries. Its control and what feeds several decoders are not in it, so it is a lower
bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...cost.estimate.estimate import Estimate
from ...cost.technology.technology import ZERO, Band, Technology
from ...spec.errors import InputError
from .huffman import CodedLayer


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """A program whose coded layers are decoded behind DRAM, or at every read of on-chip memory."""

    program: str
    weights: int
    raw: float
    """Bits per weight, all layers."""
    coded: float
    entropy: float
    longest: int
    """Longest word of a coded layer."""
    saved_bits: float
    """Of all weights once."""
    decoder_pj: Band
    """Mean per symbol of the coded layers."""
    total_pj: Band
    """Of an image, network loaded for it, without coding."""
    dram_pj: Band
    """The part of it in DRAM."""
    behind_dram_pj: float
    """What coding changes in the expected total: saved transfers, and each weight decoded once."""
    read_saved_pj: float
    """Bits not read from the weight memory, per weight."""

    @property
    def share(self) -> float:
        """Change of the expected total, behind DRAM."""
        return self.behind_dram_pj / self.total_pj.expected


def saving(name: str, layers: Sequence[CodedLayer], result: Estimate) -> Saving:
    """The figures of one program; result: its estimate, network from DRAM once per image."""
    technology = result.technology
    weights = sum(layer.weights for layer in layers)
    raw, bits = sum(layer.raw_bits for layer in layers), sum(layer.bits for layer in layers)
    coded = [layer for layer in layers if layer.coded]
    symbols = sum(layer.weights for layer in coded)
    spent = ZERO
    for layer in coded:
        spent += decoder_pj(technology, layer.longest, layer.width) * layer.weights
    saved = raw - bits
    return Saving(
        program=name,
        weights=weights,
        raw=raw / weights,
        coded=bits / weights,
        entropy=sum(layer.entropy * layer.weights for layer in layers) / weights,
        longest=max((layer.longest for layer in coded), default=0),
        saved_bits=saved,
        decoder_pj=spent * (1.0 / symbols) if symbols else ZERO,
        total_pj=result.energy.total,
        dram_pj=result.energy.split["dram"],
        behind_dram_pj=spent.expected - saved * technology["dram"].expected,
        read_saved_pj=saved / symbols * _read_pj(result) if symbols else 0.0,
    )


def decoder_pj(technology: Technology, longest: int, width: int) -> Band:
    """pJ to decode one symbol of a code with words of up to `longest` bits."""
    window = 2 * longest
    overhead = technology["datapath_overhead"]
    stages = longest.bit_length()
    return (
        technology["register"] * window
        + technology["clock"] * window
        + technology["mux"] * (longest * stages + width * ((1 << width) - 1))
        + technology["compare"] * overhead * (longest * (longest + 1) // 2)
        + technology["add"] * overhead * width
    )


def _read_pj(result: Estimate) -> float:
    """pJ of a bit that the weight memory reads."""
    if result.memories is None:
        raise InputError(
            f"Technology must have a memory table, not {result.technology.name!r} without one"
        )
    return result.memories["weights"].read_pj_bit.expected
