"""Memories as modules of their own in emitted Verilog, to be replaced by SRAM macros.

The name of a module says all of it: `adqhw_memory_WxD` has D words of W bits,
`adqhw_memory_WxD_gG` a write enable for every G bits of a word. Emitted text names what it needs;
`memory_modules` writes each module once, with a behavioural body.
"""

import re
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Shape
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...spec.errors import InputError
from ..arch.storage import address_width, memory_depth

MEMORIES = "adqhw_memories"
"""Name of the emitted file of all memory modules, without suffix."""
_NAME = re.compile(r"\b(\w+)_memory_(\d+)x(\d+)(?:_g(\d+))?\b")


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
    def module(self) -> str:
        """Name of the Verilog module."""
        parts = "" if self.lanes == 1 else f"_g{self.granularity}"
        return f"adqhw_memory_{self.width}x{self.depth}{parts}"


class MemoryMacro(wiring.Component):
    """One write and one read port, both synchronous; the read word stays until the next read.

    A word that is read in the cycle in which it is written is the old one. Nothing is reset:
    before it is written a word is unknown.

    Latency: 1 cycle from `read_enable` to `read_data`. Throughput: a read and a write per cycle.

    instances: in Verilog a module of its own (`memory_modules`), else an Amaranth memory.

    Members
    -------
    write_enable : one bit per part of a word. write_address, write_data, read_enable,
    read_address, read_data : `shape` is that of a word.
    """

    def __init__(
        self, shape: Any, depth: int, *, granularity: int | None = None, instances: bool = False
    ) -> None:
        """granularity: in bits; None: of a whole word. depth: of a built memory, at least 2."""
        width = Shape.cast(shape).width
        self.word, self.instances = shape, instances
        self.shape = MemoryShape(
            width=width,
            depth=memory_depth(depth),
            granularity=width if granularity is None else granularity,
        )
        address = address_width(self.shape.depth)
        super().__init__(
            {
                "write_enable": In(self.shape.lanes),
                "write_address": In(address),
                "write_data": In(shape),
                "read_enable": In(1),
                "read_address": In(address),
                "read_data": Out(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.instances:
            m.submodules.macro = self._instance()
            return m
        shape = self.shape
        store = memory.Memory(shape=shape.width, depth=shape.depth, init=[])
        m.submodules.store = store
        parts = None if shape.lanes == 1 else shape.granularity
        write, read = store.write_port(granularity=parts), store.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            read.en.eq(self.read_enable),
            self.read_data.eq(read.data),
        ]
        return m

    def _instance(self) -> Instance:
        ins = ("write_enable", "write_address", "write_data", "read_enable", "read_address")
        return Instance(
            self.shape.module,
            i_clk=ClockSignal(),
            **{f"i_{name}": getattr(self, name) for name in ins},
            o_read_data=self.read_data,
        )


def memory_shapes(texts: dict[str, str]) -> list[MemoryShape]:
    """The memories that Verilog texts instantiate, each once."""
    found = {match.groups()[1:] for text in texts.values() for match in _NAME.finditer(text)}
    return sorted(
        MemoryShape(width=int(width), depth=int(depth), granularity=int(part or width))
        for width, depth, part in found
    )


def memory_modules(shapes: list[MemoryShape]) -> str:
    """Verilog of the modules, named with the default prefix."""
    head = (
        "/* Memories of one write and one read port, to be replaced by SRAM macros. A read takes a"
        "\n   cycle, its word stays until the next one; a word read while it is written is the old"
        "\n   one; nothing is reset. */\n"
    )
    return head + "".join(_module(shape) for shape in shapes)


def _module(shape: MemoryShape) -> str:
    """Behaviour in the style that synthesis takes for a block memory."""
    address = address_width(shape.depth) - 1
    lanes, top, part = shape.lanes, shape.width - 1, shape.granularity
    writes = [
        f"    if (write_enable[{lane}])\n"
        f"      words[write_address][{part * lane + part - 1}:{part * lane}] <= "
        f"write_data[{part * lane + part - 1}:{part * lane}];"
        for lane in range(lanes)
    ]
    if lanes == 1:
        writes = ["    if (write_enable) words[write_address] <= write_data;"]
    enable = "" if lanes == 1 else f"[{lanes - 1}:0] "
    body = "\n".join(writes)
    return f"""
module {shape.module} (
  input clk,
  input {enable}write_enable,
  input [{address}:0] write_address,
  input [{top}:0] write_data,
  input read_enable,
  input [{address}:0] read_address,
  output reg [{top}:0] read_data
);
  reg [{top}:0] words [0:{shape.depth - 1}];
  always @(posedge clk) begin
    if (read_enable) read_data <= words[read_address];
{body}
  end
endmodule
"""
