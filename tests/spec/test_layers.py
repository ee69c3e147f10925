"""What every layer answers: window, tensors read, output stage."""

import numpy as np

from adqhw.spec.activation import Threshold
from adqhw.spec.codebook import Codebook
from adqhw.spec.formats import IntFormat
from adqhw.spec.layers import LayerKind, MacLayer, PoolLayer, Skip, ThresholdLayer
from adqhw.spec.requant import Requant

ONE = np.ones(1, np.int64)
STAGE = Requant(multiplier=ONE, bias=ONE, shift=0, out=IntFormat(width=8))
READ = Threshold(tau=np.array([[1, 2, 3]]), sign=ONE)
BOOK = Codebook(levels=(0, 1, 0, -1), width=2)
WEIGHTS = np.ones((4, 2, 3, 5), np.int64)


def conv(**fields) -> MacLayer:
    return MacLayer(name="c", input="a", weights=WEIGHTS, weight_width=2, codebook=BOOK, **fields)


def pool(kind: LayerKind, output: Requant | None) -> PoolLayer:
    return PoolLayer(name="p", input="a", kind=kind, kernel=3, stride=2, output=output)


def test_window_and_sums():
    layers = [
        conv(output=READ),
        ThresholdLayer(name="t", input="a", output=READ),
        pool(LayerKind.AVG_POOL, STAGE),
        pool(LayerKind.MAX_POOL, None),
    ]
    assert [layer.taps for layer in layers] == [15, 1, 9, 9]
    assert [layer.sums for layer in layers] == [True, False, True, False]
    assert [layer.requantizes for layer in layers] == [False, False, True, False]
    assert [layer.codebook for layer in layers] == [BOOK, None, None, None]
    assert [layer.reads for layer in layers] == [("a",)] * 4
    assert layers[0].depth == 30


def test_a_residual_is_read_too():
    added = conv(output=STAGE, skip=Skip(tensor="b"))
    assert added.reads == ("a", "b")
    assert added.requantizes
    assert pool(LayerKind.MAX_POOL, None).skip is None


def test_padding_codes_default_to_zero():
    assert conv(output=READ).pad_codes.tolist() == [0, 0]
