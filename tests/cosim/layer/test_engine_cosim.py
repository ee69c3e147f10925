"""Emitted Verilog under cocotb: every layer kind code for code, cycles equal, faults seen."""

import subprocess

import numpy as np
import pytest
from json_records import check
from programs import Builder, every_kind, random_images, random_program
from simulators import quickest, usable

from adqhw.cosim.compare.cosimulate import cosimulate
from adqhw.cosim.layer import runner
from adqhw.cosim.layer.harness import Capacity, Pressure
from adqhw.cosim.layer.streams import layer_stream
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import names
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.cycles import layer_cycles
from adqhw.rtl.verilog import verilog_texts
from adqhw.spec import InputError, LayerKind, Program, golden
from adqhw.spec.program import INPUT

pytestmark = pytest.mark.simulator


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """One cache of compiled arrays for all tests."""
    return tmp_path_factory.mktemp("builds")


def wrong_golden(program: Program, images, keep=()):
    """Golden with one code of layer mac4 off by one, in the second image."""
    result = golden.run(program, images, keep)
    codes = result.tensors["mac4"].copy()
    codes[1, 2, 3, 4] ^= 1
    return type(result)(logits=result.logits, tensors={**result.tensors, "mac4": codes})


@pytest.mark.parametrize(
    ("simulator", "rows", "cols", "micro"),
    [
        ("verilator", 3, 5, "decode"),
        pytest.param("verilator", 2, 2, "uniform", marks=pytest.mark.slow),
        ("icarus", 3, 5, "decode"),
        ("icarus", 3, 5, "uniform"),
        ("icarus", 2, 2, "decode"),
        ("icarus", 1, 1, "decode"),
        ("icarus", 3, 5, "bit_serial"),
        pytest.param("icarus", 3, 5, "product_table", marks=pytest.mark.slow),
        pytest.param("icarus", 3, 5, "binned", marks=pytest.mark.slow),
        pytest.param("icarus", 3, 5, "shift_add", marks=pytest.mark.slow),
    ],
)
def test_every_layer_equals_golden_and_takes_the_models_cycles(
    simulator, rows, cols, micro, builds
):
    usable(simulator)
    program = every_kind(shifts=micro == "shift_add")
    arch = narrowest(program, rows=rows, cols=cols, micro=micro)
    report = cosimulate(program, random_images(program, 3), arch, simulator, build_dir=builds)
    assert report.skipped == ["pool1"]
    assert [layer.name for layer in report.layers] == [
        layer.name for layer in program.layers if layer.kind is not LayerKind.MAX_POOL
    ]
    for layer in report.layers:
        assert layer.mismatches == 0, layer
        assert layer.compared == 3 * np.prod(program.tensor_shape(layer.name))
        assert layer.cycles_rtl == layer.cycles_model, layer
        assert layer.stall_cycles_rtl == layer.stall_cycles_model, layer
    assert report.passed
    check("cosim", {"program": "p", "digest": program.digest, **report.to_dict()})


@pytest.mark.parametrize(
    ("simulator", "micro"),
    [
        ("verilator", "decode"),
        ("icarus", "decode"),
        pytest.param("icarus", "binned", marks=pytest.mark.slow),
    ],
)
def test_outputs_do_not_depend_on_idles_or_back_pressure(simulator, micro, builds, tmp_path):
    program = every_kind(shifts=micro == "shift_add")
    arch = narrowest(program, rows=3, cols=5, micro=micro)
    images = random_images(program, 1)
    tensors = {INPUT: images, **golden.run(program, images, keep="all").tensors}
    names = ["mac0", "act2", "mac4", "mac8", "pool12"]
    streams = [layer_stream(arch, program, name, tensors) for name in names]
    made = runner.build(arch, usable(simulator), Capacity.holding(streams), builds)
    limits = [40 * layer_cycles(arch, program, name).cycles for name in names]
    for beat, skip, pause in ((128, 0, 0), (0, 160, 0), (0, 0, 128), (100, 60, 90)):
        pressure = Pressure(beat_idle=beat, skip_idle=skip, output_pause=pause)
        recordings = runner.run(made, streams, limits, tmp_path, pressure=pressure)
        for name, stream, recording in zip(names, streams, recordings, strict=True):
            actual = stream.collect(recording.codes, program.tensor_shape(name))
            np.testing.assert_array_equal(actual, tensors[name][0], err_msg=name)
            free = layer_cycles(arch, program, name).cycles
            assert recording.cycles >= free
            # it was held back: where beats take several cycles, rare idles may hide behind them
            assert recording.cycles > free or (beat, pause) == (0, 0) or not arch.lanes.single_cycle


def test_grouped_convolutions_and_odd_shapes(builds):
    """Depthwise and grouped layers, strides and kernels that do not divide the array."""
    simulator = quickest()
    b = Builder(np.random.default_rng(4), (4, 5, 7))
    b.mac(4, 3, weight_width=3, groups=4, padding=1)
    b.mac(6, 2, stage="requant", groups=2, stride=2)
    b.pool(LayerKind.AVG_POOL, 2, 1)
    program = b.build()
    arch = narrowest(program, rows=3, cols=2)
    report = cosimulate(program, random_images(program, 2), arch, simulator, build_dir=builds)
    assert report.passed
    assert report.mismatches == 0


@pytest.mark.parametrize("seed", [0, 1, 2, 7, 9])  # 1: levels all 0 (rtl/verilog_text.py)
def test_random_programs_on_random_arrays(seed, tmp_path):
    simulator = quickest()
    program, rng = random_program(seed, shifts=True), np.random.default_rng(seed)
    rows, cols = (int(size) for size in rng.integers(1, 7, 2))
    arch = narrowest(program, rows=rows, cols=cols, micro=rng.choice(names()))
    images = random_images(program, 3, seed)
    assert cosimulate(program, images, arch, simulator, build_dir=tmp_path).passed


def test_a_differing_code_is_located_and_can_be_rerun(builds, tmp_path):
    simulator = quickest()
    program = every_kind()
    arch = narrowest(program, rows=2, cols=2)
    report = cosimulate(
        program,
        random_images(program, 3),
        arch,
        simulator,
        ["mac3", "mac4"],
        build_dir=builds,
        failures=tmp_path,
        reference=wrong_golden,
    )
    good, bad = report.layers
    assert (good.mismatches, good.failure) == (0, None)
    assert (bad.mismatches, bad.failure.index, bad.failure.image) == (1, (2, 3, 4), 1)
    assert abs(bad.failure.expected - bad.failure.actual) == 1
    assert 0 < bad.failure.cycle < bad.cycles_rtl
    assert not report.passed
    done = subprocess.run(
        [f"{bad.failure.folder}/rerun.sh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"expected {bad.failure.expected}, actual {bad.failure.actual}" in done.stdout


FAULTS = {
    "sums never restart": ("adqhw_column.v", "if (restart)", "if (1'b0)"),
    "gated products stay": ("adqhw_column.v", "if (live_0)", "if (1'b1)"),
    "operands not held": ("adqhw_column.v", "if (use_0)", "if (1'b1)"),
    "tie not reached": ("adqhw_engine.v", "$signed(signed_acc) >= ", "$signed(signed_acc) > "),
    "rounds down": ("adqhw_engine.v", "assign half = ", "assign half = 0 & "),
    "slow drain": ("adqhw_engine.v", "$2  & accs__ready", "$2  & 1'b0"),
}
HARMLESS = {"operands not held"}
"""Costs energy, changes no code: the gating of the product."""
TIME_ONLY = {"slow drain"}


def sensitive_program() -> Program:
    """Every code meets its own threshold; a sum of few beats waits for the drain; ties round."""
    b = Builder(np.random.default_rng(6), (4, 8, 8))
    b.read(4)
    b.mac(6, 1, weight_width=2)
    b.mac(4, 1, stage="requant")
    return b.build()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_of_the_verilog_is_seen(fault, builds, tmp_path, monkeypatch):
    simulator = quickest()
    name, old, new = FAULTS[fault]

    def faulty(arch):
        texts = verilog_texts(arch)
        assert old in texts[name]
        return texts | {name: texts[name].replace(old, new)}

    monkeypatch.setattr(runner, "verilog_texts", faulty)
    program = sensitive_program()
    arch = narrowest(program, rows=2, cols=5)
    images = random_images(program, 3)
    report = cosimulate(program, images, arch, simulator, build_dir=builds, failures=tmp_path)
    assert report.passed == (fault in HARMLESS)
    assert (report.mismatches == 0) == (fault in HARMLESS | TIME_ONLY)
    assert bool(list(tmp_path.iterdir())) == (report.mismatches > 0)


def test_a_hanging_engine_is_stopped_and_named(builds, monkeypatch, tmp_path):
    """Sums that never leave the drain: the harness stops after its limit of cycles."""
    simulator = quickest()

    def hanging(arch):
        texts = verilog_texts(arch)
        engine = texts["adqhw_engine.v"]
        assert "assign accs__valid = | left" in engine
        return texts | {
            "adqhw_engine.v": engine.replace(
                "assign accs__valid = | left", "assign accs__valid = 0"
            )
        }

    monkeypatch.setattr(runner, "verilog_texts", hanging)
    program = every_kind()
    arch = narrowest(program, rows=2, cols=2)
    with pytest.raises(RuntimeError, match="Layer 'mac13': the engine must give 10 outputs, not 0"):
        cosimulate(
            program, random_images(program, 1), arch, simulator, ["mac13"], build_dir=tmp_path
        )


def test_a_build_is_made_once(builds):
    simulator = usable(quickest())
    arch = Arch(rows=1, cols=1)
    first = runner.build(arch, simulator, Capacity(), builds)
    again = runner.build(arch, simulator, Capacity(), builds)
    assert first.folder == again.folder
    assert first.seconds > 0
    assert again.seconds == 0
    assert not list(builds.glob("making_*"))


def test_verilog_that_does_not_compile_is_reported_in_one_line(tmp_path, monkeypatch):
    simulator = usable(quickest())
    monkeypatch.setattr(runner, "verilog_texts", lambda arch: {"adqhw_engine.v": "module 3;"})
    with pytest.raises(InputError, match="must compile the engine, not fail") as caught:
        runner.build(Arch(rows=1, cols=1), simulator, Capacity(), tmp_path)
    assert "\n" not in str(caught.value)


def test_unknown_and_missing_layers_are_refused(tmp_path):
    simulator = quickest()
    program = every_kind()
    arch = narrowest(program, rows=2, cols=2)
    images = random_images(program, 1)
    for layers, message in (
        (["mac99"], "mac99"),
        (["pool1"], "on the streaming engine, not max_pool"),
        ([], "at least one layer"),
    ):
        with pytest.raises(InputError, match=message):
            cosimulate(program, images, arch, simulator, layers, build_dir=tmp_path)
    with pytest.raises(InputError, match="at least one image"):
        cosimulate(program, images[:0], arch, simulator, build_dir=tmp_path)
    with pytest.raises(InputError, match="rows"):
        cosimulate(program, images, Arch(rows=0, cols=1), simulator, build_dir=tmp_path)
