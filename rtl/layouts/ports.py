"""Ports by their Verilog names, for emitted modules and their instances."""

from typing import Any

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring


def flat_ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """Ports by their Verilog names: `beat_valid`, `beat_payload`; no double underscore.

    Verilator renames top-level ports that contain `__`.
    """
    ports = {}
    for path, member, value in component.signature.flatten(component):
        parts = [str(part) for part in path]
        inward = member.flow == wiring.In
        signal = Value.cast(value)
        if parts[-1] == "ready" and not hasattr(signal, "name"):
            continue  # always_ready: a constant, not a port
        direction = PortDirection.Input if inward else PortDirection.Output
        ports["_".join(parts)] = (signal, direction)
    return ports


def port_table(component: wiring.Component) -> list[dict[str, Any]]:
    """Name, direction and width of every port, clock and reset first; fields of the payloads."""
    table: list[dict[str, Any]] = [
        {"name": name, "direction": "input", "width": 1} for name in ("clk", "rst")
    ]
    shapes = {
        "_".join(map(str, path)): member.shape
        for path, member, _ in component.signature.flatten(component)
    }
    for name, (value, direction) in flat_ports(component).items():
        row: dict[str, Any] = {"name": name, "direction": direction.value, "width": len(value)}
        layout = shapes[name]
        if hasattr(layout, "members"):
            row["fields"] = {
                key: {"offset": layout[key].offset, "width": layout[key].width}
                for key in layout.members
            }
        table.append(row)
    return table


def instance_of(component: wiring.Component, module: str, reset: Value | None = None) -> Instance:
    """An instance of the emitted `module`, wired to the members of `component`.

    Only the interface of the component is used: it must not be a submodule itself. reset: by
    default that of the clock domain.
    """
    wires: dict[str, Any] = {"i_clk": ClockSignal()}
    wires["i_rst"] = ResetSignal() if reset is None else reset
    for name, (signal, direction) in flat_ports(component).items():
        wires[f"{'i' if direction is PortDirection.Input else 'o'}_{name}"] = signal
    return Instance(module, **wires)
