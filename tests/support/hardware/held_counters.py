"""Counters on the signals of the machine that holds weights, in Amaranth's simulator, by layer.

Nothing of the cost model is used here: enables, handshakes and registers are sampled at every clock
edge of one image and summed up by the layer whose descriptor is current.
"""

from collections import Counter
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Value
from amaranth.sim import Simulator
from sampling import sampled

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.descriptor import PassKind
from adqhw.rtl.machine.machine import Machine
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.program.image import memory_image
from adqhw.spec import Program, golden
from adqhw.spec.program import INPUT

FLAGS = (
    "busy", "image", "result", "fields", "word", "beat", "weight_planes", "feed", "read", "maxima",
    "adds", "restarts", "combined", "threshold_rows", "requant_rows", "codebook",
)  # fmt: skip
"""Signals whose values are summed up."""


def signals_of(dut: Machine) -> dict[str, Value]:
    """What is sampled, by name."""
    array, stage, descriptor = dut.array, dut.stage, dut.sequencer.descriptor
    control, column = array.registers["control"], array.columns[0]
    chunk = stage.early[-1]
    lanes = [
        (held, operand)
        for each in array.columns
        for held, operand in zip(each.held, operands_of(array), strict=True)
    ]
    return {
        "layer": descriptor.layer,
        "second_layer": descriptor.second_layer,
        "kind": descriptor.kind,
        "chained": descriptor.stage.chained,
        "narrow": descriptor.walk.narrow,
        "setup": dut.sequencer.setup,
        "busy": dut.busy,
        "image": dut.image.valid & dut.image.ready,
        "result": dut.result.valid & dut.result.ready,
        "result_code": dut.result.payload.code,
        "fields": array.fields.valid & array.fields.ready,
        "word": column.word,
        "beat": array.beats.valid & array.beats.ready,
        "weight_planes": ones(dut.weights.weights.reading),
        "feed": dut.memory.feed_enable,
        "read": dut.memory.read_enable,
        "maxima": dut.pool.beats.valid,
        "adds": column.add,
        "restarts": column.add & column.restart,
        "combined": getattr(column, "combined", Value.cast(0)),
        "threshold_rows": stage.threshold_rows.reading,
        "requant_rows": stage.requant_rows.reading,
        "codebook": dut.sequencer.codebook.valid,
        "building": ~control.built,
        "chunk": stage.take,
        "chunk_lanes": chunk.lanes,
        "slot_read": stage.take & chunk.pixel_end,
        "write": Cat(dut.memory.write.lanes, dut.memory.write.banks),
        "second": Cat(dut.memory.second.lanes, dut.memory.second.banks),
        "work": control.adds,
        "live": Cat(held.any() for held, _ in lanes),
        "active": Cat(held.any() & operand.any() for held, operand in lanes),
    }


def operands_of(array: Any) -> list[Value]:
    """The rows' activations, in the registers that all columns share; 0 where lanes take products
    of a table instead."""
    column = array.columns[0]
    return list(getattr(column, "activations", [Const(0)] * len(column.held)))


def ones(flags: list[Value]) -> Value:
    return sum(flags[1:], start=flags[0])


def counted(program: Program, image: np.ndarray, arch: Arch) -> dict[str, list[Counter]]:
    """By tensor (the input's too), for each of its passes the count of each event; what a pass
    writes of a chained tensor is in a counter of that tensor.

    The results must be the golden ones: the program ends in a map of one pixel.
    """
    names = [INPUT, *(layer.name for layer in program.layers)]
    dut = Machine(arch)
    simulator = Simulator(dut)  # its registers exist from here on
    rows = memory_image(arch, check_storage(arch, program))
    samples = sampled(simulator, dut, signals_of(dut), rows, image)
    codes = zip(samples["result"], samples["result_code"], strict=True)
    wanted = golden.run(program, image[None]).logits
    assert [code for taken, code in codes if taken] == wanted.ravel().tolist()
    totals: dict[str, list[Counter]] = {name: [] for name in names}
    waiting, current, second = Counter(), Counter(), Counter()
    for values in zip(*samples.values(), strict=True):
        now = dict(zip(samples, values, strict=True))
        if now["setup"]:
            current, waiting, second = waiting, Counter(), Counter()
            totals[names[now["layer"]]].append(current)
            if now["chained"]:
                totals[names[now["second_layer"]]].append(second)
        if now["busy"]:
            preparing = (now["codebook"] and not now["setup"]) or not any(totals.values())
            _add(waiting if preparing else current, now, arch)
            _add_second(second, now, arch)
    return totals


def _stored(word: int, arch: Arch) -> int:
    """Codes that a write puts into all of its banks."""
    lanes, banks = word & (1 << arch.rows) - 1, word >> arch.rows
    return lanes.bit_count() * banks.bit_count()


def _add(found: Counter, now: dict[str, int], arch: Arch) -> None:
    """One clock edge of a pass."""
    pooling, array = now["kind"] == PassKind.MAX_POOL, now["kind"] == PassKind.ARRAY
    outputs = now["chunk"] * now["chunk_lanes"].bit_count() * (not pooling)
    found["outputs"] += outputs
    found["converted"] += outputs * (arch.out_lanes if now["narrow"] else 1)
    found["sums"] += array * now["slot_read"]
    found["codes_stored"] += _stored(now["write"], arch)
    live = now["live"] * now["work"]
    found["live"] += live.bit_count()
    found["active"] += (now["active"] * now["work"]).bit_count()
    for column in range(arch.cols):
        lanes = (live >> column * arch.rows & (1 << arch.rows) - 1).bit_count()
        found["lanes", lanes] += now["work"]
    for name in FLAGS:
        found[name] += now[name]
    found["built"] += now["building"] and not (now["setup"] or now["codebook"])


def _add_second(found: Counter, now: dict[str, int], arch: Arch) -> None:
    """Chained codes of the same clock edge; both memories of parameters are read in such passes."""
    if not now["chained"]:
        return
    outputs = now["chunk"] * now["chunk_lanes"].bit_count()
    found["outputs"] += outputs
    found["converted"] += outputs * (arch.out_lanes if now["narrow"] else 1)
    found["codes_stored"] += _stored(now["second"], arch)
    found["threshold_rows"] += now["threshold_rows"]
