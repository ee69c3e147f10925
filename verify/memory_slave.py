"""External memory behind AXI4 in plain Python, cycle by cycle; it checks the master's rules."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from adqhw.rtl.timing.dram import DramModel

PAGE = 4096


@dataclass
class Burst:
    store: bool
    address: int
    beats: int
    at: int
    done: int = 0


@dataclass
class MemorySlave:
    """Serves a component with `m_axi_*` ports. stall: chance that an address, a beat or a response
    waits a cycle longer; 0: exactly the model. faults: byte addresses of beats that answer SLVERR.
    """

    model: DramModel
    data: bytearray
    bus_bytes: int
    stall: float = 0.0
    seed: int = 0
    faults: frozenset[int] = frozenset()
    cycle: int = 0
    bursts: list[Burst] = field(default_factory=list)
    written: set[int] = field(default_factory=set)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.queue, self.answers = deque(), deque()
        self.free, self.row, self.penalty = 0, None, None
        self.waiting = {}

    def _lucky(self) -> bool:
        return not self.stall or self.rng.random() >= self.stall

    def drive(self, ctx, port):
        """Inputs of the master in this cycle."""
        self.ready = {name: self._lucky() for name in ("ar", "aw")}
        ctx.set(port.m_axi_arready, int(self.ready["ar"]))
        ctx.set(port.m_axi_awready, int(self.ready["aw"]))
        due = self._due()
        self.reading = due and not self.queue[0].store
        self.writing = due and self.queue[0].store
        ctx.set(port.m_axi_rvalid, int(self.reading))
        ctx.set(port.m_axi_wready, int(self.writing))
        at = self._beat() if due else 0
        ctx.set(port.m_axi_rdata, int.from_bytes(self.data[at : at + self.bus_bytes], "little"))
        ctx.set(port.m_axi_rlast, int(due and self.queue[0].done + 1 == self.queue[0].beats))
        ctx.set(port.m_axi_rresp, 2 if at in self.faults else 0)
        self.answering = bool(self.answers) and (self.answers[0][0] <= self.cycle)
        ctx.set(port.m_axi_bvalid, int(self.answering))
        ctx.set(port.m_axi_bresp, self.answers[0][1] if self.answers else 0)

    def _due(self) -> bool:
        """The oldest burst's next beat may move in this cycle."""
        if not self.queue:
            return False
        burst = self.queue[0]
        if burst.done == 0:
            if self.penalty is None:
                row = burst.address // self.model.row_bytes
                self.penalty = 0 if row == self.row else self.model.row_miss
                self.row = row
            first = burst.at + (1 if burst.store else self.model.latency)
            due = self.cycle >= max(first, self.free) + self.penalty
        else:
            due = self.cycle >= self.free
        if due and self.stall:
            due = self._held or self._lucky()
            self._held = due
        return due

    _held = False

    def _beat(self) -> int:
        burst = self.queue[0]
        return burst.address + burst.done * self.bus_bytes

    def sample(self, ctx, port):
        """Transfers of this cycle."""
        for name, store in (("ar", False), ("aw", True)):
            if self._offered(ctx, port, name, self.ready[name]):
                self._address(ctx, port, name, store)
        moved = self.reading and ctx.get(port.m_axi_rready)
        if self._offered(ctx, port, "w", self.writing):
            self._store(ctx, port)
            moved = True
        if moved:
            burst = self.queue[0]
            burst.done += 1
            self.free, self._held = self.cycle + self.model.beat_cycles, False
            if burst.done == burst.beats:
                self.queue.popleft()
                self.penalty = None
                if burst.store:
                    wrong = any(burst.address <= at < burst.address + burst.beats * self.bus_bytes
                                for at in self.faults)  # fmt: skip
                    self.answers.append((self.cycle + self.model.latency, 2 if wrong else 0))
        if self.answering and ctx.get(port.m_axi_bready):
            self.answers.popleft()
        self.cycle += 1

    def _offered(self, ctx, port, name, ready):
        """A transfer; what is offered stays until it is taken."""
        names = {"w": ("data", "strb", "last")}.get(name, ("addr", "len"))
        valid = ctx.get(getattr(port, f"m_axi_{name}valid"))
        now = [ctx.get(getattr(port, f"m_axi_{name}{n}")) for n in names] if valid else None
        before = self.waiting.get(name)
        assert before is None or now == before, f"{name} changed before it was taken"
        self.waiting[name] = None if ready else now
        return valid and ready

    def _address(self, ctx, port, name, store):
        address = ctx.get(getattr(port, f"m_axi_{name}addr"))
        beats = ctx.get(getattr(port, f"m_axi_{name}len")) + 1
        assert ctx.get(getattr(port, f"m_axi_{name}burst")) == 1
        assert 1 << ctx.get(getattr(port, f"m_axi_{name}size")) == self.bus_bytes
        end = address + beats * self.bus_bytes
        assert address % self.bus_bytes == 0
        assert address // PAGE == (end - 1) // PAGE, "a burst crosses a page"
        assert end <= len(self.data)
        assert all(entry.store == store for entry in self.queue), "reads and writes mixed"
        burst = Burst(store=store, address=address, beats=beats, at=self.cycle)
        self.queue.append(burst)
        self.bursts.append(burst)

    def _store(self, ctx, port):
        burst, strobes = self.queue[0], ctx.get(port.m_axi_wstrb)
        word = ctx.get(port.m_axi_wdata).to_bytes(self.bus_bytes, "little")
        assert ctx.get(port.m_axi_wlast) == (burst.done + 1 == burst.beats)
        for byte in range(self.bus_bytes):
            if strobes >> byte & 1:
                self.data[self._beat() + byte] = word[byte]
                self.written.add(self._beat() + byte)
