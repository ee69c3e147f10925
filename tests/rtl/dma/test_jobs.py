"""Jobs through AXI: rows, bytes and cycles against plain Python, under every kind of memory."""

import numpy as np
import pytest
from dma_bench import jobs_run, random_model, random_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.dma.slots import transfer_slots
from adqhw.rtl.layouts.jobs import Job, external_of, packed_rows, slot_of, transfer_of
from adqhw.rtl.timing.dram import DramModel, JobTimer
from adqhw.verify.memory_slave import MemorySlave

SIZE = 1 << 13
BASE = 3 << 12


def an_arch(rng: np.random.Generator) -> Arch:
    """Narrow and wide rows on a random bus."""
    rows, cols, fill = (int(rng.choice([2, 4, 8])) for _ in range(3))
    external = External(
        bus_width=int(rng.choice([32, 64, 128, 256])),
        burst_beats=int(rng.choice([1, 2, 4, 16])),
        outstanding=int(rng.integers(1, 5)),
        jobs=64,
    )
    storage = Storage(code_width=int(rng.choice([4, 5, 8])), activation_words=64)
    return Arch(
        rows=rows, cols=cols, hold=8, fill=min(fill, cols), out_lanes=2, level_width=5,
        threshold_width=int(rng.choice([1, 3])), storage=storage, external=external,
    )  # fmt: skip


def expected_rows(arch: Arch, jobs: list[Job], data: bytes) -> list[tuple[int, int, int]]:
    """Rows that loads give, taken from the bytes row by row."""
    banks, slots, found = arch.plane_banks, transfer_slots(arch), []
    for job in jobs:
        if job.store:
            continue
        place = slots[job.target]
        for number in range(job.rows):
            at = BASE + job.address + number * place.bytes
            bits = int.from_bytes(data[at : at + place.bytes], "little") & ((1 << place.width) - 1)
            row, target = job.row + number, job.target
            if target == Target.WEIGHTS:
                target, row = target + row % banks, row // banks
            found.append((target, row, bits))
    return found


def stored(arch: Arch, jobs: list[Job], words: dict, data: bytes) -> bytes:
    """The memory after all stores."""
    after, place = bytearray(data), transfer_slots(arch)[Target.ACTIVATIONS]
    for job in jobs:
        if job.store:
            bank = job.target - Target.ACTIVATIONS
            rows = [words[bank, job.row + number] for number in range(job.rows)]
            at = BASE + job.address
            after[at : at + job.rows * place.bytes] = packed_rows(rows, place)
    return bytes(after)


def check(seed: int, stall: float) -> None:
    rng = np.random.default_rng(seed)
    arch, model = an_arch(rng), random_model(rng)
    external = external_of(arch)
    data = bytearray(rng.bytes(BASE + SIZE))
    steps = random_steps(arch, rng, SIZE, 6)
    jobs = [job for step in steps for job in step]
    width = arch.rows * arch.storage.code_width
    words = {(b, a): int.from_bytes(rng.bytes(40), "little") >> (320 - width)
             for b in (0, 1) for a in range(64)}  # fmt: skip
    rows, after = expected_rows(arch, jobs, bytes(data)), stored(arch, jobs, words, bytes(data))
    slave = MemorySlave(model, data, external.bus_bytes, stall=stall, seed=seed)
    outcome = jobs_run(arch, steps, slave, words, base=BASE)
    assert outcome.rows == rows
    assert bytes(data) == after
    assert outcome.failed == 0
    slots, timer = transfer_slots(arch), JobTimer(external=external, model=model)
    cycles = [timer.step([transfer_of(job, slots[job.target], external) for job in step])
              for step in steps]  # fmt: skip
    assert (outcome.read, outcome.written) == (timer.beats_read, timer.beats_written)
    if not stall:
        assert outcome.cycles == cycles


@settings(max_examples=14, derandomize=True)
@given(st.integers(0, 1 << 20))
def test_rows_bytes_and_cycles(seed):
    check(seed, 0.0)


@settings(max_examples=6, derandomize=True)
@given(st.integers(0, 1 << 20), st.sampled_from([0.2, 0.7]))
def test_rows_and_bytes_under_stalls(seed, stall):
    check(seed, stall)


@pytest.mark.parametrize(
    ("width", "bits", "per_beat", "beats"),
    [
        (1, 8, 8, 1),
        (9, 16, 4, 1),
        (33, 64, 1, 1),
        (64, 64, 1, 1),
        (65, 128, 1, 2),
        (320, 320, 1, 5),
    ],
)
def test_slots(width, bits, per_beat, beats):
    place = slot_of(width, 64)
    assert (place.bits, place.per_beat, place.beats) == (bits, per_beat, beats)


def small() -> Arch:
    external = External(bus_width=32, burst_beats=4, outstanding=3, jobs=8)
    storage = Storage(code_width=8, activation_words=64)
    return Arch(rows=4, cols=4, hold=4, fill=2, out_lanes=2, storage=storage, external=external)


WORDS = {(bank, address): 0x01010101 * (address + 64 * bank) for bank in (0, 1)
         for address in range(64)}  # fmt: skip
MODEL = DramModel(latency=9, row_bytes=64, row_miss=5)


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("stop_at", [1, 4, 5, 6, 8, 14, 20, 23, 31, 40])
def test_stopped_anywhere(store, stop_at):
    """Bursts that were asked for end by AXI's rules; then other jobs find everything right."""
    arch, data = small(), bytearray(range(256)) * 2
    place = transfer_slots(arch)[Target.ACTIVATIONS]
    cut = Job(target=Target.ACTIVATIONS, row=3, rows=40, address=12, store=store)
    after = [
        Job(target=Target.ACTIVATIONS + 1, row=9, rows=11, address=260, store=True),
        Job(target=Target.ACTIVATIONS, row=0, rows=20, address=0),
    ]
    before = bytes(data)
    slave = MemorySlave(MODEL, data, 4)
    outcome = jobs_run(arch, [[cut], after], slave, WORDS, stop_at=stop_at)
    assert not slave.queue
    assert not slave.answers
    assert bytes(data[260:304]) == packed_rows([WORDS[1, 9 + i] for i in range(11)], place)
    last = outcome.rows[-20:]
    assert [row for _, row, _ in last] == list(range(20))
    assert [value for *_, value in last] == [
        int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(20)
    ]
    stored_rows = packed_rows([WORDS[0, 3 + i] for i in range(40)], place)
    for at in range(172):  # every byte is the old one or the one to be stored
        new = stored_rows[at - 12] if store and at >= 12 else before[at]
        assert data[at] in (before[at], new)
    loaded = len(outcome.rows) - 20
    assert loaded <= 40
    assert (loaded > 0) == (not store and stop_at > 18)


@pytest.mark.parametrize("store", [False, True])
def test_a_response_that_is_an_error_is_reported(store):
    job = Job(target=Target.ACTIVATIONS, row=0, rows=12, address=16, store=store)
    slave = MemorySlave(MODEL, bytearray(512), 4, faults=frozenset([24]))
    assert jobs_run(small(), [[job], [job]], slave, WORDS).failed == 2
    slave = MemorySlave(MODEL, bytearray(512), 4, faults=frozenset([12]))
    assert jobs_run(small(), [[job]], slave, WORDS).failed == 0
