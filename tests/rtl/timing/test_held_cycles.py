"""Cycle model of arrays that hold weights: against descriptors whose groups are simulated."""

import numpy as np
import pytest
from general_nets import general_net
from held_pace import simulated
from held_sizes import held_size
from places import ROOT
from programs import every_kind, second_version
from random_nets import random_net

from adqhw.cost.estimate.points import Points
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.descriptor import PassKind
from adqhw.rtl.networks.plans import Pass
from adqhw.rtl.program.fit import check_storage, narrowest, narrowest_lanes
from adqhw.rtl.timing import held_timing as t
from adqhw.rtl.timing.group_pace import Group
from adqhw.rtl.timing.losses import LOST, layer_losses, total_losses
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.schedule import Schedule
from adqhw.spec import Program
from adqhw.spec.program_file import load

ZOO = load(ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors")
TYPICAL = {"rows": 16, "cols": 16, "hold": 16, "fill": 8, "out_lanes": 4}


def chunks_of(arch: Arch, entry: Pass, block: int) -> int:
    """Chunks of a pixel in a block of the walk."""
    walk = entry.word["walk"]
    channels = min(walk["group"], walk["channels"] - block * walk["group"])
    return -(-channels // (1 if walk["narrow"] else arch.out_lanes))


def groups_of(arch: Arch, entry: Pass) -> list[Group]:
    """The groups of an array pass, by its descriptor."""
    feed, groups = entry.word["feed"], []
    words = feed["kernel_height"] * feed["kernel_width"] * feed["channel_blocks"]
    for block in range(feed["blocks"]):
        for number in range(feed["groups"]):
            size = feed["size"] + (number < feed["larger"])
            reads = (number == 0) if feed["constant"] else words
            chunks = chunks_of(arch, entry, block) * size
            groups.append(Group(pixels=size, words=words, reads=int(reads), chunks=chunks))
    return groups


def run_of(arch: Arch, entry: Pass) -> dict[str, int]:
    """Cycles from setup to finished, and events, of a pass by its descriptor."""
    word = entry.word
    walk, stage, feed, fold = word["walk"], word["stage"], word["feed"], word["fold"]
    pixels = walk["height"] * walk["width"]
    results = bool(word.get("to_stream"))
    match entry.kind:
        case PassKind.INPUT:
            names = ("columns", "stride", "padding", "channels", "height", "width", "out_width")
            return {"run": t.fold_cycles(arch, **{name: fold[name] for name in names})}
        case PassKind.MAX_POOL:
            taps = feed["kernel_height"] * feed["kernel_width"]
            return {"run": t.maxima_cycles(arch, pixels * feed["blocks"] * taps)}
        case PassKind.DIRECT:
            chunks = pixels * chunks_of(arch, entry, 0)
            finish = t.stage_finish_cycles(arch, requant=stage["requant"], results=results)
            return {"run": t.STAGE_SETUP_CYCLES + chunks - 1 + finish, "chunks": chunks}
    schedule = word["schedule"]
    beat_cycles = schedule.get("act_digits", 1) * schedule.get("level_digits", 1)
    made = simulated(
        groups_of(arch, entry),
        fill=arch.fill,
        beat_cycles=beat_cycles,
        latency=t.held_array_latency(arch, Schedule(act_digits=beat_cycles)),
        beat=max(t.feed_latency(arch), arch.lanes.build_cycles(arch) + 1),
        station=t.weight_feed_latency(arch) + arch.fill,
        stage=t.STAGE_SETUP_CYCLES,
    )
    chained = bool(stage.get("chained"))
    finish = t.stage_finish_cycles(arch, requant=stage["requant"], chained=chained, results=results)
    return {**made, "run": made["drained"] + finish}


def compare(program: Program, micro: str, **size) -> None:
    arch = narrowest(program, micro=micro, **size)
    plan = check_storage(arch, program)
    models = {model.name: model for model in network_cycles(arch, program)}
    assert set(plan.chains.values()) == {name for name, model in models.items() if not model.passes}
    for name, model in models.items():
        passes = [entry for entry in plan.passes if entry.layer == name]
        runs = [run_of(arch, entry) for entry in passes]
        levels = sum(entry.word.get("codebook_count", 0) for entry in passes)
        cycles = levels + sum(t.HELD_PASS_OVERHEAD - 1 + run["run"] for run in runs)
        assert (model.cycles, model.passes) == (cycles, len(passes)), name
        for field, event in (
            ("beats", "beats"), ("drain_stalls", "drain_stalls"), ("word_stalls", "word_stalls"),
            ("weight_words", "words"), ("chunks", "chunks"),
        ):  # fmt: skip
            assert getattr(model, field) == sum(run.get(event, 0) for run in runs), (name, field)


def test_model_equals_the_simulated_descriptors():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        micro = str(rng.choice(["decode", "uniform", "bit_serial", "product_table"]))
        program = general_net(seed) if seed % 2 else random_net(seed)
        compare(program, micro, **held_size(rng))


@pytest.mark.parametrize("make", [every_kind, second_version])
def test_model_equals_the_simulated_descriptors_of_every_kind_of_layer(make):
    for seed in range(4):
        compare(make(), "decode", **held_size(np.random.default_rng(seed)))


def test_a_resnet_uses_most_of_its_cycles():
    """All layers and the input: 158,402.5 cycles of 256 lanes would be enough for the products."""
    arch = narrowest_lanes(ZOO, **TYPICAL)
    losses = layer_losses(arch, ZOO)
    total = total_losses(losses)
    assert total.cycles == sum(model.cycles for model in network_cycles(arch, ZOO))
    assert total.ideal == sum(ZOO.macs(layer.name) for layer in ZOO.layers) / 256
    assert total.ideal / total.cycles == total.utilization >= 0.9
    for entry in (*losses, total):
        assert entry.ideal + sum(getattr(entry, name) for name in LOST) == entry.cycles
        assert min(getattr(entry, name) for name in LOST) >= 0
    layers = {entry.name: entry for entry in losses}
    assert layers["input"].input == layers["input"].cycles
    assert layers["pool"].moved == layers["pool"].cycles
    assert layers["layer1.0.act1"].cycles == layers["layer1.0.act1"].utilization == 0


def test_many_arrays_at_once_have_the_cycles_of_each():
    program = every_kind()
    base = narrowest_lanes(program, rows=4, cols=4, hold=4, fill=2, out_lanes=2)
    sizes = np.array([(2, 2), (4, 8), (16, 4)])
    points = Points(base, sizes[:, 0], sizes[:, 1], np.ones(3, np.int64))
    together = network_cycles(points.as_arch, program)
    for i, arch in enumerate(points.arrays):
        for one, model in zip(together, network_cycles(arch, program), strict=True):
            for name in ("cycles", "beats", "word_stalls", "chunks"):
                value = getattr(one, name)
                assert np.broadcast_to(value, 3)[i] == getattr(model, name)
