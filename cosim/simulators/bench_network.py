"""In-simulator cocotb module; `cosim/network/templates/cocotb_main.cpp` runs clock and reset."""

import os

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from .jobs import COUNT


@cocotb.test()
async def run_jobs(dut):
    """Every job: start, wait for `done`. The harness measures and records."""
    for job in range(int(os.environ[COUNT])):
        dut.job.value = job
        dut.start.value = 1
        await RisingEdge(dut.done)
        dut.start.value = 0
        await FallingEdge(dut.done)
