"""Programs: the overflow proof and what is refused."""

from dataclasses import replace

import numpy as np
import programs
import pytest

from adqhw.spec import Codebook, IntFormat, MacLayer, Program, Requant, Skip, Threshold
from adqhw.spec.errors import ContractError

U8 = IntFormat(width=8)
W2, W4 = Codebook(levels=(0, 1), width=2), Codebook(levels=(0, 1), width=4)


def conv(weights, **options):
    """A one-layer program's layer with plain 8-bit levels and an identity requant."""
    out = Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat(width=32, signed=True))
    fields = {"name": "a", "input": "input", "weight_width": 8, "output": out, **options}
    return MacLayer(weights=np.asarray(weights), **fields)


def program(*layers, channels=3, size=1, fmt=U8):
    return Program(input_shape=(channels, size, size), input_format=fmt, layers=layers)


def test_bounds_of_the_contract_example():
    book = Codebook(levels=(0, 127, -90, 5), width=2)
    codes = np.array([1, 2, 3]).reshape(1, 3, 1, 1)
    built = program(conv(codes, codebook=book, weight_width=2), fmt=IntFormat(width=4))
    assert built.acc_bounds("a") == (-1350, 1980)
    assert built.acc_width("a") == 12


def test_bounds_are_reached_and_never_passed():
    rng = np.random.default_rng(0)
    weights = rng.integers(-128, 128, (2, 3, 1, 1))
    built = program(conv(weights))
    low, high = built.acc_bounds("a")
    flat = weights.reshape(2, 3)
    sums = [int(row @ np.where(row > 0, 255, 0)) for row in flat]
    assert high == max(sums)
    assert low == min(int(row @ np.where(row < 0, 255, 0)) for row in flat)


def test_accumulator_that_could_overflow_is_refused_at_its_exact_limit():
    # 127 * 255 = 32385 per term; (2^31 - 1) / 32385 = 66311.09: 66311 terms fit, 66312 do not
    fits = program(conv(np.full((1, 66311, 1, 1), 127)), channels=66311)
    assert fits.acc_width("a") == 32
    with pytest.raises(ContractError, match="Layer 'a': accumulator must fit 32 bits, not 33"):
        program(conv(np.full((1, 66312, 1, 1), 127)), channels=66312)


def test_requant_total_that_could_overflow_is_refused():
    stage = Requant(
        multiplier=[2**23 - 1], bias=[2**55 - 1], shift=0, out=U8, skip_multiplier=2**31 - 1
    )
    wide = IntFormat(width=31)
    layer = conv(np.full((1, 1, 1, 1), 1), output=stage, skip=Skip(tensor="input"))
    with pytest.raises(ContractError, match="requant sum must fit s62"):
        Program(input_shape=(1, 1, 1), input_format=wide, layers=(layer,))


W = np.ones((2, 3, 1, 1), int)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv(W, name=""), "name must be letters"),
        (lambda: program(conv(W, name="input")), "name must be new"),
        (lambda: program(conv(W), conv(W)), "name must be new"),
        (lambda: program(conv(W, input="later")), "made by an earlier layer, not 'later'"),
        (lambda: program(conv(W), channels=4), "input must have 3 channels, not 4"),
        (lambda: program(conv(W, pad_codes=np.array([0, 256, 0]))), "pad_codes must be in 0..255"),
        (lambda: program(conv(np.ones((2, 3, 3, 3), int))), "kernel must fit"),
        (lambda: conv(np.ones((2, 3), int)), "weights must be"),
        (lambda: conv(W * 200), "weight code must fit int8"),
        (lambda: conv(W * 5, weight_width=3), r"weight level must be in -4..3 \(s3\), not 5"),
        (lambda: conv(W, stride=0), "stride must be an integer in 1..65535, not 0"),
        (lambda: conv(W, groups=3), "groups must be >= 1 and divide 2 outputs, not 3"),
        (
            lambda: conv(W * 3, codebook=Codebook(levels=(0, 1), width=2), weight_width=2),
            r"Layer 'a': weight code must be in 0..1 \(its codebook\), not 3 at index \(0, 0, 0, 0",
        ),
        (
            lambda: program(conv(W, output=Threshold(tau=[[1]] * 3, sign=[1] * 3))),
            "1 or 2 channels, not 3",
        ),
        (
            lambda: program(conv(W, output=Threshold(tau=[[1 << 30]], sign=[1]))),
            "threshold must be in",
        ),
        (
            lambda: program(conv(W, skip=Skip(tensor="input", stride=2)), size=3),
            "skip must give a map",
        ),
        (lambda: conv(W, output=Threshold(tau=[[1]], sign=[1]), skip=Skip(tensor="x")), "a skip"),
        (lambda: program(), "must have 1..4096 layers, not 0"),
    ],
)
def test_bad_programs_are_refused(make, message):
    with pytest.raises(ContractError, match=message):
        make()


def test_average_weight_bits_weighs_by_parameters():
    """9 codes of 4 bits and 3 of 2: (36 + 6) / 12; stored levels do not count."""
    wide = conv(np.ones((3, 3, 1, 1)).astype(int), codebook=W4, weight_width=4)
    narrow = conv(np.ones((1, 3, 1, 1)).astype(int), name="b", codebook=W2, weight_width=2)
    stored = conv(np.ones((1, 3, 1, 1)).astype(int), name="c")
    assert program(wide, narrow, stored).average_weight_bits == 3.5
    assert np.isnan(program(stored).average_weight_bits)


def test_digest_changes_with_any_bit_but_not_with_provenance():
    built = programs.every_kind()
    assert replace(built, provenance={"other": 1}).digest == built.digest
    layers = list(built.layers)
    weights = layers[0].weights.copy()
    weights[0, 0, 0, 0] ^= 1
    layers[0] = replace(layers[0], weights=weights)
    assert replace(built, layers=tuple(layers)).digest != built.digest
