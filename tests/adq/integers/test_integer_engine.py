"""The generic torch runner on layers that the trainer does not make."""

import numpy as np
import pytest
import torch

from adqhw.adq.integers import integer
from adqhw.spec import golden
from adqhw.spec.activation import Threshold
from adqhw.spec.codebook import Codebook
from adqhw.spec.formats import IntFormat
from adqhw.spec.layers import LayerKind, MacLayer, PoolLayer, Skip
from adqhw.spec.program import Program
from adqhw.spec.requant import Requant

U8, S8, S32 = IntFormat(width=8), IntFormat(width=8, signed=True), IntFormat(width=32, signed=True)


def requant(rng, channels, out, **fields):
    return Requant(
        multiplier=rng.integers(-4000, 4000, channels),
        bias=rng.integers(-(1 << 20), 1 << 20, channels),
        out=out,
        **{"shift": 12, **fields},
    )


def mixed_program(seed: int, level_width: int = 8) -> Program:
    """Grouped and strided convolutions, pixel padding, both pools, offset skip, signed map."""
    rng = np.random.default_rng(seed)
    limit = (1 << (level_width - 1)) - 1
    book = Codebook(levels=(0, *rng.integers(-limit, limit, 15).tolist()), width=4)
    reach = limit * 256  # a few products wide, well inside acc_width
    tau = np.sort(rng.integers(-reach, reach, (8, 7)), axis=1)
    layers = (
        MacLayer(
            name="a",
            input="input",
            weights=rng.integers(-128, 128, (8, 4, 3, 3)),
            weight_width=8,
            output=requant(rng, 8, S8, shift=18),
            padding=1,
            pad_codes=rng.integers(0, 256, 4),
        ),
        PoolLayer(name="m", input="a", kind=LayerKind.MAX_POOL, kernel=3, stride=2, padding=2),
        MacLayer(
            name="b",
            input="m",
            weights=rng.integers(0, 16, (8, 4, 3, 2)),
            weight_width=4,
            codebook=book,
            groups=2,
            stride=2,
            padding=2,
            output=Threshold(tau=tau, sign=rng.choice([-1, 1], 8)),
        ),
        MacLayer(
            name="c",
            input="b",
            weights=rng.integers(0, 16, (12, 8, 1, 1)),
            weight_width=4,
            codebook=book,
            output=requant(rng, 12, U8, skip_multiplier=-900),
            skip=Skip(tensor="b", stride=1, channel_offset=3),
        ),
        PoolLayer(
            name="p",
            input="c",
            kind=LayerKind.AVG_POOL,
            kernel=2,
            stride=1,
            output=requant(rng, 1, U8),
        ),
        MacLayer(
            name="d",
            input="p",
            weights=rng.integers(0, 16, (5, 12, 1, 1)),
            weight_width=4,
            codebook=book,
            output=requant(rng, 5, S32, shift=0),
        ),
    )
    return Program(input_shape=(4, 9, 7), input_format=U8, layers=layers)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level_width", [4, 8, 16])
def test_every_tensor_equals_golden(seed, level_width):
    program = mixed_program(seed, level_width)
    images = np.random.default_rng(seed).integers(0, 256, (5, 4, 9, 7))
    expected = golden.run(program, images, keep="all")
    actual = integer.run(program, images, keep="all")
    for name, codes in expected.tensors.items():
        np.testing.assert_array_equal(actual.tensors[name], codes, err_msg=name)
        assert actual.tensors[name].dtype == codes.dtype
    np.testing.assert_array_equal(actual.logits, expected.logits)


def test_extreme_codes_are_exact():
    program = mixed_program(0, 16)
    images = np.stack([np.zeros((4, 9, 7), int), np.full((4, 9, 7), 255)])
    np.testing.assert_array_equal(
        integer.run(program, images).logits, golden.run(program, images).logits
    )


def test_sums_choose_their_float_type():
    cpu = torch.device("cpu")
    assert integer.exact_dtype((-(2**24) + 1, 2**24 - 1), cpu) is torch.float32
    assert integer.exact_dtype((0, 2**24), cpu) is torch.float64
    assert integer.exact_dtype((-(2**24), 0), cpu) is torch.float64


def test_matrix_product_convolution_equals_the_direct_one():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (2, 6, 7, 5), generator=generator).double()
    weight = torch.randint(-99, 99, (4, 3, 3, 2), generator=generator).double()
    direct = torch.nn.functional.conv2d(x, weight, stride=2, padding=1, groups=2)
    assert torch.equal(integer._gemm_convolve(x, weight, (2, 2), (1, 1), 2), direct)
    uneven = torch.nn.functional.conv2d(x, weight, stride=(1, 3), padding=(0, 2), groups=2)
    assert torch.equal(integer._gemm_convolve(x, weight, (1, 3), (0, 2), 2), uneven)


def test_batches_do_not_matter(monkeypatch):
    program = mixed_program(1)
    images = np.random.default_rng(1).integers(0, 256, (7, 4, 9, 7))
    whole = integer.run(program, images)
    monkeypatch.setattr(integer, "BATCH", 3)
    np.testing.assert_array_equal(integer.run(program, images).logits, whole.logits)


def test_no_images_give_no_logits():
    result = integer.run(mixed_program(1), np.zeros((0, 4, 9, 7), int), keep=["p"])
    assert result.logits.shape[0] == 0
    assert result.tensors["p"].shape[0] == 0
