"""`adqhw_top` under a bus model (Icarus): errors of a host, and AXI's rules."""

import re
from dataclasses import replace

import numpy as np
import pytest
from axi_bus import ADDRESS_FIRST, OKAY, SLVERR, Chip, Script, results_of
from axi_chip import error, finished, loads, small_chip, values

from adqhw.rtl.accelerator.ports import Target, descriptor_layout, target_rows
from adqhw.rtl.bus.registers import ALL_PASSES, mask, offset, register, registers_of
from adqhw.rtl.layouts.counters import EVENTS
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.timing.network_cycles import network_cycles

pytestmark = pytest.mark.simulator

COUNTERS = tuple(name.upper() for name in ("cycles", *EVENTS))


@pytest.fixture(scope="module", params=["first", "held"])
def chip(request, tmp_path_factory) -> Chip:
    return small_chip(tmp_path_factory, held=request.param == "held")


def test_texts_of_arrays_that_hold_weights_say_what_they_are(chip):
    """Parameters in front, memories apart, every wire named; the first one's texts are as ever."""
    texts = {path.name: path.read_text() for path in chip.folder.glob("adqhw_*.v")}
    holds = chip.arch.holds
    assert ("adqhw_memories.v" in texts) == holds
    for text in texts.values():
        assert text.startswith("/* adqhw ") == holds
        assert (f"Arch {chip.arch.digest}" in text) == holds
        assert ("storage.activation_words=" in text) == holds
        if holds:
            assert not re.search(r"\\\$\d+ ", text)
            assert "[-1:0]" not in text
            assert ".py" not in text


def test_images_one_after_the_other(chip):
    """Streams held back, any order of address and data, answers that wait; X before reset."""
    script = Script().add("d", 3)
    script.lines += chip.loaded().lines
    patterns = [(0xFFFF, 0xFFFF), (0x5A31, 0xFFFF), (0xFFFF, 0x1248), (0x0180, 0x8001)]
    for number, (source, sink) in enumerate(patterns):
        chip.run(script.add("p", source, sink), number % 3)
        script.read("CYCLES", "INPUT_STALLS", "OUTPUT_STALLS", "STATUS", delay=number)
        script.write("WATCHDOG", 0, order=number % 3, delay=number)
    log = chip.play(finished(script))
    assert log.broken == []
    assert set(log.responses) == {OKAY}
    assert log.frames() == [chip.expected[i] for i in (0, 1, 2, 0)]
    assert values(log, "ERROR") == [0, 0]


def test_the_next_run_may_begin_before_the_results_are_taken(chip):
    """The engine waits in the next run instead; no result is lost or mixed up."""
    script = chip.loaded().add("p", 0xFFFF, 0)
    chip.send(chip.send(script, 1).control("START"), 2).add("d", 300)
    script.read("STATUS").add("p", 0xFFFF, 0xFFFF).until("STATUS", "BUSY", False)
    script.control("START").until("STATUS", "BUSY", False)
    log = chip.play(finished(script))
    assert values(log, "STATUS") == [sum(mask("STATUS", n) for n in ("BUSY", "LOADED", "WAITING"))]
    assert values(log, "ERROR") == [0, 0]
    assert log.frames() == [chip.expected[1], chip.expected[2]]
    assert log.broken == []


def test_every_address_and_alignment(chip):
    """Reads and writes: only what the map has, only whole words."""
    script = Script().add("x", 4)
    words = [*range(0, 0x100, 4), *(1 << bit for bit in range(8, 12)), 0xFFC, 0x104, 0x408]
    spots = [at + low for at in words for low in ((0,) if at > 0x20 else range(4))]
    for at in spots:
        script.add("w", at, 0, 15, 0).add("r", at)
    log = chip.play(script.read("ERROR"))
    by_offset = {entry.offset: entry for entry in registers_of(chip.arch)}
    for at, response in log.writes:
        entry = by_offset.get(at)
        # with no row loaded yet ROW 0 of TARGET 0 exists: DATA is taken
        assert (response == OKAY) == (entry is not None and entry.access.writes), hex(at)
    for at, value, response in log.reads:
        entry = by_offset.get(at)
        good = entry is not None and entry.access.reads and (entry.name not in COUNTERS or at)
        known = at < 0x40 or entry is None  # counters of pass 0: it has not ended
        assert (response == OKAY) == bool(good and known), hex(at)
        assert response == OKAY or value == 0
    assert values(log, "ERROR")[-1] == error("ACCESS")
    assert log.broken == []


def test_reset_values_are_those_of_the_map(chip):
    names = [entry.name for entry in registers_of(chip.arch) if entry.access.reads]
    log = chip.play(Script().add("x", 4).read(*names))
    assert log.reads == [(offset(name), register(name).reset, OKAY) for name in names]


def test_strobes(chip):
    """All 16: a whole word is written, none does nothing, the others are refused."""
    script = chip.loaded()
    for strobes in range(16):
        script.write("WATCHDOG", 0xA0 + strobes, strobes=strobes, order=strobes % 3)
        script.read("WATCHDOG")
    script.write("WATCHDOG", 0).write("ERROR", 0xFF, strobes=1).read("ERROR").write("ERROR", 0xFF)
    for strobes in range(15):
        script.write("CONTROL", mask("CONTROL", "START"), strobes=strobes).read("STATUS")
    for strobes in (0, 3):
        script.write("ROW", 1).write("DATA", 7, strobes=strobes).write("TARGET", 3, strobes=strobes)
    log = chip.play(finished(chip.run(script.read("TARGET"), 1)))
    partial = [SLVERR if 0 < strobes < 15 else OKAY for strobes in range(16)]
    at = len(chip.loaded().lines) - 1
    assert log.responses[at : at + 16] == partial
    assert values(log, "WATCHDOG") == [0] * 15 + [0xAF]
    assert log.responses[at + 17] == SLVERR
    assert log.responses[at + 19 : at + 34] == partial[:15]
    loaded = mask("STATUS", "LOADED")
    assert values(log, "STATUS") == [loaded] + [loaded | mask("STATUS", "ERROR")] * 14
    assert log.frames() == [chip.expected[1]]
    assert log.broken == []


def test_loads_during_a_run_are_refused(chip):
    """Before the image, in its middle, and while the results wait: nothing changes."""
    script = chip.loaded().read("TARGET", "ROW").control("START")
    chip.send(loads(chip, script), 1, count=10, last=False)
    chip.send(loads(chip, script).add("p", 0xFFFF, 0).read("ERROR"), 1, first=10)
    loads(chip, script.add("d", 200)).read("STATUS", "TARGET", "ROW").add("p", 0xFFFF, 0xFFFF)
    script.until("STATUS", "BUSY", False)
    log = chip.play(finished(chip.run(finished(script), 2)))
    start = len([line for line in chip.loaded().lines if line[0] == "w"])
    tried = 3 * (1 + 22 * 2 * len(target_rows(chip.arch)))
    assert log.responses[: start + 1] == [OKAY] * (start + 1)
    assert log.responses[start + 1 :][:tried] == [SLVERR] * tried
    for name in ("TARGET", "ROW"):
        assert len(set(values(log, name))) == 1
    assert values(log, "ERROR") == [error("BUSY")] * 2 + [0] * 3
    assert log.frames() == [chip.expected[1], chip.expected[2]]
    assert log.broken == []


def test_rows_and_memories_that_do_not_exist(chip):
    """Row after the last one, far beyond, aliases; numbers of no memory: nothing is written."""
    script, expected = chip.loaded(), []
    known = target_rows(chip.arch)
    for target in (*range(64), 1 << 8, 1 << 31):
        script.write("TARGET", target)
        expected.append(OKAY if target in known else SLVERR)
    script.read("TARGET")
    for target, rows in known.items():
        for row in (rows, rows + 1, 2 * rows, 1 << (rows - 1).bit_length(), 1 << 24, 0xFFFFFFFF):
            script.write("TARGET", target).write("ROW", row)
            for _ in range(20):
                script.write("DATA", 0xFFFFFFFF)
            expected += [OKAY] * 2 + [SLVERR] * 20
    log = chip.play(finished(chip.run(script.read("ROW"), 0)))
    start = len([line for line in chip.loaded().lines if line[0] == "w"])
    assert log.responses[start : start + len(expected)] == expected
    assert values(log, "TARGET") == [max(known)]
    assert values(log, "ROW") == [0xFFFFFFFF]
    assert values(log, "ERROR") == [error("ROW"), 0]
    assert log.frames() == [chip.expected[0]]
    assert log.broken == []


def test_start_needs_a_whole_program(chip):
    """Descriptors in order, the last one final: nothing less; again after a reset."""
    passes = [row for row in chip.rows if row[0] == Target.PASSES]
    others = [row for row in chip.rows if row[0] != Target.PASSES]
    script = Script().add("x", 4).control("START").load(others, chip.arch).control("START")
    for some in (passes[:-1], passes[-1:], [*passes[:1], *passes[2:]], passes[::-1]):
        script.load(some, chip.arch).control("START").read("STATUS")
        script.add("x", 2).load(others, chip.arch)
    script.read("ERROR").load(passes[:2], chip.arch).control("START").read("ERROR")
    finished(chip.run(script.load(passes[2:], chip.arch), 2))
    # another program begins: what is left of the first one is no part of it
    script.load(passes[:1], chip.arch).control("START").load(passes[1:], chip.arch)
    finished(chip.run(script.read("ERROR"), 0))
    # the last descriptor written again, without its final bit and with it
    target, row, data = passes[-1]
    final = 1 << descriptor_layout(chip.arch)["final"].offset
    script.load([(target, row, data & ~final)], chip.arch).control("START")
    finished(chip.run(script.load(passes[-1:], chip.arch), 1)).add("x", 4).control("START")
    log = chip.play(script.read("ERROR"))
    starts = [response for at, response in log.writes if at == 0]
    assert starts == [SLVERR] * 7 + [OKAY, SLVERR, OKAY, SLVERR, OKAY, SLVERR]
    assert set(values(log, "STATUS")) == {mask("STATUS", "ERROR")}
    missing = error("NOT_LOADED")
    assert values(log, "ERROR") == [
        0,
        missing,
        missing,
        0,
        missing,
        missing,
        0,
        missing,
        0,
        missing,
    ]
    assert log.frames() == [chip.expected[i] for i in (2, 0, 1)]
    assert log.broken == []


def test_two_programs_on_one_chip(chip):
    """The first layer alone is the other program: fewer descriptors, other results."""
    one = replace(chip.program, layers=chip.program.layers[:1])
    plan = check_storage(chip.arch, one)
    batch = np.array(chip.images).reshape(-1, 3, 4, 2).transpose(0, 3, 1, 2)
    expected, rows = results_of(plan, batch), memory_image(chip.arch, plan)
    script = chip.run(chip.run(chip.loaded(), 0).load(rows, chip.arch), 1)
    log = chip.play(finished(chip.run(script.load(chip.rows, chip.arch), 2)))
    assert log.frames() == [chip.expected[0], expected[1], chip.expected[2]]
    assert values(log, "ERROR") == [0, 0]
    assert log.broken == []


def test_images_that_are_too_short(chip):
    """Every length: the run ends with its tlast, and the next image is whole."""
    script = chip.loaded()
    for count in (1, 2, 3, 11, chip.size - 2, chip.size - 1):
        chip.send(script.control("START"), 0, count=count).until("STATUS", "BUSY", False)
        chip.run(finished(script).read("STATUS", "ENDED", "CYCLES"), 1)
        finished(script)
    log = chip.play(script)
    assert values(log, "ERROR") == [error("IMAGE_SHORT"), 0, 0, 0] * 6
    assert values(log, "STATUS") == [mask("STATUS", "LOADED")] * 6
    assert values(log, "ENDED") == values(log, "CYCLES") == [0] * 6
    assert log.frames() == [chip.expected[1]] * 6
    assert log.broken == []


def test_images_that_are_too_long(chip):
    """By one code and more, also by whole images: dropped up to tlast, the next one is whole."""
    script, extra = chip.loaded(), (1, 2, chip.size - 1, chip.size, chip.size + 1)
    for count in extra:
        chip.send(script.control("START"), 0, count=chip.size + count)
        chip.send(script, 2).until("STATUS", "BUSY", False).read("ERROR").control("START")
        finished(script.until("STATUS", "BUSY", False))
    # the end does not come for a while: the run that was started waits for it
    chip.send(script.control("START"), 0, count=chip.size + 5, last=False).add("d", 100)
    script.read("STATUS").control("START").add("d", 100).read("STATUS")
    chip.send(chip.send(script, 0, first=5), 1).until("STATUS", "BUSY", False)
    log = chip.play(finished(script))
    long = error("IMAGE_LONG")
    assert values(log, "ERROR") == [long, long, 0] * 5 + [long, 0]
    flags = mask("STATUS", "LOADED") | mask("STATUS", "DROPPING") | mask("STATUS", "ERROR")
    assert values(log, "STATUS") == [flags, flags | mask("STATUS", "BUSY")]
    assert log.frames() == [chip.expected[2]] * 5 + [chip.expected[1]]
    assert log.broken == []


def test_a_write_offered_in_reset_is_answered_after_it(chip):
    """A transfer that a reset interrupts has no effect."""
    script = Script().add("x", 3).add("y", 5, offset("WATCHDOG"), 77).read("WATCHDOG")
    script.add("a", offset("WATCHDOG")).add("x", 3).write("WATCHDOG", 5).read("WATCHDOG")
    script.add("v", 0, 9, 15).add("x", 1).write("WATCHDOG", 6, order=ADDRESS_FIRST)
    script.read("WATCHDOG").add("f", offset("ID")).add("x", 3).read("WATCHDOG", "STATUS")
    script.load(chip.rows, chip.arch).control("START")
    chip.send(script, 0, count=9, last=False).add("d", 40).add("x", 1).control("START")
    finished(chip.run(script.load(chip.rows, chip.arch), 1))
    log = chip.play(script)
    assert values(log, "WATCHDOG") == [77, 5, 6, 0]
    assert [r for at, r in log.writes if at == 0] == [OKAY, SLVERR, OKAY]
    assert values(log, "ERROR") == [error("NOT_LOADED"), 0]
    assert log.frames() == [chip.expected[1]]
    assert log.broken == []


def test_counters_of_passes(chip):
    """Of a pass that has ended in this run, or the totals; nothing else."""
    script, passes = chip.loaded(), len(network_cycles(chip.arch, chip.program))
    for name, value in (("PASS", 0), ("PASS", passes), ("PASS", 1 << 16), ("PASS", 1 << 31)):
        script.write(name, value).read("CYCLES")
    script.control("START").add("d", 20).read("CYCLES", "ENDED")
    chip.send(script, 0).until("STATUS", "BUSY", False)
    for number in (*range(passes), ALL_PASSES):
        script.write("PASS", number).read("CYCLES", "INPUT_STALLS")
    # a write and a read of the same cycle: the read shows the one or the other pass
    script.add("b", offset("PASS"), 1, offset("CYCLES")).read("ENDED")
    log = chip.play(script)
    assert [r for at, r in log.writes if at == offset("PASS")][:4] == [OKAY] + [SLVERR] * 3
    cycles = [(value, response) for at, value, response in log.reads if at == offset("CYCLES")]
    assert cycles[:5] == [(0, SLVERR)] * 5
    stalls = values(log, "INPUT_STALLS")
    model = np.cumsum([entry.cycles for entry in network_cycles(chip.arch, chip.program)])
    shown = [value for value, _ in cycles[5:-1]]
    assert shown == [*(model + stalls[0]), model[-1] + stalls[0]]
    assert cycles[-1] in ((shown[-1], OKAY), (shown[1], OKAY))
    assert values(log, "ENDED") == [0, passes]
    assert log.broken == []


def test_errors_stay_until_they_are_cleared(chip):
    """Each by its own bit; reads and starts clear nothing."""
    script = chip.loaded().write("ID", 0).write("TARGET", 6).read("ERROR", "ERROR")
    finished(chip.run(script.write("ERROR", error("ACCESS", "BUSY")).read("ERROR"), 0))
    log = chip.play(script)
    both, row = error("ACCESS", "ROW"), error("ROW")
    assert values(log, "ERROR") == [both, both, row, row, 0]
    assert log.broken == []
