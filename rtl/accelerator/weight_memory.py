"""Weight memory: codes of any width packed without a lost bit, a beat's worth per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth
from ..layouts.descriptor import plane_width, weight_width_width


def plane_row_layout(arch: Arch) -> data.StructLayout:
    """One row of one bank to load: one bit of every lane of `port_columns` columns, the first
    one's rows lowest."""
    return data.StructLayout(
        {
            "bank": unsigned(max(1, (arch.plane_banks - 1).bit_length())),
            "row": unsigned(address_width(arch.storage.weight_rows)),
            "bits": unsigned(arch.rows * arch.port_columns),
        }
    )


class WeightMemory(wiring.Component):
    """Bit planes: a beat of b-bit fields is in b consecutive planes, plane p in bank p mod B. Where
    lanes hold weights, the fields of a beat are those of `port_columns` columns.

    The b banks of a beat are read at once, those before the first plane one row further, and
    rotated; so every width 1..B is packed without padding and read at one beat per cycle. The other
    banks are not read (none is at width 0, in passes without weights). Planes above b read as 0,
    or as copies of plane b - 1 when `extend` (signed levels).

    Latency: 1 cycle, or 2 where lanes hold weights. Throughput: a beat per cycle.

    Members
    -------
    load : `plane_row_layout`. enable : read `planes`, the number of a beat's first plane.
    width : b, extend : constant while a layer runs.
    step : only with 2 cycles of latency, the planes read last move into the second stage.
    fields : one weight field per lane, of the planes read last (of those in the second stage).
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        column = data.ArrayLayout(unsigned(arch.field_width), arch.rows)
        super().__init__(
            {
                **({"step": In(1)} if arch.holds else {}),
                "load": In(stream.Signature(plane_row_layout(arch), always_ready=True)),
                "enable": In(1),
                "planes": In(plane_width(arch)),
                "width": In(weight_width_width(arch)),
                "extend": In(1),
                "fields": Out(data.ArrayLayout(column, arch.port_columns)),
            }
        )

    @property
    def latency(self) -> int:
        return 2 if self.arch.holds else 1

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        banks, lanes = arch.plane_banks, arch.rows * arch.port_columns
        bank_bits = (banks - 1).bit_length()
        first, row = self.planes[:bank_bits], self.planes[bank_bits:]
        rotation = Signal(max(1, bank_bits))
        with m.If(self.enable):
            m.d.sync += rotation.eq(first)
        outputs, self.reading = [], []  # a flag per bank, for benches
        for bank in range(banks):
            store = memory.Memory(
                shape=unsigned(lanes), depth=memory_depth(arch.storage.weight_rows), init=[]
            )
            m.submodules[f"bank_{bank}"] = store
            write, read = store.write_port(), store.read_port()
            plane, reading = Signal(range(banks), name=f"plane_of_{bank}"), Signal()
            m.d.comb += [
                plane.eq(bank - first),
                reading.eq(self.enable & (plane < self.width)),
                write.addr.eq(self.load.payload.row),
                write.data.eq(self.load.payload.bits),
                write.en.eq(self.load.valid & (self.load.payload.bank == bank)),
                read.addr.eq(row + (bank < first)),
                read.en.eq(reading),
            ]
            outputs.append(read.data)
            self.reading.append(reading)
        if arch.holds:  # a read of a memory takes a whole cycle
            outputs, rotation = self._second_stage(m, outputs, rotation)
        planes = self._rotate(m, outputs, rotation, bank_bits)
        self._select(m, planes, lanes)
        return m

    def _second_stage(
        self, m: Module, outputs: list[Value], rotation: Signal
    ) -> tuple[list[Value], Signal]:
        """Registers behind the banks."""
        held = [Signal.like(output, name=f"held_{i}") for i, output in enumerate(outputs)]
        held_rotation = Signal.like(rotation)
        with m.If(self.step):
            m.d.sync += [new.eq(old) for new, old in zip(held, outputs, strict=True)]
            m.d.sync += held_rotation.eq(rotation)
        return list(held), held_rotation

    def _rotate(
        self, m: Module, outputs: list[Value], rotation: Value, bank_bits: int
    ) -> list[Value]:
        """Plane i is the output of bank (i + rotation) mod banks."""
        for bit in range(bank_bits):
            turned = [
                Signal.like(output, name=f"turn_{bit}_{i}") for i, output in enumerate(outputs)
            ]
            for i, signal in enumerate(turned):
                other = outputs[(i + (1 << bit)) % len(outputs)]
                m.d.comb += signal.eq(Mux(rotation[bit], other, outputs[i]))
            outputs = turned
        return outputs

    def _select(self, m: Module, planes: list[Value], lanes: int) -> None:
        """Field bits: planes below the width, then the sign or nothing."""
        arch = self.arch
        top = Signal(lanes)
        with m.Switch(self.width):
            for width in range(1, arch.plane_banks + 1):
                with m.Case(width):
                    m.d.comb += top.eq(planes[width - 1])
        kept = []
        for i, plane in enumerate(planes[: arch.field_width]):
            signal = Signal(lanes, name=f"plane_{i}")
            above = Mux(self.extend, top, 0)
            m.d.comb += signal.eq(Mux(i < self.width, plane, above))
            kept.append(signal)
        for col in range(arch.port_columns):
            for row in range(arch.rows):
                bits = Cat(plane[col * arch.rows + row] for plane in kept)
                m.d.comb += self.fields[col][row].eq(bits)
