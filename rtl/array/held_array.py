"""Lane array that holds weights: a word stands in the lanes while a group of pixels passes."""

from typing import Any

from amaranth.hdl import (
    Cat,
    ClockSignal,
    Const,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
    signed,
    unsigned,
)
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..lanes.beat_steps import BeatSteps, Control
from ..lanes.held import HeldColumn, data_register
from ..lanes.lane_array import COLUMN_MODULE
from ..layouts.held import fields_layout, held_beat_layout, slot_width
from ..layouts.payloads import codebook_layout
from ..timing.held_timing import (
    SHARING,
    column_stages,
    held_array_latency,
    operand_copies,
    tree_stages,
)
from ..timing.schedule import schedule_widths
from .banks import Banks, group_layout
from .station import Station


class HeldArray(wiring.Component):
    """`cols` columns of `rows` lanes; every column has the sums of two groups of `hold` pixels.

    A beat that begins a word takes it out of the station; one that opens a group takes a bank of
    sums. Otherwise the array never waits, and what it has accepted goes its way.

    Latency: `held_array_latency` from the acceptance of a `closes` beat to its group. Throughput:
    a beat per cycle (of the layer's `Schedule` where lanes do not multiply); a word in
    max(its beats' cycles, fill + 1).

    Members
    -------
    fields : `fields_layout`, into the station. beats : `held_beat_layout`.
    groups : `group_layout`, the oldest group whose sums are complete; accepted, its bank is free in
    the next cycle. slot : of that group; accs : the sums of the slot, in the same cycle.
    codebook : `codebook_layout`, always ready; load only while no field or beat is in flight.
    bypass : weight fields are levels. work : the layer's schedule, where beats take several cycles.
    configured : bypass and work are those of a new layer from the next cycle on.
    stalls : a beat waits for its word; else for a bank.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch = arch
        self.instances = instances
        ports = {
            "fields": In(stream.Signature(fields_layout(arch))),
            "beats": In(stream.Signature(held_beat_layout(arch))),
            "codebook": In(stream.Signature(codebook_layout(arch), always_ready=True)),
            "bypass": In(1),
            "groups": Out(stream.Signature(group_layout(arch))),
            "slot": In(slot_width(arch)),
            "accs": Out(data.ArrayLayout(signed(arch.acc_width), arch.cols)),
            "stalls": Out(data.StructLayout({"words": unsigned(1), "sums": unsigned(1)})),
        }
        if not arch.lanes.single_cycle:
            work = {name: unsigned(width) for name, width in schedule_widths(arch).items()}
            ports |= {"work": In(data.StructLayout(work)), "configured": In(1)}
        super().__init__(ports)

    @property
    def latency(self) -> int:
        """Of a layer whose beats take one cycle."""
        return held_array_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.station, m.submodules.banks = station, banks = (
            Station(self.arch),
            Banks(self.arch),
        )
        self.registers: dict[str, Any] = {"station": station, "banks": banks}  # for proofs
        wiring.connect(m, wiring.flipped(self.groups), banks.groups)
        control = Control(advance=Const(1), take=Const(1), load=Signal(name="load"))
        inputs = self._accept(m, control, station, banks)
        lanes = self.arch.lanes
        tables = {} if lanes.stores_levels else lanes.tables(m, self, control)
        inputs |= tables | self._control(m, control, banks)
        inputs |= {
            "bypass": self.bypass,
            "word": station.take,
            "read": Cat(self.slot, banks.reading),
        }
        self._weights(m, station, tables)
        self.columns: list[HeldColumn] = []  # those that are submodules, for benches
        for col in range(self.arch.cols):
            position, part = divmod(col, self.arch.port_columns)
            own = {"weights": self.weights[part], "enter": station.enter[position]}
            own["activations"] = self.operands[col // SHARING]
            self._column(m, f"column_{col}", inputs | own, self.accs[col])
        return m

    def _accept(
        self, m: Module, control: Control, station: Station, banks: Banks
    ) -> dict[str, Value]:
        """Take beats when the lanes, their word and their bank are there; operands and digits."""
        beat, offered, allowed = self.beats.payload, Signal(), Signal()
        lacks_sums, lacks_word = Signal(), Signal()
        free: Value = Const(1)
        digits: dict[str, Value] = {}
        if self.arch.lanes.single_cycle:
            m.d.sync += [
                control.adds.eq(control.load),
                control.starts.eq(beat.first),
                control.ends.eq(beat.last),
            ]
        else:
            m.submodules.steps = steps = self.registers["steps"] = BeatSteps(self.arch)
            free, digits = steps.free, self._digits(m, control, steps)
        m.d.comb += [
            offered.eq(self.beats.valid & free & control.built),
            lacks_sums.eq(beat.opens & ~banks.free),
            lacks_word.eq(beat.word & ~station.full),
            allowed.eq(~lacks_sums & ~lacks_word),
            control.load.eq(self.beats.valid & control.built & allowed),
            self.beats.ready.eq(free & control.built & allowed),
            self.stalls.sums.eq(offered & lacks_sums),
            self.stalls.words.eq(offered & lacks_word & ~lacks_sums),
            station.take.eq(offered & allowed & beat.word),
            banks.opens.eq(offered & allowed & beat.opens),
            banks.closes.eq(offered & allowed & beat.closes),
        ]
        self._operands(m, offered & allowed)
        return digits

    def _operands(self, m: Module, taken: Value) -> None:
        """Activations of the beat at work, a copy for every `SHARING` columns: a multiplier leaves
        no time for a way over all of them."""
        activations = self.beats.payload.activations
        copies = [
            Signal(activations.shape(), name=f"operands_{i}", reset_less=True, attrs={"keep": 1})
            for i in range(operand_copies(self.arch))
        ]
        if self.arch.lanes.holding(self.arch).late_activations:
            operands = data_register(activations.shape(), "operands")
            with m.If(taken):
                m.d.sync += operands.eq(activations)
            m.d.sync += [copy.eq(operands) for copy in copies]
        else:
            with m.If(taken):
                m.d.sync += [copy.eq(activations) for copy in copies]
        self.operands = copies

    def _digits(self, m: Module, control: Control, steps: BeatSteps) -> dict[str, Value]:
        """The columns' controls of the current digit, by port."""
        beat = self.beats.payload
        control.take, control.digit = steps.free, steps.act_digit
        m.d.comb += [
            *(getattr(steps, n).eq(getattr(self.work, n)) for n in schedule_widths(self.arch)),
            steps.advance.eq(1),
            steps.valid.eq(control.load),
            steps.first.eq(beat.first),
            steps.last.eq(beat.last),
            *(getattr(control, n).eq(getattr(steps, n)) for n in ("adds", "starts", "ends")),
        ]
        digits: dict[str, Value] = {
            name: getattr(steps, name) for name in ("act_digit", "level_digit", "top")
        }
        shift = self.arch.lanes.shift(self.arch, steps)
        if shift is not None:
            column = self.arch.lanes.holding(self.arch)
            stages = column.term_cycles + tree_stages(self.arch)
            digits["shift"] = delayed(m, "shift", shift, stages)[-1]
        return digits

    def _control(self, m: Module, control: Control, banks: Banks) -> dict[str, Value]:
        """Control beside the data: operands, terms, tree, sums. The last register before the sums
        is one of each column (`late_ports`)."""
        beat, stages = self.beats.payload, column_stages(self.arch)
        place, closes = Signal(len(self.slot) + 1, name="place"), Signal(name="closes")
        with m.If(control.take & control.load):
            m.d.sync += [place.eq(Cat(beat.slot, banks.filling)), closes.eq(beat.closes)]
        add = delayed(m, "add", control.adds, stages - 1)
        ends = delayed(m, "ends", control.adds & control.ends, stages)
        complete = delayed(m, "complete", control.adds & control.ends & closes, stages)
        combine = self.arch.lanes.holding(self.arch).combine_cycles
        places = delayed(m, "place", place, stages + combine)
        combined = delayed(m, "combined", ends[-1], combine)
        completed = delayed(m, "completed", complete[-1], combine)
        m.d.comb += [banks.complete.eq(completed[-1]), banks.last.eq(places[-1])]
        self.registers |= {
            "control": control,
            "closes": closes,
            "add": add,
            "ends": ends,
            "complete": complete,
            "combined": combined,
            "completed": completed,
            "places": places,
        }
        restart = delayed(m, "restart", control.starts, stages - 1)
        return {
            "add": add[-1],
            "restart": restart[-1],
            "place": places[stages - 1],
            "ends": ends[-2],
            "combined": [*ends, *combined[1:]][-2],
            "combined_place": places[-2],
        }

    def _weights(self, m: Module, station: Station, tables: dict[str, Value]) -> None:
        """What the station takes of the fields offered."""
        lanes, arch = self.arch.lanes, self.arch
        offered, waiting = self.fields, station.fields
        m.d.comb += [
            waiting.valid.eq(offered.valid),
            waiting.payload.eq(offered.payload),
            offered.ready.eq(waiting.ready),
        ]
        width = lanes.held_width(arch)
        rows = data.ArrayLayout(unsigned(width), arch.rows)
        self.weights = [Signal(rows, name=f"weights_{i}") for i in range(arch.port_columns)]
        for part, fields in zip(self.weights, self.fields.payload.fields, strict=True):
            held = [lanes.held_value(self, tables, field)[:width] for field in fields]
            m.d.comb += Value.cast(part).eq(Cat(held))

    def _column(self, m: Module, name: str, inputs: dict[str, Value], acc: Value) -> None:
        """A submodule for Amaranth's simulator, an instance of the one column in Verilog."""
        column = self.arch.lanes.holding(self.arch)
        inputs = {port: inputs[port] for port in column.ports(self.arch) if port != "acc"}
        if self.instances:
            ports = {f"i_{port}": signal for port, signal in inputs.items()}
            clocks = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            m.submodules[name] = Instance(COLUMN_MODULE, **ports, **clocks, o_acc=acc)
            return
        built = m.submodules[name] = column(self.arch)
        self.columns.append(built)
        m.d.comb += [getattr(built, port).eq(signal) for port, signal in inputs.items()]
        m.d.comb += acc.eq(built.acc)


def delayed(m: Module, name: str, value: Value, stages: int) -> list[Value]:
    """The value, then what it was one to `stages` cycles ago."""
    values: list[Value] = [value]
    for stage in range(stages):
        late = Signal(len(value), name=f"{name}_{stage}")
        m.d.sync += late.eq(values[-1])
        values.append(late)
    return values
