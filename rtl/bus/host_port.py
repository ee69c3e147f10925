"""Host port: the registers behind AXI4-Lite."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator.ports import load_layout
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.counters import counters_layout, events_of
from .lite_port import LitePort
from .loader import Loader
from .pass_log import PassLog
from .registers import (
    ALL_PASSES,
    OKAY,
    SLVERR,
    WHOLE,
    WORD,
    Register,
    errors_of,
    register,
    registers_of,
)

ACCIDENTS = ("image_short", "image_long", "watchdog")
"""Errors that end a run; no write causes them. The last ones of `errors_of`."""
CHANNELS = ("aw", "w", "b", "ar", "r")
LOGGED = ("counters", "record", "ended")


def accidents_of(arch: Arch) -> tuple[str, ...]:
    """`ACCIDENTS` in front of an accelerator."""
    return ACCIDENTS if arch.external is None else (*ACCIDENTS, "memory")


class HostPort(wiring.Component):
    """Decodes `registers_of`: a refused access answers SLVERR and changes only ERROR.

    Latency and throughput: those of `LitePort`.

    Members
    -------
    lite : its channels (aw, w, b, ar, r). load : of the accelerator. start, abort, realign : for 1
    cycle. limit : of the watchdog. busy, done, counters, record, ended : of the sequencer.
    dropping, waiting : of the gates. image_short, image_long, watchdog, memory : 1 cycle each.
    irq : interrupt, of arrays that hold weights. memory_base : of external memory.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.registers, self.known_errors = registers_of(arch), errors_of(arch)
        self.accidents = accidents_of(arch)
        self.counted = tuple(name.upper() for name in ("cycles", *events_of(arch)))
        self.lite, self.loader, self.log = LitePort(), Loader(arch), PassLog(arch)
        inputs = ("busy", "done", "dropping", "waiting", *self.accidents, "record")
        more = {"irq": Out(1)} if arch.holds else {}
        if arch.external is not None:
            more["memory_base"] = Out(WORD)
        super().__init__(
            {
                **{name: self.lite.signature.members[name] for name in CHANNELS},
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                **{name: Out(1) for name in ("start", "abort", "realign")},
                "limit": Out(WORD),
                **{name: In(1) for name in inputs},
                "counters": In(counters_layout(events=events_of(arch))),
                "ended": In(address_width(arch.storage.passes)),
                **more,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lite, loader, log = self.lite, self.loader, self.log
        m.submodules.lite, m.submodules.loader, m.submodules.log = lite, loader, log
        self.chosen = Signal(WORD, init=ALL_PASSES)
        for name in CHANNELS:
            connect(m, flipped(getattr(self, name)), getattr(lite, name))
        connect(m, loader.load, flipped(self.load))
        m.d.comb += [
            log.start.eq(self.start),
            log.chosen.eq(self.chosen),
            *(getattr(log, name).eq(getattr(self, name)) for name in LOGGED),
            loader.value.eq(lite.value),
        ]
        self._write(m)
        self._read(m)
        return m

    def _write(self, m: Module) -> None:
        """Effects of a write, unless it causes an error."""
        lite, loader, value = self.lite, self.loader, self.lite.value
        whole = lite.strobes.all()
        asked = {entry.name: whole & (lite.address == entry.offset) for entry in self.registers}
        errors = self.known_errors
        causes, effect = Signal(len(errors) - len(self.accidents)), Signal()
        m.d.comb += [
            causes.eq(self._causes(asked)),
            lite.refused.eq(causes.any()),
            effect.eq(lite.write & ~lite.refused),
        ]
        does = {name: effect & found for name, found in asked.items()}
        control = {bit: does["CONTROL"] & value[bit.low] for bit in register("CONTROL").fields}
        m.d.sync += [getattr(self, bit.name.lower()).eq(now) for bit, now in control.items()]
        m.d.comb += [
            loader.set_target.eq(does["TARGET"]),
            loader.set_row.eq(does["ROW"]),
            loader.set_data.eq(does["DATA"]),
        ]
        kept_values = {"WATCHDOG": self.limit, "PASS": self.chosen}
        if self.arch.holds:
            self.enabled = Signal(len(register("INTERRUPT").fields))
            kept_values["INTERRUPT_ENABLE"] = self.enabled
        if self.arch.external is not None:
            kept_values["MEMORY_BASE"] = self.memory_base
        for name, kept in kept_values.items():
            with m.If(does[name]):
                m.d.sync += kept.eq(value)
        self.errors = Signal(len(errors))
        new = Cat(Mux(lite.write, causes, 0), *(getattr(self, name) for name in self.accidents))
        m.d.sync += self.errors.eq(self.errors & ~Mux(does["ERROR"], value, 0) | new)
        if self.arch.holds:
            self._interrupt(m, Mux(does["INTERRUPT"], value, 0), new)

    def _interrupt(self, m: Module, cleared: Value, errors: Value) -> None:
        """DONE with the end of a run, ERROR with every new bit of ERROR."""
        self.happened, was_done = Signal.like(self.enabled), Signal()
        ends = self.done & ~was_done
        m.d.sync += [
            was_done.eq(self.done),
            self.happened.eq((self.happened & ~cleared) | Cat(ends, errors.any())),
        ]
        m.d.comb += self.irq.eq((self.happened & self.enabled).any())

    def _causes(self, asked: dict[str, Value]) -> Value:
        """Why the current write is refused: bits of `ERRORS`. asked: all strobes, by register."""
        lite, loader, value = self.lite, self.loader, self.lite.value
        writable = [lite.address == entry.offset for entry in self.registers if entry.access.writes]
        partial = lite.strobes.any() & ~lite.strobes.all()
        start, abort = (value[register("CONTROL").field(n).low] for n in ("START", "ABORT"))
        started = asked["CONTROL"] & start & ~abort
        loading = asked["TARGET"] | asked["ROW"] | asked["DATA"]
        running = self.busy | self.start
        wrong_pass = (value != ALL_PASSES) & (value >= self.arch.storage.passes)
        causes = {
            "ACCESS": ~Cat(writable).any()
            | partial
            | (asked["PASS"] & wrong_pass)
            | (asked["CONTROL"] & start & abort),
            "BUSY": running & (loading | started),
            "ROW": ~running & ((asked["TARGET"] & ~loader.known) | (asked["DATA"] & loader.beyond)),
            "NOT_LOADED": ~running & started & ~loader.loaded,
        }
        return Cat(causes[name] for name in list(self.known_errors)[: len(causes)])

    def _read(self, m: Module) -> None:
        """Every register that can be read, from its fields."""
        lite = self.lite
        values = self._values()
        m.d.comb += lite.answer.response.eq(SLVERR)
        with m.Switch(lite.read_address):
            for entry in self.registers:
                if not entry.access.reads:
                    continue
                with m.Case(entry.offset):
                    good = self.log.known if entry.name in self.counted else 1
                    word = _word(entry, values)
                    m.d.comb += [
                        lite.answer.data.eq(Mux(good, word, 0)),
                        lite.answer.response.eq(Mux(good, OKAY, SLVERR)),
                    ]

    def _values(self) -> dict[str, dict[str, Value]]:
        """Fields by register; a field that is not here is constant."""
        shown = self.log.shown
        return {
            "STATUS": {
                "BUSY": self.busy | self.start,
                "DONE": self.done,
                "LOADED": self.loader.loaded,
                "DROPPING": self.dropping,
                "WAITING": self.waiting,
                "ERROR": self.errors.any(),
            },
            "ERROR": {name: self.errors[bit] for bit, name in enumerate(self.known_errors)},
            **self._more(),
            "WATCHDOG": {WHOLE: self.limit},
            "TARGET": {WHOLE: self.loader.target},
            "ROW": {WHOLE: self.loader.row},
            "PASS": {WHOLE: self.chosen},
            "ENDED": {WHOLE: self.log.count},
            **{name: {WHOLE: getattr(shown, name.lower())} for name in self.counted},
        }

    def _more(self) -> dict[str, dict[str, Value]]:
        """Of registers that only some accelerators have."""
        found: dict[str, dict[str, Value]] = {}
        if self.arch.holds:
            for name, bits in (("INTERRUPT", self.happened), ("INTERRUPT_ENABLE", self.enabled)):
                names = [f.name for f in register(name).fields]
                found[name] = {f: bits[bit] for bit, f in enumerate(names)}
        if self.arch.external is not None:
            found["MEMORY_BASE"] = {WHOLE: self.memory_base}
        return found


def _word(entry: Register, values: dict[str, dict[str, Value]]) -> Value:
    """A register's word; fields without a value are constant (ID)."""
    fields = values.get(entry.name, {f.name: Const(f.reset, f.width) for f in entry.fields})
    word: Value = Const(0, WORD)
    for f in entry.fields:
        word = word | (Value.cast(fields[f.name])[: f.width] << f.low)
    return word[:WORD]
