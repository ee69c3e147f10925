"""`python -m adqhw.cosim.rerun FOLDER`: run the layer of a reproducer folder once more."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np

from ..rtl.arch import Arch
from ..rtl.verilog import MANIFEST
from ..spec.errors import InputError
from ..spec.program_file import load
from ..spec.text import printable
from .cycles import layer_cycles
from .harness import Capacity
from .layer_streams import layer_stream
from .network_cosim import cosimulate_network
from .runner import build, run
from .toolchain import find_simulator
from .workshop import scratch, workshop


def rerun(folder: str | Path) -> list[str]:
    """Lines that describe the differing codes of the reproducer in `folder`; none: it passes."""
    root = Path(folder)
    try:
        case = json.loads((root / "case.json").read_text(encoding="utf-8"))
        if case.get("network"):
            return _rerun_network(root, case["simulator"])
        manifest = json.loads((root / "verilog" / MANIFEST).read_text(encoding="utf-8"))
        with np.load(root / "case.npz", allow_pickle=False) as arrays:
            tensors = {
                name.removeprefix("input/"): arrays[name][None]
                for name in arrays.files
                if name.startswith("input/")
            }
            expected = arrays["expected"].astype(np.int64)
        name, simulator = case["layer"], case["simulator"]
        arch = Arch.from_dict(manifest["arch"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"Reproducer must be a complete folder, not {str(root)!r}: {error!r}"
        ) from None
    program = load(root / "program.safetensors")
    stream = layer_stream(arch, program, name, tensors)
    made = build(arch, find_simulator(simulator), Capacity.holding([stream]), root / "build")
    limit = 4 * layer_cycles(arch, program, name).cycles + 1000
    with scratch(workshop(root / "build"), "simulation") as work:
        (recording,) = run(made, [stream], [limit], work)
    actual = stream.collect(recording.codes, expected.shape)
    return [
        f"layer {name!r} index {tuple(map(int, i))}: expected {expected[tuple(i)]}, "
        f"actual {actual[tuple(i)]}"
        for i in np.argwhere(actual != expected)
    ]


def _rerun_network(root: Path, simulator: str) -> list[str]:
    """Lines for every layer whose codes differ when the whole network runs again."""
    arch = Arch.from_dict(json.loads((root / "arch.json").read_text(encoding="utf-8")))
    with np.load(root / "case.npz", allow_pickle=False) as arrays:
        images = arrays["images"]
    report = cosimulate_network(
        load(root / "program.safetensors"), images, arch, simulator,
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
        print("usage: python -m adqhw.cosim.rerun FOLDER", file=sys.stderr)
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
