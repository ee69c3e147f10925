"""The engine `rtl`: whole programs on the accelerator in a simulator, as `run(program, ...)`."""

from pathlib import Path

import numpy as np

from ...rtl.arch.registry import DEFAULT
from ...rtl.program.fit import narrowest
from ...spec.engines import Keep, Result, as_logits, check_images, wanted
from ...spec.formats import IntArray
from ...spec.program import INPUT, Program
from ..network.network import Case, run_network
from ..simulators.toolchain import find_simulator

BUILD = Path("runs/build")


def run(
    program: Program,
    images: IntArray,
    keep: Keep = (),
    *,
    rows: int = 16,
    cols: int = 16,
    micro: str = DEFAULT,
    hold: int = 1,
    fill: int = 1,
    out_lanes: int = 1,
    simulator: str = "verilator",
    build_dir: Path = BUILD,
) -> Result:
    """Every tensor is what the accelerator wrote, on the narrowest Arch of the given size."""
    batch = check_images(program, images)
    names = wanted(program, keep)
    arch = narrowest(
        program, rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=out_lanes
    )
    build_dir.mkdir(parents=True, exist_ok=True)
    traces = []
    if len(batch):
        case = Case(program=program, images=batch)
        (traces,) = run_network([case], arch, find_simulator(simulator), build_dir).cases

    def stack(name: str) -> IntArray:
        empty = np.zeros((0, *program.tensor_shape(name)), np.int64)
        return np.concatenate([empty, *(trace[name].codes[None] for trace in traces)])

    kept = {
        name: batch if name == INPUT else stack(name).astype(program.tensor_format(name).dtype)
        for name in sorted(names)
    }
    last = program.layers[-1].name
    return Result(logits=as_logits(program, stack(last)), tensors=kept)
