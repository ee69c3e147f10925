"""Activation memory of arrays that hold weights: every word read equals a model's."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.machine.memories import HeldActivationMemory

WORDS, ROWS, WIDTH = 6, 3, 5


@pytest.mark.parametrize("seed", range(3))
def test_two_reads_and_two_writes_in_every_cycle(seed):
    """A word stays until the port's next read, whatever is asked of the other bank."""
    storage = Storage(activation_words=WORDS, code_width=WIDTH)
    dut = HeldActivationMemory(Arch(rows=ROWS, cols=2, hold=2, storage=storage))
    rng = np.random.default_rng(seed)
    model = np.zeros((2, WORDS, ROWS), np.int64)

    async def bench(ctx):
        for address in range(WORDS):  # nothing is read before it was written
            await write(ctx, 0b11, address, 0b111, [0] * ROWS, "write")
        ctx.set(dut.write.lanes, 0)
        await ctx.tick()  # the last word is written
        first, want, upper = 0, {}, False
        for _ in range(400):
            if rng.random() < 0.1:  # another pass: the ports change their banks
                first, want = int(rng.integers(2)), {}
            chosen = {"feed": first, "read": 1 - first}
            # the words written are not read in the same cycle, nor in the next one
            following = bool(rng.integers(2))
            places = {name: int(rng.integers(WORDS // 2)) for name in chosen}
            for name, bank in chosen.items():
                enable = bool(rng.integers(2))
                address = places[name] + WORDS // 2 * upper
                ctx.set(getattr(dut, f"{name}_bank"), bank)
                ctx.set(getattr(dut, f"{name}_address"), address)
                ctx.set(getattr(dut, f"{name}_enable"), enable)
                if enable:
                    want[bank, name] = model[bank, address].tolist()  # before this cycle's writes
            both = rng.random() < 0.2
            masks = (0b11, 0) if both else (1 << first, 1 << (1 - first))
            for name, banks in zip(("write", "second"), masks, strict=True):
                lanes = int(rng.integers(1 << ROWS)) if banks and following == upper else 0
                codes = rng.integers(1 << WIDTH, size=ROWS).tolist()
                address = int(rng.integers(WORDS // 2)) + WORDS // 2 * (not upper)
                filled = int(rng.integers(1 << ROWS)) if lanes else 0
                present(ctx, banks, address, lanes, codes, name, filled)
            await ctx.tick()
            upper = following
            for (bank, _), codes in want.items():
                assert [ctx.get(dut.words[bank][row]) for row in range(ROWS)] == codes

    def present(ctx, banks, address, lanes, codes, name, filled=0):
        port = getattr(dut, name)
        ctx.set(port.banks, banks)
        ctx.set(port.address, address)
        ctx.set(port.lanes, lanes)
        ctx.set(port.filled, filled)
        for row, code in enumerate(codes):
            ctx.set(port.word[row], code)
            if (lanes | filled) >> row & 1:
                for bank in range(2):
                    if banks >> bank & 1:
                        model[bank, address, row] = code

    async def write(ctx, *values):
        present(ctx, *values)
        await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
