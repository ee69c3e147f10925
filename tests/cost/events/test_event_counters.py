"""Events against the RTL: the model's counts equal those of the accelerator's signals.

The counters (`tests/support/hardware/rtl_counters.py`) are samples of registers, enables and
handshakes; the model's counts are closed forms. They meet here layer by layer, in numbers of bits.
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
from programs import random_images
from rtl_counters import counted

from adqhw.cost.estimate.estimate import estimate, measure
from adqhw.cost.technology.technology import load
from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import names
from adqhw.rtl.lanes.shared_table import product_width
from adqhw.rtl.lanes.shift_codebook import entry_layout
from adqhw.rtl.networks.unsigned import as_unsigned
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.program.passes import plan
from adqhw.rtl.timing.schedule import layer_schedule
from adqhw.rtl.timing.tables import codebook_of
from adqhw.spec import Program, Threshold
from adqhw.spec.layers import PoolLayer
from adqhw.spec.program import INPUT


def by_counters(program: Program, layer, arch: Arch, passes: list[Counter]) -> dict[str, float]:
    """Every event of a layer from its passes' counters, in bits."""
    t = sum(passes, Counter())
    source = program.tensor_format(layer.input).width
    written = t["codes_stored"] * program.tensor_format(layer.name).width
    reads = t["read"] * program.tensor_format(residual_of(layer)).width
    found = {
        "activation_read_bit": (t["feed"] * source + reads) * arch.rows,
        "activation_write_bit": written,
        "weight_read_bit": t["weight_planes"] * arch.rows * arch.cols,
        # a load of all columns, and a shift of all but the last as each sum leaves
        "drain_register_bit": t["groups"] * arch.cols + t["drained"] * (arch.cols - 1),
        "codebook_register_bit": 0,
        **output_events(program, layer, t["outputs"]),
    }
    found["drain_register_bit"] *= arch.acc_width
    if t["codebook"]:
        found["codebook_register_bit"] = t["codebook"] * layer.level_width
    found["table_read_bit"] = found["codebook_register_bit"]
    if layer.output is None:
        found["compare_bit"] = compared(program, layer, arch, passes) * source
    if arch.micro == "product_table":
        built = t["built"] * product_width(arch) << arch.weight_width
        found |= {"table_build_add_bit": built, "table_build_register_bit": 2 * built}
    if t["groups"]:
        found |= lane_events(program, layer, arch, passes)
    return found


def lane_events(program: Program, layer, arch: Arch, passes: list[Counter]) -> dict[str, float]:
    t = sum(passes, Counter())
    act, acc = program.tensor_format(layer.input).width, arch.acc_width
    pool, coded = isinstance(layer, PoolLayer), codebook_of(arch, layer) is not None
    single, digits = arch.lanes.single_cycle, -(-arch.level_width // arch.digit_width)
    level = (1 if single else 2) if pool else arch.level_width
    work = layer_schedule(arch, program, layer)
    added = sum(p["added"] * p["outputs"] / p["groups"] for p in passes)  # of used columns
    active = t["live"] if pool else t["active"]
    trees = 1 + (arch.micro == "shift_add" and coded and has_factor(layer) > 0)
    found = {
        "accumulate_bit": added * acc * trees,
        "accumulator_register_bit": added * acc * trees,
    }
    if coded and arch.micro in ("decode", "bit_serial", "shift_add"):
        entry = entry_layout(arch).size if arch.micro == "shift_add" else level
        choices = (1 << layer.weight_width) - 1
        found["lookup_mux_bit"] = t["live"] / work.beat_cycles * choices * entry
    term = act + level
    match arch.micro:
        case "uniform" if digits > 1:
            term, bits = act_and_digit(arch), min(level, arch.digit_width)
            found["multiply_bit2"] = active * act * bits
            found["multiply_zero_act_bit2"] = (t["live"] - active) * act * bits
            chosen = (digits - 1) * arch.digit_width + act
            found["shift_mux_bit"] = t["live"] * chosen + added * stages(digits) * acc
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
            found["word_mux_bit"] = t["working"] * arch.rows * (words - 1) * codes * term
            found["product_mux_bit"] = t["live"] * (codes - 1) * term
            found["shift_mux_bit"] = added * stages(work.beat_cycles) * acc
        case "binned":
            term, lanes = arch.bin_width, min(arch.rows, 1 if pool else layer.weights.shape[1])
            left = sum(p["bins_left"] * p["outputs"] / p["groups"] for p in passes)
            moved = (t["binned"] + left * lanes) * term
            bins = max((1 << arch.weight_width) - 1, arch.level_width)
            found |= {"bin_register_bit": moved, "bin_mux_bit": moved * (bins - 1)}
            found["bin_add_bit"] = (t["binned"] if pool else t["binned_active"]) * term
            found["multiply_bit2"] = left * (term + stages(lanes)) * level
            found["tree_add_bit"] = added * tree_bits(lanes, term, acc)
        case "shift_add":
            found["shift_mux_bit"] = t["live"] * (stages(level) + 1) * term
            found["combine_add_bit"] = found["combine_register_bit"] = t["outputs"] * acc
            if trees > 1:
                found["multiply_bit2"] = t["outputs"] * has_factor(layer).bit_length() * acc
    if arch.micro != "binned":
        lanes = {n[1]: count for n, count in t.items() if isinstance(n, tuple)}
        bits = sum(count * tree_bits(n, term, acc) for n, count in lanes.items())
        found["tree_add_bit"] = bits * trees
    return found


def act_and_digit(arch: Arch) -> int:
    """Bits of a product of an activation and a digit, which may have a sign or not."""
    return arch.act_width + arch.digit_width + 1


NOT_BY_LAYER = ("weight_load_bit", "parameter_write_bit", "dram_weight_bit", "dram_map_bit")
"""Of a load of the network, or checked apart."""


def check(rows: int, cols: int, micro: str, *, ungated: bool, **options: int) -> None:
    check_program(every_layer(shifts=micro == "shift_add", ungated=ungated), rows, cols, micro,
                  ungated=ungated, **options)  # fmt: skip


def check_program(
    program: Program, rows: int, cols: int, micro: str, *, ungated: bool, **options: int
) -> None:
    arch = narrowest(program, rows=rows, cols=cols, micro=micro, **options)
    images = random_images(program, 1)
    counters = counted(program, images[0], arch)
    result = estimate(program, arch, load("unit"), activity=measure(program, images))
    wrong = []
    for number, estimated in enumerate(result.layers):
        layer, passes = program.layers[number], list(counters[estimated.name])
        wanted = by_counters(program, layer, arch, passes)
        if number == 0:  # the image comes in before it
            t = counters[INPUT][0]
            width = program.input_format.width
            wanted["activation_write_bit"] += t["codes_stored"] * width
            for name, times in (("table_build_add_bit", 1), ("table_build_register_bit", 2)):
                built = t["built"] * product_width(arch) << arch.weight_width
                wanted[name] = wanted.get(name, 0) + times * built
        wrong += differing(layer, arch, estimated.events.counts, wanted, ungated)
        assert_parameters(layer, arch, estimated.events.counts, passes)
    assert not wrong
    assert_network(program, arch, result, counters)


def differing(layer, arch: Arch, counts, wanted: dict[str, float], ungated: bool) -> list[str]:
    """Events whose counts differ, in words."""
    left = {*NOT_BY_LAYER, "parameter_read_bit", "clock_bit"}
    if not ungated:
        left.add("tree_add_bit")  # gated lanes have a weight too
    if arch.micro == "binned" and codebook_of(arch, layer) is None:
        left.add("bin_add_bit")  # which bits of a level meet a zero is not measured
    return [
        f"{layer.name} ({layer.kind}): {name} {counts[name]}, RTL {wanted.get(name, 0)}"
        for name in counts
        if name not in left and counts[name] != pytest.approx(wanted.get(name, 0), rel=1e-12)
    ]


def assert_parameters(layer, arch: Arch, counts, passes: list[Counter]) -> None:
    """A row per sum; its first may still be held by an idle column of the layer before."""
    t, threshold = sum(passes, Counter()), isinstance(layer.output, Threshold)
    reads = t["threshold_rows"] if threshold else t["requant_rows"]
    sign_and_tau = 1 + arch.thresholds * arch.tau_width
    row = sign_and_tau if threshold else arch.requant.multiplier_width + arch.requant.bias_width
    assert counts["parameter_read_bit"] / row in (reads, reads + 1), layer.name


def assert_network(program: Program, arch: Arch, result, counters) -> None:
    """Cycles of all passes, codes in and out, and the rows that a load of the network writes."""
    busy = sum(t["busy"] for passes in counters.values() for t in passes)
    assert busy == result.cycles + result.input_cycles
    events = [layer.events.counts for layer in result.layers]
    t = sum((t for passes in counters.values() for t in passes), Counter())
    out = t["result"] * program.tensor_format(program.layers[-1].name).width
    ports = t["image"] * program.input_format.width + out
    assert sum(e["dram_map_bit"] for e in events) == ports
    made = plan(arch, program)
    targets = Counter(target for target, _, _ in memory_image(arch, check_storage(arch, program)))
    levels = sum(x.level_width * len(x.codebook.levels) for x in program.layers
                 if codebook_of(arch, x) is not None)  # fmt: skip
    planes = sum(entry.planes for entry in made.passes)
    loaded = sum(e["weight_load_bit"] for e in events) - levels
    assert loaded == planes * arch.rows * arch.cols
    banks = arch.plane_banks
    stored = sum(targets[Target.WEIGHTS + bank] for bank in range(banks))
    assert planes <= stored < planes + banks
    rows = targets[Target.THRESHOLDS] * (1 + arch.thresholds * arch.tau_width)
    rows += targets[Target.REQUANTS] * (arch.requant.multiplier_width + arch.requant.bias_width)
    assert sum(e["parameter_write_bit"] for e in events) == rows


def test_every_event_is_a_counter_of_the_rtl():
    check(4, 2, "decode", ungated=True)


@pytest.mark.parametrize(
    ("rows", "cols"),
    [(4, 2), *(pytest.param(*size, marks=pytest.mark.slow) for size in ((2, 3), (3, 1), (1, 2)))],
)
def test_events_of_moved_codes_are_counters_of_the_rtl(rows, cols):
    """On 4 rows a part of a concatenation is moved by words, two by codes."""
    program = moved_layers()
    runs, offsets = as_unsigned(program)
    assert INPUT not in offsets
    assert offsets[program.layers[0].name] == 8
    check_program(runs, rows, cols, "decode", ungated=False)
    arch = narrowest(program, rows=rows, cols=cols)
    images = random_images(program, 1)
    found = [
        [
            x.events.counts
            for x in estimate(p, arch, load("unit"), activity=measure(p, images)).layers
        ]
        for p in (program, runs)
    ]
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize(
    ("rows", "cols", "ungated"), [(2, 3, True), (4, 2, False), (4, 2, True), (3, 1, True)]
)
def test_every_event_is_a_counter_of_the_rtl_everywhere(micro, rows, cols, ungated):
    check(rows, cols, micro, ungated=ungated)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "cols", "multiply_width"), [(4, 2, 4), (2, 3, 3), (3, 1, 2)])
def test_events_of_narrow_multipliers_are_counters_of_the_rtl(rows, cols, multiply_width):
    check(rows, cols, "uniform", ungated=True, multiply_width=multiply_width)
