"""Arrays that hold weights, driven by the stimulus of their netlists."""

from types import SimpleNamespace

from amaranth.hdl import Value


def ports_of(dut):
    """Signals by the name of the port in Verilog."""
    found = {}
    for one in ("beats", "fields", "codebook"):
        port = getattr(dut, one)
        found |= {f"{one}_valid": port.valid, f"{one}_payload": Value.cast(port.payload)}
    found |= {"bypass": dut.bypass, "slot": dut.slot, "groups_ready": dut.groups.ready}
    if hasattr(dut, "work"):
        found |= {"work": Value.cast(dut.work), "configured": dut.configured}
    return found


def netlist_of(ports):
    """What a stimulus asks of a netlist: the widths of its inputs."""
    return SimpleNamespace(inputs={n: range(len(v)) for n, v in ports.items()} | {"rst": [0]})


def words_of(bits):
    """A port's rows of bits as integers."""
    return [sum(int(bit) << i for i, bit in enumerate(row)) for row in bits]
