"""`adqhw bench estimate`: seconds per design point beside SCALE-Sim and ZigZag, in one run.

This package's are of both kinds of array, warm (the program has been costed before) and for an
array that is new every time; with `--gates` those by characterized gates too. All
three tools cost one ResNet-18 on 224 x 224 images: this package a program with its exact cycle
model and energies, SCALE-Sim a topology of the same convolutions on a systolic array (its
stall-free cycles are compared with `cost.topologies.systolic` too), ZigZag its own ONNX file on its
own TPU-like array. The machines differ; the time until one answer is compared.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...spec.errors import InputError
from ...spec.layers import MacLayer
from ...spec.program import Program
from ...spec.program_file import load
from ...studies import speed

if TYPE_CHECKING:
    from ...rtl.arch.arch import Arch

ARRAY = 32
HELD = {"hold": 16, "fill": 8, "out_lanes": 4}
POINTS = [(rows, cols) for rows, cols in product(range(8, 41), range(8, 41))][:1000]
GATES_ARRAY = 16
TECHNOLOGY = "literature45"
HARDWARE = "tpu_like"
NEW_ROWS, NEW_COLS = range(4, 68, 4), range(8, 72, 8)
LARGE, SMALL = "resnet18-224", "resnet20-cifar"
COLUMNS = ("tool", "network", "what", "seconds", "ratio", "cpu_seconds", "cpu_ratio")
OWN_PYTHON = Path(".venv-estimate/bin/python")

PYTHON_HELP = "Python that has scalesim and zigzag-dse (make setup-bench-estimate)."
GATES_HELP = (
    "Also `decode` lanes by files of `adqhw characterize` of one library, on random operands of "
    "--program; may be repeated."
)
PROGRAM_HELP = "Program file (.safetensors) that --gates prices."
TIMEOUT_HELP = "Seconds that another tool may take; longer counts as at least that."


def command(
    python: Annotated[Path | None, typer.Option(help=PYTHON_HELP)] = None,
    timeout: Annotated[float, typer.Option(help=TIMEOUT_HELP)] = 1800.0,
    rounds: Annotated[int, typer.Option(help="Turns of this package's estimate.")] = 9,
    gates: Annotated[list[Path] | None, typer.Option(help=GATES_HELP)] = None,
    program: Annotated[Path | None, typer.Option(help=PROGRAM_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Seconds per design point of ResNet-18 (224), beside SCALE-Sim and ZigZag where installed.

    Example: adqhw bench estimate --python .venv-estimate/bin/python
    """
    if rounds < 1:
        raise InputError(f"Rounds must be at least 1, not {rounds}")
    if not timeout > 0:
        raise InputError(f"Timeout must be a positive number of seconds, not {timeout}")
    if python is not None and not python.is_file():
        raise InputError(f"Python must be a file, not {str(python)!r}")
    if (program is None) != (not gates):
        raise InputError("--gates and --program must go together")
    extra = [] if program is None else gate_rows(load(program), rounds, gates or [], program.stem)
    record = measure(python, timeout=timeout, rounds=rounds, extra=extra)
    if as_json:
        emit(record)
        return
    _show(record)


def measure(
    python: Path | None, *, timeout: float, rounds: int, extra: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Rows of tool, network, seconds per design point and the ratio to this package's; extra: of
    `gate_rows`."""
    other = python or (OWN_PYTHON if OWN_PYTHON.is_file() else Path(sys.executable))
    people.print("building ResNet-18", style="dim")
    from ...sim.networks import build

    program = build("resnet18")
    rows = own_rows(program, rounds)
    rows += [*own_rows(build(SMALL), rounds, SMALL), *extra]
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "resnet18.csv"
        topology.write_text(topology_text(program))
        rows.append(_scalesim(other, topology, timeout))
    rows.append(_other(other, "zigzag", "other_zigzag.py", [HARDWARE], timeout))
    for row in rows:
        for key, ratio in (("seconds", "ratio"), ("cpu_seconds", "cpu_ratio")):
            row[ratio] = None if row[key] is None else row[key] / rows[0][key]
    return {"points": len(POINTS), "rows": rows}


def own_rows(program: Program, rounds: int, network: str = LARGE) -> list[dict[str, Any]]:
    """This package: one design point of both kinds of array, and per point of a thousand at once;
    the program has been costed before."""
    from ...cost.estimate.points import Points, estimate_points
    from ...cost.technology import technology

    table = technology.load(TECHNOLOGY)
    points = Points.for_program(program, POINTS)
    many = _median(lambda: estimate_points(program, points, [table]), max(1, rounds // 3))
    return [
        *_one_by_one(program, rounds, network, {}, ""),
        _row("adqhw", f"per point of {len(POINTS)} at once", *(t / len(POINTS) for t in many),
             network=network),
        *_one_by_one(program, rounds, network, HELD, ", weights held"),
    ]  # fmt: skip


def _one_by_one(
    program: Program, rounds: int, network: str, kind: Mapping[str, int], said: str
) -> list[dict[str, Any]]:
    """The same array again and again, and one that is new every time, made and costed."""
    from ...cost.estimate.estimate import estimate
    from ...cost.sweep.arrays import Lanes, arch_of
    from ...cost.technology import technology
    from ...rtl.arch.registry import DEFAULT
    from ...rtl.timing.network_cycles import network_cycles

    table = technology.load(TECHNOLOGY)
    arch = arch_of(program, Lanes(rows=ARRAY, cols=ARRAY, **kind), DEFAULT)
    result = estimate(program, arch, table)
    exact = result.cycles + result.input_cycles == sum(
        model.cycles for model in network_cycles(arch, program)
    )
    sizes = itertools.cycle(product(NEW_ROWS, NEW_COLS))

    def new() -> None:
        rows, cols = next(sizes)
        estimate(program, arch_of(program, Lanes(rows=rows, cols=cols, **kind), DEFAULT), table)

    one = _median(lambda: estimate(program, arch, table), rounds)
    return [
        _row("adqhw", f"one design point, warm{said}", *one, network=network, exact_cycles=exact),
        _row("adqhw", f"a new array every time{said}", *_median(new, rounds), network=network),
    ]


def gate_rows(
    program: Program, rounds: int, files: Sequence[Path], network: str
) -> list[dict[str, Any]]:
    """Design points by characterized gates, of `decode` lanes of each kind that the files have:
    operands are counted once for an array, then it is priced."""
    from ...cost.estimate.estimate import estimate
    from ...cost.estimate.model import timings_of
    from ...cost.sweep.arrays import Lanes, arch_of
    from ...cost.technology import technology
    from ...gates.model.operands import Operands
    from ...rtl.arch.registry import DEFAULT
    from ..estimates.gates import gates_of, library_of

    library, table = library_of(files), technology.load(TECHNOLOGY)
    fmt = program.input_format
    images = np.random.default_rng(0).integers(fmt.min, fmt.max + 1, (1, *program.input_shape))
    rows = []
    for kind, said, fits in (({}, "", library.arrays), (HELD, ", weights held", library.held)):
        if DEFAULT not in fits:
            continue
        operands = Operands.of_images(program, images)
        arch = arch_of(program, Lanes(rows=GATES_ARRAY, cols=GATES_ARRAY, **kind), DEFAULT)

        def point(operands: Operands = operands, arch: "Arch" = arch) -> None:
            timings = timings_of(arch, program)
            gates_of(operands, arch, library, timings, table)
            estimate(program, arch, table, timings=timings)

        start, cpu = time.perf_counter(), time.process_time()
        point()
        first = time.perf_counter() - start, time.process_time() - cpu
        what = f"by gates{said}"
        rows.append(_row("adqhw", f"{what}, operands counted", *first, network=network))
        rows.append(_row("adqhw", f"{what}, warm", *_median(point, rounds), network=network))
    return rows


def topology_text(program: Program) -> str:
    """The convolutions of `program` as a SCALE-Sim topology: the padded map that windows reach."""
    from ...cost.topologies.columns import COLUMNS

    lines = [", ".join(("Layer name", *COLUMNS)) + ","]
    for layer in program.layers:
        if isinstance(layer, MacLayer):
            maps = program.tensor_shape(layer.name)[1:]
            extents = zip(maps, layer.kernel, layer.stride, strict=True)
            reached = [(out - 1) * step + kernel for out, kernel, step in extents]
            stride = layer.stride[0]  # the format has one
            sizes = (*reached, *layer.kernel, layer.in_channels, layer.out_channels, stride)
            lines.append(f"{layer.name.replace('DP', 'dp')}, {', '.join(map(str, sizes))},")
    return "\n".join(lines) + "\n"


def _scalesim(python: Path, topology: Path, timeout: float) -> dict[str, Any]:
    from ...cost.topologies.systolic import Dataflow, topology_systolic
    from ...cost.topologies.topology import load_topology

    arguments = [str(topology), str(ARRAY), str(ARRAY), Dataflow.WEIGHT]
    row = _other(python, "scalesim", "other_scalesim.py", arguments, timeout)
    if row["seconds"] is not None and not row["at_least"]:
        mine = topology_systolic(load_topology(topology), ARRAY, ARRAY, Dataflow.WEIGHT)
        row["same_cycles"] = row.pop("cycles") == [layer.cycles for layer in mine]
    return row


def _other(
    python: Path, tool: str, script: str, arguments: list[str], timeout: float
) -> dict[str, Any]:
    people.print(f"running {tool}", style="dim")
    command = [str(python), str(Path(speed.__file__).with_name(script)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return _row(tool, "one design point", timeout, at_least=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _row(tool, "one design point", None, absent=reason)
    record = json.loads(done.stdout.strip().splitlines()[-1])
    return _row(tool, "one design point", **record)


def _row(
    tool: str, what: str, seconds: float | None, cpu_seconds: float | None = None, *,
    network: str = LARGE, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    row = {"tool": tool, "network": network, "what": what, "seconds": seconds}
    return {**row, "cpu_seconds": cpu_seconds, "at_least": False, "absent": None, **more}


def _median(function: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Wall and processor seconds; the latter are valid on a shared machine too."""
    function()  # warm
    walls, cpus = [], []
    for _ in range(rounds):
        start, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def _show(record: dict[str, Any]) -> None:
    rows = [
        (*(row[key] for key in COLUMNS), "yes" if row["at_least"] else "") for row in record["rows"]
    ]
    show_table(
        "Seconds per design point; ratio to one design point of adqhw, ResNet-18 on 224 x 224",
        ("tool", "network", "what", "seconds", "ratio", "CPU seconds", "CPU ratio", "stopped"),
        rows,
    )
    for row in record["rows"]:
        if row["absent"]:
            say(f"absent: {row['tool']}: {row['absent']}")
        if "same_cycles" in row:
            words = "equal" if row["same_cycles"] else "DIFFER FROM"
            say(f"scalesim's stall-free cycles {words} those of topologies.systolic in every layer")
