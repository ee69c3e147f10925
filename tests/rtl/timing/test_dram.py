"""The memory model's arithmetic on cases that are counted by hand, and its limits.

Jobs in the RTL against it: tests/rtl/dma/test_jobs.py.
"""

import pytest

from adqhw.rtl.arch.external import External
from adqhw.rtl.timing.dram import DramModel, JobTimer, Transfer
from adqhw.spec.errors import InputError


def timer(**values: int) -> JobTimer:
    external = External(bus_width=32, burst_beats=4, outstanding=2)
    return JobTimer(external=external, model=DramModel(**values))


def test_a_burst_by_hand():
    """Asked in cycle 3, address taken in 5, first beat 10 + 7 later, a row per beat a cycle on."""
    now = timer(latency=10, row_miss=7, row_bytes=64)
    load = Transfer(store=False, at=0, beats=4, rows=4)
    assert now.step([load]) == 5 + 10 + 7 + 3 + 1
    assert now.step([load]) == 5 + 10 + 3 + 1  # its row is open
    assert now.step([]) == 0


def test_a_store_by_hand():
    """First word packed in cycle 5, offered in 6, in the master in 7, taken from then on; the
    answer is counted in the cycle after it came."""
    now = timer(latency=10, row_miss=0)
    assert now.step([Transfer(store=True, at=0, beats=4, rows=4)]) == 7 + 3 + 10 + 1


def test_outstanding_bursts_hide_the_latency():
    load = Transfer(store=False, at=0, beats=64, rows=64)
    few, many = timer(latency=20, row_miss=0), timer(latency=20, row_miss=0)
    many.external = External(bus_width=32, burst_beats=4, outstanding=8)
    assert many.step([load]) == 5 + 20 + 63 + 1
    assert few.step([load]) > many.step([load])


def test_rows_of_a_part_of_a_beat_are_loaded_one_per_cycle():
    now = timer(latency=10, row_miss=0)
    load = Transfer(store=False, at=0, beats=3, rows=10, slots=4, first=1)
    assert [load.rows_in(beat) for beat in range(3)] == [3, 4, 3]
    assert now.step([load]) == 5 + 10 + 10


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latency": 0}, "Memory latency must be in 1..65536, not 0"),
        ({"beat_cycles": 9}, "Memory beat_cycles must be in 1..8, not 9"),
        ({"row_bytes": 100}, "Memory row_bytes must be a power of two, not 100"),
        ({"row_miss": -1}, "Memory row_miss must be in 0..65536, not -1"),
    ],
)
def test_limits(values, message):
    with pytest.raises(InputError, match=message):
        DramModel(**values)
