"""The program that the array runs: its codes less the offsets are golden's, in every tensor."""

import numpy as np
import pytest
from general_nets import general_net
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Builder, every_kind, random_images, second_version

from adqhw.rtl.networks.unsigned import as_unsigned
from adqhw.spec import IntFormat, LayerKind, MacLayer, Program, Requant, Skip, golden
from adqhw.spec.errors import InputError
from adqhw.spec.layers import PoolLayer
from adqhw.spec.program import INPUT

S8 = IntFormat(width=8, signed=True)


def check(program: Program) -> dict[str, int]:
    images = random_images(program, 3, seed=5)
    runs, offsets = as_unsigned(program)
    shifted = np.asarray(images, np.int64) + offsets.get(INPUT, 0)
    expected, found = golden.run(program, images, "all"), golden.run(runs, shifted, "all")
    for name, codes in expected.tensors.items():
        mine = np.asarray(found.tensors[name], np.int64) - offsets.get(name, 0)
        np.testing.assert_array_equal(mine, codes, err_msg=name)
    for layer in runs.layers:
        if isinstance(layer, MacLayer) or (isinstance(layer, PoolLayer) and layer.sums):
            assert not runs.tensor_format(layer.input).signed
    assert as_unsigned(runs)[0] is runs
    return dict(offsets)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_codes_less_offsets_are_those_of_the_program(seed):
    check(general_net(seed))


def test_a_program_that_reads_unsigned_codes_is_returned_itself():
    for program in (every_kind(0), every_kind(1)):
        assert as_unsigned(program) == (program, {})


def test_all_tensors_that_share_codes_have_one_offset():
    """A concatenation read by a convolution: its sources too, and what they are pooled from."""
    program = second_version(0)
    offsets = check(program)
    concat = next(layer for layer in program.layers if layer.kind is LayerKind.CONCAT)
    assert {offsets[name] for name in (concat.name, *concat.inputs)} == {128}


def test_codes_outside_a_residual_stay_zero():
    """Of 5 channels, 2 and 3 have a residual: the offset leaves the bias of these alone."""
    b = Builder(np.random.default_rng(2), (3, 4, 4))
    stream = b.mac(2, stage="requant", padding=1, out="s8")
    b.mac(4, stage="requant", padding=1)
    b.mac(5, stage="requant", padding=1, skip=Skip(tensor=stream, channel_offset=2))
    b.layers[-1] = with_one_multiplier(b.layers[-1])
    assert check(b.build()) == {stream: 128}
    runs, _ = as_unsigned(b.build())
    moved = runs.layers[-1].output.bias - b.layers[-1].output.bias
    assert moved.tolist() == [0, 0, *[-128 * b.layers[-1].output.skip_multiplier] * 2, 0]


def with_one_multiplier(layer: MacLayer) -> MacLayer:
    import dataclasses

    shared = dataclasses.replace(
        layer.output, multiplier=layer.output.multiplier[:1], bias=layer.output.bias[:1],
        skip_multiplier=5,
    )  # fmt: skip
    return dataclasses.replace(layer, output=shared)


def one_layer(weights, output, width=8) -> Program:
    layer = MacLayer(
        name="a", input=INPUT, weights=weights, weight_width=16, output=output,
    )  # fmt: skip
    fmt = IntFormat(width=width, signed=True)
    return Program(input_shape=(weights.shape[1], 1, 1), input_format=fmt, layers=(layer,))


def test_sums_that_leave_32_bits_are_refused_with_their_layer():
    """All levels of one sign: -128 * x .. 127 * x fit, 0 .. 255 * x do not."""
    out = Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat(width=32, signed=True))
    weights = np.full((1, 250, 1, 1), 32767)
    assert check(one_layer(weights, out)) == {INPUT: 128}
    weights = np.full((1, 300, 1, 1), 32767)
    with pytest.raises(InputError, match="'a': accumulator must fit 32 bits"):
        as_unsigned(one_layer(weights, out))


def test_a_bias_that_leaves_its_width_is_refused_with_its_layer():
    out = Requant(multiplier=[1], bias=[(1 << 55) - 1], shift=47, out=S8)
    b = one_layer(np.ones((1, 1, 1, 1), int), out)
    reader = MacLayer(
        name="b", input="a", weights=np.ones((1, 1, 1, 1), int), weight_width=2,
        output=Requant(multiplier=[1], bias=[0], shift=0, out=S8),
    )  # fmt: skip
    program = Program(input_shape=b.input_shape, input_format=S8, layers=(*b.layers, reader))
    with pytest.raises(InputError, match="'a': bias must fit s56"):
        as_unsigned(program)
