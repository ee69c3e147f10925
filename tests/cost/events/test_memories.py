"""Capacity of the activation memory: the definition, position by position, on random networks."""

import pytest
from random_nets import random_net

from adqhw.cost.events.memories import map_bits, peak_live_bits
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.topology import parse_topology
from adqhw.spec.program import Program


def by_definition(program: Program) -> int:
    """At every layer: all maps made before or by it that it or a later one reads, and the answer's.

    A map without a reader is alive while it is made.
    """
    count = len(program.layers)
    born = {layer.name: i for i, layer in enumerate(program.layers)}
    reads: dict[str, list[int]] = {program.layers[-1].name: [count]}
    for i, layer in enumerate(program.layers):
        skip = getattr(layer, "skip", None)
        for name in (layer.input, *([skip.tensor] if skip else [])):
            reads.setdefault(name, []).append(i)
            born.setdefault(name, i)
    return max(
        sum(
            map_bits(program, name)
            for name, start in born.items()
            if start <= i <= max(reads.get(name, [start]))
        )
        for i in range(count)
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_peak_is_that_of_the_definition(seed):
    program = random_net(seed)
    assert peak_live_bits(program) == by_definition(program)


def test_layers_of_a_topology_are_not_connected():
    """4-bit codes: 5 of 7 x 3 in and 11 of 7 x 3 out are the most at once; logits have 32 bits."""
    program = assumed_network(
        parse_topology("L,M,N,K\na,3,4,5\nb,21,11,5\nc,1,2,3", "n"), Assumptions()
    )
    assert peak_live_bits(program) == by_definition(program) == 21 * (5 + 11) * 4
