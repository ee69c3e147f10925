"""In-simulator cocotb module: starts the harness once per prepared job. No Python per cycle."""

import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from .jobs import COUNT


@cocotb.test()
async def run_jobs(dut):
    """Reset, then every job: start, wait for `done`. The harness measures and records."""
    dut.start.value = 0
    dut.job.value = 0
    dut.rst.value = 1
    # impl="gpi": toggled below Python, several times faster than a coroutine
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    await ClockCycles(dut.clk, 4)
    await FallingEdge(dut.clk)  # inputs change away from the sampling edge
    dut.rst.value = 0
    for job in range(int(os.environ[COUNT])):
        dut.job.value = job
        dut.start.value = 1
        await RisingEdge(dut.done)
        await FallingEdge(dut.clk)
        dut.start.value = 0
        await FallingEdge(dut.done)
        await FallingEdge(dut.clk)
