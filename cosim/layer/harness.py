"""The harness around the engine: its Verilog for an Arch, and the files it reads and writes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.layouts import payloads
from ...rtl.layouts.hexfile import Fields, hex_lines, write_hex
from ...rtl.layouts.words import Word
from ...rtl.verilog import TOP_MODULE
from ...spec.errors import SimulationError
from ..templates import filled
from .streams import LayerStream

HARNESS_MODULE = "adqhw_harness"
_TEMPLATE = Path(__file__).parent / "templates" / "harness.v"
_TAIL = 80
"""Bytes that hold the last line of a recording."""
_SEED = 0x2545F491
"""Start of the noise that decides idles and pauses; any value but 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressure:
    """How often the harness stalls a stream: probability per cycle in 1/256."""

    beat_idle: int = 0
    skip_idle: int = 0
    output_pause: int = 0
    memory_stall: int = 0
    """Of external memory: addresses, beats and responses; 0: exactly its model."""
    seed: int = _SEED


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """Words of the harness memories; powers of two, so that similar programs share a build."""

    inputs: int = 1 << 14
    weights: int = 1 << 10
    groups: int = 1 << 12
    skips: int = 1 << 14

    @classmethod
    def holding(cls, streams: list[LayerStream]) -> "Capacity":
        """The smallest capacity, not below the default, that every stream fits."""
        least = cls()
        return cls(
            inputs=_power(least.inputs, (len(s.inputs) for s in streams)),
            weights=_power(least.weights, (len(s.weights) for s in streams)),
            groups=_power(least.groups, (len(s.groups) for s in streams)),
            skips=_power(least.skips, (len(s.skips) for s in streams)),
        )


def harness_verilog(arch: Arch, capacity: Capacity) -> str:
    """`templates/harness.v` with this Arch's widths and these capacities."""
    widths = {
        "CONFIG": payloads.config_layout(arch),
        "CODEBOOK": payloads.codebook_layout(arch),
        "THRESHOLDS": payloads.threshold_layout(arch),
        "REQUANTS": payloads.requant_layout(arch),
        "DIRECT": payloads.acc_layout(arch),
    }
    values = {f"{name}_WIDTH": layout.size for name, layout in widths.items()}
    activations = arch.rows * arch.act_width
    values |= {
        "TOP": TOP_MODULE,
        "ACTIVATIONS_WIDTH": activations,
        "INPUT_WIDTH": max(activations, values["DIRECT_WIDTH"]),
        "WEIGHT_WIDTH": arch.cols * arch.rows * arch.field_width,
        "CHANNEL_WIDTH": arch.channel_width,
        "SKIP_WIDTH": arch.requant.skip_width,
        "OUT_WIDTH": arch.out_width,
        "LOAD_WIDTH": 2 + max(values[f"{kind}_WIDTH"] for kind in list(widths)[:4]),
        "LOADS": 1 + (1 << arch.weight_width) + (1 << arch.channel_width),
        "INPUTS": capacity.inputs,
        "WEIGHTS": capacity.weights,
        "GROUPS": capacity.groups,
        "SKIPS": capacity.skips,
    }
    return filled(_TEMPLATE, values)


def write_layer(
    arch: Arch, stream: LayerStream, folder: Path, number: int, limit: int, pressure: Pressure
) -> None:
    """The files of layer `number` that the harness reads; it stops after `limit` cycles."""

    def path(what: str) -> Path:
        return folder / f"{number}_{what}.hex"

    loads = _loads(arch, stream)
    path("loads").write_text("".join(loads), encoding="ascii")
    if stream.direct:
        write_hex(
            path("inputs"),
            [(stream.inputs[:, 0], arch.acc_width), (stream.inputs[:, 1], arch.channel_width)],
        )
    else:
        write_hex(path("inputs"), [(stream.inputs, arch.act_width)])
        write_hex(path("groups"), [(stream.groups, 32)])
        fields = stream.weights.reshape(len(stream.weights), -1)
        write_hex(path("weights"), [(fields, arch.field_width)])
    if len(stream.skips):
        write_hex(path("skips"), [(stream.skips, arch.requant.skip_width)])
    header = [len(loads), len(stream.groups), stream.depth]
    header += [len(stream.inputs) if stream.direct else 0, len(stream.skips)]
    header += [len(stream.positions), limit]
    header += [pressure.beat_idle, pressure.skip_idle, pressure.output_pause, pressure.seed]
    write_hex(path("header"), [(np.array(header), 32)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What the harness wrote: a code and its cycle per output (first accepted input = cycle 0)."""

    codes: npt.NDArray[np.int64]
    at_cycle: npt.NDArray[np.int64]
    cycles: int
    stall_cycles: int


def is_finished(folder: Path, number: int) -> bool:
    """True when the recording of layer `number` is complete."""
    try:
        with (folder / f"{number}_outputs.txt").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            tail = file.read().decode("ascii")
    except OSError:
        return False
    return tail.endswith("\n") and tail.splitlines()[-1].startswith("end ")


def read_layer(folder: Path, number: int, positions: npt.NDArray[np.integer[Any]]) -> Recording:
    """The finished recording of layer `number`; refuses an output that is not a number.

    positions: of the layer's stream. Columns without a channel (-1) have no parameters: their
    output is undefined in a simulator with X, is no code of the layer, and reads 0.
    """
    text = (folder / f"{number}_outputs.txt").read_text(encoding="ascii")
    *rows, end = text.splitlines()
    for index, row in enumerate(rows):
        if row[0] not in "xXzZ":
            continue
        if index >= len(positions) or positions[index] >= 0:
            raise SimulationError(f"output {index} is undefined: {row!r}")
        rows[index] = f"0 {row.split()[1]}"
    table = np.array([row.split() for row in rows], dtype=np.int64).reshape(-1, 2)
    _, _, cycles, stall_cycles = end.split()
    return Recording(
        codes=table[:, 0],
        at_cycle=table[:, 1],
        cycles=int(cycles),
        stall_cycles=int(stall_cycles),
    )


def _loads(arch: Arch, stream: LayerStream) -> list[str]:
    """Hex lines of every word for the load ports, its kind in the low two bits."""
    requant = bool(stream.config["requant"])
    output = payloads.requant_layout(arch) if requant else payloads.threshold_layout(arch)
    kinds = [
        (0, payloads.config_layout(arch), [stream.config]),
        (1, payloads.codebook_layout(arch), stream.codebook_words),
        (3 if requant else 2, output, stream.output_words),
    ]
    return [
        line
        for kind, layout, words in kinds
        if words
        for line in hex_lines(_columns(kind, layout, words)).splitlines(keepends=True)
    ]


def _columns(kind: int, layout: Any, words: list[Word]) -> Fields:
    """The fields of `words` in the order of `layout`, behind the kind."""
    fields = [(np.full(len(words), kind), 2)]
    for name in layout.members:
        values = np.array([word[name] for word in words], dtype=np.int64)
        width = layout[name].width
        if values.ndim == 2:
            width //= values.shape[1]
        fields.append((values, width))
    return fields


def _power(least: int, sizes: Any) -> int:
    return max(least, 1 << max(0, max(sizes, default=1) - 1).bit_length())
