"""Netlists placed by hand, without a placer, and random ones to repair."""

import random
from pathlib import Path

import numpy as np
from gate_oracle import netlist_json

from adqhw.gates.liberty.liberty import Library
from adqhw.gates.netlist.netlist import Netlist, parse_netlist
from adqhw.gates.placement.buffers import choose_buffer
from adqhw.gates.placement.footprints import from_areas
from adqhw.gates.placement.placer import Placement
from adqhw.gates.placement.wire_rc import Layer, WireRC
from adqhw.gates.placement.wires import Laid
from adqhw.gates.placement.wiring import wiring_of
from adqhw.gates.play.simulation import COUNT, Stimulus
from adqhw.gates.repair.draft import Draft


def hand_laid(
    netlist: Netlist, library: Library, spots: dict[str, tuple[float, float]] | None = None,
    *, ff: float = 0.1, ohm: float = 1.0, apart: float = 10.0,
) -> Laid:  # fmt: skip
    """spots: middles of gates by name; others are in rows of eight, `apart` um from each other."""
    footprints, wiring = from_areas(library, 2.0), wiring_of(netlist)
    middles = [
        (spots or {}).get(gate.name, (apart * (at % 8), apart * (at // 8)))
        for at, gate in enumerate(netlist.gates)
    ]
    sizes = [footprints.of(gate.cell) for gate in netlist.gates]
    count = len(netlist.gates)
    placement = Placement(
        x=np.array([x - f.width / 2 for (x, _), f in zip(middles, sizes, strict=True)]),
        y=np.array([y - f.height / 2 for (_, y), f in zip(middles, sizes, strict=True)]),
        mirror_x=np.zeros(count, bool),
        mirror_y=np.zeros(count, bool),
        port_x=np.zeros(wiring.ports),
        port_y=np.zeros(wiring.ports),
        width=100.0,
        height=100.0,
    )
    layer = Layer(ohm=ohm, ff=ff)
    rc = WireRC(source="by hand", signal=layer, clock=layer)
    buffer = choose_buffer(library, 0.25)
    return Laid.of(wiring, placement, footprints=footprints, rc=rc, buffer=buffer)


def random_netlist(library: Library, gates: int, seed: int) -> Netlist:
    """Gates and some flip-flops of a clock `clk`, each on nets that were there before it."""
    draw = random.Random(seed)
    ports = {"clk": ("input", [2]), "a": ("input", [3, 4, 5, 6])}
    nets, cells = [3, 4, 5, 6], {}
    for at in range(gates):
        kind = draw.choice(["INV", "NAND", "NAND", "NOR", "BUF", "DFF"])
        out = 7 + at
        inputs = draw.choices(nets[-20:], k=2)
        if kind == "DFF":
            cells[f"g{at}"] = kind, {"CK": 2, "D": inputs[0], "Q": out}
        elif kind in ("INV", "BUF"):
            cells[f"g{at}"] = kind, {"A": inputs[0], "Y": out}
        else:
            cells[f"g{at}"] = kind, {"A": inputs[0], "B": inputs[1], "Y": out}
        nets.append(out)
    ports["q"] = "output", nets[-6:]
    return parse_netlist(netlist_json(ports, cells), "top", library)


def chain_netlist(library: Library, length: int, loads: int) -> Netlist:
    """From a flip-flop through inverters, each of which drives so many more, to a flip-flop."""
    ports = {"clk": ("input", [2]), "a": ("input", [3])}
    cells: dict = {"first": ("DFF", {"CK": 2, "D": 3, "Q": 4})}
    free = 5 + length
    for at in range(length):
        cells[f"on{at}"] = "INV", {"A": 4 + at, "Y": 5 + at}
        for load in range(loads):
            cells[f"load{at}_{load}"] = "INV", {"A": 5 + at, "Y": free}
            free += 1
    cells["last"] = "DFF", {"CK": 2, "D": 4 + length, "Q": free}
    ports["q"] = "output", [free]
    return parse_netlist(netlist_json(ports, cells), "top", library)


def random_rows(bits: int, cycles: int) -> Stimulus:
    """Of an input `a` of so many bits."""
    drawn = np.random.default_rng(9).integers(0, 2, (cycles, bits)).astype(np.uint8)
    return Stimulus(ports={"a": drawn}, flags=np.full(cycles, COUNT, np.uint32))


def changed_at_random(draft: Draft, random: np.random.Generator, count: int) -> None:
    """Sizes swapped, buffers inserted and taken out."""
    other = {"INV": "ALPHA", "ALPHA": "INV", "NAND": "BETA", "BETA": "NAND", "BUF": "GAMMA"}
    for _ in range(count):
        kind, gate = random.integers(4), int(random.integers(len(draft.cells)))
        if kind <= 1 and draft.cells[gate] in other:
            draft.swap(gate, other[draft.cells[gate]])
        elif kind == 2:
            net = int(random.integers(len(draft.sinks)))
            if net != draft.netlist.clock and draft.sinks[net] and draft.root(net) is not None:
                some = draft.sinks[net][: 1 + int(random.integers(len(draft.sinks[net])))]
                draft.insert(net, some, "GAMMA", (float(random.integers(90)), 7.0))
        elif draft.cells[gate] in ("BUF", "GAMMA") and not draft.ports[draft.pins[gate]["Y"]]:
            draft.remove(gate)


def rc_file(folder: Path, ff: float = 0.1) -> Path:
    """Wires of one layer."""
    path = folder / "rc.toml"
    path.write_text(
        f'signal = ["m"]\nclock = ["m"]\n[layers.m]\nohm_per_um = 1\nff_per_um = {ff}\n'
    )
    return path
