"""The lane array by a characterization: standing and moving energy, bars, refusals, the command."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.technology import technology
from adqhw.gates.array.streams import recorded
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model import characterization_file
from adqhw.gates.model.estimate import ArrayModel, array_estimate, fitting, sums_in_memory
from adqhw.gates.model.fit import Fit
from adqhw.gates.model.parts import WIDTHS, Part, terms_of
from adqhw.gates.model.toggles import (
    golden_tensors,
    layer_toggles,
    most_beats_of,
    stream_bytes,
)
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.network_cycles import TensorCycles, network_cycles
from adqhw.rtl.timing.schedule import layer_schedule
from adqhw.spec import InputError, MacLayer
from adqhw.spec.program_file import save

PROGRAM = small_net()
ARCH = narrowest(PROGRAM, rows=4, cols=2)
IMAGES = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)


def fit_of(arch: Arch, **worth: float) -> Fit:
    return Fit(
        library="made up",
        part=Part.ARRAY,
        name=str(arch.micro),
        widths={name: getattr(arch, name) for name in WIDTHS[Part.ARRAY]},
        energy_fj={name: worth.get(name, 0.0) for name in terms_of(Part.ARRAY, arch.micro)},
        area_um2=dict(zip(STRUCTURE, (500.0, 30.0, 200.0, 90.0), strict=True)),
        error_percent=5.0,
        sizes=((4, 2), (8, 8)),
    )


def estimated(arch: Arch, fit: Fit, **options):
    """The estimate of the small network on random images."""
    toggles = layer_toggles(PROGRAM, arch, golden_tensors(PROGRAM, IMAGES), **options)
    return array_estimate(PROGRAM, arch, fit, toggles)


def test_standing_energy_is_that_of_the_layers_cycles():
    found = estimated(ARCH, fit_of(ARCH, array=10.0, lane=2.0))
    cycles = {model.name: model.cycles for model in network_cycles(ARCH, PROGRAM)}
    for layer in found.layers:
        assert layer.cycles == cycles[layer.name]
        assert layer.standing_pj == pytest.approx(cycles[layer.name] * (10 + 2 * 8) / 1000)
        assert layer.energy_pj.expected == layer.standing_pj
        assert layer.energy_pj.low == pytest.approx(0.95 * layer.energy_pj.expected)
        assert layer.energy_pj.high == pytest.approx(1.05 * layer.energy_pj.expected)
    assert found.area_um2 == pytest.approx(500 + 120 + 400 + 720)


def test_the_energy_of_a_layer_by_hand():
    """4 x 2 lanes: 1 + 4 rows x 2 + 2 columns x 3 + 8 lanes x 4 = 47 fJ in each of 10 cycles; 20
    bits of the bus at 5 fJ and 3 of products at 7. Bar: 5 %."""
    worth = {"array": 1.0, "row": 2.0, "column": 3.0, "lane": 4.0, "bus": 5.0, "product": 7.0}
    toggles = dict.fromkeys(TOGGLES, 0.0) | {"bus": 20.0, "product": 3.0}
    model = ArrayModel(
        program=PROGRAM, arch=ARCH, fit=fit_of(ARCH, **worth), toggles={"mac2": toggles}
    )
    timing = TensorCycles(name="mac2", kind="conv", cycles=10)
    cost = model.layer_cost(PROGRAM.layer("mac2"), timing)
    assert (cost.name, cost.cycles) == ("mac2", 10)
    assert cost.standing_pj == pytest.approx(0.470)
    assert cost.energy_pj.expected == pytest.approx(0.470 + 0.100 + 0.021)
    assert cost.energy_pj.low == pytest.approx(0.95 * 0.591)
    assert cost.energy_pj.high == pytest.approx(1.05 * 0.591)
    pool = next(layer for layer in PROGRAM.layers if not isinstance(layer, MacLayer))
    assert model.layer_cost(pool, timing) is None


def test_a_sample_of_a_layer_stands_for_all_of_it():
    """Partial ones are a sum over lanes and beats: a sample comes close to it."""
    fit = fit_of(ARCH, partial=1.0)
    whole = estimated(ARCH, fit, most_beats=10**6).energy_pj.expected
    assert whole > 0
    some = estimated(ARCH, fit, most_beats=500).energy_pj.expected
    assert some == pytest.approx(whole, rel=0.2)


def test_energy_is_linear_in_what_a_toggle_costs():
    once, twice = (estimated(ARCH, fit_of(ARCH, **dict.fromkeys(TOGGLES, c))) for c in (1.0, 2.0))
    assert twice.energy_pj.expected == pytest.approx(2 * once.energy_pj.expected)
    assert once.layers[0].standing_pj == 0


def test_a_program_runs_on_a_wider_array_but_not_on_a_narrower_one():
    wide = fit_of(replace(ARCH, acc_width=ARCH.acc_width + 2))
    arch, fit = fitting(ARCH, {"decode": wide})
    assert arch.acc_width == ARCH.acc_width + 2
    assert estimated(arch, fit).layers
    arch, fit = fitting(ARCH, {"decode": fit_of(replace(ARCH, acc_width=ARCH.acc_width - 1))})
    with pytest.raises(InputError, match="acc_width must be at least"):
        estimated(arch, fit)


@pytest.mark.parametrize("micro", ["decode", "product_table"])
@pytest.mark.parametrize("size", [(4, 2), (64, 64), (16, 1)])
def test_memory_is_asked_for_from_above(micro, size):
    """What NumPy allocates for a layer is below the estimate, by a factor of three at most."""
    arch = narrowest(PROGRAM, rows=size[0], cols=size[1], micro=micro)
    tensors, name = golden_tensors(PROGRAM, IMAGES), "mac2"
    most = most_beats_of(arch, layer_schedule(arch, PROGRAM, PROGRAM.layer(name)).beat_cycles)
    tracemalloc.start()
    arch.lanes.toggles(arch, recorded(arch, PROGRAM, name, tensors, most_beats=most))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    asked = stream_bytes(arch, PROGRAM, name, most)
    assert asked / 3 < taken < asked + 100_000  # Python's own objects


def test_beats_are_fewer_only_on_arrays_of_many_lanes():
    sizes = [(16, 16), (32, 32), (64, 64), (256, 256)]
    archs = [narrowest(PROGRAM, rows=r, cols=c) for r, c in sizes]
    assert [most_beats_of(arch, 1) for arch in archs] == [10_000, 10_000, 2_500, 156]


def test_a_bar_holds_between_the_sizes_that_were_measured():
    fit = fit_of(ARCH)
    for rows, cols, reason in (
        (4, 2, None), (8, 8, None), (6, 3, None), (3, 2, "4 to 8 rows, not 3"),
        (4, 9, "2 to 8 cols, not 9"),
    ):  # fmt: skip
        arch = narrowest(PROGRAM, rows=rows, cols=cols)
        found = fit.untested(arch)
        assert found is None if reason is None else found.endswith(reason)
    assert replace(fit, sizes=()).untested(ARCH).endswith("names no sizes of measured arrays")


def test_another_micro_architecture_is_refused():
    with pytest.raises(InputError, match="Micro must be characterized: decode, not uniform"):
        fitting(replace(ARCH, micro="uniform"), {"decode": fit_of(ARCH)})


HELD = narrowest(PROGRAM, rows=4, cols=2, hold=4, fill=2)


def held_fit(**worth: float) -> Fit:
    """1 fJ per lane and cycle in the sums, 2 in all."""
    energy = dict.fromkeys(terms_of(Part.HELD, "decode"), 0.0)
    return replace(
        fit_of(ARCH), part=Part.HELD, energy_fj=energy | {"lane": 2.0} | worth,
        sums_fj=energy | {"lane": 1.0}, rest_error_percent=7.0,
        kind={"hold": 4, "port_columns": 1},
    )  # fmt: skip


def test_an_array_that_holds_weights_with_its_sums_in_flip_flops_and_in_memories():
    arch, fit = fitting(HELD, {"decode": held_fit(term=3.0)})
    toggles = layer_toggles(PROGRAM, arch, golden_tensors(PROGRAM, IMAGES))
    whole, rest = (array_estimate(PROGRAM, arch, f, toggles) for f in (fit, fit.without_sums()))
    events = estimate(PROGRAM, HELD, technology.load("unit"))
    memories = sums_in_memory(rest, events)
    by_name = {layer.name: layer for layer in events.layers}
    for flops, left, other in zip(whole.layers, rest.layers, memories.layers, strict=True):
        lanes = flops.cycles * 8 / 1000
        assert flops.standing_pj == pytest.approx(2 * lanes)
        assert flops.energy_pj.expected - left.energy_pj.expected == pytest.approx(lanes)
        assert left.energy_pj.high == pytest.approx(1.07 * left.energy_pj.expected)
        parts = by_name[flops.name].energy.parts
        added = parts["sums"].expected + parts["accumulate"].expected
        assert added > 0
        assert other.energy_pj.expected == pytest.approx(left.energy_pj.expected + added)


def test_toggles_of_an_array_that_holds_weights_scale_with_the_layer():
    tensors = golden_tensors(PROGRAM, IMAGES)
    whole = layer_toggles(PROGRAM, HELD, tensors, most_beats=10**6)
    some = layer_toggles(PROGRAM, HELD, tensors, most_beats=300)
    for name, terms in whole.items():
        assert some[name]["term"] == pytest.approx(terms["term"], rel=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hold": 5}, "Arch hold must be 4 as characterized, not 5"),
        ({"fill": 1}, "Arch port_columns must be 1 as characterized, not 2"),
        ({"micro": "uniform"}, r"hold weights \(--hold\): decode, not uniform"),
        ({"micro": "uniform", "multiply_width": 4}, "decode, not uniform_4"),
    ],
)
def test_another_array_that_holds_weights_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        fitting(replace(HELD, **change), {"decode": held_fit()})


def test_estimate_shows_it_and_asks_for_operands(tmp_path, monkeypatch):
    program, images, gates = (tmp_path / n for n in ("p.safetensors", "i.npy", "g.toml"))
    save(PROGRAM, program)
    np.save(images, IMAGES)
    gates.write_text("# made up by the test")
    monkeypatch.setattr(
        characterization_file, "load", lambda path: {"decode": fit_of(ARCH, lane=1.0)}
    )
    words = ["estimate", str(program), "--rows", "4", "--cols", "2", "--gates", str(gates)]
    shown = CliRunner().invoke(app, [*words, "--input", str(images)])
    assert shown.exit_code == 0, shown.output
    assert "lane array by gates" in shown.output
    holding = CliRunner().invoke(app, [*words, "--input", str(images), "--hold", "4"])
    assert holding.exit_code == 2
    assert "characterized for arrays that hold weights (--hold): none is" in holding.output
    monkeypatch.setattr(characterization_file, "load", lambda path: {"decode": held_fit()})
    found = CliRunner().invoke(
        app, [*words, "--input", str(images), "--hold", "4", "--fill", "2", "--json"]
    )
    assert found.exit_code == 0, found.output
    record = json.loads(found.stdout)
    flops, instead = (record[k]["energy_pj"] for k in ("gates", "gates_sums_in_memory"))
    assert flops["expected"] != instead["expected"] > 0
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "Images must be given with --data or --input" in refused.output
