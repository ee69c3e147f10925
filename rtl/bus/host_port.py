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
    ERRORS,
    OKAY,
    SLVERR,
    WHOLE,
    WORD,
    Register,
    register,
    registers_of,
)

ACCIDENTS = ("image_short", "image_long", "watchdog")
"""Errors that end a run; no write causes them. The last ones of `ERRORS`."""
CHANNELS = ("aw", "w", "b", "ar", "r")
LOGGED = ("counters", "record", "ended")


class HostPort(wiring.Component):
    """Decodes `registers_of`: a refused access answers SLVERR and changes only ERROR.

    Latency and throughput: those of `LitePort`.

    Members
    -------
    lite : its channels (aw, w, b, ar, r). load : of the accelerator. start, abort, realign : for 1
    cycle. limit : of the watchdog. busy, done, counters, record, ended : of the sequencer.
    dropping, waiting : of the gates. image_short, image_long, watchdog : 1 cycle each.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.registers = registers_of(arch)
        self.counted = tuple(name.upper() for name in ("cycles", *events_of(arch)))
        self.lite, self.loader, self.log = LitePort(), Loader(arch), PassLog(arch)
        inputs = ("busy", "done", "dropping", "waiting", *ACCIDENTS, "record")
        super().__init__(
            {
                **{name: self.lite.signature.members[name] for name in CHANNELS},
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                **{name: Out(1) for name in ("start", "abort", "realign")},
                "limit": Out(WORD),
                **{name: In(1) for name in inputs},
                "counters": In(counters_layout(events=events_of(arch))),
                "ended": In(address_width(arch.storage.passes)),
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
        causes, effect = Signal(len(ERRORS) - len(ACCIDENTS)), Signal()
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
        for name, kept in (("WATCHDOG", self.limit), ("PASS", self.chosen)):
            with m.If(does[name]):
                m.d.sync += kept.eq(value)
        self.errors = Signal(len(ERRORS))
        new = Cat(Mux(lite.write, causes, 0), *(getattr(self, name) for name in ACCIDENTS))
        m.d.sync += self.errors.eq(self.errors & ~Mux(does["ERROR"], value, 0) | new)

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
        return Cat(causes[name] for name in list(ERRORS)[: len(causes)])

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
            "ERROR": {name: self.errors[bit] for bit, name in enumerate(ERRORS)},
            "WATCHDOG": {WHOLE: self.limit},
            "TARGET": {WHOLE: self.loader.target},
            "ROW": {WHOLE: self.loader.row},
            "PASS": {WHOLE: self.chosen},
            "ENDED": {WHOLE: self.log.count},
            **{name: {WHOLE: getattr(shown, name.lower())} for name in self.counted},
        }


def _word(entry: Register, values: dict[str, dict[str, Value]]) -> Value:
    """A register's word; fields without a value are constant (ID)."""
    fields = values.get(entry.name, {f.name: Const(f.reset, f.width) for f in entry.fields})
    word: Value = Const(0, WORD)
    for f in entry.fields:
        word = word | (Value.cast(fields[f.name])[: f.width] << f.low)
    return word[:WORD]
