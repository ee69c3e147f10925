"""Chunk walker against nested loops: lanes of every chunk, and what it ends, under any steps."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.output.chunk_walker import ChunkWalker
from adqhw.verify.stage_model import chunks


def walked(arch: Arch, walks: list[dict], seed: int) -> list[list[dict]]:
    """Chunks of each walk, each begun in the cycle after the one before."""
    dut, rng = ChunkWalker(arch), np.random.default_rng(seed)
    found: list[list[dict]] = []

    async def bench(ctx):
        for walk in walks:
            ctx.set(dut.walk, walk)
            ctx.set(dut.setup, 1)
            ctx.set(dut.step, int(rng.integers(0, 2)))  # of nothing
            await ctx.tick()
            ctx.set(dut.setup, 0)
            found.append([])
            while ctx.get(dut.active):
                step = int(rng.random() < 0.8)
                ctx.set(dut.step, step)
                if step:
                    layout = dut.chunk.shape()
                    found[-1].append({n: ctx.get(getattr(dut.chunk, n)) for n in layout.members})
                    if walk["whole"]:  # a word has all lanes
                        found[-1][-1]["lanes"] = None
                await ctx.tick()
                assert len(found[-1]) < 10_000

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def modelled(arch: Arch, walk: dict) -> list[dict]:
    steps = chunks(arch, walk)
    found = []
    for i, (y, x, c, count) in enumerate(steps):
        following = steps[i + 1] if i + 1 < len(steps) else None
        pixel = following is None or following[:2] != (y, x) or following[2] <= c
        if following is not None and (walk["width"], walk["height"]) == (1, 1):
            pixel = following[2] % walk["group"] == 0
        line = pixel and x == walk["width"] - 1
        lanes = (1 << count) - 1 if not walk["whole"] else None
        if walk["narrow"]:
            lanes = 1 << (walk["lane"] + c) % arch.out_lanes
        found.append(
            {
                "lanes": lanes,
                "pixel_end": int(pixel),
                "line_end": int(line),
                "map_end": int(line and y == walk["height"] - 1),
                "last": int(following is None),
            }
        )
    return found


@pytest.mark.parametrize(("lanes", "rows"), [(1, 3), (2, 4), (3, 6), (4, 8)])
def test_chunks_are_those_of_nested_loops(lanes: int, rows: int):
    arch = Arch(rows=rows, cols=2 * rows, hold=2, out_lanes=lanes)
    rng = np.random.default_rng(lanes)
    walks = []
    for i in range(24):
        narrow = i % 3 == 1
        unit = 1 if narrow or i % 3 == 2 else lanes
        blocks = int(rng.integers(1, 4))
        group = int(rng.integers(1, 4)) * unit
        walk = {
            "height": int(rng.integers(1, 4)),
            "width": int(rng.integers(1, 4)),
            "blocks": blocks,
            "group": group,
            "channels": (blocks - 1) * group + int(rng.integers(1, group + 1)),
            "narrow": int(narrow),
            "whole": int(i % 3 == 2),
            "lane": int(rng.integers(0, rows)) if narrow else 0,
        }
        walks.append(walk)
    found = walked(arch, walks, seed=lanes)
    for walk, some in zip(walks, found, strict=True):
        assert some == modelled(arch, walk)
