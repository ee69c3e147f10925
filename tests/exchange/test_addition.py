"""Additions equal their tables for every pair of codes, also where operands are no lines."""

import numpy as np
import pytest

from adqhw.exchange.addition import Summed, exact_addition, nearest_line
from adqhw.exchange.draft import Draft
from adqhw.exchange.imported import Quantization
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat

U8, S8 = IntFormat(width=8), IntFormat(width=8, signed=True)
A, B = (x.ravel() for x in np.meshgrid(np.arange(256), np.arange(256), indexing="ij"))


def away(product, shift):
    return np.sign(product) * ((np.abs(product) + (1 << (shift - 1))) >> shift)


@pytest.mark.parametrize("seed", range(6))
def test_every_pair_is_equal(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1 << 14, 1 << 18, 2)
    zero_a, zero_b, zero = rng.integers(0, 256, 3)

    def function(a, b):
        return np.clip(away(m * (a - zero_a) + n * (b - zero_b), 17) + zero, 0, 255)

    found = exact_addition(function, U8, U8, U8)
    assert found is not None
    assert (found.apply(A[None], B[None])[0] == function(A, B)).all()


@pytest.mark.parametrize("code", [0, 77, 255])
def test_a_constant_sum_is_a_requant(code):
    found = exact_addition(lambda a, b: np.full_like(a + b, code), U8, U8, U8)
    assert found is not None
    assert (found.apply(A[None], B[None]) == code).all()


def test_a_product_is_no_addition():
    assert exact_addition(lambda a, b: a * b >> 8, U8, U8, U8) is None


def test_nearest_line_says_what_it_lacks():
    codes = np.arange(256)

    def halves(x):
        return away(x << 10, 1) + (x == 100)

    line, lacks = nearest_line(halves, U8, -128)
    assert (line.apply(codes[None])[0] + lacks == halves(codes - 128)).all()
    assert np.abs(lacks).max() <= 2


def summed_program(first, second):
    """The sum of two 8-bit tensors, each an 8-bit copy of the input, and its function."""
    draft = Draft(dialect="test", channels_last=False, rounding="away")
    plain = Quantization(format=U8, scale=1.0, zero_point=0)
    a = draft.input((1, 1, 256), plain)
    draft.is_file_tensor(a, "a", (1, 1, 256))
    b = draft.elementwise("b", a, lambda x: 255 - x, plain)
    function = Summed(first=first, second=second, total=lambda s: np.clip(away(s, 3) + 100, 0, 255))
    draft.is_file_tensor(draft.add("sum", a, b, function, plain), "sum", (1, 1, 256))
    return draft, function


def test_operands_that_are_no_lines_are_corrected():
    """Halves of both signs go away from zero in one operand, and the total's cannot follow."""

    def first(x):
        return (x - 128) * 3 + 2 * ((x == 3) | (x == 9) | (x == 200))

    draft, function = summed_program(first, lambda y: (y - 77) * 5)
    with pytest.raises(InputError, match="plane"):
        draft.add("x", *_codes(draft), lambda a, b: function(a, b), _plain())
    program = draft.finish(list(draft._shapes.values())[-1]).program
    x = np.arange(256)[None, None, None]
    got = golden.run(program, x, "all").tensors["sum"]
    assert (got[0, 0, 0] == function(x.ravel(), 255 - x.ravel())).all()
    assert len(program.layers) > 4


def _codes(draft):
    shapes = list(draft._shapes.values())
    return shapes[0], shapes[1]


def _plain():
    return Quantization(format=U8, scale=1.0, zero_point=0)
