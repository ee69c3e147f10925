"""The order of the lookup-MAC: beats of one sum, micro-architectures, refusals."""

import faithful
import numpy as np
import programs
import pytest

from adqhw.spec import golden
from adqhw.spec.errors import InputError


@pytest.fixture(scope="module")
def program():
    return programs.every_kind(0, shifts=True)


@pytest.mark.parametrize("order", faithful.ORDERS)
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_beats_end_in_the_sum(program, order, rows):
    images = programs.random_images(program, 3, 1)
    layer = program.layer("mac3")
    source = golden.run(program, images, "all").tensors[layer.input].astype(np.int64)
    expected = golden.accumulate(layer, source)[2, 1, 4, 5]
    found = faithful.beats(
        program, images, "mac3", image=2, channel=1, y=4, x=5, order=order, rows=rows
    )
    blocks = -(-layer.in_channels // rows)
    assert found.codes.shape == (9 * blocks, rows)
    assert found.acc[-1] == expected
    steps = (found.codes * np.array(layer.codebook.levels)[found.weights]).sum(axis=1)
    np.testing.assert_array_equal(np.diff(found.acc, prepend=0), steps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "magic"}, "Order must be one of decode, uniform, binned"),
        ({"rows": 0}, "Rows must be at least 1, not 0"),
        ({"y": 9}, r"Row must be in 0\.\.8, not 9"),
        ({"channel": -1}, r"Channel must be in 0\.\.3, not -1"),
        ({"image": 1}, r"Image must be in 0\.\.0, not 1"),
    ],
)
def test_bad_questions(program, change, message):
    with pytest.raises(InputError, match=message):
        faithful.beats(program, programs.random_images(program, 1), "mac3", **change)


def test_only_mac_layers_have_beats(program):
    with pytest.raises(InputError, match="must be a MAC layer, not 'act2'"):
        faithful.beats(program, programs.random_images(program, 1), "act2")


@pytest.mark.parametrize("order", faithful.ORDERS)
def test_whole_programs_in_every_order(program, order):
    """Layers with and without a codebook; the first one reads wide signed codes in some."""
    images = programs.random_images(program, 3, 5)
    expected = golden.run(program, images).logits
    np.testing.assert_array_equal(faithful.run(program, images, order=order).logits, expected)


@pytest.mark.parametrize("order", faithful.ORDERS)
def test_signed_activations_of_any_width(order):
    builder = programs.Builder(np.random.default_rng(0), (2, 4, 4), shifts=True)
    builder.mac(3, stage="requant", out="s12")
    builder.mac(2, kernel=2, level_width=6, weight_width=3)
    program = builder.build()
    images = programs.random_images(program, 2)
    expected = golden.run(program, images).logits
    np.testing.assert_array_equal(faithful.run(program, images, order=order).logits, expected)


def test_codes_of_any_width():
    builder = programs.Builder(np.random.default_rng(0), (2, 2, 2))
    builder.input_width = 24
    builder.mac(1, kernel=1, level_width=4, weight_width=2)
    program = builder.build()
    images = programs.random_images(program, 1)
    expected = golden.run(program, images).logits
    for order in ("binned", "product_table"):
        np.testing.assert_array_equal(faithful.run(program, images, order=order).logits, expected)


def test_a_codebook_that_is_not_of_the_shift_form_is_refused_by_shift_add():
    program = programs.every_kind(0)
    with pytest.raises(InputError, match=r"must be 0, \+-2\^s, \+-C\*2\^s, one odd C, not \(0, "):
        faithful.run(program, programs.random_images(program, 1), order="shift_add")
