"""Chaining: read activations computed in the passes that make the codes they read.

A layer that requantizes gives two tensors then: its codes, and those of the first threshold layer
that reads them. Both are written in the same cycles, so to different banks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...spec.host.kept import kept
from ...spec.layers import MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, SizedNetwork


@dataclass(eq=False)
class Apart:
    """Tensors in two banks, some of them in different ones: a union of sets, each with a side."""

    parent: dict[str, tuple[str, int]] = field(default_factory=dict)

    def side(self, name: str) -> tuple[str, int]:
        """(set, side) of a tensor: tensors of a set are in the same bank if their sides are."""
        parent, turned = self.parent.get(name, (name, 0))
        if parent == name:
            return name, 0
        root, side = self.side(parent)
        self.parent[name] = root, side ^ turned
        return root, side ^ turned

    def separate(self, one: str, other: str) -> bool:
        """Ask for different banks; False: what was asked before makes it impossible."""
        (root, side), (other_root, other_side) = self.side(one), self.side(other)
        if root == other_root:
            return side != other_side
        self.parent[other_root] = root, side ^ other_side ^ 1
        return True


@kept
def chains(program: SizedNetwork) -> Mapping[str, str]:
    """By layer that requantizes sums, the threshold layer that its passes compute.

    The first reader of each tensor, unless its codes are the result, or banks cannot be given to
    all tensors then: a chained tensor is in one bank, and a residual in another than the input
    beside which it is read.
    """
    found: Mapping[str, str] = {}
    for layer in program.layers[:-1]:
        if not isinstance(layer, ThresholdLayer) or layer.input in found or layer.input == INPUT:
            continue
        source = program.layer(layer.input)
        if isinstance(source, MacLayer | PoolLayer) and source.requantizes:
            tried = {**found, source.name: layer.name}
            if banks_of(program, tried) is not None:
                found = tried
    return found


def banks_of(program: SizedNetwork, chained: Mapping[str, str]) -> Apart | None:
    """What the tensors that must be in one bank ask for; None where it contradicts itself."""
    apart = Apart()
    single = single_banked(program, chained)
    pairs = [pair for pair in chained.items() if set(pair) <= single]
    pairs += [pair for pair in read_together(program) if set(pair) <= single]
    return apart if all(apart.separate(*pair) for pair in pairs) else None


def single_banked(program: SizedNetwork, chained: Mapping[str, str]) -> set[str]:
    """Tensors of chains that write both of theirs."""
    kept = {name for name in chained if is_read(program, name, chained)}
    return kept | {chained[name] for name in kept}


def is_read(program: SizedNetwork, name: str, chained: Mapping[str, str]) -> bool:
    """Whether a pass reads a tensor of a chain: otherwise it is not stored."""
    return any(name in layer.reads and chained.get(name) != layer.name for layer in program.layers)


def read_together(program: SizedNetwork) -> Iterator[tuple[str, str]]:
    """(input, residual) of every layer that adds one."""
    for layer in program.layers:
        if layer.skip is not None:
            yield layer.input, layer.skip.tensor
