"""In-simulator cocotb module: a host with AXI masters loads a network and runs images."""

import json
import os
from itertools import cycle
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

from ..rtl.registers import ALL_PASSES, WORD, mask, offset
from ..rtl.sequencer import EVENTS

LIMIT_MS = 5
"""Half a million cycles: far more than a tiny network takes."""
JOB = "ADQHW_AXI_JOB"
"""Environment variable: a JSON file with rows to load, images and pause patterns."""


@cocotb.test(timeout_time=LIMIT_MS, timeout_unit="ms")
async def run_host(dut):
    """Load every row, start, stream the image in and the results out, read the counters."""
    job = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    if job["pauses"]:
        source.set_pause_generator(cycle(job["pauses"][0]))
        sink.set_pause_generator(cycle(job["pauses"][1]))
    await _load(host, job["rows"])
    found = [await _image(host, source, sink, image, job["passes"]) for image in job["images"]]
    Path(job["output"]).write_text(json.dumps(found), encoding="utf-8")


async def _load(host, rows):
    """Rows as [target, row, words]; consecutive rows of one memory need no address."""
    at = None
    for target, row, words in rows:
        if at != (target, row):
            await host.write_dword(offset("TARGET"), target)
            await host.write_dword(offset("ROW"), row)
        for word in words:
            await host.write_dword(offset("DATA"), word)
        at = target, row + 1


async def _image(host, source, sink, codes, passes):
    await host.write_dword(offset("CONTROL"), mask("CONTROL", "START"))
    await source.send(bytes(codes))
    frame = await sink.recv()
    while await host.read_dword(offset("STATUS")) & mask("STATUS", "BUSY"):
        await Timer(100, unit="ns")
    data = bytes(frame.tdata)
    size = WORD // 8
    results = [
        int.from_bytes(data[i : i + size], "little", signed=True) for i in range(0, len(data), size)
    ]
    counters = []
    for number in (*range(passes), ALL_PASSES):
        await host.write_dword(offset("PASS"), number)
        addresses = [offset(name.upper()) for name in ("cycles", *EVENTS)]
        counters.append([await host.read_dword(address) for address in addresses])
    return {"results": results, "counters": counters}
