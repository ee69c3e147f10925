"""Which thresholds are computed where their codes are made, and which banks that leaves."""

import numpy as np
import pytest

from adqhw.rtl.networks.regions import BOTH, lifetimes
from adqhw.rtl.planning.placement import place
from adqhw.rtl.timing.chaining import banks_of, chains
from adqhw.spec import IntFormat, LayerKind, MacLayer, PoolLayer, Program, Requant, Skip, Threshold
from adqhw.spec.layers import Layer, ThresholdLayer
from adqhw.spec.program import INPUT

U8 = IntFormat(width=8)


def requant(*, skip: bool = False) -> Requant:
    return Requant(multiplier=[3], bias=[1], shift=3, out=U8, skip_multiplier=5 * skip)


def conv(name: str, source: str, skip: str | None = None) -> MacLayer:
    rng = np.random.default_rng(len(name))
    return MacLayer(
        name=name, input=source, weights=rng.integers(-2, 3, (4, 4, 1, 1)), weight_width=3,
        output=requant(skip=skip is not None), skip=None if skip is None else Skip(tensor=skip),
    )  # fmt: skip


def act(name: str, source: str) -> ThresholdLayer:
    return ThresholdLayer(
        name=name, input=source, output=Threshold(tau=np.array([[1, 2, 3]]), sign=[1])
    )


def add(name: str, one: str, other: str) -> PoolLayer:
    return PoolLayer(
        name=name, input=one, kind=LayerKind.AVG_POOL, kernel=1, stride=1,
        output=requant(skip=True), skip=Skip(tensor=other),
    )  # fmt: skip


def program(*layers: Layer) -> Program:
    return Program(input_shape=(4, 3, 3), input_format=U8, layers=layers)


def test_the_first_reader_of_requantized_sums_is_chained():
    net = program(
        conv("a", INPUT), act("a1", "a"), act("a2", "a"), conv("b", "a1", "a"), act("b1", "b"),
        conv("c", "b1"), act("c1", "c"), conv("d", "c1", "a2"), act("end", "d"),
    )  # fmt: skip
    assert chains(net) == {"a": "a1", "b": "b1", "c": "c1"}  # not the second, not the result
    lives = lifetimes(net, chains(net))
    assert lives["a1"] == (0, 3)  # made with a
    assert "b" not in lives  # thresholded where it is made, for nobody else


def test_the_input_and_codes_that_are_moved_are_not_chained():
    pool = PoolLayer(name="m", input="i1", kind=LayerKind.MAX_POOL, kernel=1, stride=1)
    net = program(act("i1", INPUT), pool, act("m1", "m"), conv("a", "m1"))
    assert chains(net) == {}


def contradiction() -> Program:
    """c1 is read beside m2 and beside c2, which a chain of m2 and c2 would put apart."""
    return program(
        conv("m1", INPUT), act("c1", "m1"), conv("m2", "m1"), act("c2", "m2"),
        add("x", "c1", "m2"), add("y", "c1", "c2"), add("z", "x", "y"),
    )  # fmt: skip


def test_a_chain_that_leaves_no_banks_is_not_made():
    net = contradiction()
    assert banks_of(net, {"m1": "c1", "m2": "c2"}) is None
    assert chains(net) == {"m1": "c1"}


def test_a_tensor_added_to_itself_is_stored_twice_and_not_chained():
    net = program(conv("m", INPUT), act("c", "m"), add("x", "m", "m"), add("y", "x", "c"))
    assert chains(net) == {}
    assert place(net, chains(net), 4).tensors["m"].banks == BOTH


@pytest.mark.parametrize("rows", [2, 4, 8])
def test_tensors_that_are_read_or_written_together_lie_in_different_banks(rows):
    net = contradiction()
    chained = chains(net)
    tensors = place(net, chained, rows).tensors
    for source, target in chained.items():
        assert tensors[source].banks ^ tensors[target].banks == BOTH
    for layer in net.layers:
        if layer.skip is not None:
            one, other = tensors[layer.input].banks, tensors[layer.skip.tensor].banks
            assert one | other == BOTH
    lives = lifetimes(net, chained)
    for name, region in tensors.items():
        for other, taken in tensors.items():
            together = lives[name][1] >= lives[other][0] and lives[other][1] >= lives[name][0]
            if name != other and together and region.banks & taken.banks:
                assert region.end <= taken.base or taken.end <= region.base
