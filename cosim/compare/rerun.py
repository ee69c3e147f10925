"""`python -m adqhw.cosim.compare.rerun FOLDER`: run the layer of a reproducer folder once more."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.timing.cycles import layer_cycles
from ...rtl.verilog import MANIFEST
from ...spec.engines import check_images
from ...spec.errors import InputError
from ...spec.host.npy import read_npz
from ...spec.host.reading import read_json
from ...spec.host.text import printable, shown
from ...spec.program import Program
from ...spec.program_file import load
from ..layer.harness import Capacity
from ..layer.runner import build, run
from ..layer.streams import layer_stream
from ..simulators.toolchain import find_simulator
from ..simulators.workshop import scratch, workshop
from .network_cosim import cosimulate_network


def rerun(folder: str | Path) -> list[str]:
    """Lines that describe the differing codes of the reproducer in `folder`; none: it passes."""
    root = Path(folder)
    case = read_json(root / "case.json", "Case")
    simulator = case.get("simulator")
    if not isinstance(simulator, str):
        raise InputError(f"Case must name its simulator, not {shown(simulator)} ({root})")
    if case.get("network"):
        return _rerun_network(root, simulator)
    program, arrays = load(root / "program.safetensors"), read_npz(root / "case.npz")
    manifest = read_json(root / "verilog" / MANIFEST, "Manifest")
    arch = Arch.from_dict(manifest.get("arch"), f"Manifest of {str(root)!r} arch")
    name = case.get("layer")
    layer = next((layer for layer in program.layers if layer.name == name), None)
    if layer is None:
        raise InputError(f"Case must name a layer of its program, not {shown(name)} ({root})")
    expected = _codes(program, layer.name, arrays.get("expected"), root)
    tensors = {x: _codes(program, x, arrays.get(f"input/{x}"), root)[None] for x in layer.reads}
    stream = layer_stream(arch, program, layer.name, tensors)
    compiled = build(arch, find_simulator(simulator), Capacity.holding([stream]), root / "build")
    limit = 4 * layer_cycles(arch, program, layer.name).cycles + 1000
    with scratch(workshop(root / "build"), "simulation") as scratch_folder:
        (recording,) = run(compiled, [stream], [limit], scratch_folder)
    actual = stream.collect(recording.codes, expected.shape)
    return [
        f"layer {layer.name!r} index {tuple(map(int, i))}: expected {expected[tuple(i)]}, "
        f"actual {actual[tuple(i)]}"
        for i in np.argwhere(actual != expected)
    ]


def _codes(
    program: Program, name: str, array: npt.NDArray[Any] | None, root: Path
) -> npt.NDArray[np.int64]:
    """A tensor of the case: (C, H, W) codes of its own format."""
    shape, codes = program.tensor_shape(name), program.tensor_format(name)
    good = array is not None and array.shape == shape and array.dtype.kind in "iu"
    if array is None or not good or array.min() < codes.min or array.max() > codes.max:
        raise InputError(
            f"Case must hold the tensor {name!r} as {shape} codes of {codes.name} ({root})"
        )
    return array.astype(np.int64)


def _rerun_network(root: Path, simulator: str) -> list[str]:
    """Lines for every layer whose codes differ when the whole network runs again."""
    arch = Arch.from_dict(read_json(root / "arch.json", "Arch"), f"Arch of {str(root)!r}")
    program, arrays = load(root / "program.safetensors"), read_npz(root / "case.npz")
    if "images" not in arrays:
        raise InputError(f"Case must hold its images ({root})")
    images = check_images(program, arrays["images"])
    report = cosimulate_network(
        program, images, arch, simulator,
        build_dir=root / "build", failures=root / "again",
    )  # fmt: skip
    return [
        f"layer {layer.name!r}: {layer.mismatches} codes differ, first at "
        f"{layer.failure.index}: expected {layer.failure.expected}, actual {layer.failure.actual}"
        for layer in report.layers
        if layer.failure is not None
    ]


def main() -> int:
    """Exit code 0: every code equal; 1: some differ; 2: the folder cannot be used."""
    if len(sys.argv) != 2:
        print("usage: python -m adqhw.cosim.compare.rerun FOLDER", file=sys.stderr)
        return 2
    try:
        lines = rerun(sys.argv[1])
    except InputError as error:
        print(printable(str(error), limit=4000), file=sys.stderr)
        return 2
    print("\n".join(lines) if lines else "every code equal")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
