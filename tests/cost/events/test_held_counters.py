"""Events of arrays that hold weights against the RTL: counts equal those of the machine's signals.

The counters (`tests/support/hardware/held_counters.py`) are samples of enables, handshakes and
registers; the model's counts are closed forms. They meet here layer by layer, in numbers of bits.
"""

from collections import Counter

import pytest
from event_bits import (
    compared,
    every_layer,
    has_factor,
    moved_layers,
    output_events,
    residual_of,
    stages,
    tree_bits,
)
from held_counters import counted
from programs import random_images

from adqhw.cost.estimate.estimate import estimate, measure
from adqhw.cost.technology.technology import load
from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.shared_table import product_width
from adqhw.rtl.lanes.shift_codebook import entry_layout
from adqhw.rtl.networks.unsigned import as_unsigned
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.timing.schedule import layer_schedule
from adqhw.rtl.timing.tables import codebook_of
from adqhw.spec import Program, Threshold
from adqhw.spec.layers import MacLayer, PoolLayer
from adqhw.spec.program import INPUT


def by_counters(program: Program, layer, arch: Arch, passes: list[Counter]) -> dict[str, float]:
    """Every event of a layer from its passes' counters, in bits."""
    t = sum(passes, Counter())
    source = program.tensor_format(layer.input).width
    reads = t["read"] * program.tensor_format(residual_of(layer)).width
    found = {
        "activation_read_bit": (t["feed"] * source + reads) * arch.rows,
        "activation_write_bit": t["codes_stored"] * program.tensor_format(layer.name).width,
        "weight_read_bit": t["weight_planes"] * arch.rows * arch.port_columns,
        "codebook_register_bit": t["codebook"] * getattr(layer, "level_width", 0),
        "parameter_read_bit": parameter_bits(layer, arch, t),
        **output_events(program, layer, t["converted"]),
    }
    found["table_read_bit"] = found["codebook_register_bit"]
    if layer.output is None:
        found["compare_bit"] = compared(program, layer, arch, passes) * source
    if arch.micro == "product_table":
        built = t["built"] * product_width(arch) << arch.weight_width
        found |= {"table_build_add_bit": built, "table_build_register_bit": 2 * built}
    if t["beat"]:
        found |= array_events(program, layer, arch, passes)
    return found


def parameter_bits(layer, arch: Arch, t: Counter) -> float:
    """Rows of the memory of the layer's own parameters; its chained thresholds' are theirs."""
    threshold = isinstance(layer.output, Threshold)
    rows = t["threshold_rows"] if threshold else t["requant_rows"]
    row = 1 + arch.thresholds * arch.tau_width
    if not threshold:
        row = arch.requant.multiplier_width + arch.requant.bias_width
    return rows * arch.out_lanes * row


def array_events(program: Program, layer, arch: Arch, passes: list[Counter]) -> dict[str, float]:
    t = sum(passes, Counter())
    act, acc = program.tensor_format(layer.input).width, arch.acc_width
    fields = t["fields"] * arch.port_columns * arch.rows
    held, sums = arch.lanes.held_width(arch), arch.cols * acc
    memories = 2 if arch.micro == "shift_add" else 1
    begun = t["adds"] - t["restarts"]
    found = {
        "station_register_bit": fields * held,
        "level_register_bit": t["word"] * arch.rows * arch.cols * held,
        "operand_register_bit": t["beat"] * arch.rows * act,
        "sums_write_bit": (t["adds"] * memories + t["combined"]) * sums,
        "sums_read_bit": (begun * memories + t["sums"]) * sums,
    }
    if codebook_of(arch, layer) is not None and arch.micro != "product_table":
        entry = entry_layout(arch).size if arch.micro == "shift_add" else arch.level_width
        found["lookup_mux_bit"] = fields * ((1 << layer.weight_width) - 1) * entry
    return found | lane_events(program, layer, arch, passes)


def lane_events(program: Program, layer, arch: Arch, passes: list[Counter]) -> dict[str, float]:
    t = sum(passes, Counter())
    act, acc = program.tensor_format(layer.input).width, arch.acc_width
    pool, coded = isinstance(layer, PoolLayer), codebook_of(arch, layer) is not None
    level = (1 if arch.lanes.single_cycle else 2) if pool else arch.level_width
    work = layer_schedule(arch, program, layer)
    added = sum(p["adds"] * p["outputs"] / p["sums"] for p in passes)  # of used columns
    active = t["live"] if pool else t["active"]
    trees = 1 + (arch.micro == "shift_add" and coded and has_factor(layer) > 0)
    term = act + level
    found = {"accumulate_bit": added * acc * trees}
    match arch.micro:
        case "decode" | "uniform":
            found["multiply_bit2"] = active * act * level
            found["multiply_zero_act_bit2"] = (t["live"] - active) * act * level
        case "bit_serial":
            term = level
            found["and_bit"] = t["live"] * level
            found["shift_mux_bit"] = added * stages(act) * acc
        case "product_table":
            term, words = product_width(arch), 1 << min(4, arch.act_width)
            codes = 1 << (layer.weight_width if coded else arch.weight_width)
            working = t["beat"] * work.beat_cycles
            found["word_mux_bit"] = working * arch.rows * (words - 1) * codes * term
            found["product_mux_bit"] = t["live"] * (codes - 1) * term
            found["shift_mux_bit"] = added * stages(work.beat_cycles) * acc
        case "shift_add":
            found["shift_mux_bit"] = t["live"] * (stages(level) + 1) * term
            found["combine_add_bit"] = found["combine_register_bit"] = t["outputs"] * acc
            if trees > 1:
                found["multiply_bit2"] = t["outputs"] * has_factor(layer).bit_length() * acc
    lanes = {n[1]: count for n, count in t.items() if isinstance(n, tuple)}
    bits = sum(count * tree_bits(n, term, acc) for n, count in lanes.items())
    return found | {"tree_add_bit": bits * trees}


NOT_BY_LAYER = (
    "weight_load_bit", "parameter_write_bit", "dram_weight_bit", "dram_map_bit", "clock_bit",
)  # fmt: skip
"""Of a load of the network, or checked apart."""


def every_lane_counts(layer) -> bool:
    """No level is 0, so that lanes that have a weight are those that are not 0."""
    return not isinstance(layer, MacLayer) or bool(layer.levels.all())


def check(program: Program, arch: Arch) -> None:
    images = random_images(program, 1)
    counters = counted(program, images[0], arch)
    result = estimate(program, arch, load("unit"), activity=measure(program, images))
    wrong = []
    for number, estimated in enumerate(result.layers):
        layer, passes = program.layers[number], list(counters[estimated.name])
        wanted = by_counters(program, layer, arch, passes)
        if number == 0:  # the image comes in before it
            t = counters[INPUT][0]
            wanted["activation_write_bit"] += t["codes_stored"] * program.input_format.width
            for name, times in (("table_build_add_bit", 1), ("table_build_register_bit", 2)):
                built = t["built"] * product_width(arch) << arch.weight_width
                wanted[name] = wanted.get(name, 0) + times * built
        left = {*NOT_BY_LAYER, *(() if every_lane_counts(layer) else ("tree_add_bit",))}
        wrong += [
            f"{layer.name} ({layer.kind}): {name} {count}, RTL {wanted.get(name, 0)}"
            for name, count in estimated.events.counts.items()
            if name not in left and count != pytest.approx(wanted.get(name, 0), rel=1e-12)
        ]
    assert not wrong
    assert_network(program, arch, result, counters)


def assert_network(program: Program, arch: Arch, result, counters) -> None:
    """Cycles of all passes, codes in and out, and the rows that a load of the network writes."""
    busy = sum(t["busy"] for passes in counters.values() for t in passes)
    assert busy == result.cycles + result.input_cycles
    events = [layer.events.counts for layer in result.layers]
    plan = check_storage(arch, program)
    targets = Counter(target for target, _, _ in memory_image(arch, plan))
    planes = sum(entry.planes for entry in plan.passes)
    levels = sum(x.level_width * len(x.codebook.levels) for x in program.layers
                 if codebook_of(arch, x) is not None)  # fmt: skip
    loaded = sum(e["weight_load_bit"] for e in events) - levels
    assert loaded == planes * arch.rows * arch.port_columns
    rows = targets[Target.THRESHOLDS] * (1 + arch.thresholds * arch.tau_width)
    rows += targets[Target.REQUANTS] * (arch.requant.multiplier_width + arch.requant.bias_width)
    assert sum(e["parameter_write_bit"] for e in events) == rows * arch.out_lanes


SMALL = {"rows": 4, "cols": 2, "hold": 3, "fill": 2, "out_lanes": 2}


def test_every_event_is_a_counter_of_the_machine():
    program = every_layer(ungated=True)
    check(program, narrowest(program, **SMALL))


@pytest.mark.slow
def test_events_of_moved_codes_are_counters_of_the_machine():
    program, _ = as_unsigned(moved_layers())
    check(program, narrowest(program, **SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("micro", ["decode", "uniform", "bit_serial", "product_table", "shift_add"])
@pytest.mark.parametrize(
    "size",
    [
        {"rows": 4, "cols": 4, "hold": 4, "fill": 2, "out_lanes": 2},
        {"rows": 3, "cols": 3, "hold": 7, "fill": 1, "out_lanes": 1},
        {"rows": 2, "cols": 4, "hold": 2, "fill": 2, "out_lanes": 2},
    ],
)
def test_every_event_is_a_counter_of_the_machine_everywhere(micro, size):
    program = every_layer(shifts=micro == "shift_add", ungated=True)
    check(program, narrowest(program, micro=micro, **size))
