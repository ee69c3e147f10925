"""Runs ZigZag on the ResNet-18 that its package brings; a script for its own Python.

python other_zigzag.py HARDWARE         such as tpu_like
"""

import contextlib
import io
import json
import logging
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import zigzag
from zigzag.api import get_hardware_performance_zigzag


def main(hardware: str) -> None:
    inputs = Path(zigzag.__file__).parent / "inputs"
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        energy, latency, *_ = get_hardware_performance_zigzag(
            workload=str(inputs / "workload" / "resnet18.onnx"),
            accelerator=str(inputs / "hardware" / f"{hardware}.yaml"),
            mapping=str(inputs / "mapping" / f"{hardware}.yaml"),
            dump_folder=folder,
            pickle_filename=f"{folder}/found.pickle",
            loma_show_progress_bar=False,
        )
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    record = {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "energy_pj": float(energy),
        "cycles": float(latency),
    }
    print(json.dumps({**record, "version": version("zigzag-dse")}), file=sys.__stdout__)


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        main(*sys.argv[1:])
