"""Test vectors of a stand-alone testbench: images, and every expected code."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...rtl.accelerator.ports import (
    ROW_WIDTH,
    TARGET_WIDTH,
)
from ...rtl.arch.arch import Arch
from ...rtl.bus.registers import load_words, mask, offset
from ...rtl.layouts.hexfile import hex_lines
from ...rtl.networks.plans import Plan
from ...rtl.planning.fold import stored_image
from ...rtl.timing.dram import DramModel
from ...rtl.timing.tensor_cycles import TensorCycles
from ...spec import golden
from ...spec.formats import Int64Array, IntArray
from ...spec.program import INPUT
from ..driver.folder import BASE
from ..network.files import memory_lines, memory_ports, port_values
from ..network.trace import result_positions
from ..templates import filled_text

EXTERNAL = "external.hex"
GOES_ON = (1 << 32) - 1
"""In cycles.hex: a pass that is not its layer's last."""
_LEAST_PROGRESS, _SIGNS_OF_LIFE = 1000, 32
"""Cycles between two lines of a testbench, at least; such lines in one image, at most."""
_MASK32 = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Golden's, as the ports carry them: every tensor (N, C, H, W) by name, and the results of
    every image in their order (N, results)."""

    tensors: dict[str, IntArray]
    results: Int64Array


def golden_answers(plan: Plan, images: IntArray) -> Answers:
    """With the offsets of `plan`; images (N, C, H, W) are the program's own codes."""
    inputs = stored_image(plan, images)
    tensors = {INPUT: inputs, **golden.run(plan.program, inputs, "all").tensors}
    last = np.asarray(tensors[plan.program.layers[-1].name], np.int64)
    results = last.reshape(len(images), -1)[:, result_order(plan)]
    return Answers(tensors=tensors, results=results)


def vector_files(
    arch: Arch, plan: Plan, images: IntArray, cycles: list[TensorCycles], answers: Answers
) -> dict[str, str]:
    """Hex files by name, as the ports carry them; `cycles` are the model's."""
    tensors, results = answers.tensors, answers.results
    images = np.asarray(images, np.int64) + plan.offsets.get(INPUT, 0)
    codes = np.asarray(images, np.int64).transpose(0, 2, 3, 1).ravel()
    valid, words = [], []
    for image in range(len(images)):
        for name in given(arch, plan):
            lanes, fields = stored_words(arch, np.asarray(tensors[name][image], np.int64))
            valid.append(lanes)
            words.append(fields & ((1 << arch.storage.code_width) - 1))
    stored_fields = (np.concatenate(words), arch.storage.code_width), (np.concatenate(valid), 1)
    return {
        "codes.hex": hex_lines([(codes, arch.storage.code_width)]),
        "expected.hex": hex_lines(stored_fields),
        "results.hex": hex_lines([(results.ravel(), arch.out_width)]),
        "cycles.hex": hex_lines([(_ends(plan, cycles), 32)]),
        "offsets.hex": hex_lines([(_offsets(arch, plan), 32)]),
        **_external_contents(arch, plan),
    }


def _external_contents(arch: Arch, plan: Plan) -> dict[str, str]:
    """What external memory begins with, where there is one."""
    if plan.outside is None:
        return {}
    return {EXTERNAL: memory_lines(arch, plan.outside.contents or bytes(1))}


def harness_values(
    arch: Arch, plan: Plan, loads: int, images: IntArray, cycles: list[TensorCycles]
) -> dict[str, Any]:
    """Numbers of the testbench: sizes of the files and of the accelerator's ports."""
    program = plan.program
    shapes = [program.tensor_shape(name) for name in given(arch, plan)]
    total = sum(entry.cycles for entry in cycles)
    return {
        "LOADS": loads,
        "IMAGES": len(images),
        "CODES": int(np.prod(images.shape[1:])),
        "WORDS": sum(_words(arch, shape) for shape in shapes),
        "STORED": sum(int(np.prod(shape)) for shape in shapes),
        "RESULTS": len(result_order(plan)),
        "PASSES": len(plan.passes),
        "LAYERS": 1 + len(program.layers),
        "TOTAL": total,
        "LIMIT": 4 * total + 1000,
        "PROGRESS": max(_LEAST_PROGRESS, total // _SIGNS_OF_LIFE),
        "OFFSETS": "LAYERS" if plan.outside is None else "2*PASSES",
        "OFFSET_OF": "layer" if plan.outside is None else "pass's two tensors",
        "WRITE_OFFSET": write_offset(arch, second=False),
        **port_values(arch),
        **external_values(arch),
    }


def write_offset(arch: Arch, *, second: bool) -> str:
    """Which line of offsets.hex holds for a write port. In external memory a tensor's lines have
    other places in every pass."""
    port = "second" if second else "write"
    return f"{port}_layer" if arch.external is None else f"2 * pass + {int(second)}"


def external_values(arch: Arch) -> dict[str, Any]:
    """Ports of the memory master and times of the memory behind it, for the testbenches."""
    if arch.external is None:
        return {"EXTERNAL": ""}
    model, ports = DramModel(), memory_ports(arch)
    links = {
        side: "\n".join(f"      .{side}_{name}(memory_{name})," for name, _ in ports)
        for side in ("external", "memory")
    }
    return {
        "EXTERNAL": 1,
        "EXTERNAL_WIRES": "\n".join(f"  wire [{width - 1}:0] memory_{x};" for x, width in ports),
        "EXTERNAL_PORTS": links["external"],
        "MEMORY_PORTS": links["memory"],
        "BUS_WIDTH": arch.external.bus_width,
        "LATENCY": model.latency,
        "BEAT_CYCLES": model.beat_cycles,
        "ROW_SHIFT": model.row_bytes.bit_length() - 1,
        "ROW_MISS": model.row_miss,
        "BASE": f"32'h{BASE:08x}",
        "MEMORY_BASE": f"12'h{offset('MEMORY_BASE'):03x}",
    }


def bus_values(arch: Arch) -> dict[str, Any]:
    """The bus for the top level's testbench: registers, their bits, rows as words."""
    words = sorted(load_words(arch).items())
    registers = (
        "CONTROL", "STATUS", "ERROR", "TARGET", "ROW", "DATA", "CYCLES", "INPUT_STALLS",
        "OUTPUT_STALLS",
    )  # fmt: skip
    most = "TOTAL + input_stalls + answer"
    bits = {"START": "CONTROL"}
    bits |= dict.fromkeys(("BUSY", "DONE", "WAITING", "LOADED"), "STATUS")
    right = f"total === {most}"
    if arch.holds:  # the array goes on while a result waits
        least = "" if arch.external is None else "memory_stall != 0 || "
        right = f"total >= TOTAL && ({least}total <= {most})"
    return {
        "HOLDS": 1 if arch.holds else "",
        "FIRST_STATE": "NEXT_ROW" if arch.external is None else "SET_BASE",
        **{name: f"12'h{offset(name):03x}" for name in registers},
        **{bit: f"32'h{mask(register, bit):08x}" for bit, register in bits.items()},
        "ERROR_BUSY": f"32'h{mask('ERROR', 'BUSY'):08x}",
        "CYCLES_RIGHT": right,
        "TARGET_WIDTH": TARGET_WIDTH,
        "ROW_WIDTH": ROW_WIDTH,
        "CODE_BITS": 8 * -(-arch.storage.code_width // 8),
        "WORDS_OF": "\n".join(f"      {target}: words = {count};" for target, count in words),
    }


def given(arch: Arch, plan: Plan) -> list[str]:
    """Tensors whose codes are seen on write ports, in the order of expected.hex.

    Stored ones, and those that are not stored because nobody reads them: their words begin at
    address 0, if the address can count them.
    """
    layers = plan.program.layers
    names, words = (
        [INPUT, *(layer.name for layer in layers)],
        1 << port_values(arch)["ADDRESS_WIDTH"],
    )
    more = {
        name
        for name in names[:-1]
        if arch.holds and _words(arch, plan.program.tensor_shape(name)) <= words
    }
    return [name for name in names if name in plan.placement.tensors or name in more]


def second_write(arch: Arch, template: Path) -> dict[str, str]:
    """What a testbench says of the write port of chained codes: the lines of the first, renamed."""
    parts = ("WIRES", "PORT", "TASK", "CHECK")
    if not arch.holds:
        return {f"SECOND_{part}": "" for part in parts}
    text = template.read_text(encoding="utf-8")
    wires = re.findall(r"\n  wire .* write(?:_\w+)?(?: = .*)?;(?=\n|@)", text)
    (task,) = re.findall(r"\n\n  task check_write;.*?\n  endtask(?=@)", text, re.DOTALL)
    lines = {
        "WIRES": "".join(wires),
        "PORT": ",\n      .write(write)",
        "TASK": task,
        "CHECK": "\n      if (write_lanes != 0) check_write;",
    }
    renamed = {f"SECOND_{part}": re.sub(r"write(?![a-z])", "second", lines[part]) for part in parts}
    values = port_values(arch) | {"WRITE_OFFSET": write_offset(arch, second=True)}
    return {name: filled_text(text, values) for name, text in renamed.items()}


def stored_words(arch: Arch, codes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Which lanes of every word of a tensor (C, H, W) hold a code, and the codes: (words, rows)."""
    channels, height, width = codes.shape
    blocks = -(-channels // arch.rows)
    fields = np.zeros((height, width, blocks * arch.rows), np.int64)
    valid = np.zeros_like(fields)
    fields[:, :, :channels] = codes.transpose(1, 2, 0)
    valid[:, :, :channels] = 1
    return valid.reshape(-1, arch.rows), fields.reshape(-1, arch.rows)


def result_order(plan: Plan) -> Int64Array:
    """Indices in the flattened map of the last layer, in the order of the results."""
    shape = plan.program.tensor_shape(plan.program.layers[-1].name)
    walks = [entry.result_walk for entry in plan.passes if entry.word.get("to_stream")]
    return np.concatenate([result_positions(walk, shape) for walk in walks])


def _words(arch: Arch, shape: tuple[int, int, int]) -> int:
    channels, height, width = shape
    return -(-channels // arch.rows) * height * width


def _offsets(arch: Arch, plan: Plan) -> Int64Array:
    """Per layer: its first word in expected.hex less its base address, modulo 2^32; with external
    memory per pass those of the two tensors that it writes."""
    starts, bases, at = {}, {}, 0
    for name in given(arch, plan):
        region = plan.placement.tensors.get(name)
        bases[name] = 0 if region is None else region.base
        starts[name] = at
        at += _words(arch, plan.program.tensor_shape(name))
    if plan.outside is None:
        names = [INPUT, *(layer.name for layer in plan.program.layers)]
        found = [starts.get(name, 0) - bases.get(name, 0) for name in names]
    else:
        found = [
            starts.get(name or "", 0) - entry.origins.get(name or "", bases.get(name or "", 0))
            for entry in plan.passes
            for name in (entry.layer, entry.second)
        ]
    return np.array([value & _MASK32 for value in found])


def _ends(plan: Plan, cycles: list[TensorCycles]) -> Int64Array:
    """Per pass: the cycle since start in which its layer ends, if it is the layer's last."""
    total, ends = 0, {}
    for entry in cycles:
        total += entry.cycles
        ends[entry.name] = total
    last = {entry.layer: number for number, entry in enumerate(plan.passes)}
    return np.array(
        [
            ends[entry.layer] if last[entry.layer] == number else GOES_ON
            for number, entry in enumerate(plan.passes)
        ]
    )
