"""Memories as modules of their own in emitted Verilog, to be replaced by SRAM macros.

The name of a module says all of it: `adqhw_memory_WxD` has D words of W bits,
`adqhw_memory_WxD_gG` a write enable for every G bits of a word. `memories_apart` makes instances
of them from the memories of Amaranth's RTLIL; `memory_modules` writes each module once, with a
behavioural body. Memories that are read without a clock stay where they are: no macro does that.
"""

import re
from dataclasses import dataclass

from ...spec.errors import InputError
from .text import CELL, MODULE, Ports, bits, widths

MEMORIES = "adqhw_memories"
"""Name of the emitted file of all memory modules, without suffix."""
_MODULE_NAME = re.compile(r"\b\w+_memory_(\d+)x(\d+)(?:_g(\d+))?\b")
_MEMORY = re.compile(r"^  memory width (\d+) size (\d+) \\(\S+)\n", re.MULTILINE)
_OF = re.compile(r'parameter \\MEMID "\\\\(\S+)"')
_UNINITIALIZED = re.compile(r"connect \\DATA \d+'0+$", re.MULTILINE)
_SYNCHRONOUS = {"CLK_ENABLE": "1", "CLK_POLARITY": "1", "TRANSPARENCY_MASK": "1'0"}
_WRITE, _READ, _INIT = "$memwr_v2", "$memrd_v2", "$meminit_v2"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class MemoryShape:
    """`depth` words of `width` bits, written in parts of `granularity` bits."""

    width: int
    depth: int
    granularity: int

    def __post_init__(self) -> None:
        part = self.granularity
        if self.width < 1 or self.depth < 2 or part < 1 or self.width % part:
            raise InputError(
                "Memory must have at least 2 words of at least 1 bit in whole parts, not "
                f"{self.depth} of {self.width} in parts of {part}"
            )

    @property
    def lanes(self) -> int:
        """Parts of a word, each with a write enable."""
        return self.width // self.granularity

    @property
    def address_width(self) -> int:
        """Bits of an address."""
        return (self.depth - 1).bit_length()

    @property
    def module(self) -> str:
        """Name of the Verilog module."""
        parts = "" if self.lanes == 1 else f"_g{self.granularity}"
        return f"adqhw_memory_{self.width}x{self.depth}{parts}"


# -- instances -------------------------------------------------------------------------------------


def memories_apart(rtlil: str) -> str:
    """RTLIL, as Amaranth writes it, whose memories of one synchronous read and one write port are
    instances: write_enable, write_address, write_data, read_enable, read_address, read_data."""
    head, *modules = MODULE.split(rtlil)
    return "".join([head, *map(_module, modules)])


def _module(text: str) -> str:
    cells: dict[str, list[re.Match[str]]] = {}
    for cell in CELL.finditer(text):
        if cell["kind"] in (_WRITE, _READ, _INIT):
            name = _OF.search(cell["body"])
            assert name is not None
            cells.setdefault(name[1], []).append(cell)
    known, edits = widths(text), []
    for memory in _MEMORY.finditer(text):
        own = cells[memory[3]]
        ports = _pair(own)
        if ports is None:
            continue
        instance = _instance(memory, *ports, known)
        edits.append((memory.span(), ""))
        edits += [(cell.span(), instance if cell["kind"] == _WRITE else "") for cell in own]
    for (first, last), new in sorted(edits, reverse=True):
        text = text[:first] + new + text[last:]
    return text


def _pair(cells: list[re.Match[str]]) -> tuple[Ports, Ports] | None:
    """The write and the read port of a memory that becomes a module."""
    by_kind = {kind: [cell for cell in cells if cell["kind"] == kind] for kind in (_WRITE, _READ)}
    if any(len(found) != 1 for found in by_kind.values()):
        return None
    inits = [cell for cell in cells if cell["kind"] == _INIT]
    if not all(_UNINITIALIZED.search(cell["body"]) for cell in inits):
        return None
    write, read = (Ports.of(by_kind[kind][0]["body"]) for kind in (_WRITE, _READ))
    if any(read.parameters[name] != value for name, value in _SYNCHRONOUS.items()):
        return None
    return write, read


def _instance(memory: re.Match[str], write: Ports, read: Ports, known: dict[str, int]) -> str:
    """A cell in the place of a memory's write port."""
    width, depth = int(memory[1]), int(memory[2])
    enables = bits(write.nets["EN"], known)
    part = _granularity(enables)
    shape = MemoryShape(width=width, depth=depth, granularity=part)
    name = memory[3] + ("_memory" if f"\\{memory[3]}" in known else "")
    nets = {
        "clk": write.nets["CLK"],
        "write_enable": f"{{ {' '.join(reversed(enables[::part]))} }}",
        "write_address": write.nets["ADDR"],
        "write_data": write.nets["DATA"],
        "read_enable": read.nets["EN"],
        "read_address": read.nets["ADDR"],
        "read_data": read.nets["DATA"],
    }
    lines = [f"    connect \\{port} {net}\n" for port, net in nets.items()]
    return f"  cell \\{shape.module} \\{name}\n{''.join(lines)}  end\n"


def _granularity(enables: list[str]) -> int:
    """The largest parts of a word whose bits have one enable each."""
    width = len(enables)
    return next(
        part
        for part in range(width, 0, -1)
        if width % part == 0
        and all(len({*enables[at : at + part]}) == 1 for at in range(0, width, part))
    )


# -- modules ---------------------------------------------------------------------------------------


def memory_shapes(texts: dict[str, str]) -> list[MemoryShape]:
    """The memories that Verilog texts instantiate, each once."""
    found = {match.groups() for text in texts.values() for match in _MODULE_NAME.finditer(text)}
    return sorted(
        MemoryShape(width=int(width), depth=int(depth), granularity=int(part or width))
        for width, depth, part in found
    )


def memory_modules(shapes: list[MemoryShape]) -> str:
    """Verilog of the modules, named with the default prefix."""
    head = (
        "/* Memories of one write and one read port, to be replaced by SRAM macros. A read takes a"
        "\n   cycle, its word stays until the next one. A word read in the cycle in which it is"
        "\n   written is the old one here; a macro may give anything then. Nothing is reset. */\n"
    )
    return head + "".join(map(_module_text, shapes))


def _module_text(shape: MemoryShape) -> str:
    """Behaviour in the style that synthesis takes for a block memory."""
    address, top, part = shape.address_width - 1, shape.width - 1, shape.granularity
    places = [f"[{part * lane + part - 1}:{part * lane}]" for lane in range(shape.lanes)]
    writes = [
        f"    if (write_enable[{lane}]) words[write_address]{at} <= write_data{at};"
        for lane, at in enumerate(places)
    ]
    body = "\n".join(writes)
    return f"""
module {shape.module} (
  input clk,
  input [{shape.lanes - 1}:0] write_enable,
  input [{address}:0] write_address,
  input [{top}:0] write_data,
  input read_enable,
  input [{address}:0] read_address,
  output reg [{top}:0] read_data
);
  (* no_rw_check *)
  reg [{top}:0] words [0:{shape.depth - 1}];
  always @(posedge clk) begin
    if (read_enable) read_data <= words[read_address];
{body}
  end
endmodule
"""
