"""Runs the scalesim package on a topology; a script for its own Python, without adqhw.

python other_scalesim.py TOPOLOGY.csv ROWS COLS DATAFLOW
"""

import contextlib
import io
import json
import sys
import time
from importlib.metadata import version

from scalesim.layout_utils import layouts
from scalesim.scale_config import scale_config
from scalesim.single_layer_sim import single_layer_sim
from scalesim.topology_utils import topologies


def main(file: str, rows: str, cols: str, dataflow: str) -> None:
    config, topology = scale_config(), topologies()
    memory = [256, 256, 128, 0, 10_000_000, 20_000_000]
    config.update_from_list(["run", rows, cols, *memory, dataflow, "CALC", "1"])
    start, cpu, cycles = time.perf_counter(), time.process_time(), []
    topology.load_arrays(file)
    topology.topo_calc_hyperparams(file)
    for number in range(topology.get_num_layers()):
        run = single_layer_sim()
        run.set_params(number, config, topology, layouts(), verbose=False)
        run.run()
        run.calc_report_data()
        cycles.append(run.total_cycles - run.stall_cycles)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    record = {"seconds": seconds, "cpu_seconds": cpu, "version": version("scalesim")}
    print(json.dumps({**record, "cycles": cycles}), file=sys.__stdout__)


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        main(*sys.argv[1:])
