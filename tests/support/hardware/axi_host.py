"""In-simulator cocotb module: a host with AXI masters loads a network and runs images."""

import json
import os
from itertools import cycle
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

from adqhw.rtl.bus.registers import ALL_PASSES, WORD, mask, offset
from adqhw.rtl.layouts.counters import EVENTS

LIMIT_MS = 5
"""Half a million cycles: far more than a tiny network takes."""
JOB = "ADQHW_AXI_JOB"
"""Environment variable: a JSON file with rows to load, images and pause patterns."""
UNKNOWN = 0x3C
"""No register's address."""


class Bench:
    """The masters of one `adqhw_top`."""

    def __init__(self, dut) -> None:
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)

    async def write(self, name: str, value: int, size: int = WORD // 8) -> int:
        """Write the first `size` bytes of a register; the response."""
        done = await self.lite.write(offset(name), value.to_bytes(size, "little"))
        return int(done.resp)

    async def read(self, name: str) -> int:
        return await self.lite.read_dword(offset(name))

    async def control(self, bit: str) -> int:
        return await self.write("CONTROL", mask("CONTROL", bit))

    async def load(self, rows) -> None:
        """Rows as [target, row, words]; consecutive rows of one memory need no address."""
        at = None
        for target, row, words in rows:
            if at != (target, row):
                await self.write("TARGET", target)
                await self.write("ROW", row)
            for word in words:
                await self.write("DATA", word)
            at = target, row + 1

    async def ended(self) -> None:
        """Wait until no run is under way."""
        while await self.read("STATUS") & mask("STATUS", "BUSY"):
            await Timer(100, unit="ns")

    async def results(self) -> list[int]:
        """The next frame of results."""
        data, size = bytes((await self.sink.recv()).tdata), WORD // 8
        places = range(0, len(data), size)
        return [int.from_bytes(data[at : at + size], "little", signed=True) for at in places]

    async def image(self, codes) -> list[int]:
        """One run."""
        await self.control("START")
        await self.source.send(bytes(codes))
        results = await self.results()
        await self.ended()
        return results


@cocotb.test(timeout_time=LIMIT_MS, timeout_unit="ms")
async def run_host(dut):
    """Load every row, run the images, read the counters; then make every error that a host can."""
    job = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    bench = Bench(dut)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    if job["pauses"]:
        bench.source.set_pause_generator(cycle(job["pauses"][0]))
        bench.sink.set_pause_generator(cycle(job["pauses"][1]))
    await bench.load(job["rows"])
    images = job["images"]
    found = {
        "runs": [await _image(bench, image, job["passes"]) for image in images],
        "wrong": await _wrong(bench, *images[:2]),
    }
    Path(job["output"]).write_text(json.dumps(found), encoding="utf-8")


async def _image(bench: Bench, codes, passes):
    """Results of a run, and the counters of its passes and in all."""
    results, counters = await bench.image(codes), []
    for number in (*range(passes), ALL_PASSES):
        await bench.write("PASS", number)
        counters.append([await bench.read(name.upper()) for name in ("cycles", *EVENTS)])
    return {"results": results, "counters": counters}


async def _wrong(bench: Bench, codes, others):
    """Responses of what must be refused, errors, and the results of the runs in between."""
    responses = [int((await bench.lite.read(UNKNOWN, 4)).resp)]
    responses += [await bench.write("CONTROL", 1, size=1), await bench.write("STATUS", 0)]
    await bench.control("START")
    responses += [await bench.control("START"), await bench.write("DATA", 0)]
    await bench.source.send(bytes(codes))
    results, errors = [await bench.results()], [await bench.read("ERROR")]
    for count in (len(codes) - 1, len(codes) + 1):
        await bench.ended()
        await bench.write("ERROR", (1 << WORD) - 1)
        await bench.control("START")
        await bench.source.send(bytes([*codes, 0][:count]))
        await bench.ended()
        errors.append(await bench.read("ERROR"))
        results.append(await bench.image(others))
    await bench.write("ERROR", (1 << WORD) - 1)
    await bench.control("START")
    await bench.source.send(bytes(codes))
    while not await bench.read("ENDED"):  # the image is in
        await Timer(100, unit="ns")
    await bench.control("ABORT")
    results.append(await bench.image(others))
    return {"responses": responses, "errors": errors, "results": results}
