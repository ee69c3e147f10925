"""The files that the accelerator's harness reads and writes, and its Verilog."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Value

from ...rtl.accelerator.ports import (
    ACCELERATOR_MODULE,
    accelerator_members,
    load_layout,
    result_layout,
    write_layout,
)
from ...rtl.arch.arch import Arch
from ...rtl.arch.storage import address_width
from ...rtl.dma.axi_master import MASTER_MODULE
from ...rtl.layouts.counters import counters_layout, events_of
from ...rtl.layouts.descriptor import LAYER_WIDTH, with_row_numbers
from ...rtl.layouts.hexfile import write_hex
from ...rtl.layouts.jobs import external_of
from ...rtl.layouts.memory_port import memory_signature, request_layout, write_beat_layout
from ...rtl.networks.plans import Plan
from ...rtl.timing.dram import DramModel
from ...rtl.verilog_text import PREFIX, module_name
from ...spec.errors import SimulationError
from ...spec.formats import twos_complement
from ..layer.harness import Pressure
from ..templates import filled
from .trace_text import Lines, fields, lanes_set, number

NETWORK_MODULE = "adqhw_network"
_CYCLE_WIDTH = 32
_NEVER = (1 << _CYCLE_WIDTH) - 1
_NUMBERED = '$sformatf("%0d_memory.hex", program_number)'
_TEMPLATE = Path(__file__).parent / "templates" / "network.v"
_MEMORY_TEMPLATE = Path(__file__).parent / "templates" / "memory.v"
MEMORY_MODULE = "adqhw_memory_bench"
"""A master and the memory behind it."""
_MEMORY = f"""
  {MEMORY_MODULE} memory (
      .clk(clk),
      .rst(reset),
      .fill(state == LOADING && load_at == 0),
      .forget(state == STARTING),
      .program_number(program_number),
      .latency(latency),
      .beat_cycles(beat_cycles),
      .row_shift(row_shift),
      .row_miss(row_miss),
@PORTS@      .stall(memory_stall),
      .stop(stop),
      .idle(memory_idle)
  );
"""
_NO_MEMORY = "\n  assign memory_idle = 1;\n"


def network_verilog(arch: Arch) -> str:
    """`templates/network.v` for an Arch; it runs the program in the memories."""
    memory = [] if arch.external is None else memory_ports(arch)
    word = write_layout(with_row_numbers(arch))["word"].width
    ports = [name for name in ("write", "second") if name in accelerator_members(arch)]
    values = {
        **port_values(arch),
        "TOP": ACCELERATOR_MODULE,
        "WORD_WIDTH": word,
        "WRITES": len(ports),
        "WRITE_PORTS": ",\n".join(f"      .{x}(writes[{i}])" for i, x in enumerate(ports)),
    }
    wires = [f"  wire [{width - 1}:0] memory_{x};" for x, width in memory]
    links = "".join(f"      .memory_{x}(memory_{x}),\n" for x, _ in memory)
    values["MEMORY_WIRES"] = "\n".join(wires)
    values["MEMORY_LINKS"] = links.replace("  .memory_", "  .external_")
    values["MEMORY"] = _MEMORY.replace("@PORTS@", links) if memory else _NO_MEMORY
    return filled(_TEMPLATE, values)


def memory_verilog(
    arch: Arch, beats: int, contents: str = _NUMBERED, loaded: int | None = None,
    prefix: str = PREFIX,
) -> str:  # fmt: skip
    """`templates/memory.v` for an Arch with external memory, of `beats` words of its bus.

    contents: Verilog of the name of the file that the memory begins with; loaded: its lines.
    """
    values = {
        "PREFIX": prefix,
        "CONTENTS": contents,
        "RANGE": "" if loaded is None else f", 0, {loaded - 1}",
        "MASTER": module_name(MASTER_MODULE, prefix),
        "REQUEST_WIDTH": request_layout(arch).size,
        "BUS_WIDTH": external_of(arch).bus_width,
        "WRITE_BEAT_WIDTH": write_beat_layout(arch).size,
        "MEMORY_BEATS": beats,
    }
    return filled(_MEMORY_TEMPLATE, values)


def memory_beats(arch: Arch, plan: Plan) -> int:
    """A power of two, so that similar programs share a build."""
    assert plan.outside is not None
    beats = -(-plan.outside.size // external_of(arch).bus_bytes)
    return max(1 << 12, 1 << (beats - 1).bit_length())


def memory_lines(arch: Arch, contents: bytes) -> str:
    """Bytes of external memory as lines of its bus, for `$readmemh`."""
    size = external_of(arch).bus_bytes
    padded = contents + bytes(-len(contents) % size)
    big = np.frombuffer(padded, np.uint8).reshape(-1, size)[:, ::-1]
    text = np.ascontiguousarray(big).tobytes().hex("\n", size)
    return text + "\n" if len(big) else ""


def memory_ports(arch: Arch) -> list[tuple[str, int]]:
    """Wires between the accelerator and its master: names and widths."""
    port = memory_signature(arch).create()
    flat = port.signature.flatten(port)
    return [("_".join(map(str, path)), len(Value.cast(value))) for path, _, value in flat]


def port_values(arch: Arch) -> dict[str, int]:
    """Widths of the accelerator's ports, as templates name them."""
    arch = with_row_numbers(arch)
    write = write_layout(arch)
    return {
        "LOAD_WIDTH": load_layout(arch).size,
        "CODE_WIDTH": arch.storage.code_width,
        "RESULT_WIDTH": result_layout(arch).size,
        "OUT_WIDTH": arch.out_width,
        "COUNTERS_WIDTH": counters_layout(events=events_of(arch)).size,
        "NUMBER_WIDTH": address_width(arch.storage.passes),
        "WRITE_WIDTH": write.size,
        "LAYER_WIDTH": LAYER_WIDTH,
        "ADDRESS_WIDTH": write["address"].width,
        "ROWS": arch.rows,
    }


def write_image(
    arch: Arch,
    image: npt.NDArray[Any],
    folder: Path,
    job: int,
    counts: tuple[int, int, int],
    pressure: Pressure,
    memory: DramModel,
    reset_at: int | None = None,
) -> None:
    """The files of one image (C, H, W).

    counts: words to load, cycles after which the harness stops, number of the program. memory: the
    external one, where the Arch has it. reset_at: the cycle of the run in which the accelerator is
    reset, and the run begun anew; None: no such cycle.
    """
    codes = np.asarray(image, dtype=np.int64).transpose(1, 2, 0).ravel()
    write_hex(folder / f"{job}_codes.hex", [(codes, arch.storage.code_width)])
    loads, limit, program = counts
    header = [loads, len(codes), limit, pressure.beat_idle, pressure.output_pause, pressure.seed]
    header += [program, memory.latency, memory.beat_cycles, memory.row_bytes.bit_length() - 1]
    header += [memory.row_miss, pressure.memory_stall, _NEVER if reset_at is None else reset_at]
    write_hex(folder / f"{job}_header.hex", [(np.array(header), 32)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What the harness recorded of one image.

    writes: (n, 5) layer, address, lane, code as stored, cycle of every code that is written to the
    activation memory, or given without being stored, in the order of time. undefined: (k, 4) layer,
    address, lane, cycle of those that are undefined (a lane that holds no code of a tensor may
    be). results: (m, 2) code, cycle. totals: (passes, 1 + events) cycles and `events_of` each pass
    alone. was_reset: the accelerator was reset in a run of the image before this one.
    """

    writes: npt.NDArray[np.int64]
    undefined: npt.NDArray[np.int64]
    results: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    finished: bool
    cycles: int
    was_reset: bool = False


def read_trace(arch: Arch, path: Path) -> Trace:
    """The recording of one image; refuses an undefined value outside the words written."""
    lines = Lines.of(path.read_bytes())
    try:
        writes = _writes(arch, lines, "w")
        undefined = _writes(arch, lines, "u")
        code, when = lines.hexes("r", [arch.out_width, _CYCLE_WIDTH])
        passes, ((finished, cycles, reset),) = lines.decimals("p"), lines.decimals("e")
    except SimulationError as error:
        raise SimulationError(f"{error}; see {path}") from None
    totals = np.array(passes, dtype=np.int64).reshape(-1, 2 + len(events_of(arch)))[:, 1:]
    return Trace(
        writes=writes,
        undefined=np.delete(undefined[undefined[:, 3] != 0], 3, axis=1),
        results=np.stack([twos_complement(number(code), arch.out_width), number(when)], axis=1),
        totals=np.diff(totals, axis=0, prepend=0),
        finished=finished == 1,
        cycles=cycles,
        was_reset=reset == 1,
    )


def _writes(arch: Arch, lines: Lines, kind: str) -> npt.NDArray[np.int64]:
    """(n, 5) layer, address, lane, its bits, cycle of every lane written in lines of `kind`."""
    layer, address, enabled, word, at = lines.hexes(kind, _write_widths(arch))
    line, lane = lanes_set(enabled, arch.rows)
    bits = fields(word, arch.storage.code_width, line, lane)
    where = [number(layer)[line], number(address)[line], lane]
    return np.stack([*where, bits, number(at)[line]], axis=1)


def _write_widths(arch: Arch) -> list[int]:
    """Bits of the fields of a `w` or `u` line: layer, address, lanes, word, cycle."""
    write = write_layout(with_row_numbers(arch))
    return [LAYER_WIDTH, write["address"].width, arch.rows, write["word"].width, _CYCLE_WIDTH]
