"""Writes tests/vectors/scalesim.json: cycles as the scalesim package computes them.

Runs in an environment of its own (requirements-bench-estimate.txt: scalesim 3.0.0 fails on NumPy
2.4 and newer), not in adqhw's:

    .venv-estimate/bin/python tools/scalesim_vectors.py OUT.json vww.csv:32x32,16x8 ...

`compute_cycles` is the last row of the demand matrix that the package's compute system builds for
the outputs: the "Total Cycles" of its report when nothing stalls, which `full` layers confirm by
running its memory simulation as well (slow: a Python loop per cycle).
"""

import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

from scalesim.layout_utils import layouts
from scalesim.scale_config import scale_config
from scalesim.single_layer_sim import single_layer_sim
from scalesim.topology_utils import topologies

DATAFLOWS = ("os", "ws", "is")
FIELDS = (
    "height", "width", "filter_height", "filter_width", "channels", "filters", "stride",
)  # fmt: skip
REPOSITORY = "github.com/scalesim-project/SCALE-Sim"
SOURCES = {
    "Resnet18": f"{REPOSITORY} a1a1a2a topologies/conv_nets/Resnet18.csv",
    "alexnet": "github.com/scalesim-project/scale-sim-v2 1179bd5 topologies/conv_nets/alexnet.csv",
    "vww": f"{REPOSITORY} 2c78b61 topologies/MLperf_tiny/vww.csv (15 of its 29 layers)",
    "tiny_llm": f"{REPOSITORY} 11cdb2c topologies/GEMM_mnk/tiny_llm.csv (5 of its 18 layers)",
}
FULL_CYCLES = 6000
"""Longest layer whose memory simulation is run too."""


def main(out: str, *requests: str) -> None:
    arrays = {
        file: [tuple(map(int, array.split("x"))) for array in sizes.split(",")]
        for file, sizes in (request.split(":") for request in requests)
    }
    files = list(arrays)
    found = [
        case(Path(file), rows, cols, dataflow)
        for file in files
        for rows, cols in arrays[file]
        for dataflow in DATAFLOWS
    ]
    topologies_ = {
        Path(file).stem: {"source": SOURCES.get(Path(file).stem, file), "layers": sizes(Path(file))}
        for file in files
    }
    record = {
        "package": f"scalesim {version('scalesim')}",
        "made_by": "tools/scalesim_vectors.py",
        "fields": list(FIELDS),
        "topologies": topologies_,
        "cases": found,
    }
    Path(out).write_text(json.dumps(record, indent=1) + "\n")


def sizes(file: Path) -> list[list]:
    """Name and the seven sizes of every layer, as the package reads them."""
    topology = topologies()
    topology.load_arrays(str(file), mnk_inputs=is_gemm(file))
    return [[row[0], *row[1:8]] for row in topology.topo_arrays]


def is_gemm(file: Path) -> bool:
    return file.read_text().splitlines()[0].split(",")[1].strip() == "M"


def case(file: Path, rows: int, cols: int, dataflow: str) -> dict:
    config, topology = scale_config(), topologies()
    memory = [256, 256, 128, 0, 10_000_000, 20_000_000]
    config.update_from_list(["run", rows, cols, *memory, dataflow, "CALC", "1"])
    topology.load_arrays(str(file), mnk_inputs=is_gemm(file))
    topology.topo_calc_hyperparams(str(file))
    layers = [layer(config, topology, number) for number in range(topology.get_num_layers())]
    print(file.stem, rows, cols, dataflow, flush=True)
    return {
        "topology": file.stem,
        "rows": rows,
        "cols": cols,
        "dataflow": dataflow,
        "cycles": [layer["compute_cycles"] for layer in layers],
        "simulated_layers": sum(layer["full"] for layer in layers),
    }


def layer(config: scale_config, topology: topologies, number: int) -> dict:
    run = single_layer_sim()
    run.set_params(number, config, topology, layouts(), verbose=False)
    compute = run.compute_system
    operands = run.op_mat_obj
    compute.set_params(
        config_obj=config,
        ifmap_op_mat=operands.get_ifmap_matrix()[1],
        filter_op_mat=operands.get_filter_matrix()[1],
        ofmap_op_mat=operands.get_ofmap_matrix()[1],
    )
    compute.create_ofmap_demand_mat()
    cycles = compute.ofmap_demand_matrix.shape[0] - 1
    found = {"name": topology.get_layer_name(number), "compute_cycles": cycles, "full": False}
    if cycles <= FULL_CYCLES:
        full = single_layer_sim()
        full.set_params(number, config, topology, layouts(), verbose=False)
        with contextlib.redirect_stdout(io.StringIO()):
            full.run()
            full.calc_report_data()
        if (full.total_cycles, full.stall_cycles) != (cycles, 0):
            raise SystemExit(f"{found}: the memory simulation says {full.total_cycles}")
        found["full"] = True
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
