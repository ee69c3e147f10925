"""`adqhw estimate TOPOLOGY.csv`: a network given by its layers' sizes."""

import time
from typing import Any

from ...console import emit, say, show_table
from .output import Request, costs_record, show_costs, show_warnings, to_uniform


def run(
    request: Request, weight_bits: int | None, act_bits: int | None, dataflow: str | None
) -> None:
    """Cost on the lane array, or cycles of SCALE-Sim's systolic array with a dataflow."""
    if dataflow is None:
        lanes(request, weight_bits, act_bits)
    else:
        systolic(request, dataflow)


def lanes(request: Request, weight_bits: int | None, act_bits: int | None) -> None:
    from ...cost.estimate.baseline import uniform_baseline
    from ...cost.estimate.buildable import area_warnings
    from ...cost.estimate.estimate import estimate
    from ...cost.estimate.operation import operation
    from ...cost.events.memories import with_storage
    from ...cost.events.traffic import Options
    from ...cost.topologies.assumed import Assumptions, assumed_network
    from ...cost.topologies.topology import load_topology
    from ...rtl.program.fit import narrowest_lanes

    start = time.perf_counter()
    given = {"weight_bits": weight_bits, "act_bits": act_bits}
    assumed = Assumptions(**{k: v for k, v in given.items() if v is not None})
    options = Options(weights_from_dram=request.weights_from_dram, batch=request.batch)
    table = request.technology
    network = assumed_network(load_topology(request.path), assumed)
    arch = with_storage(network, narrowest_lanes(network, **request.size.values))
    result = estimate(network, arch, table, options=options, statistics=assumed.text)
    against = to_uniform(result, uniform_baseline(result, network, statistics=assumed.text))
    at_clock = None if request.clock is None else operation(result, request.clock)
    bandwidth, warnings = request.bits_per_cycle(result), area_warnings(result)
    if request.as_json:
        record = costs_record(result, against, bandwidth, warnings, at_clock)
        seconds = time.perf_counter() - start
        emit({"topology": str(request.path), **record, "seconds": seconds})
        return
    show_costs(request.path, result, against, bandwidth, at_clock)
    show_warnings(warnings)


def systolic(request: Request, dataflow: str) -> None:
    from ...cost.topologies.systolic import Dataflow, topology_systolic, total_cycles
    from ...cost.topologies.topology import load_topology

    rows, cols = (request.size.values[name] for name in ("rows", "cols"))
    layers = topology_systolic(load_topology(request.path), rows, cols, Dataflow.of(dataflow))
    record: dict[str, Any] = {
        "topology": str(request.path),
        "dataflow": dataflow,
        "rows": rows,
        "cols": cols,
        "layers": [
            {"name": x.name, "folds": x.folds, "cycles": x.cycles, "utilization": x.utilization}
            for x in layers
        ],
        "total": {"cycles": total_cycles(layers)},
        "warnings": [],
    }
    if request.as_json:
        emit(record)
        return
    show_table(
        f"{request.path} on a systolic array of {rows}x{cols}, dataflow {dataflow}, as SCALE-Sim "
        "counts without stalls",
        ("layer", "folds", "cycles", "utilization"),
        [(x.name, x.folds, x.cycles, x.utilization) for x in layers],
    )
    say(f"{total_cycles(layers):,} cycles in all; not the lane array of this project, no energy")
