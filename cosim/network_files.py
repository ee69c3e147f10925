"""The files that the accelerator's harness plays and writes, and its Verilog."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rtl.accelerator_ports import ACCELERATOR_MODULE, load_layout, result_layout, write_layout
from ..rtl.arch import Arch
from ..rtl.descriptor import LAYER_WIDTH, with_row_numbers
from ..rtl.hexfile import write_hex
from ..rtl.sequencer import EVENTS, counters_layout
from ..rtl.storage import address_width
from ..spec.errors import SimulationError
from .harness import Pressure

NETWORK_MODULE = "adqhw_network"
_TEMPLATE = Path(__file__).parent / "templates" / "network.v"


def network_verilog(arch: Arch, loads: int, codes: int) -> str:
    """`templates/network.v` for an Arch, `loads` load words and images of `codes` codes."""
    arch = with_row_numbers(arch)
    write = write_layout(arch)
    values = {
        "TOP": ACCELERATOR_MODULE,
        "LOAD_WIDTH": load_layout(arch).size,
        "LOADS": _power(loads),
        "CODE_WIDTH": arch.storage.code_width,
        "CODES": _power(codes),
        "RESULT_WIDTH": result_layout(arch).size,
        "OUT_WIDTH": arch.out_width,
        "COUNTERS_WIDTH": counters_layout().size,
        "NUMBER_WIDTH": address_width(arch.storage.passes),
        "WRITE_WIDTH": write.size,
        "LAYER_WIDTH": LAYER_WIDTH,
        "ADDRESS_WIDTH": write["address"].width,
        "ROWS": arch.rows,
        "WORD_WIDTH": write["word"].width,
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def write_image(
    arch: Arch,
    image: npt.NDArray[Any],
    folder: Path,
    job: int,
    counts: tuple[int, int, int],
    pressure: Pressure,
) -> None:
    """The files of one image (C, H, W).

    counts: words to load, cycles after which the harness stops, number of the program.
    """
    codes = np.asarray(image, dtype=np.int64).transpose(1, 2, 0).ravel()
    write_hex(folder / f"{job}_codes.hex", [(codes, arch.storage.code_width)])
    loads, limit, program = counts
    header = [loads, len(codes), limit, pressure.beat_idle, pressure.output_pause, pressure.seed]
    write_hex(folder / f"{job}_header.hex", [(np.array([*header, program]), 32)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What the harness recorded of one image.

    writes: (n, 3) layer, address, cycle; lanes, words: (n, rows) which codes are written, and the
    codes as stored. results: (m, 2) code, cycle. totals: (passes, 1 + events) cycles and `EVENTS`
    of each pass alone.
    """

    writes: npt.NDArray[np.int64]
    lanes: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    results: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    finished: bool
    cycles: int


def read_trace(arch: Arch, path: Path) -> Trace:
    """The recording of one image; refuses an undefined value."""
    kinds: dict[str, list[list[str]]] = {"w": [], "r": [], "p": [], "end": []}
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *values = line.split()
        kinds[kind].append(values)
    undefined = next((row for rows in kinds.values() for row in rows if _undefined(row)), None)
    if undefined is not None:
        raise SimulationError(f"an output is undefined: {' '.join(undefined)}; see {path}")
    writes = [(a, b, e) for a, b, _, _, e in kinds["w"]]
    totals = np.array(kinds["p"], dtype=np.int64).reshape(-1, 2 + len(EVENTS))[:, 1:]
    ((finished, cycles),) = kinds["end"]
    return Trace(
        writes=np.array(writes, dtype=np.int64).reshape(-1, 3),
        lanes=_words(1, arch.rows, [row[2] for row in kinds["w"]]),
        words=_words(arch.storage.code_width, arch.rows, [row[3] for row in kinds["w"]]),
        results=np.array(kinds["r"], dtype=np.int64).reshape(-1, 2),
        totals=np.diff(totals, axis=0, prepend=0),
        finished=finished == "1",
        cycles=int(cycles),
    )


def _words(width: int, rows: int, texts: list[str]) -> npt.NDArray[np.int64]:
    """(n, rows) fields of hex words, lane 0 in the low bits."""
    digits = -(-width * rows // 8) * 2
    raw = np.frombuffer(bytes.fromhex("".join(t.zfill(digits) for t in texts)), np.uint8)
    little = raw.reshape(len(texts), digits // 2)[:, ::-1]
    bits = np.unpackbits(little, axis=1, bitorder="little")[:, : width * rows]
    lanes = bits.reshape(len(texts), rows, width).astype(np.int64)
    return (lanes << np.arange(width)).sum(axis=2)


def _undefined(row: list[str]) -> bool:
    return any(char in "xXzZ" for text in row for char in text)


def _power(size: int) -> int:
    return 1 << max(4, (size - 1).bit_length())
