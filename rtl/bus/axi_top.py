"""Top level of a chip: the accelerator behind AXI4-Lite (control) and AXI4-Stream (data)."""

from amaranth.hdl import Module, ResetInserter, ResetSignal, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.accelerator import Accelerator
from ..accelerator.ports import ACCELERATOR_MODULE, accelerator_members
from ..arch.arch import Arch
from ..dma.axi_master import (
    MASTER_MODULE,
    AxiMaster,
    axi_master_members,
    axi_master_signature,
)
from ..layouts.descriptor import with_row_numbers
from ..layouts.ports import instance_of
from ..machine.choice import accelerator_of
from ..machine.machine import Machine
from .host_port import HostPort
from .image_gate import ImageGate
from .registers import ADDRESS_WIDTH, WORD
from .result_gate import RESULT_WIDTH, ResultGate
from .watchdog import Watchdog


class AxiTop(wiring.Component):
    """Ports with AXI names: `s_axil_*`, `s_axis_*` (image), `m_axis_*` (results).

    An image code is one transfer (channels innermost), its width rounded up to bytes, whose
    upper bits are ignored; `tlast` with the last code. A result is one transfer of 32 bits,
    sign-extended, `tlast` with the last of an image. A result not accepted freezes the engine.
    `tuser`: the transfer is no result, it closes the frame of a run that ended before its last one.

    `irq`, an interrupt, where lanes hold weights, `m_axi_*` where there is external memory.

    Whatever ends a run (ABORT, an image that is too short or too long, the watchdog, an error of
    external memory) resets the accelerator, not its memories. During reset nothing is ready or
    valid.
    Latency and throughput: those of `Accelerator`, results 1 cycle later.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch, self.instances = arch, instances
        # In Verilog the accelerator is a module of its own: emitted, and read, once.
        self.accelerator = (
            wiring.Signature(accelerator_members(with_row_numbers(arch))).create()
            if instances
            else accelerator_of(arch)
        )
        self.master: AxiMaster | None = None
        if arch.external is not None:
            port = wiring.Signature(axi_master_signature(arch)).create()
            self.master = port if instances else AxiMaster(arch)
        self.host, self.watchdog = HostPort(arch), Watchdog()
        self.images, self.results = ImageGate(arch), ResultGate(arch)
        super().__init__(axi_members(arch))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("host", "watchdog", "images", "results"):
            m.submodules[name] = getattr(self, name)
        inner, stop = self.accelerator, Signal()
        m.submodules.accelerator = (
            instance_of(inner, ACCELERATOR_MODULE, ResetSignal() | stop)
            if self.instances
            else ResetInserter(stop)(inner)
        )
        self._control(m, inner, stop)
        if self.arch.holds:
            m.d.comb += self.irq.eq(self.host.irq & ~ResetSignal())
        if self.master is not None:
            self._memory(m, inner, self.master, stop)
        self._streams(m, inner, stop)
        self._registers(m)
        return m

    def _control(self, m: Module, inner: Accelerator | Machine, stop: Value) -> None:
        """Starts and ends of a run."""
        host, images, watchdog = self.host, self.images, self.watchdog
        wiring.connect(m, host.load, inner.load)
        names = ("busy", "done", "counters", "record", "ended")
        causes = host.abort | images.short | images.long | watchdog.expired
        if self.master is not None:
            causes |= self.master.failed
        m.d.comb += [
            inner.start.eq(host.start),
            *(getattr(host, name).eq(getattr(inner, name)) for name in names),
            watchdog.limit.eq(host.limit),
            watchdog.busy.eq(inner.busy),
            watchdog.progress.eq(inner.progress),
            stop.eq(causes),
            host.image_short.eq(images.short),
            host.image_long.eq(images.long),
            host.watchdog.eq(watchdog.expired),
            host.dropping.eq(images.dropping),
            host.waiting.eq(self.results.frames.valid),
            images.realign.eq(host.realign),
            images.due.eq(inner.image_last),
        ]

    def _memory(self, m: Module, inner: Machine, master: AxiMaster, stop: Value) -> None:
        """The jobs of the accelerator to the AXI4 master, which outlives the runs."""
        m.submodules.master = instance_of(master, MASTER_MODULE) if self.instances else master
        wiring.connect(m, inner.external, master.memory)
        m.d.comb += [
            self.host.memory.eq(master.failed),
            master.base.eq(self.host.memory_base),
            master.stop.eq(stop),
        ]
        for name, member in axi_master_members(self.arch).items():
            outer, port = getattr(self, name), getattr(master, name)
            m.d.comb += port.eq(outer) if member.flow == In else outer.eq(port)

    def _streams(self, m: Module, inner: Accelerator | Machine, stop: Value) -> None:
        """Images in, results out."""
        images, results, on = self.images, self.results, ~ResetSignal()
        wiring.connect(m, images.codes, inner.image)
        wiring.connect(m, inner.result, results.results)
        frame = results.frames.payload
        m.d.comb += [
            images.stop.eq(stop),
            images.image.valid.eq(self.s_axis_tvalid),
            images.image.payload.code.eq(self.s_axis_tdata),
            images.image.payload.last.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(images.image.ready & on),
            results.stop.eq(stop),
            self.m_axis_tvalid.eq(results.frames.valid & on),
            self.m_axis_tdata.eq(frame.code),
            self.m_axis_tlast.eq(frame.last),
            self.m_axis_tuser.eq(frame.cut),
            results.frames.ready.eq(self.m_axis_tready),
        ]

    def _registers(self, m: Module) -> None:
        """The channels of AXI4-Lite."""
        host, on = self.host, ~ResetSignal()
        for name in ("aw", "w", "ar"):
            port = getattr(host, name)
            m.d.comb += [
                port.valid.eq(getattr(self, f"s_axil_{name}valid")),
                getattr(self, f"s_axil_{name}ready").eq(port.ready & on),
            ]
        for name in ("b", "r"):
            port = getattr(host, name)
            m.d.comb += [
                getattr(self, f"s_axil_{name}valid").eq(port.valid & on),
                port.ready.eq(getattr(self, f"s_axil_{name}ready")),
            ]
        m.d.comb += [
            host.aw.payload.eq(self.s_axil_awaddr),
            host.w.payload.data.eq(self.s_axil_wdata),
            host.w.payload.strobes.eq(self.s_axil_wstrb),
            self.s_axil_bresp.eq(host.b.payload),
            host.ar.payload.eq(self.s_axil_araddr),
            self.s_axil_rdata.eq(host.r.payload.data),
            self.s_axil_rresp.eq(host.r.payload.response),
        ]


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
    more: dict[str, wiring.Member] = {"irq": Out(1)} if arch.holds else {}
    if arch.external is not None:
        more |= axi_master_members(arch)
    return {
        **more,
        **{f"s_axil_{name}": member for name, member in lite.items()},
        **{f"s_axis_{name}": member for name, member in image.items()},
        **{f"m_axis_{name}": member for name, member in result.items()},
    }


def axi_interface(arch: Arch) -> wiring.PureInterface:
    """The ports of `AxiTop` without the hardware."""
    return wiring.Signature(axi_members(arch)).create()
