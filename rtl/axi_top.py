"""Top level of a chip: the accelerator behind AXI4-Lite (control) and AXI4-Stream (data)."""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .accelerator import Accelerator
from .accelerator_ports import ACCELERATOR_MODULE, accelerator_members
from .arch import Arch
from .descriptor import with_row_numbers
from .host_port import ADDRESS_WIDTH, WORD, HostPort
from .ports import instance_of

RESULT_WIDTH = 32


class AxiTop(wiring.Component):
    """Ports with AXI names: `s_axil_*`, `s_axis_*` (image), `m_axis_*` (results).

    An image code is one transfer (channels innermost), its width rounded up to bytes; a result is
    one transfer of 32 bits, sign-extended, `tlast` with the last of an image. A result that is not
    taken freezes the engine. Latency and throughput: those of `Accelerator`.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch, self.instances = arch, instances
        # In Verilog the accelerator is a module of its own: emitted, and read, once.
        self.accelerator = (
            wiring.Signature(accelerator_members(with_row_numbers(arch))).create()
            if instances
            else Accelerator(arch)
        )
        self.host = HostPort(arch)
        super().__init__(axi_members(arch))

    def elaborate(self, platform):
        m = Module()
        inner, host = self.accelerator, self.host
        m.submodules.host = host
        m.submodules.accelerator = (
            instance_of(inner, ACCELERATOR_MODULE) if self.instances else inner
        )
        wiring.connect(m, host.load, inner.load)
        m.d.comb += [
            inner.start.eq(host.start),
            *(
                getattr(host, name).eq(getattr(inner, name))
                for name in ("busy", "done", "counters", "record", "ended")
            ),
            inner.image.valid.eq(self.s_axis_tvalid),
            inner.image.payload.eq(self.s_axis_tdata),
            self.s_axis_tready.eq(inner.image.ready),
            self.m_axis_tvalid.eq(inner.result.valid),
            self.m_axis_tdata.eq(inner.result.payload.code),
            self.m_axis_tlast.eq(inner.result.payload.last),
            inner.result.ready.eq(self.m_axis_tready),
            self.s_axil_bresp.eq(host.b.payload),
            self.s_axil_rresp.eq(0),
        ]
        for name, data in (("aw", "addr"), ("w", "data"), ("ar", "addr")):
            port = getattr(host, name)
            m.d.comb += [
                port.valid.eq(getattr(self, f"s_axil_{name}valid")),
                port.payload.eq(getattr(self, f"s_axil_{name}{data}")),
                getattr(self, f"s_axil_{name}ready").eq(port.ready),
            ]
        for name in ("b", "r"):
            port = getattr(host, name)
            m.d.comb += [
                getattr(self, f"s_axil_{name}valid").eq(port.valid),
                port.ready.eq(getattr(self, f"s_axil_{name}ready")),
            ]
        m.d.comb += self.s_axil_rdata.eq(host.r.payload)
        return m


def axi_members(arch: Arch) -> dict[str, wiring.Member]:
    """Members of `AxiTop`."""
    code_bytes = -(-arch.storage.code_width // 8)
    lite = {
        "awaddr": In(ADDRESS_WIDTH), "awprot": In(3), "awvalid": In(1), "awready": Out(1),
        "wdata": In(WORD), "wstrb": In(WORD // 8), "wvalid": In(1), "wready": Out(1),
        "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
        "araddr": In(ADDRESS_WIDTH), "arprot": In(3), "arvalid": In(1), "arready": Out(1),
        "rdata": Out(WORD), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
    }  # fmt: skip
    image = {
        "tdata": In(unsigned(8 * code_bytes)), "tlast": In(1), "tvalid": In(1), "tready": Out(1),
    }  # fmt: skip
    result = {
        "tdata": Out(signed(RESULT_WIDTH)), "tlast": Out(1), "tuser": Out(1), "tvalid": Out(1),
        "tready": In(1),
    }  # fmt: skip
    return {
        **{f"s_axil_{name}": member for name, member in lite.items()},
        **{f"s_axis_{name}": member for name, member in image.items()},
        **{f"m_axis_{name}": member for name, member in result.items()},
    }


def axi_interface(arch: Arch) -> wiring.PureInterface:
    """The ports of `AxiTop` without the hardware."""
    return wiring.Signature(axi_members(arch)).create()
