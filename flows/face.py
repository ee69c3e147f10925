"""The steps after a program exists, as functions: what notebooks call (`adqhw.simulate`, ...).

A program is given as a `Program`, as the path of its file, or as what `load_program` returned.
Arrays are NumPy arrays or anything that NumPy reads (torch, jax).
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..rtl.arch import registry
from ..spec.engines import Result, check_images
from ..spec.errors import InputError
from ..spec.program import Program
from ..spec.program_file import load
from .arrays import ArraySize, choose_arch
from .engines import run_in_steps, top1

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..adq.calibration.config import CalibrationConfig
    from ..adq.frontend.config import QuantizeConfig
    from ..cosim.compare.cosimulate import CosimReport
    from ..cost.estimate.estimate import Estimate
    from ..cost.sweep.designs import Design, Workload
    from ..exchange.writers.export import Exported
    from ..rtl.arch.arch import Arch
    from ..sim.runner import Runner


def program_of(program: "Program | Runner | str | Path") -> Program:
    """The program itself, of a file, or of a runner.

    Errors: `InputError` for a file that is no program.
    """
    if isinstance(program, Program):
        return program
    if isinstance(program, str | Path):
        return load(program)
    inner = getattr(program, "program", None)
    if isinstance(inner, Program):
        return inner
    raise InputError(f"Program must be a Program or a path, not {type(program).__name__}")


def calibrate(
    model: "nn.Module",
    example_images: "Tensor",
    config: "QuantizeConfig | None" = None,
    *,
    choices: "CalibrationConfig | None" = None,
) -> Program:
    """The integer program of a float PyTorch module by its maps of a few images, without training.

    model, example_images, config: as `quantize` takes them; some hundred images, no labels.
    choices: of the calibration itself. Codebooks, ranges and offsets of each layer are fitted to
    what the float network has there, on what the quantized layers before it make
    (docs/calibration.md). Errors: `InputError` as `quantize`, and for maps beyond the memory
    budget.

    >>> import adqhw, torch
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                              torch.nn.Linear(16, 2))
    >>> images = torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> program = adqhw.calibrate(module, images, adqhw.QuantizeConfig(act_width=8))
    >>> program.tensor_format(program.layers[-1].name).name
    's32'
    """
    from ..adq.calibration.calibrate import calibrate as of_network
    from ..adq.frontend.quantize import quantize

    network = quantize(model, example_images, config)
    of_network(network, [network.encode(example_images)], choices)
    return network.export()


def simulate(
    program: "Program | Runner | str | Path",
    images: Any,
    *,
    keep: Collection[str] | Literal["all"] = (),
    engine: Literal["numba", "golden", "torch", "rtl"] = "numba",
    simd: str | None = None,
) -> Result:
    """Logits, and the codes of the tensors named in `keep`, of images (N, C, H, W).

    images: integer codes of the program's input format. Result: logits (N, classes) int32 and
    `tensors`, each (N, C, H, W). Every engine gives the same bits. Errors: `InputError` for
    images of another shape or range, a tensor that the program does not make, an engine whose
    package is missing.

    >>> import adqhw, numpy as np
    >>> images = np.load("tests/vectors/every_kind/images.npy")
    >>> result = adqhw.simulate("tests/vectors/every_kind/program.safetensors", images, keep="all")
    >>> bool((result.logits == np.load("tests/vectors/every_kind/logits.npy")).all())
    True
    """
    loaded = program_of(program)
    return run_in_steps(engine, loaded, check_images(loaded, np.asarray(images)), keep, simd=simd)


def export_onnx(
    program: "Program | Runner | str | Path",
    out: str | Path,
    *,
    format: Literal["onnx", "qonnx", "npz", "tflite-micro", "tflite-micro-lut"] | None = None,
) -> "Exported":
    """Write a program for other engines, which compute the same integers in every tensor.

    out: the file, whole or not there. format: `onnx` (standard operators), `qonnx`, `npz` (plain
    NumPy arrays), `tflite-micro` (int8 TFLite) or `tflite-micro-lut` (its weights as indices of
    tables; docs/export.md has all); by default that of the file's suffix, .onnx, .npz or .tflite.
    Returns format, size in bytes and facts of the file. Errors: `InputError` for a format or a path
    that cannot be used, a program too large for the format, and one that TFLite-Micro does not
    compute.

    >>> import adqhw, tempfile
    >>> file = tempfile.mkdtemp() + "/program.onnx"
    >>> written = adqhw.export_onnx("tests/vectors/every_kind/program.safetensors", file)
    >>> written.format.value, written.facts["opset"]
    ('onnx', 17)
    """
    from ..exchange.writers.export import export_program

    return export_program(program_of(program), out, format=format)


def emit_verilog(
    program: "Program | Runner | str | Path",
    out: str | Path,
    *,
    images: Any = None,
    arch: "Arch | str | Path | None" = None,
    rows: int | None = None,
    cols: int | None = None,
    micro: str | None = None,
    prefix: str = "adqhw",
) -> dict[str, Any]:
    """Write the accelerator of a program, its memory image and testbenches to the folder `out`.

    images: (n, C, H, W) codes that the testbench runs; one random image by default. The array is
    `arch` (an `Arch`, or a TOML file) or the narrowest one of rows x cols lanes of `micro` (16, 16
    and `decode` by default). Returns the manifest, which is also written. Errors: `InputError` for
    a program that the array cannot hold.

    >>> import adqhw, tempfile
    >>> manifest = adqhw.emit_verilog(
    ...     "tests/vectors/every_kind/program.safetensors", tempfile.mkdtemp(), rows=4, cols=4)
    >>> manifest["arch"]["micro"]
    'decode'
    """
    from ..cosim.emitted.emission import emit_accelerator

    loaded = program_of(program)
    array = _array(loaded, arch, rows, cols, micro)
    if images is None:
        codes = loaded.input_format
        drawn = np.random.default_rng(0).integers(
            codes.min, codes.max + 1, (1, *loaded.input_shape)
        )
        return emit_accelerator(
            array, loaded, drawn.astype(codes.dtype), out, "random codes, seed 0", prefix
        )
    batch = check_images(loaded, np.asarray(images))
    return emit_accelerator(array, loaded, batch, out, "an array", prefix)


def cosimulate(
    program: "Program | Runner | str | Path",
    images: Any,
    *,
    layers: Sequence[str] = (),
    arch: "Arch | str | Path | None" = None,
    rows: int | None = None,
    cols: int | None = None,
    micro: str | None = None,
    simulator: Literal["verilator", "icarus"] = "verilator",
    build_dir: str | Path = "runs/build",
) -> "CosimReport":
    """Run images (N, C, H, W) through the Verilog; compare every code and every cycle with golden.

    The whole network on the accelerator, or only `layers`, each fed with golden's codes. The array
    as in `emit_verilog`. The report has per layer compared codes, mismatches, cycles of the RTL
    and of the model; `report.passed`. Compiled simulations are kept in `build_dir`. Errors:
    `InputError` without a simulator, or for a program that the array cannot hold.

    >>> import adqhw, numpy as np, tempfile
    >>> images = np.load("tests/vectors/every_kind/images.npy")[:1]
    >>> report = adqhw.cosimulate(
    ...     "tests/vectors/every_kind/program.safetensors", images, layers=["mac0"],
    ...     rows=2, cols=3, build_dir=tempfile.mkdtemp())  # doctest: +SKIP
    >>> report.passed, report.mismatches  # doctest: +SKIP
    (True, 0)
    """
    from ..cosim.compare.cosimulate import cosimulate as of_layers
    from ..cosim.compare.network_cosim import cosimulate_network

    loaded = program_of(program)
    batch = check_images(loaded, np.asarray(images))
    array = _array(loaded, arch, rows, cols, micro)
    if layers:
        return of_layers(loaded, batch, array, simulator, list(layers), build_dir=build_dir)
    return cosimulate_network(loaded, batch, array, simulator, build_dir=build_dir)


def estimate(
    program: "Program | Runner | str | Path",
    *,
    images: Any = None,
    arch: "Arch | str | Path | None" = None,
    rows: int | None = None,
    cols: int | None = None,
    micro: str | None = None,
    technology: str = "literature45",
    batch: int = 1,
    resident: bool = False,
) -> "Estimate":
    """Cycles, energy (pJ, with its bar) and area (um2) per layer and in all, on one array.

    images: codes (N, C, H, W) on which activity is measured; without them no activation is assumed
    to be 0, and the estimate says so. technology: a shipped table or a TOML file. batch: images per
    load of the network from DRAM; resident: the network is already on chip. Energies are counted
    events times that table, not a measurement. Errors: `InputError` for unknown names or sizes.

    >>> import adqhw
    >>> costs = adqhw.estimate("tests/vectors/every_kind/program.safetensors", rows=4, cols=4)
    >>> costs.energy.total.low < costs.energy.total.expected < costs.energy.total.high
    True
    """
    from ..cost.estimate.estimate import estimate as of_events
    from ..cost.estimate.estimate import measure
    from ..cost.events.traffic import Options
    from ..cost.technology import technology as technologies

    loaded = program_of(program)
    codes = None if images is None else check_images(loaded, np.asarray(images))
    return of_events(
        loaded,
        _array(loaded, arch, rows, cols, micro),
        technologies.load(technology),
        activity=measure(loaded, codes),
        options=Options(weights_from_dram=not resident, batch=batch),
    )


def sweep(
    programs: "Mapping[str, Program | Runner | str | Path]",
    *,
    images: Any = None,
    labels: npt.ArrayLike | None = None,
    arrays: Sequence[tuple[int, ...]] = ((16, 16),),
    micros: Sequence[str] = (registry.DEFAULT, registry.BASELINE),
    technologies: Sequence[str] = ("literature45",),
) -> "list[Design]":
    """Every program on every array, micro-architecture and technology.

    arrays: (rows, cols), or (rows, cols, hold, fill, out_lanes) of arrays that hold weights.
    micros: names; `uniform:4` has multipliers of 4 bits.

    images, labels: (N, C, H, W) codes and (N,) classes: accuracy and activity are measured on
    them; without them accuracy is the program's own record, or None. Each `Design` has its
    `estimate`, that of its uniform baseline, `pareto`, and `row()`: one line of a table. Errors:
    `InputError` for a combination that does not exist.

    >>> import adqhw
    >>> designs = adqhw.sweep(
    ...     {"w2": "zoo/cifar10_resnet20_w2a2.safetensors"}, arrays=[(8, 8)], micros=["decode"])
    >>> [(design.label, design.pareto) for design in designs]
    [('w2 decode 8x8', True)]
    """
    from ..cost.sweep.designs import Grid
    from ..cost.sweep.sweeping import sweep as of_grid
    from ..cost.technology import technology

    if (images is None) != (labels is None):
        raise InputError("Sweep must have both images and labels or neither, not one of them")
    grid = Grid(
        arrays=tuple(tuple(int(value) for value in array) for array in arrays),
        micros=tuple(micros),
        technologies=tuple(technology.load(name) for name in technologies),
    )
    workloads = [
        _workload(name, program_of(program), images, labels) for name, program in programs.items()
    ]
    return of_grid(workloads, grid)


def _workload(name: str, program: Program, images: Any, labels: npt.ArrayLike | None) -> "Workload":
    from ..cost.estimate.estimate import measure
    from ..cost.sweep.designs import Workload
    from .sweep_programs import recorded_accuracy

    if images is None or labels is None:
        accuracy = recorded_accuracy(program)
        source = "unknown" if accuracy is None else "program's own record"
        return Workload(name=name, program=program, accuracy=accuracy, accuracy_source=source)
    codes = check_images(program, np.asarray(images))
    classes = np.asarray(labels, dtype=np.int64)
    if classes.shape != (len(codes),) or not len(codes):
        raise InputError(f"Labels must be ({len(codes)},), one for each image, not {classes.shape}")
    logits = run_in_steps("numba", program, codes).logits
    return Workload(
        name=name,
        program=program,
        activity=measure(program, codes[:MEASURED]),
        accuracy=top1(logits, classes),
        accuracy_source=f"evaluated on {len(codes):,} images",
        accuracy_images=len(codes),
    )


MEASURED = 100
"""Images of a sweep on which activity is measured, the first of those given."""


def _array(
    program: Program,
    arch: "Arch | str | Path | None",
    rows: int | None,
    cols: int | None,
    micro: str | None,
) -> "Arch":
    """The array that a caller means."""
    if arch is None or isinstance(arch, str | Path):
        size = ArraySize(rows=rows, cols=cols, micro=micro)
        return choose_arch(program, None if arch is None else Path(arch), size)
    if (rows, cols, micro) != (None, None, None):
        raise InputError("Array must come from arch or from rows, cols and micro, not from both")
    return arch
