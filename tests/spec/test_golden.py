"""The golden interpreter against an oracle of plain Python loops and big integers."""

import math
from fractions import Fraction

import numpy as np
import programs
import pytest

from adqhw.spec import LayerKind, MacLayer, PoolLayer, Threshold, golden
from adqhw.spec.errors import ContractError


def oracle_output(program, layer, maps):
    """One image, one layer, straight from contract.md with Python integers only."""
    source = maps[layer.input]
    channels, height, width = program.tensor_shape(layer.name)
    out = np.zeros((channels, height, width), dtype=object)
    for o, y, x in np.ndindex(channels, height, width):
        if layer.kind is LayerKind.MAX_POOL:
            out[o, y, x] = max(window(layer, source[o], y, x))
            continue
        if layer.kind is LayerKind.CONCAT:
            planes = [plane for name in layer.inputs for plane in maps[name]]
            out[o, y, x] = planes[o][y][x]
            continue
        if layer.kind is LayerKind.UPSAMPLE:
            out[o, y, x] = source[o][y // layer.factor[0]][x // layer.factor[1]]
            continue
        acc = oracle_sum(layer, source, o, y, x)
        stage = layer.output
        if isinstance(stage, Threshold):
            row = o if stage.channels > 1 else 0
            sign = int(stage.sign[row])
            out[o, y, x] = sum(sign * acc >= int(t) for t in stage.tau[row])
            continue
        row = o if stage.channels > 1 else 0
        total = int(stage.multiplier[row]) * acc + int(stage.bias[row])
        skip = getattr(layer, "skip", None)
        if skip is not None:
            c = o - skip.channel_offset
            inside = 0 <= c < len(maps[skip.tensor])
            code = maps[skip.tensor][c][y * skip.stride][x * skip.stride] if inside else 0
            total += stage.skip_multiplier * int(code)
        rounded = math.floor(Fraction(total, 1 << stage.shift) + Fraction(1, 2))
        out[o, y, x] = max(stage.out.min, min(stage.out.max, rounded))
    return out


def window(layer, plane, y, x):
    for i in range(layer.kernel[0]):
        for j in range(layer.kernel[1]):
            row = y * layer.stride[0] + i - layer.padding[0]
            col = x * layer.stride[1] + j - layer.padding[1]
            if 0 <= row < len(plane) and 0 <= col < len(plane[0]):
                yield int(plane[row][col])


def oracle_sum(layer, source, o, y, x):
    if isinstance(layer, PoolLayer):
        return sum(window(layer, source[o], y, x))
    if not isinstance(layer, MacLayer):
        return int(source[o][y][x])
    per_group_in = layer.weights.shape[1]
    group = o // (layer.out_channels // layer.groups)
    acc = 0
    for c, i, j in np.ndindex(*layer.weights.shape[1:]):
        channel = group * per_group_in + c
        row = y * layer.stride[0] + i - layer.padding[0]
        col = x * layer.stride[1] + j - layer.padding[1]
        inside = 0 <= row < source.shape[1] and 0 <= col < source.shape[2]
        code = int(source[channel][row][col]) if inside else int(layer.pad_codes[channel])
        stored = int(layer.weights[o, c, i, j])
        acc += (layer.codebook.levels[stored] if layer.codebook else stored) * code
    return acc


def assert_matches_oracle(program, images):
    result = golden.run(program, images, keep="all")
    for n, image in enumerate(images):
        maps = {"input": image.astype(object)}
        for layer in program.layers:
            maps[layer.name] = oracle_output(program, layer, maps)
            got = result.tensors[layer.name][n]
            np.testing.assert_array_equal(got, maps[layer.name].astype(np.int64), layer.name)
    last = result.tensors[program.layers[-1].name]
    np.testing.assert_array_equal(result.logits, last.reshape(len(last), -1))


def test_every_layer_kind():
    first, second = programs.every_kind(1), programs.second_version(1)
    assert {layer.kind for p in (first, second) for layer in p.layers} == set(LayerKind)
    assert (first.version, second.version) == (1, 2)
    for program in (first, second):
        assert_matches_oracle(program, programs.random_images(program, 2, seed=1))


@pytest.mark.parametrize("seed", range(40))
def test_random_windows(seed):
    program = programs.random_windows(seed)
    assert_matches_oracle(program, programs.random_images(program, 3, seed))


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed):
    program = programs.random_program(seed)
    assert_matches_oracle(program, programs.random_images(program, 3, seed))


def test_grouped_and_depthwise_convolutions():
    builder = programs.Builder(np.random.default_rng(3), (4, 5, 5))
    builder.mac(6, groups=2, padding=1)
    builder.mac(6, groups=6, padding=1, stride=2)
    program = builder.build()
    assert_matches_oracle(program, programs.random_images(program, 2))


def test_wrong_images_are_refused():
    program = programs.every_kind()
    with pytest.raises(ContractError, match=r"Input must be \(N, 3, 9, 9\), not \(1, 9, 9, 3\)"):
        golden.run(program, np.zeros((1, 9, 9, 3), np.uint8))
    with pytest.raises(ContractError, match="not dtype float32"):
        golden.run(program, np.zeros((1, 3, 9, 9), np.float32))
    with pytest.raises(ContractError, match=r"not 256 at index \(0, 0, 0, 0\)"):
        golden.run(program, np.full((1, 3, 9, 9), 256))
    with pytest.raises(ContractError, match="Traced tensor"):
        golden.run(program, np.zeros((1, 3, 9, 9), np.uint8), keep=["nothing"])
    assert golden.run(program, np.zeros((0, 3, 9, 9), np.uint8), keep="all").logits.shape == (0, 10)
