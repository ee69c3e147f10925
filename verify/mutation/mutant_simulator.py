"""A mutant behind the interface of Amaranth's simulator: set, get, tick on the unit's own ports."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape, ShapeCastable, Signal, Value, ValueCastable

from adqhw.rtl.layouts.ports import flat_ports

from .netlist import SELECT


class _Object(ctypes.Structure):
    """`struct cxxrtl_object`."""

    _fields_ = [
        ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        ("width", ctypes.c_size_t), ("lsb_at", ctypes.c_size_t),
        ("depth", ctypes.c_size_t), ("zero_at", ctypes.c_size_t),
        ("curr", ctypes.POINTER(ctypes.c_uint32)), ("next", ctypes.POINTER(ctypes.c_uint32)),
        ("outline", ctypes.c_void_p), ("attrs", ctypes.c_void_p),
    ]  # fmt: skip


@cache
def _library(path: Path) -> Any:
    lib = ctypes.CDLL(str(path.resolve()))
    for name, result, arguments in (
        ("cxxrtl_design_create", ctypes.c_void_p, []),
        ("cxxrtl_create", ctypes.c_void_p, [ctypes.c_void_p]),
        ("cxxrtl_destroy", None, [ctypes.c_void_p]),
        ("cxxrtl_step", ctypes.c_size_t, [ctypes.c_void_p]),
        ("cxxrtl_outline_eval", None, [ctypes.c_void_p]),
        ("cxxrtl_get_parts", ctypes.POINTER(_Object),
         [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)]),
    ):  # fmt: skip
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def mutant(library: Path, number: int) -> Callable[[Any], "MutantSimulator"]:
    """A simulator class for one mutant; 0 is the unit itself."""
    return lambda dut: MutantSimulator(dut, library, number)


class MutantSimulator:
    """Drop-in for `amaranth.sim.Simulator` with one testbench and one clock."""

    def __init__(self, dut: Any, library: Path, number: int) -> None:
        self.lib = _library(library)
        self.handle = self.lib.cxxrtl_create(self.lib.cxxrtl_design_create())
        self.places = {
            id(signal): self._place(name) for name, (signal, _) in flat_ports(dut).items()
        }
        self.keep = dut  # ids above are of its signals
        self.clock, self.rst = self._place("clk"), Signal()
        self.places[id(self.rst)] = self._place("rst")
        self._write(self._place(SELECT), number)
        self.stale = True

    def add_clock(self, period: float) -> None:
        """Any period: a tick is a tick."""

    def add_testbench(self, bench: Any) -> None:
        self.bench: Callable[[Any], Any] = bench

    def run(self) -> None:
        """The testbench, to its end."""
        try:
            routine = self.bench(self)
            try:
                while True:
                    routine.send(None)
            except StopIteration:
                return
        finally:
            self.lib.cxxrtl_destroy(self.handle)

    def set(self, target: Any, value: Any) -> None:
        """An input port takes a value, an integer or a value of its layout."""
        if isinstance(target, ValueCastable) and not isinstance(value, int):
            value = Value.cast(target.shape().const(value))
            value = value.value
        place = self.places[id(Value.cast(target))]
        self._write(place, int(value))
        self.stale = True

    def get(self, source: Any) -> Any:
        """The value of a port, or of a field of one."""
        signal = Value.cast(source)
        bits = self._bits(signal)
        shape = source.shape() if isinstance(source, ValueCastable) else signal.shape()
        if isinstance(shape, ShapeCastable):
            return shape.from_bits(bits)
        width = Shape.cast(shape).width
        return bits - (1 << width) if Shape.cast(shape).signed and bits >> (width - 1) else bits

    def _bits(self, value: Value) -> int:
        if id(value) in self.places:
            if self.stale:
                self.lib.cxxrtl_step(self.handle)
                self.stale = False
            return self._read(self.places[id(value)])
        match type(value).__name__:
            case "Slice":
                whole = self._bits(value.value)
                return whole >> value.start & ((1 << (value.stop - value.start)) - 1)
            case "Operator" if len(value.operands) == 1:  # as_signed, as_unsigned
                return self._bits(value.operands[0])
            case kind:
                raise KeyError(f"Only ports and their fields can be read, not {kind}")

    def peek(self, name: str) -> int:
        """A register or a named wire inside the netlist."""
        if self.stale:
            self.lib.cxxrtl_step(self.handle)
            self.stale = False
        wire = self._object(name)
        if wire.outline:  # not kept by the model: computed on reading
            self.lib.cxxrtl_outline_eval(wire.outline)
        return self._read(self._place(name))

    async def _tick(self) -> None:
        for level in (0, 1):
            self._write(self.clock, level)
            self.lib.cxxrtl_step(self.handle)
        self.stale = True  # what is combinational of the new registers, after another step

    def tick(self) -> Any:
        """A rising edge."""
        return self._tick()

    def _object(self, name: str) -> Any:
        parts = ctypes.c_size_t()
        objects = self.lib.cxxrtl_get_parts(self.handle, name.encode(), ctypes.byref(parts))
        if not objects:
            raise KeyError(f"The model must have the port {name}")
        if parts.value != 1:
            raise KeyError(f"Port {name} must be one object, not {parts.value}")
        return objects[0]

    def _place(self, name: str) -> Any:
        place = self._object(name)
        chunks = (place.width + 31) // 32
        target = place.next if place.next else place.curr
        return place.curr, target, place.width, chunks

    @staticmethod
    def _read(place: Any) -> int:
        curr, _, width, chunks = place
        bits = 0
        for i in range(chunks):
            bits |= curr[i] << 32 * i
        return bits & ((1 << width) - 1)

    @staticmethod
    def _write(place: Any, value: int) -> None:
        _, target, width, chunks = place
        value &= (1 << width) - 1
        for i in range(chunks):
            target[i] = value >> 32 * i & 0xFFFFFFFF
