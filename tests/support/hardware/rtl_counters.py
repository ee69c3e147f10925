"""Counters on the accelerator's own signals, in Amaranth's simulator, by layer.

Nothing of the cost model is used here: registers, enables and handshakes are sampled at every clock
edge of one image and summed up by the layer whose descriptor is current.
"""

from collections import Counter
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Value
from amaranth.sim import Simulator
from sampling import sampled

from adqhw.rtl.accelerator.accelerator import Accelerator
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.digits import DigitColumn
from adqhw.rtl.lanes.multiplying import MacColumn
from adqhw.rtl.layouts.descriptor import PassKind
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.program.image import memory_image
from adqhw.spec import Program, golden
from adqhw.spec.program import INPUT


class Probe:
    """The signals that are sampled, by name."""

    def __init__(self, dut: Accelerator) -> None:
        engine, feeder, memory = dut.engine, dut.feeder, dut.memory
        array, drain = engine.array, engine.drain
        control = array.registers["control"]
        column, descriptor = array.columns[0], dut.sequencer.descriptor
        self.signals: dict[str, Value] = {
            "layer": descriptor.layer,
            "kind": descriptor.kind,
            "busy": dut.busy,
            "image": dut.image.valid & dut.image.ready,
            "result": dut.result.valid & dut.result.ready,
            "result_code": dut.result.payload.code,
            "beat": engine.beat.valid & engine.beat.ready,
            "weight_planes": _ones(feeder.weights.reading),
            "feed": memory.feed_enable,
            "read": memory.read_enable,
            "written": dut.writer.step & dut.writer.inside,
            "write_lanes": memory.write_lanes,
            "write_banks": memory.write_banks,
            "maxima": dut.pool.beats.valid,
            "advance": control.advance,
            "add": column.add,
            "groups": drain.sums.valid & drain.sums.ready,
            "drained": drain.accs.valid & drain.accs.ready,
            "threshold_rows": engine.threshold_unit.registers["reading"],
            "requant_rows": engine.requant_unit.registers["reading"],
            "codebook": dut.sequencer.codebook.valid,
            "setup": dut.sequencer.setup,
            "built": control.built,
            "live": Cat(live for each in array.columns for live in each.live),
        }
        steps = array.registers.get("steps")
        if steps is not None:
            self.signals |= {"working": steps.working, "final": steps.final}
        if isinstance(column, MacColumn | DigitColumn):
            lanes = [
                live & operand.any() & level.any() & self.signals.get("working", 1)
                for each in array.columns
                for live, operand, level in zip(each.live, each.operands, each.levels, strict=True)
            ]
            self.signals["active"] = Cat(*lanes)
        if array.arch.micro == "binned":
            adding = _binning(array)
            moved = [operand.any() for each in array.columns for operand in each.operands]
            self.signals["binned"] = Cat(*adding)
            self.signals["binned_active"] = Cat(
                *(flag & any_bit for flag, any_bit in zip(adding, moved, strict=True))
            )


def _ones(flags: list[Value]) -> Value:
    return sum(flags[1:], start=flags[0])


def _binning(array: Any) -> list[Value]:
    """Lanes that add to a bin while a digit is at work."""
    digit = array.registers["steps"].level_digit
    return [
        live & (~array.bypass | field.bit_select(digit, 1))
        for each in array.columns
        for live, field in zip(each.live, each.fields, strict=True)
    ]


def counted(program: Program, image: np.ndarray, arch: Arch) -> dict[str, list[Counter]]:
    """By tensor (the input's too), for each of its passes the count of each event.

    The results must be the golden ones: the program ends in a map of one pixel.
    """
    names = [INPUT, *(layer.name for layer in program.layers)]
    dut = Accelerator(arch)
    simulator = Simulator(dut)  # its registers exist from here on
    rows = memory_image(arch, check_storage(arch, program))
    samples = sampled(simulator, dut, Probe(dut).signals, rows, image)
    codes = zip(samples["result"], samples["result_code"], strict=True)
    wanted = golden.run(program, image[None]).logits
    assert [code for taken, code in codes if taken] == wanted.ravel().tolist()
    totals: dict[str, list[Counter]] = {name: [] for name in names}
    waiting = Counter()  # what a pass does before its descriptor's walks begin
    for values in zip(*samples.values(), strict=True):
        now = dict(zip(samples, values, strict=True))
        if now["setup"]:
            totals[names[now["layer"]]].append(waiting)
            current, waiting = waiting, Counter()
        if now["busy"]:
            preparing = now["codebook"] or not any(totals.values())
            _add(waiting if preparing else current, now, arch)
    return totals


def _add(found: Counter, now: dict[str, int], arch: Arch) -> None:
    """One clock edge."""
    moves, pooling = now["advance"], now["kind"] == PassKind.MAX_POOL
    working, live = now.get("working", 1), now["live"]
    found["codes_stored"] += now["write_lanes"].bit_count() * now["write_banks"].bit_count()
    found["outputs"] += now["written"] and not pooling
    found["live"] += moves * working * live.bit_count()
    found["active"] += moves * now.get("active", 0).bit_count()
    found["binned"] += moves * working * now.get("binned", 0).bit_count()
    found["binned_active"] += moves * working * now.get("binned_active", 0).bit_count()
    found["bins_left"] += moves * now.get("final", 0)
    found["working"] += moves * working
    found["added"] += moves * now["add"]
    found["built"] += not (now["built"] or now["setup"] or now["codebook"])
    for column in range(arch.cols):
        lanes = (live >> column * arch.rows & (1 << arch.rows) - 1).bit_count()
        found["lanes", lanes] += moves * working
    for name in COUNTED:
        found[name] += now[name]


COUNTED = (
    "busy", "image", "result", "beat", "weight_planes", "feed", "read", "maxima", "groups",
    "drained", "threshold_rows", "requant_rows", "codebook",
)  # fmt: skip
