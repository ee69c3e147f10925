"""Break-even of look-up by layer: the price of a weight bit from which a codebook saves energy.

The same program, with the same answers, on two arrays: one stores codes and looks levels up, the
other (`uniform`) stores levels and multiplies them. Per layer and image

    extra = array energy with look-up - array energy of `uniform`
    saved = weight bits that `uniform` reads more
    break-even price = extra / saved                  fJ per weight bit read

Where reading a bit costs more, look-up wins; below 0 it wins even with free memories. Weights are
read again for every output pixel, or group of `hold` pixels; an array that kept them R times as
long would need R times the price, so `price / break-even price` is the reuse from which on look-up
loses. One price is used for both memories, though levels need the larger one: that favours
`uniform`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...cost.technology.technology import BAND_KEYS, Band
from ...rtl.arch.registry import BASELINE
from ...spec.host.markdown import table
from .budgets import LayerCost, Row

COLUMNS = (
    "library", "program", "micro", "pays first: layer (code bits, depth), fJ/bit", "pays last",
    ("memory, fJ/bit", "---:"), ("layers won at low / expected / high", "---:"),
    ("loses from a reuse of", "---:"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerBreakEven:
    """One layer of codes; fJ per weight bit."""

    layer: str
    code_bits: int
    depth: int
    """Beats of a sum: how long the tables are used between two drains."""
    price_fj: Band
    """From the array's bars taken apart: low is the cheapest look-up against the dearest rival."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakEven:
    """A program on one look-up array against `uniform`, in one library."""

    library: str
    program: str
    micro: str
    layers: tuple[LayerBreakEven, ...]
    memory_fj: Band
    """Price of a bit of the weight memory of codes by the technology table."""
    hold: int = 1
    """Pixels that use a read weight."""

    def wins(self, price_fj: float) -> int:
        """Layers in which look-up needs less energy at this price, expected values."""
        return sum(layer.price_fj.expected < price_fj for layer in self.layers)

    @property
    def extremes(self) -> tuple[LayerBreakEven, LayerBreakEven]:
        """The layers with the lowest and the highest break-even price."""
        order = sorted(self.layers, key=lambda layer: layer.price_fj.expected)
        return order[0], order[-1]

    @property
    def reuse(self) -> float | None:
        """Pixels per read weight from which look-up loses in some layer; None: never."""
        last = self.extremes[1].price_fj.expected
        return self.hold * self.memory_fj.expected / last if last > 0 else None


def break_evens(rows: Sequence[Row]) -> list[BreakEven]:
    """Of every row with look-up whose program also has a row on `uniform`."""
    plain = {(r.library, r.program): r for r in rows if r.micro == BASELINE}
    result = []
    for row in rows:
        base = plain.get((row.library, row.program))
        if base is None or row is base or row.weight_bit_fj is None:
            continue
        layers = tuple(_layers(row.layers, base.layers))
        if layers:
            result.append(
                BreakEven(
                    library=row.library, program=row.program, micro=row.micro, layers=layers,
                    memory_fj=row.weight_bit_fj, hold=row.hold,
                )
            )  # fmt: skip
    return result


def _layers(mine: Sequence[LayerCost], theirs: Sequence[LayerCost]) -> Iterator[LayerBreakEven]:
    rivals = {cost.name: cost for cost in theirs}
    for cost in mine:
        other = rivals[cost.name]
        saved = other.weight_bits_read - cost.weight_bits_read
        if cost.code_bits is None or saved <= 0:
            continue
        ours, rival = cost.array_pj, other.array_pj
        price = Band(
            low=1000 * (ours.low - rival.high) / saved,
            expected=1000 * (ours.expected - rival.expected) / saved,
            high=1000 * (ours.high - rival.low) / saved,
        )
        yield LayerBreakEven(
            layer=cost.name, code_bits=cost.code_bits, depth=cost.depth, price_fj=price
        )


def break_even_lines(breaks: Sequence[BreakEven]) -> list[str]:
    """A Markdown table: prices, the memory's, layers won, reuse from which look-up loses."""
    rows = []
    for entry in breaks:
        (first, last), price = entry.extremes, entry.memory_fj
        won = " / ".join(str(entry.wins(getattr(price, key))) for key in BAND_KEYS)
        reuse = "never" if entry.reuse is None else f"{entry.reuse:.1f} pixels"
        rows.append([
            entry.library, entry.program, entry.micro, _said(first), _said(last),
            f"{price.expected:.0f} ({price.low:.0f}-{price.high:.0f})",
            f"{won} of {len(entry.layers)}", reuse,
        ])  # fmt: skip
    return table(COLUMNS, rows)


def _said(layer: LayerBreakEven) -> str:
    price = layer.price_fj
    return (
        f"{layer.layer} ({layer.code_bits}, {layer.depth}): {price.expected:.0f} "
        f"({price.low:.0f} to {price.high:.0f})"
    )
