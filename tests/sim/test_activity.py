"""Activity counts against brute force over every product."""

from collections import Counter

import numpy as np
import programs
import pytest

from adqhw.sim.activity import activity
from adqhw.spec import MacLayer, Threshold, golden


def brute_force(layer, source):
    """Counts over every product of one MAC layer; source (N, C, H, W) codes."""
    top, left, bottom, right = layer.padding
    around = ((0, 0), (top, bottom), (left, right))
    padded = np.stack([
        np.pad(source[:, c], around, constant_values=int(layer.pad_codes[c]))
        for c in range(source.shape[1])
    ], axis=1)  # fmt: skip
    kernel_h, kernel_w = layer.kernel
    down, across = layer.stride
    rows = (padded.shape[2] - kernel_h) // down + 1
    cols = (padded.shape[3] - kernel_w) // across + 1
    counts, by_code = Counter(), Counter()
    per_group = layer.out_channels // layer.groups
    for n, y, x in np.ndindex(len(padded), rows, cols):
        for o, c, i, j in np.ndindex(*layer.weights.shape):
            channel = o // per_group * layer.weights.shape[1] + c
            act = padded[n, channel, y * down + i, x * across + j]
            level = layer.levels[o, c, i, j]
            counts["macs"] += 1
            counts["zero_weight_macs"] += int(level == 0)
            counts["zero_act_macs"] += int(act == 0)
            counts["active_macs"] += int(level != 0 and act != 0)
            offset = 0 if layer.codebook else 1 << (layer.weight_width - 1)
            by_code[int(layer.weights[o, c, i, j]) + offset] += 1
    return counts, by_code


def grouped():
    builder = programs.Builder(np.random.default_rng(5), (4, 4, 4))
    builder.read(2)
    builder.mac(6, groups=2, padding=1, stride=2)
    return builder.build()


@pytest.mark.parametrize("make", [programs.every_kind, programs.second_version, grouped])
def test_counts_equal_brute_force(make):
    program = make()
    images = programs.random_images(program, 2)
    tensors = {**golden.run(program, images, "all").tensors, "input": images}
    for name, found in activity(program, images).items():
        layer = program.layer(name)
        outputs = 2 * int(np.prod(program.tensor_shape(name)))
        stage = layer.output
        compares = outputs * stage.tau.shape[1] if isinstance(stage, Threshold) else 0
        assert (found.outputs, found.threshold_compares) == (outputs, compares)
        assert found.images == 2
        if isinstance(layer, MacLayer):
            counts, by_code = brute_force(layer, tensors[layer.input].astype(np.int64))
            for key, value in counts.items():
                assert getattr(found, key) == value, (name, key)
            assert {k: v for k, v in enumerate(found.macs_by_code) if v} == by_code
            assert sum(found.macs_by_code) == found.macs == 2 * program.macs(name)
            gated = found.zero_weight_macs
            assert found.table_reads == (found.macs - gated if layer.codebook else 0)
