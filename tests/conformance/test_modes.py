"""Every mode of the simulator equals golden in every code of every layer of random programs."""

import modes
import numpy as np
import programs
import pytest
import wide_programs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from identical import assert_identical

from adqhw.spec import MacLayer, Threshold, golden
from adqhw.spec.errors import ContractError

SEEDS = st.integers(0, 2**32 - 1)
GENERATORS = {
    "chain": programs.random_program,
    "windows": programs.random_windows,
    "wide": wide_programs.wide_program,
}
BRISK = {"suppress_health_check": list(HealthCheck)}


def check(mode, generator, seed):
    """One random program of three images, one mode."""
    try:
        program = GENERATORS[generator](seed)
    except ContractError:
        assume(False)  # the draw needs more than 32 bits of sum: no program
    images = programs.random_images(program, 3, seed)
    expected = golden.run(program, images, "all")
    assert_identical(expected, modes.run_mode(mode, program, images), program, images, mode)


QUICK = [(m, g) for m in modes.ALL for g in GENERATORS if m not in modes.ORDERS or g != "wide"]
"""The hardware's order is slow on wide programs: those pairs run under make test-all."""


@pytest.mark.parametrize(("mode", "generator"), QUICK)
@settings(max_examples=150, **BRISK)
@given(seed=SEEDS)
def test_random_programs(mode, generator, seed):
    check(mode, generator, seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("generator", GENERATORS)
def test_ten_thousand_random_programs(generator, part):
    """5,000 distinct programs of each generator; every mode that this processor has runs each."""
    done, seed = 0, 1_000_000 * (part + 1)
    while done < 500:
        seed += 1
        try:
            program = GENERATORS[generator](seed)
        except ContractError:
            continue  # more than 32 bits of sum: no program
        images = programs.random_images(program, 3, seed)
        expected = golden.run(program, images, "all")
        for mode in modes.supported_modes():
            if mode not in modes.ORDERS or generator != "wide" or done % 20 == 0:
                found = modes.run_mode(mode, program, images)
                assert_identical(expected, found, program, images, f"{mode}, seed {seed}")
        done += 1


@pytest.mark.parametrize("mode", modes.ALL)
@pytest.mark.parametrize("act_width", [1, 4, 7, 8])
def test_sums_at_their_bounds(mode, act_width):
    """Levels 127 and -128 only, largest codes: where 16-bit partial sums would saturate first."""
    builder = programs.Builder(np.random.default_rng(act_width), (20, 4, 16))
    builder.input_width = act_width
    builder.mac(40, padding=1, stage="requant", out="s32")
    book = wide_programs.extreme_codebook(4)
    plain = builder.layers.pop()
    signs = np.where(np.arange(40) % 2, 1, 3)[:, None, None, None]
    weights = np.broadcast_to(signs, plain.weights.shape).copy()
    weights[20:] = builder.rng.choice([1, 3], weights[20:].shape)
    builder.layers.append(
        MacLayer(
            name="mac0", input="input", weights=weights, weight_width=4, codebook=book,
            padding=1, output=plain.output,
        )
    )  # fmt: skip
    program = builder.build()
    images = programs.random_images(program, 3)
    expected = golden.run(program, images, "all")
    assert_identical(expected, modes.run_mode(mode, program, images), program, images, mode)


@pytest.mark.parametrize("mode", modes.ALL)
def test_frozen_kinds(mode):
    program = programs.every_kind(2)
    images = programs.random_images(program, 5, seed=1)
    expected = golden.run(program, images, "all")
    assert_identical(expected, modes.run_mode(mode, program, images), program, images, mode)


def test_generators_reach_what_they_promise():
    """Depthwise, groups, 16-bit levels, s8 residuals, both signs, whole tiles of 8 and 16."""
    layers, widths = [], set()
    for seed in range(150):
        try:
            program = wide_programs.wide_program(seed)
        except ContractError:
            continue
        macs = [layer for layer in program.layers if isinstance(layer, MacLayer)]
        layers += macs
        widths |= {program.tensor_shape(layer.name)[2] for layer in macs}
    assert {8, 16, 32} <= widths
    assert any(x.groups == x.in_channels == x.out_channels > 1 for x in layers)
    assert any(1 < x.groups < x.in_channels for x in layers)
    assert any(np.abs(x.levels).max() > 1 << 14 for x in layers)
    assert any(x.skip is not None and x.skip.channel_offset for x in layers)
    signs = {int(s) for x in layers if isinstance(x.output, Threshold) for s in x.output.sign}
    assert signs == {-1, 1}
