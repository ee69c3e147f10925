"""Units that are mutated. The suite runs the bench of each on the unit, the mutation test on every
mutant of its Verilog; `simulator` is the only difference."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adqhw.rtl.accelerator.sequencer import Sequencer
from adqhw.rtl.arch import registry
from adqhw.rtl.arch.registry import names
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.dma.axi_master import AxiMaster
from adqhw.rtl.dma.job_engine import JobEngine
from adqhw.rtl.engine.requant_unit import RequantUnit
from adqhw.rtl.engine.threshold_unit import ThresholdUnit
from adqhw.rtl.lanes import bit_serial
from adqhw.rtl.lanes.lane_array import LaneArray
from adqhw.rtl.machine.feeder import HeldFeeder
from adqhw.rtl.machine.fold_unit import FoldUnit
from adqhw.rtl.machine.memories import HeldActivationMemory
from adqhw.rtl.machine.sequencer import HeldSequencer
from adqhw.rtl.machine.weight_feeder import WeightFeeder
from adqhw.rtl.output.output_stage import OutputStage

from .benches import requant_arch, requant_bench, sequencer_arch, threshold_arch, threshold_bench
from .feed_bench import feed_arch, held_feeder_bench, weight_feeder_bench
from .fold_bench import fold_arch, fold_bench
from .held_bench import held_arch, held_bench
from .job_bench import job_arch, job_bench
from .mac_bench import mac_arch, mac_bench
from .master_bench import master_arch, master_bench
from .memory_bench import memory_arch, memory_bench
from .sequencer_bench import run_sequencer
from .stage_bench import stage_arch, stage_bench

QUICK = (bit_serial.MICRO.name,)
"""Micro-architectures whose arrays the test suite runs with the quick tests."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A mutated unit and the bench that must find its faults."""

    name: str
    make: Callable[[], Any]
    bench: Callable[[Any, Any], None]
    """bench(unit factory, simulator class or None for Amaranth's)."""
    slow_reset: bool = False
    """The test suite runs the reset bench of the unit itself with the slow tests."""
    slow_bench: bool = False
    """And its bench: the quick ones have one like it."""
    kept: str = ""
    """Outputs that show what a memory has, by the beginnings of their names: a reset does not
    change that."""


def _lane_array(micro: str) -> LaneArray:
    return LaneArray(mac_arch(micro))


def _held_array(micro: str) -> HeldArray:
    return HeldArray(held_arch(micro))


UNITS = [
    Unit(name="threshold", make=lambda: ThresholdUnit(threshold_arch()), bench=threshold_bench),
    Unit(name="requant", make=lambda: RequantUnit(requant_arch()), bench=requant_bench),
    *(
        Unit(
            name=f"lookup-MAC {micro}",
            make=partial(_lane_array, micro),
            bench=partial(mac_bench, micro),
            slow_reset=micro not in QUICK,
            slow_bench=micro not in QUICK,
        )
        for micro in names()
    ),
    *(
        Unit(
            name=f"held array {micro}",
            make=partial(_held_array, micro),
            bench=partial(held_bench, micro),
            kept="accs",
            slow_reset=micro not in QUICK,
            slow_bench=micro not in QUICK,
        )
        for micro in names()
        if registry.micro(micro).held_column is not None
    ),
    Unit(
        name="sequencer",
        make=lambda: Sequencer(sequencer_arch(), counter_width=6),
        bench=run_sequencer,
    ),
    Unit(
        name="held sequencer",
        make=lambda: HeldSequencer(replace(sequencer_arch(), hold=2), counter_width=6),
        bench=run_sequencer,
        slow_reset=True,
    ),
    Unit(
        name="held memory",
        make=lambda: HeldActivationMemory(memory_arch()),
        bench=memory_bench,
        slow_reset=True,
        kept="words job_read_word",
    ),
    Unit(
        name="AXI master",
        make=lambda: AxiMaster(master_arch()),
        bench=master_bench,
        slow_reset=True,
    ),
    Unit(name="job engine", make=lambda: JobEngine(job_arch()), bench=job_bench, slow_reset=True),
    Unit(
        name="held feeder",
        make=lambda: HeldFeeder(feed_arch()),
        bench=held_feeder_bench,
        slow_reset=True,
    ),
    Unit(
        name="weight feeder",
        make=lambda: WeightFeeder(feed_arch()),
        bench=weight_feeder_bench,
        slow_reset=True,
    ),
    Unit(
        name="fold unit",
        make=lambda: FoldUnit(fold_arch()),
        bench=fold_bench,
        kept="write finished",  # a register that is 1 at power-up is not in the model
        slow_reset=True,
    ),
    Unit(
        name="output stage",
        make=lambda: OutputStage(stage_arch()),
        bench=stage_bench,
        slow_reset=True,
    ),
]
