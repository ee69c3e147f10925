"""A requantization for given steps: found where one is known to exist, refused where none is."""

import numpy as np
import pytest

from adqhw.exchange.imported import Quantization
from adqhw.exchange.micro.requants import Ends, Requantization, find_requantization
from adqhw.exchange.steps import find
from adqhw.exchange.tflite.arithmetic import NONE, RELU, RELU6
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat

U8, S8 = IntFormat(width=8), IntFormat(width=8, signed=True)


def ends(scale=0.02, zero=-128, source=0.05):
    single = (float(np.float32(value)) for value in (source, scale))
    first, second = (Quantization(format=S8, scale=value, zero_point=zero) for value in single)
    return Ends(source=first, out=second, offset=-128)


def steps_of(kernel, reach):
    bounds = np.full(len(kernel.bias), -reach), np.full(len(kernel.bias), reach)
    return find(kernel, *bounds, U8, "kernel")


def kernels(seed, activation, zero):
    """Random channels; sums of +-20000 go over all codes, a few, or beyond both ends."""
    rng = np.random.default_rng(seed)
    scales = (0.02 / 0.05 * np.exp(rng.uniform(-8, -3, 6))).astype(np.float32)
    bias = rng.integers(-9000, 9000, 6)
    return Requantization(
        factor=np.array([1, -1] * 3), bias=bias, scales=scales, activation=activation,
        ends=ends(0.02, zero),
    )  # fmt: skip


@pytest.mark.parametrize("zero", [-128, -5, 127])
@pytest.mark.parametrize("activation", [NONE, RELU, RELU6])
@pytest.mark.parametrize("seed", range(3))
def test_steps_of_a_kernel_are_found(seed, activation, zero):
    kernel = kernels(seed, activation, zero)
    wanted = steps_of(kernel, 20000)
    found = find_requantization(wanted, kernel.ends, 127, "Layer 'a'")
    sums = np.arange(-20000, 20001)[None].repeat(6, axis=0)
    np.testing.assert_array_equal(found(sums), kernel(sums))


@pytest.mark.parametrize("code", [0, 1, 100, 255])
def test_a_channel_of_one_code_needs_no_weights(code):
    steps = find(lambda sums: np.full_like(sums, code), np.array([-99]), np.array([99]), U8, "a")
    found = find_requantization(steps, ends(zero=-28), 127, "Layer 'a'")
    assert found.factor[0] == 0
    assert (found(np.arange(-99, 100)[None]) == code).all()


def test_a_multiple_of_the_weights_makes_the_bias_finer():
    """5 s / 16: weights of one have no integer bias for it (levels up to 127), of 18 they have."""

    def code(sums):
        return np.clip((5 * sums + 9) >> 4, 0, 255)

    steps = find(code, np.array([-9]), np.array([2000]), U8, "a")
    with pytest.raises(InputError, match="no TFLite requant"):
        find_requantization(steps, ends(), 127, "Layer 'a'")
    found = find_requantization(steps, ends(), 7, "Layer 'a'")
    assert found.factor[0] > 1
    sums = np.arange(-9, 2001)[None]
    np.testing.assert_array_equal(found(sums), code(sums))


def test_steps_that_are_no_line_are_refused_with_their_channel():
    def bent(sums):
        return np.stack([np.clip(sums[0] // 4, 0, 255), np.clip(sums[1] // 4, 0, 9) * 20])

    steps = find(bent, np.array([-9, -9]), np.array([2000, 2000]), U8, "a")
    with pytest.raises(InputError, match=r"Layer 'a', channel 1: .* no TFLite requant"):
        find_requantization(steps, ends(), 127, "Layer 'a'")
