"""Sequencer of arrays that hold weights, cycle by cycle."""

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.machine.sequencer import HeldSequencer
from adqhw.verify.mutation.sequencer_bench import run_sequencer


def test_every_cycle_of_runs_one_after_the_other():
    """Descriptors, levels, flags and counters; other words in the second run."""
    storage = Storage(passes=4, codebook_rows=16)
    arch = Arch(rows=2, cols=2, weight_width=3, level_width=4, hold=2, storage=storage)
    run_sequencer(lambda: HeldSequencer(arch), None)
