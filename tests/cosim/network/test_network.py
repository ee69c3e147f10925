"""Whole networks on the accelerator: codes, cycles and counters of every layer, exactly."""

import dataclasses
import subprocess
from collections.abc import Sequence
from itertools import count, islice

import numpy as np
import pytest
from general_nets import general_net
from identical import assert_identical
from programs import Builder, every_kind, random_images, second_version
from random_nets import images_of, needed_prefix, random_net
from simulators import usable
from whole_networks import differences

from adqhw.cosim.compare import network_cosim, rtl_engine
from adqhw.cosim.compare.cosimulate import cosimulate
from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cosim.layer.harness import Pressure
from adqhw.cosim.network.files import Trace
from adqhw.cosim.network.network import Case, run_network
from adqhw.cosim.network.trace import layer_traces
from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.registry import micro as micro_of
from adqhw.rtl.arch.registry import names
from adqhw.rtl.layouts.counters import EVENTS
from adqhw.rtl.program.fit import check_storage, covering, narrowest
from adqhw.spec import InputError, LayerKind, Program, Skip, golden
from adqhw.spec.errors import SimulationError

pytestmark = pytest.mark.simulator

FAMILY = [name for name in names() if not micro_of(name).single_cycle]
"""Lookup-MACs whose beats take the cycles of their `Schedule`."""


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """One cache of compiled accelerators for all tests."""
    return tmp_path_factory.mktemp("networks")


def chosen_pressure(number: int) -> Pressure:
    """Every combination of stalls of the image stream and of the results."""
    idle, pause = [(0, 0), (120, 0), (0, 150), (90, 60)][number % 4]
    return Pressure(beat_idle=idle, output_pause=pause, seed=number + 1)


def test_every_kind_from_one_start_to_done(builds):
    program = every_kind()
    arch = narrowest(program, rows=3, cols=5)
    usable("verilator")
    report = cosimulate_network(program, random_images(program, 3), arch, build_dir=builds)
    assert report.passed
    assert report.skipped == []
    assert [layer.name for layer in report.layers] == [layer.name for layer in program.layers]
    for layer in report.layers:
        assert layer.compared == 3 * np.prod(program.tensor_shape(layer.name))


def test_streams_held_back_cost_exactly_the_counted_cycles(builds):
    program = every_kind()
    arch = narrowest(program, rows=3, cols=5)
    cases = [(program, random_images(program, 2))] * 4
    assert not differences(cases, arch, usable("verilator"), builds, pressure=chosen_pressure)


def fuzz(
    seeds: Sequence[int], rows: int, cols: int, micro: str, builds, *more: Program,
    simulator: str = "verilator",
) -> None:  # fmt: skip
    """Random networks and `more` on one build; a failing one is cut to what it needs, written."""
    print(f"seeds {seeds[0]}..{seeds[-1]} on {micro} {rows}x{cols}")
    nets = [*(random_net(seed, shifts=micro == "shift_add") for seed in seeds), *more]
    arch = covering(nets, rows=rows, cols=cols, micro=micro)
    cases = [(net, images_of(net)) for net in nets]
    wrong = differences(cases, arch, usable(simulator), builds, pressure=chosen_pressure)
    if not wrong:
        return
    number, tensor, what = wrong[0]
    small = nets[number] if tensor == "input" else needed_prefix(nets[number], tensor)
    report = cosimulate_network(small, cases[number][1], arch, build_dir=builds)
    where = next((x.failure.folder for x in report.layers if x.failure), "no folder: cycles only")
    seed = nets[number].provenance["seed"]
    raise AssertionError(f"seed {seed}, tensor {tensor}: {what}; {len(wrong)} in all; {where}")


def test_random_networks(builds):
    """With codebooks of up to 8 bits."""
    fuzz(range(1000, 1040), 3, 2, "decode", builds)


def general_cases(seeds: Sequence[int], micro: str = "decode") -> list[Program]:
    """Networks of version 2 of the contract: any windows, signed codes, branches."""
    shifts = micro == "shift_add"
    return [second_version(shifts=shifts), *(general_net(seed, shifts=shifts) for seed in seeds)]


def test_random_networks_of_the_second_version(builds):
    """Codes of the programs, whose signed tensors are unsigned on the array; cycles; stalls."""
    nets = general_cases(range(60, 64))
    arch = covering(nets, rows=2, cols=3, micro="decode")
    cases = [(net, random_images(net, 1)) for net in nets]
    assert not differences(cases, arch, usable("icarus"), builds, pressure=chosen_pressure)


@pytest.mark.slow
@pytest.mark.parametrize(("part", "micro"), list(enumerate(names())))
def test_many_random_networks_of_the_second_version(part, micro, builds):
    """240 in all; on one row, where every concatenation is by words, and on more."""
    rows, cols = [(3, 2), (1, 3), (4, 4), (2, 2), (5, 1), (8, 3)][part]
    nets = general_cases(range(3000 + 40 * part, 3040 + 40 * part), micro)
    arch = covering(nets, rows=rows, cols=cols, micro=micro)
    cases = [(net, random_images(net, 1)) for net in nets]
    assert not differences(cases, arch, usable("verilator"), builds, pressure=chosen_pressure)


def small_codebooks(net: Program) -> bool:
    """At most 32 levels: of 256, bins and tables of the lanes take minutes to compile."""
    return all(layer.weight_width <= 5 for layer in net.mac_layers if layer.codebook is not None)


@pytest.mark.parametrize(
    ("micro", "simulator", "nets", "times"),
    [
        pytest.param(micro, *how, marks=[pytest.mark.slow] * (how[0] == "verilator"))
        for how in (("icarus", 1, 1), ("verilator", 11, 4))
        for micro in FAMILY
    ],
)
def test_the_family_on_every_kind_and_a_few_random_networks(micro, simulator, nets, times, builds):
    """One small build each: every layer kind without and with stalls, and a sample of networks."""
    shifts = micro == "shift_add"
    every = every_kind(shifts=shifts)
    small = (seed for seed in count(1100) if small_codebooks(random_net(seed, shifts=shifts)))
    more = [every] * times
    fuzz(list(islice(small, nets)), 2, 3, micro, builds, *more, simulator=simulator)


@pytest.mark.slow
@pytest.mark.parametrize(("part", "micro"), list(enumerate(names())))
def test_many_random_networks(part, micro, builds):
    """600 in all, 100 on every micro-architecture."""
    rows, cols = [(4, 3), (3, 4), (1, 1), (2, 7), (8, 2), (3, 3)][part]
    fuzz(range(2000 + 100 * part, 2100 + 100 * part), rows, cols, micro, builds)


@pytest.mark.slow
@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (8, 8), (16, 4), (8, 32)])
def test_every_kind_on_every_array(rows, cols, micro, builds):
    """Without stalls and with both streams stalled: every code, every cycle."""
    program = every_kind(1, shifts=micro == "shift_add")
    arch = narrowest(program, rows=rows, cols=cols, micro=micro)
    cases = [(program, random_images(program, 2))] * 4
    assert not differences(cases, arch, usable("verilator"), builds, pressure=chosen_pressure)


def test_a_corrupted_threshold_is_found_in_its_layer_and_reruns(builds, tmp_path, monkeypatch):
    """The first differing layer is the corrupted one; the program itself is right: rerun passes."""
    usable("verilator")
    program = every_kind()
    arch = narrowest(program, rows=3, cols=5)
    row = check_storage(arch, program).tables.parameters["mac6"] + 2

    def corrupted(rows):
        return [(t, r, d ^ 1 if (t, r) == (Target.THRESHOLDS, row) else d) for t, r, d in rows]

    def run(cases, *rest, **options):
        changed = [dataclasses.replace(case, change=corrupted) for case in cases]
        return run_network(changed, *rest, **options)

    monkeypatch.setattr(network_cosim, "run_network", run)
    images = random_images(program, 1)
    report = cosimulate_network(program, images, arch, build_dir=builds, failures=tmp_path)
    failed = [layer for layer in report.layers if layer.mismatches]
    assert failed[0].name == "mac6"
    failure = failed[0].failure
    assert failure.index[0] == 2  # the sign of channel 2 is what bit 0 of its row says
    assert failure.cycle > 0
    done = subprocess.run(
        [f"{failure.folder}/rerun.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "every code equal\n")


def test_memories_that_are_too_small_are_named_with_what_lacks():
    program = every_kind()
    arch = narrowest(program, rows=3, cols=5)
    check_storage(arch, program)
    for field in dataclasses.fields(arch.storage):
        enough = getattr(arch.storage, field.name)
        small = dataclasses.replace(arch.storage, **{field.name: enough - 1})
        with pytest.raises(InputError, match=f"{field.name} must be at least {enough} .* 1 .* too"):
            check_storage(dataclasses.replace(arch, storage=small), program)


def one_layer(kind: str) -> Program:
    b = Builder(np.random.default_rng(5), (3, 4, 4))
    if kind == "max_pool":
        b.pool(LayerKind.MAX_POOL, 2, 2)
    elif kind == "max_pool5":
        b.mac(5, padding=1)
        b.pool(LayerKind.MAX_POOL, 2, 2)
    elif kind == "read":
        b.read(3)
    elif kind == "concat":
        b.mac(3, 1, stage="requant", out="s8")
        b.concat(b.last, b.mac(2, 1, stage="requant", out="s8", source="input"))
        b.mac(2, 1, stage="requant", out="s8")
        b.concat(b.layers[-2].name, b.last)  # signed codes that a sum reads are the result
    elif kind == "bytes":  # 255 thresholds a channel, read by sums
        b.mac(3, act_width=8, padding=1)
        b.mac(2, 1, act_width=8)
    elif kind == "upsample":
        b.mac(3, 1, stage="requant", out="s8")
        b.upsample((1, 2))
    else:
        b.mac(6, groups=3, padding=1)
    return b.build()


LASTS = ["max_pool", "max_pool5", "read", "grouped", "concat", "upsample", "bytes"]
HELD = {"hold": 4, "fill": 2, "out_lanes": 2}


@pytest.mark.parametrize(
    ("last", "held"),
    [
        *((last, {}) for last in LASTS),
        *(pytest.param(last, HELD, marks=pytest.mark.slow) for last in LASTS),
    ],
)
def test_engine_rtl_equals_golden_whatever_comes_last(last, held, builds):
    usable("icarus")
    program = one_layer(last)
    images = random_images(program, 2)
    expected = golden.run(program, images, "all")
    result = rtl_engine.run(
        program, images, "all", rows=2, cols=2, simulator="icarus", build_dir=builds, **held
    )
    assert_identical(expected, result, program, images, "rtl")


def test_a_map_in_both_banks_is_fed_from_the_one_that_its_residual_leaves(builds):
    """The second sum reads a map that is in both banks and a residual that is in the first."""
    b = Builder(np.random.default_rng(5), (3, 4, 4))
    b.mac(3, stage="requant", padding=1)
    first = b.mac(3, stage="requant", padding=1)
    second = b.mac(3, stage="requant", padding=1)
    b.mac(3, stage="requant", padding=1, skip=Skip(tensor=first))
    b.mac(3, stage="requant", padding=1, source=second, skip=Skip(tensor=second))
    program = b.build()
    arch = narrowest(program, rows=2, cols=2)
    placed = check_storage(arch, program).placement.tensors
    assert (placed[first].banks, placed[second].banks) == (1, 3)
    images = random_images(program, 1)
    assert not differences([(program, images)], arch, usable("icarus"), builds)


def test_codes_of_any_format_are_stored_and_read_back(builds):
    """A residual stream of s20: as golden has it, to the last bit."""
    b = Builder(np.random.default_rng(3), (3, 4, 4))
    stream = b.mac(4, stage="requant", weight_width=6, uniform=True, padding=1, out="s20")
    b.read(3)
    b.mac(
        4, weight_width=3, act_width=3, padding=1, stage="requant", out="s20",
        skip=Skip(tensor=stream),
    )  # fmt: skip
    program = b.build()
    arch = narrowest(program, rows=3, cols=2)
    assert arch.storage.code_width == 20
    usable("icarus")
    report = cosimulate_network(
        program, random_images(program, 2), arch, "icarus", build_dir=builds
    )
    assert report.passed


def test_uniform_lanes_take_any_codebook_on_one_build(builds, monkeypatch):
    """They store levels. Two programs on one Arch: nothing is emitted or compiled again."""
    usable("icarus")
    programs = []
    for width in (3, 6):
        b = Builder(np.random.default_rng(width), (3, 4, 4))
        b.mac(4, weight_width=width, padding=1)
        b.mac(2, 4, stage="requant", weight_width=width, out="s32")
        programs.append(b.build())
    arch = covering(programs, rows=2, cols=2, micro="uniform")
    arch = dataclasses.replace(arch, weight_width=2)
    for number, program in enumerate(programs):
        if number:
            monkeypatch.delattr("adqhw.cosim.network.kept_texts.accelerator_texts")
        for layers in (None, ["mac0"]):
            images = random_images(program, 1 + number)
            report = (
                cosimulate(program, images, arch, "icarus", layers, build_dir=builds)
                if layers
                else cosimulate_network(program, images, arch, "icarus", build_dir=builds)
            )
            assert report.passed
            assert (report.build_seconds == 0.0) == (number == 1)


def test_an_undefined_code_is_refused_and_an_unused_lane_is_not():
    """5 channels on 3 lanes: lane 2 of every second word holds no code."""
    program = one_layer("max_pool5")
    arch = narrowest(program, rows=3, cols=2)
    plan = check_storage(arch, program)
    base = plan.placement.tensors["mac0"].base
    writes, results = np.zeros((0, 5), np.int64), np.zeros((0, 2), np.int64)
    totals = np.zeros((0, 1 + len(EVENTS)), np.int64)

    def traced(address, lane):
        undefined = np.array([[1, base + address, lane, 77]])
        return layer_traces(
            arch, plan,
            Trace(writes=writes, undefined=undefined, results=results, totals=totals,
                  finished=True, cycles=0),
        )  # fmt: skip

    traced(1, 2)
    for address, lane in ((1, 1), (0, 2)):
        message = f"Layer 'mac0' must write defined codes, not x in lane {lane} of address"
        with pytest.raises(SimulationError, match=message):
            traced(address, lane)


def test_idle_input_is_counted_as_input_stalls(builds):
    """An image stream that is mostly idle: the input pass counts its stall cycles."""
    simulator = usable("icarus")
    program = one_layer("read")
    arch = narrowest(program, rows=2, cols=2)
    images = random_images(program, 1)
    stuck = Case(program=program, images=images, pressure=Pressure(beat_idle=255, seed=7))
    ((traces,),) = run_network([stuck], arch, simulator, builds).cases
    assert traces["input"].events["input_stalls"] > 0
