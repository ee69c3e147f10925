"""Programs with other bits: what changes, what stays, and what is refused."""

import math

import numpy as np
import pytest
from explorer_pages import net

from adqhw.cost.events.weight_facts import weight_facts
from adqhw.cost.explorer.altered import ALL, Bits, Weights, altered, choosable, parse_bits
from adqhw.spec import InputError
from adqhw.spec.activation import Threshold


def test_bits_that_the_program_has_leave_it_as_it_is():
    program = net(4, 4)
    assert altered(program, Bits()) is program
    assert altered(program, parse_bits("*=4", 4)) is program


def test_only_named_layers_change():
    program = net(4)
    first, *others = choosable(program)
    made = altered(program, parse_bits(f"{first}=2"))
    assert made.layer(first).weight_width == 2
    for name in others:
        assert made.layer(name) is program.layer(name)
    assert made.bounds == program.bounds
    assert made.macs(first) == program.macs(first)


def test_a_layer_of_its_own_goes_before_all():
    first, second, third = choosable(net())
    made = altered(net(), parse_bits(f"*=2,{second}=3p"))
    widths = [made.layer(name).weight_width for name in (first, second, third)]
    assert widths == [2, 3, 2]
    assert made.layer(second).codebook is None
    assert len(made.layer(first).codebook.levels) == 4


@pytest.mark.parametrize("width", [2, 3, 4, 8])
def test_codes_are_equally_frequent(width):
    name = choosable(net(5))[0]
    layer = altered(net(5), Bits(weights={ALL: (width, Weights.CODEBOOK)})).layer(name)
    facts, count = weight_facts(layer), layer.weights.size
    assert facts.zero_fields == facts.zero_levels == count >> width
    levels = np.array(layer.codebook.levels)
    assert levels[0] == 0
    assert len(set(levels.tolist())) == 1 << width
    assert layer.codebook.level_format.width == 8


def test_other_activations_reach_every_threshold_and_what_reads_it():
    program, made = net(4, 4), altered(net(4, 4), Bits(act_width=2))
    for layer, old in zip(made.layers, program.layers, strict=True):
        if isinstance(layer.output, Threshold):
            assert layer.output.tau.shape == (old.output.channels, 3)
            assert made.tensor_format(layer.name).width == 2
        low, high = made.acc_bounds(layer.name)
        was, reads = program.acc_bounds(layer.name), program.tensor_format(layer.input).width
        if reads == 4:  # codes up to 3 instead of 15: a fifth, rounded away from 0
            was = tuple(math.copysign(-(-abs(bound) // 5), bound) for bound in was)
        assert (low, high) == was


def test_plain_weights_have_sums_of_their_levels():
    program = net(4)
    name = choosable(program)[0]
    made = altered(program, parse_bits(f"{name}=4p"))
    wide, narrow = program.acc_bounds(name), made.acc_bounds(name)
    was = program.layer(name).level_width
    assert narrow[1] == -(-wide[1] * 8 // (1 << (was - 1)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be LAYER=WIDTH"),
        ("a", "must be LAYER=WIDTH"),
        ("a=3x", "must be LAYER=WIDTH"),
        ("a=3,a=4", "once, not 'a' twice"),
        ("*=1", "must be in 2..8, not 1"),
        ("*=999", "must be in 2..8, not 999"),
        ("nowhere=3", "whose bits may be chosen"),
        ("mac0=3", "whose bits may be chosen"),
    ],
)
def test_other_texts_are_refused(text, words):
    with pytest.raises(InputError, match=words.replace("*", r"\*")):
        altered(net(), parse_bits(text))


def test_activation_bits_are_checked():
    with pytest.raises(InputError, match=r"Activation bits must be in 1..8, not 9"):
        Bits(act_width=9)
