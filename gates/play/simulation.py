"""Gate netlists in Verilator: a stimulus in, transition counts of every cell and net out.

Zero delay: within a cycle a net changes at most once, glitches do not exist. What a cell did in a
cycle is its state (inputs; of a flip-flop, data inputs and the stored bit) before and after; how
often each pair occurred is all that the energy needs, conditions included.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...cosim.simulators.build_cache import build_folder, built
from ...cosim.simulators.toolchain import Simulator, compile_program, last_words
from ...spec.errors import InputError, SimulationError
from ..liberty.liberty import Library
from ..netlist.netlist import ONE, ZERO, Gate, Netlist, clock_pin
from ..netlist.verilog import MODULE, gate_verilog, input_width, probes, state_output

COUNT, UNTIL_READY, RECORD, FOLLOWED = 1, 2, 4, 8
"""Flags of a stimulus row: count its cycle, repeat it until ready, record valid outputs, count the
step from it into the next row though none before (`gate_lanes` only)."""
MOST_PINS = 8
"""A cell with n state bits has 4^n counters."""
_MAIN = Path(__file__).parent / "templates" / "gates_main.cpp"
_BINARY = "gates_main"

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class GateModel:
    """A compiled netlist."""

    netlist: Netlist
    library: Library
    folder: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Stimulus:
    """ports: (rows, width) bits of every input port, low bit first. flags: (rows,)."""

    ports: Mapping[str, Bits]
    flags: npt.NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Watch:
    """Observed ports of a run: single-bit ready and valid, and the port recorded."""

    ready: str = ""
    valid: str = ""
    record: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Switching:
    """Counts of the counted cycles."""

    cycles: int
    toggles: npt.NDArray[np.uint32]
    """(nets,) changes of every net but the clock."""
    transitions: tuple[npt.NDArray[np.uint32], ...]
    """Per gate (2^n, 2^n): how often state [before] became state [after]."""
    records: Bits
    """(valid cycles, width) bits of the recorded port, low bit first."""


def state_pins(gate: Gate, library: Library) -> tuple[str, ...]:
    """The pins of a gate's state, low bit first."""
    cell = library.cell(gate.cell)
    pins = cell.inputs
    if cell.ff is not None:
        clock = clock_pin(cell)
        pins = (*(pin for pin in cell.inputs if pin != clock), state_output(gate, library))
    if len(pins) > MOST_PINS:
        raise InputError(f"Cell {cell.name!r} must have at most {MOST_PINS} pins, not {len(pins)}")
    return pins


def build_gates(netlist: Netlist, library: Library, simulator: Simulator, cache: Path) -> GateModel:
    """Compile the netlist below `cache`, unless that very build is there."""
    texts = {
        f"{MODULE}.v": gate_verilog(netlist, library),
        "probes.h": _probes_header(probes(netlist)),
        _MAIN.name: _MAIN.read_text(encoding="utf-8"),
    }

    def make(folder: Path) -> None:
        sources = [f"{MODULE}.v", _MAIN.name]
        options = ("--prefix", f"V{MODULE}", "-Wno-lint", "-O3")
        said = compile_program(simulator, folder, _BINARY, MODULE, sources, *options)
        if said:
            raise InputError(
                f"Verilator must compile the gate netlist, not fail: {last_words(said)}"
            )

    folder = build_folder(cache, "gate_model", [texts, simulator.version])
    built(folder, make, texts, result=_BINARY)
    return GateModel(netlist=netlist, library=library, folder=folder)


def play(model: GateModel, stimulus: Stimulus, watch: Watch | None = None) -> Switching:
    """Run the stimulus from power-on; the flip-flops begin with 0."""
    watch = watch or Watch()
    netlist = model.netlist
    with tempfile.TemporaryDirectory(prefix="adqhw_gates_") as name:
        folder = Path(name)
        _layout(model, watch).tofile(folder / "layout")
        _stimulus_words(netlist, stimulus).tofile(folder / "stimulus")
        files = [str(folder / part) for part in ("layout", "stimulus", "counts", "records")]
        try:
            done = subprocess.run(
                [str(model.folder / _BINARY), *files], capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise SimulationError(
                f"Gate model must run; remove {str(model.folder)!r} to compile it again: {error}"
            ) from error
        if done.returncode:
            raise SimulationError(f"Gate simulation ended with {done.returncode}: {done.stderr}")
        return _switching(model, folder, _record_width(netlist, watch))


def _probes_header(count: int) -> str:
    cases = "".join(f"        case {i}: return top.probe_{i};\n" for i in range(count))
    return (
        f"#define PROBES {count}u\n"
        "static inline uint64_t probe_of(const Vgates& top, uint32_t probe) {\n"
        f"    switch (probe) {{\n{cases}        default: return 0;\n    }}\n}}\n"
    )


def _layout(model: GateModel, watch: Watch) -> npt.NDArray[np.uint32]:
    """Header of the input of `gates_main.cpp`."""
    netlist = model.netlist
    none = netlist.nets
    ready, valid = (_single(netlist, name) if name else none for name in (watch.ready, watch.valid))
    record = netlist.outputs[watch.record] if watch.record else ()
    words = [none, _words(netlist), ready, valid, len(record), len(netlist.gates)]
    words += [_index(netlist, net) for net in record]
    for gate in netlist.gates:
        pins = state_pins(gate, model.library)
        words += [len(pins), *(_index(netlist, gate.pins[pin]) for pin in pins)]
    return np.array(words, np.uint32)


def _index(netlist: Netlist, net: int) -> int:
    return {ZERO: netlist.nets, ONE: netlist.nets + 1}.get(net, net)


def _single(netlist: Netlist, name: str) -> int:
    (net,) = netlist.outputs[name]
    return _index(netlist, net)


def _words(netlist: Netlist) -> int:
    return -(-input_width(netlist) // 32)


def _stimulus_words(netlist: Netlist, stimulus: Stimulus) -> npt.NDArray[np.uint32]:
    """(rows, 1 + words): flags, then the input vector."""
    rows = len(stimulus.flags)
    check_ports(netlist, stimulus)
    bits = np.zeros((rows, _words(netlist) * 32), np.uint8)
    used = np.concatenate([stimulus.ports[name] for name in netlist.inputs], axis=1)
    bits[:, : used.shape[1]] = used
    packed = np.packbits(bits, axis=1, bitorder="little").view("<u4")
    return np.concatenate([stimulus.flags[:, None].astype("<u4"), packed], axis=1)


def check_ports(netlist: Netlist, stimulus: Stimulus) -> None:
    """Refuse a stimulus that does not have bits for every row of the netlist's inputs."""
    rows = len(stimulus.flags)
    unknown = sorted(set(stimulus.ports) ^ set(netlist.inputs))
    if unknown:
        raise InputError(f"Stimulus must have exactly the netlist's input ports: {unknown[0]!r}")
    for name, nets in netlist.inputs.items():
        shape = stimulus.ports[name].shape
        if shape != (rows, len(nets)):
            raise InputError(f"Port {name!r} must have bits {(rows, len(nets))}, not {shape}")


def _record_width(netlist: Netlist, watch: Watch) -> int:
    return len(netlist.outputs[watch.record]) if watch.record else 1


def _switching(model: GateModel, folder: Path, width: int) -> Switching:
    raw = np.fromfile(folder / "counts", np.uint8)
    nets = model.netlist.nets
    counters = raw[8 + 4 * nets :].view("<u4")
    transitions, at = [], 0
    for gate in model.netlist.gates:
        states = 1 << len(state_pins(gate, model.library))
        transitions.append(counters[at : at + states**2].reshape(states, states))
        at += states**2
    return Switching(
        cycles=int(raw[:8].view("<u8")[0]),
        toggles=raw[8 : 8 + 4 * nets].view("<u4"),
        transitions=tuple(transitions),
        records=np.fromfile(folder / "records", np.uint8).reshape(-1, width),
    )
