"""Losses: what the cycles of every layer are spent on, on an array that holds weights."""

from dataclasses import asdict, dataclass, replace

from ...spec.layers import MacLayer
from ...spec.program import INPUT, SizedNetwork
from ..arch.arch import Arch
from .network_cycles import network_cycles
from .schedule import layer_schedule
from .tensor_cycles import TensorCycles

LOST = ("partial", "words", "drain", "latency", "moved", "input")


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Cycles of a layer: `ideal` and what is lost, in all `cycles`.

    ideal: products / (rows * cols), times the cycles of a beat. partial: lanes without a weight,
    where channels are no multiple of rows or cols. words: the array waits for a weight word.
    drain: for free sums. latency: before a pass's first beat and after its last one. moved: passes
    of layers without products. input: the image is stored.
    """

    name: str
    kind: str
    cycles: int
    ideal: float
    partial: float = 0.0
    words: float = 0.0
    drain: float = 0.0
    latency: float = 0.0
    moved: float = 0.0
    input: float = 0.0

    @property
    def utilization(self) -> float:
        """Part of the cycles in which products are useful; 0 without cycles."""
        return self.ideal / self.cycles if self.cycles else 0.0

    def to_dict(self) -> dict[str, float | int | str]:
        return {**asdict(self), "utilization": self.utilization}


def layer_losses(arch: Arch, program: SizedNetwork) -> list[Losses]:
    """The input and every layer, in order."""
    return [_losses(arch, program, entry) for entry in network_cycles(arch, program)]


def total_losses(losses: list[Losses]) -> Losses:
    """All layers and the input together."""
    return Losses(
        name="total",
        kind="",
        cycles=sum(entry.cycles for entry in losses),
        ideal=sum(entry.ideal for entry in losses),
        **{name: sum(getattr(entry, name) for entry in losses) for name in LOST},
    )


def _losses(arch: Arch, program: SizedNetwork, entry: TensorCycles) -> Losses:
    none = Losses(name=entry.name, kind=entry.kind, cycles=entry.cycles, ideal=0.0)
    if entry.name == INPUT:
        return replace(none, input=entry.cycles)
    layer = program.layer(entry.name)
    if not isinstance(layer, MacLayer):
        return replace(none, moved=entry.cycles)
    beat_cycles = layer_schedule(arch, program, layer).beat_cycles
    busy = entry.beats * beat_cycles
    ideal = program.macs(entry.name) * beat_cycles / (arch.rows * arch.cols)
    return replace(
        none,
        ideal=ideal,
        partial=busy - ideal,
        words=entry.word_stalls,
        drain=entry.drain_stalls,
        latency=entry.cycles - busy - entry.word_stalls - entry.drain_stalls,
    )
