"""A failed comparison as a folder that holds everything and reruns it."""

import hashlib
import json
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.verilog import emit_verilog
from ...spec.host.files import atomic_path, write_file
from ...spec.program import Program
from ...spec.program_file import save

Codes = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The first differing code of a layer: index, cycle, and both values."""

    layer: str
    image: int
    index: tuple[int, ...]
    """(channel, y, x)."""
    expected: int
    actual: int
    cycle: int
    """When the code left the engine, counted from the first accepted input."""
    simulator: str
    folder: str = ""
    """The reproducer."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"Layer {self.layer!r}: code at index {self.index} of image {self.image} must be "
            f"{self.expected}, not {self.actual} (cycle {self.cycle}); rerun: {self.folder}"
        )


def write_reproducer(
    failures: Path,
    failure: Failure,
    program: Program,
    arch: Arch,
    tensors: dict[str, Codes],
    actual: Codes,
) -> Failure:
    """Write `failures`/<digest>/ and return the failure with its folder filled in.

    The digest is of the layer, the Arch and the input: the same failure is written once.
    """
    layer = program.layer(failure.layer)
    inputs = {name: np.asarray(tensors[name][failure.image]) for name in layer.reads}
    expected = np.asarray(tensors[failure.layer][failure.image])
    text = json.dumps([program.digest, arch.digest, failure.layer, failure.simulator])
    digest = hashlib.sha256(text.encode())
    for array in (*inputs.values(), expected):
        digest.update(np.ascontiguousarray(array).tobytes())
    folder = failures / digest.hexdigest()[:16]
    failure = replace(failure, folder=str(folder))

    save(program, folder / "program.safetensors")
    emit_verilog(arch, folder / "verilog", program)
    with atomic_path(folder / "case.npz") as temporary:
        arrays: dict[str, Any] = {f"input/{name}": array for name, array in inputs.items()}
        np.savez_compressed(temporary, **arrays, expected=expected, actual=actual)
    write_file(folder / "case.json", json.dumps(failure.to_dict(), indent=2) + "\n")
    _rerun_script(folder)
    return failure


def write_network_reproducer(
    failures: Path, failure: Failure, program: Program, arch: Arch, images: Codes
) -> Failure:
    """The same for a whole network on the accelerator: the program and the image that failed."""
    image = np.ascontiguousarray(images[failure.image][None])
    text = json.dumps([program.digest, arch.digest, failure.simulator, "network"])
    digest = hashlib.sha256(text.encode() + image.tobytes()).hexdigest()
    folder = failures / digest[:16]
    failure = replace(failure, folder=str(folder))
    save(program, folder / "program.safetensors")
    for name, content in (
        ("case.json", failure.to_dict() | {"network": True}),
        ("arch.json", arch.to_dict()),
    ):
        write_file(folder / name, json.dumps(content, indent=2) + "\n")
    with atomic_path(folder / "case.npz") as temporary:
        np.savez_compressed(temporary, images=image)
    _rerun_script(folder)
    return failure


def _rerun_script(folder: Path) -> None:
    """`rerun.sh` in a reproducer's folder."""
    command = [sys.executable, "-m", "adqhw.cosim.compare.rerun"]
    script = (
        "#!/bin/sh\n# Runs it again and prints the codes that differ.\n"
        f'exec {shlex.join(command)} "$(dirname "$0")"\n'
    )
    write_file(folder / "rerun.sh", script)
    (folder / "rerun.sh").chmod(0o755)
