"""Cycle model: hand-counted layers and invariants; test_engine_cosim compares it with the RTL."""

import numpy as np
import pytest
from programs import Builder, every_kind

from adqhw.cosim.layer.streams import layer_stream
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.cycles import layer_cycles, program_cycles
from adqhw.spec import InputError, LayerKind, golden
from adqhw.spec.program import INPUT, Program


def one_conv(outs: int, *, kernel: int, stage: str) -> Program:
    b = Builder(np.random.default_rng(0), (5, 2, 3))
    b.mac(outs, kernel, stage=stage, padding=kernel // 2)
    return b.build()


def fitted(program: Program, rows: int, cols: int) -> Arch:
    return narrowest(program, rows=rows, cols=cols)


def test_a_layer_counted_by_hand_that_computes_longer_than_it_drains():
    """3x3, 5 -> 4 channels, 2x3 map, 2 x 3 array: depth 9*3 = 27, groups 2*6 = 12, latency 8.

    Groups leave 27 cycles apart: 27 + 11*27 + 8 + 3 - 1 = 334.
    """
    program = one_conv(4, kernel=3, stage="threshold")
    cycles = layer_cycles(fitted(program, 2, 3), program, "mac0")
    assert (cycles.depth, cycles.groups, cycles.beats) == (27, 12, 324)
    assert (cycles.latency, cycles.stall_cycles, cycles.outputs) == (8, 0, 36)
    assert cycles.cycles == 334


def test_a_layer_counted_by_hand_that_waits_for_the_drain():
    """1x1, 5 -> 4 channels, 8 x 4 array: depth 1, groups 6, latency 10, drain 4 per group.

    1 + 5*4 + 10 + 4 - 1 = 34, of which the array waits 5*3.
    """
    program = one_conv(4, kernel=1, stage="requant")
    cycles = layer_cycles(fitted(program, 8, 4), program, "mac0")
    assert (cycles.depth, cycles.groups, cycles.stall_cycles) == (1, 6, 15)
    assert cycles.cycles == 34


def test_a_threshold_layer_takes_a_cycle_per_code():
    b = Builder(np.random.default_rng(0), (5, 2, 3))
    b.read(3)
    program = b.build()
    cycles = layer_cycles(fitted(program, 2, 2), program, "act0")
    assert (cycles.cycles, cycles.beats, cycles.groups) == (30 + 3, 0, 0)


def test_max_pooling_is_refused_by_name():
    program = every_kind()
    arch = fitted(program, 2, 2)
    with pytest.raises(InputError, match=r"Layer 'pool1' .* streaming engine, not max_pool"):
        layer_cycles(arch, program, "pool1")
    with pytest.raises(InputError, match="Layer 'pool1'"):
        program_cycles(arch, program)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3), (7, 2), (16, 16)])
def test_the_streams_have_the_models_beats_and_outputs(rows: int, cols: int):
    program = every_kind()
    arch = fitted(program, rows, cols)
    image = np.zeros((1, *program.input_shape), np.uint8)
    tensors = {INPUT: image, **golden.run(program, image, keep="all").tensors}
    for layer in program.layers:
        if layer.kind is LayerKind.MAX_POOL:
            continue
        stream = layer_stream(arch, program, layer.name, tensors)
        model = layer_cycles(arch, program, layer.name)
        assert (len(stream.groups), stream.depth) == (model.groups, model.depth)
        assert len(stream.positions) == model.outputs
        assert model.cycles >= model.ideal_cycles
        assert model.beats * rows * cols >= program.macs(layer.name)


def test_more_lanes_never_take_more_beats():
    program = every_kind()
    beats = [
        layer_cycles(fitted(program, size, size), program, "mac3").beats for size in (1, 2, 4, 8)
    ]
    assert beats == sorted(beats, reverse=True)
    assert beats[-1] < beats[0]
