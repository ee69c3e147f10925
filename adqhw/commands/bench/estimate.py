"""`adqhw bench estimate`: seconds per design point beside SCALE-Sim and ZigZag, in one run.

All three cost one ResNet-18 on 224 x 224 images: this package a program with its exact cycle
model and energies, SCALE-Sim a topology of the same convolutions on a systolic array (its
stall-free cycles are compared with `cost.topologies.systolic` too), ZigZag its own ONNX file on its
own TPU-like array. The machines differ; the time until one answer is compared.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...spec.errors import InputError
from ...spec.layers import MacLayer
from ...spec.program import Program
from ...studies import speed

ARRAY = 32
POINTS = [(rows, cols) for rows, cols in product(range(8, 41), range(8, 41))][:1000]
HARDWARE = "tpu_like"
COLUMNS = ("tool", "what", "seconds", "ratio", "cpu_seconds", "cpu_ratio")
OWN_PYTHON = Path(".venv-estimate/bin/python")

PYTHON_HELP = "Python that has scalesim and zigzag-dse (make setup-bench-estimate)."
TIMEOUT_HELP = "Seconds that another tool may take; longer counts as at least that."


def command(
    python: Annotated[Path | None, typer.Option(help=PYTHON_HELP)] = None,
    timeout: Annotated[float, typer.Option(help=TIMEOUT_HELP)] = 1800.0,
    rounds: Annotated[int, typer.Option(help="Turns of this package's estimate.")] = 9,
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
    record = measure(python, timeout=timeout, rounds=rounds)
    if as_json:
        emit(record)
        return
    _show(record)


def measure(python: Path | None, *, timeout: float, rounds: int) -> dict[str, Any]:
    """Rows of tool, network, seconds per design point and the ratio to this package's."""
    other = python or (OWN_PYTHON if OWN_PYTHON.is_file() else Path(sys.executable))
    people.print("building ResNet-18", style="dim")
    from ...sim.networks import build

    program = build("resnet18")
    rows = own_rows(program, rounds)
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "resnet18.csv"
        topology.write_text(topology_text(program))
        rows.append(_scalesim(other, topology, timeout))
    rows.append(_other(other, "zigzag", "other_zigzag.py", [HARDWARE], timeout))
    for row in rows:
        for key, ratio in (("seconds", "ratio"), ("cpu_seconds", "cpu_ratio")):
            row[ratio] = None if row[key] is None else row[key] / rows[0][key]
    return {"points": len(POINTS), "rows": rows}


def own_rows(program: Program, rounds: int) -> list[dict[str, Any]]:
    """This package: one design point, and per point of a thousand at once; all warm."""
    from ...cost.estimate.estimate import estimate
    from ...cost.estimate.points import Points, estimate_points
    from ...cost.technology import technology
    from ...rtl.program.fit import narrowest
    from ...rtl.timing.network_cycles import network_cycles

    table = technology.load("literature45")
    arch = narrowest(program, rows=ARRAY, cols=ARRAY)
    one = _median(lambda: estimate(program, arch, table), rounds)
    result = estimate(program, arch, table)
    exact = result.cycles + result.input_cycles == sum(
        model.cycles for model in network_cycles(arch, program)
    )
    points = Points.for_program(program, POINTS)
    many = _median(lambda: estimate_points(program, points, [table]), max(1, rounds // 3))
    return [
        _row("adqhw", "one design point, warm", *one, exact_cycles=exact),
        _row("adqhw", f"per point of {len(POINTS)} at once", *(t / len(POINTS) for t in many)),
    ]


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
    tool: str, what: str, seconds: float | None, cpu_seconds: float | None = None, **more: Any
) -> dict[str, Any]:
    row = {"tool": tool, "network": "resnet18-224", "what": what, "seconds": seconds}
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
        "ResNet-18, 224 x 224, seconds per design point; ratio to one design point of adqhw",
        ("tool", "what", "seconds", "ratio", "CPU seconds", "CPU ratio", "stopped"),
        rows,
    )
    for row in record["rows"]:
        if row["absent"]:
            say(f"absent: {row['tool']}: {row['absent']}")
        if "same_cycles" in row:
            words = "equal" if row["same_cycles"] else "DIFFER FROM"
            say(f"scalesim's stall-free cycles {words} those of topologies.systolic in every layer")
