"""Events and gates of one lane array: the bar holds the figure, the order and the slope."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from needs import cifar10
from places import ROOT
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.technology.technology import Band, load
from adqhw.flows.images import read_images
from adqhw.gates.model.characterization_file import load as load_fits
from adqhw.gates.model.library import GateLibrary, read_all
from adqhw.rtl.arch.arch import Arch
from adqhw.spec.program_file import load as load_program
from adqhw.studies.gates.event_bars import Bar, bars_of, slope, swaps

GATES = [
    path
    for path in sorted((ROOT / "gates" / "tech").glob("nangate45_typ*.toml"))
    if not {"output", "held", "placed", "3", "4"} & set(path.stem.split("_"))
]
TABLE = load("literature45")
ZOO = sorted((ROOT / "zoo").glob("*.safetensors"))
KNOWN = {("cifar10_resnet20_w2a2_lsq", "decode", size) for size in ("8x8", "16x16")}
"""Plain 2-bit levels extended to 8 bits: the figure by gates is 1 to 5 % above the bar."""


def program(name: str):
    return load_program(ROOT / "zoo" / f"cifar10_resnet20_{name}.safetensors")


def smooth_image() -> np.ndarray:
    """A picture without a data set: waves of all directions, as pixels."""
    y, x = np.mgrid[0:32, 0:32] / 32
    planes = [127.5 + 90 * np.sin(7 * y + k) * np.cos(9 * x - k) for k in range(3)]
    return np.array([planes]).astype(np.uint8)


def test_the_gates_lie_in_the_bars_of_the_events():
    """Two micro-architectures and programs on a generated picture; all of them below."""
    fits = {name: fit for name, fit in load_fits(GATES[0]).items() if name in ("uniform", "decode")}
    library = {"l": GateLibrary(name="l", arrays=fits)}
    four, two = (
        bars_of(name, program(name), library, TABLE, smooth_image(), [(16, 16)], most_beats=300)
        for name in ("w4a4", "w2a2")
    )
    assert {bar.micro for bar in four} == set(fits)
    assert all(bar.inside for bar in (*four, *two))
    assert not list(swaps([*four, *two]))
    for one, other in zip(four, two, strict=True):
        gates, events = slope(one, other)
        assert 0.9 * events.low <= gates <= 1.1 * events.high


@pytest.mark.slow
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_every_zoo_program_lies_in_its_bars(path):
    loaded = load_program(path)
    images = read_images(loaded, data=Path(cifar10()), limit=1).images
    sizes = [(8, 8), (16, 16)]
    found = bars_of(path.stem, loaded, read_all(GATES), TABLE, images, sizes)
    outside = {(bar.program, bar.micro, bar.size) for bar in found if not bar.inside}
    assert outside <= KNOWN
    assert all(abs(bar.off_percent) < 6 for bar in found)
    assert all(swap.undecided for swap in swaps(found))


def test_the_clock_entry_is_what_the_characterizations_say():
    """fJ of a lane whatever it computes, by its flip-flops, at 1.1 V; 0.9 V for the median."""
    each = []
    for path in GATES:
        for micro, fit in load_fits(path).items():
            arch = Arch(rows=16, cols=16, micro=micro, **fit.widths)
            each.append(fit.energy_fj["lane"] / arch.lanes.lane_bits(arch))
    assert len(each) == 6
    clock = TABLE["clock"]
    assert 1000 * clock.high == pytest.approx(max(each), rel=0.01)
    assert 1000 * clock.expected == pytest.approx(np.median(each) * (0.9 / 1.1) ** 2, rel=0.01)
    assert 1000 * clock.low < min(each) * (0.9 / 1.1) ** 2


def bar(micro: str, gates: float, low: float, expected: float, high: float) -> Bar:
    return Bar(
        program="p", library="l", micro=micro, rows=2, cols=2, gates_um2=1.0,
        gates_pj=Band(low=0.9 * gates, expected=gates, high=1.1 * gates),
        events_pj=Band(low=low, expected=expected, high=high), events_um2=Band.exactly(1.0),
    )  # fmt: skip


def test_a_bar_holds_what_lies_in_it():
    assert bar("a", 5, 4, 5, 6).inside
    above = bar("a", 12, 4, 5, 10)
    assert (above.inside, above.touches, round(above.off_percent)) == (False, False, 20)
    assert bar("a", 10.5, 4, 5, 10).touches
    assert bar("a", 2, 4, 5, 10).off_percent == -50


def test_swaps_are_pairs_in_another_order():
    cheap, dear = bar("a", 5, 6, 7, 8), bar("b", 6, 3, 4, 5)
    (swap,) = swaps([cheap, dear])
    assert (swap.cheaper.micro, swap.dearer.micro, swap.undecided) == ("a", "b", False)
    (swap,) = swaps([cheap, bar("b", 6, 3, 4, 9)])
    assert swap.undecided
    assert not list(swaps([cheap, bar("b", 6, 3, 9, 9)]))
    assert not list(swaps([cheap, replace(dear, program="other")]))


def test_the_command_writes_the_page_and_says_what_lies_outside(tmp_path):
    images = tmp_path / "images.npy"
    np.save(images, smooth_image())
    out = tmp_path / "page.md"
    path = ROOT / "zoo" / "cifar10_resnet20_w2a2.safetensors"
    words = ["bench", "bars", str(path), "--gates", str(GATES[2]), "-o", str(out)]
    small = [*words, "--rows-cols", "8x8", "--input", str(images)]
    done = CliRunner().invoke(app, [*small, "--json"])
    assert done.exit_code == 0, done.output
    assert all(entry["inside"] for entry in json.loads(done.stdout)["bars"])
    text = out.read_text()
    assert "**1 of 1** gate figures lie inside their bar." in text
    assert "--rows-cols 8x8" in text
    done = CliRunner().invoke(app, [*small, "--tech", "unit"])  # counts are no joules
    assert done.exit_code == 2
    assert "must have energies" in done.stderr
    table = (resources.files("adqhw.cost.technology") / "tech" / "unit.toml").read_text()
    (tmp_path / "dear.toml").write_text(table.replace("1.0", "2.0"))  # 2 pJ hold nothing
    done = CliRunner().invoke(app, [*small, "--tech", str(tmp_path / "dear.toml")])
    assert done.exit_code == 1
    assert "**0 of 1**" in out.read_text()


@pytest.mark.parametrize("text", ["8", "8x", "x8", "8x8,", "-1x8", "8x8x8", "0x4"])
def test_bad_arrays_are_one_line_and_code_2(text, tmp_path):
    path = ROOT / "zoo" / "cifar10_resnet20_w2a2.safetensors"
    out = tmp_path / "page.md"
    words = ["bench", "bars", str(path), "--gates", str(GATES[0]), "-o", str(out)]
    done = CliRunner().invoke(app, [*words, "--rows-cols", text])
    assert done.exit_code == 2
    assert not out.exists()
