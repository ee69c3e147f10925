"""`adqhw estimate PROGRAM.safetensors --bits`: a program with other bits, under assumptions."""

import time

from ...console import emit
from ...spec.program_file import load
from .output import Request, costs_record, show_costs, show_warnings, to_uniform


def run(request: Request, bits: str | None, act_bits: int | None) -> None:
    """Costs on the narrowest array of the network with the bits that were asked for."""
    from ...cost.estimate.baseline import uniform_baseline
    from ...cost.estimate.buildable import area_warnings
    from ...cost.estimate.estimate import estimate
    from ...cost.estimate.operation import operation
    from ...cost.events.memories import with_storage
    from ...cost.events.traffic import Options
    from ...cost.explorer.altered import Bits, altered, assumption, parse_bits
    from ...rtl.program.fit import narrowest_lanes

    start = time.perf_counter()
    asked = Bits(act_width=act_bits) if bits is None else parse_bits(bits, act_bits)
    options = Options(weights_from_dram=request.weights_from_dram, batch=request.batch)
    table = request.technology
    program = load(request.path)
    network = altered(program, asked)
    arch = with_storage(network, narrowest_lanes(network, **request.size.values))
    said = assumption(network, asked)
    result = estimate(network, arch, table, options=options, statistics=said)
    against = to_uniform(result, uniform_baseline(result, network, statistics=said))
    at_clock = None if request.clock is None else operation(result, request.clock)
    bandwidth, warnings = request.bits_per_cycle(result), area_warnings(result)
    if request.as_json:
        record = costs_record(result, against, bandwidth, warnings, at_clock)
        subject = {"program": str(request.path), "digest": program.digest}
        emit({**subject, **record, "seconds": time.perf_counter() - start})
        return
    show_costs(request.path, result, against, bandwidth, at_clock)
    show_warnings(warnings)
