"""`adqhw_top` when a run is ended early: aborts, the watchdog, random errors (Icarus)."""

import numpy as np
import pytest
from axi_bus import OKAY, Chip, Script, build
from axi_chip import BEGUN, error, finished, loads, small_chip, two_layers, values
from programs import Builder

from adqhw.rtl.arch.registry import names
from adqhw.rtl.bus.registers import mask

pytestmark = pytest.mark.simulator


@pytest.fixture(scope="module", params=["first", "held"])
def chip(request, tmp_path_factory) -> Chip:
    return small_chip(tmp_path_factory, held=request.param == "held")


def aborted(chip: Chip, script: Script, cycles: int, *, sink=0xFFFF) -> Script:
    """A run of image 0 that is aborted after some cycles, then a run of image 1."""
    script.add("p", 0xFFFF, sink).control("START")
    if cycles > BEGUN:  # an image that has not begun would stay
        chip.send(script, 0)
    script.add("d", cycles).control("ABORT").read("STATUS", "CYCLES")
    script.add("p", 0xFFFF, 0xFFFF).read("ERROR")
    return finished(chip.run(script, 1))


def check_aborts(chip: Chip, log, count: int) -> None:
    """After every abort the chip was idle, its memories right, and its frames were closed."""
    assert log.broken == []
    assert set(log.responses) == {OKAY}
    assert set(values(log, "ERROR")) == {0}
    assert values(log, "CYCLES") == [0] * count
    idle = ("BUSY", "DONE", "ERROR")
    assert not any(value & mask("STATUS", name) for value in values(log, "STATUS") for name in idle)
    whole = [frame for frame in log.frames() if frame[-1] is not None]
    assert [frame for frame in whole if frame != chip.expected[0]] == [chip.expected[1]] * count
    for frame in log.frames():
        if frame[-1] is None:  # results that came before the abort are those of its image
            assert 1 < len(frame) <= len(chip.expected[0])
            assert frame[:-1] == chip.expected[0][: len(frame) - 1]


@pytest.mark.parametrize("sink", [0xFFFF, 0x1111])
def test_an_abort_ends_a_run_anywhere(chip, sink):
    script, moments = chip.loaded(), range(0, 200, 19)
    for cycles in moments:
        aborted(chip, script, cycles, sink=sink)
    log = chip.play(script)
    check_aborts(chip, log, len(moments))
    assert any(frame[-1] is None for frame in log.frames())


@pytest.mark.slow
@pytest.mark.parametrize("sink", [0xFFFF, 0x1111, 0x8000])
def test_an_abort_in_every_cycle(chip, sink):
    script, moments = chip.loaded(), range(0, 420, 1)
    for cycles in moments:
        aborted(chip, script, cycles, sink=sink)
    check_aborts(chip, chip.play(script), len(moments))


def test_an_abort_in_the_middle_of_an_image(chip):
    """The rest of the image is dropped when it comes; REALIGN ends the dropping."""
    script = chip.loaded()
    for bits in (["ABORT"], ["ABORT", "REALIGN"]):
        script.add("k").control("START")
        chip.send(script, 0, count=7, last=False).add("n", 7).control(*bits).read("STATUS")
        if "REALIGN" not in bits:
            chip.send(script, 0, first=7)
        finished(chip.run(script, 2))
    script.add("k").control("START")
    chip.send(script, 0, count=7, last=False).add("n", 7).control("ABORT").read("STATUS")
    chip.run(script.control("REALIGN").read("STATUS"), 2)
    # an image of which nothing was taken stays
    chip.send(script, 1).control("ABORT").control("START").until("STATUS", "BUSY", False)
    log = chip.play(finished(script.control("START", "ABORT").read("STATUS")))
    loaded, dropping = mask("STATUS", "LOADED"), mask("STATUS", "DROPPING")
    done = mask("STATUS", "DONE") | mask("STATUS", "ERROR")
    flags = [loaded | dropping, loaded, loaded | dropping, loaded, loaded | done]
    assert [value & ~mask("STATUS", "WAITING") for value in values(log, "STATUS")] == flags
    assert values(log, "ERROR") == [0] * 4 + [error("ACCESS"), 0]
    assert log.frames() == [chip.expected[2]] * 3 + [chip.expected[1]]
    assert log.broken == []


def test_the_watchdog_ends_a_run_that_waits(chip):
    """No image, half an image, results never accepted; not a run with slow progress."""
    script, limit = chip.loaded(), 64
    script.write("WATCHDOG", limit)
    script.control("START").until("STATUS", "BUSY", False).read("ERROR", "STATUS", "ENDED")
    chip.send(finished(chip.run(script, 1)).control("START"), 0, count=9, last=False)
    script.until("STATUS", "BUSY", False).read("ERROR", "STATUS")
    chip.send(script, 0, first=9)
    chip.send(finished(script).add("p", 0xFFFF, 0).control("START"), 0)
    script.until("STATUS", "BUSY", False).read("ERROR", "ENDED").add("p", 0xFFFF, 0xFFFF)
    finished(chip.run(script, 2))
    finished(chip.run(script.add("p", 1, 1), 1))
    script.write("WATCHDOG", 0).control("START").add("d", 3000).read("STATUS")
    finished(chip.send(script, 2).until("STATUS", "BUSY", False))
    log = chip.play(script)
    dog, loaded = error("WATCHDOG"), mask("STATUS", "LOADED")
    assert values(log, "ERROR") == [dog, dog, 0, dog, dog, 0, dog, dog, 0, 0, 0, 0, 0]
    failed = loaded | mask("STATUS", "ERROR")
    waits = loaded | mask("STATUS", "BUSY")
    assert values(log, "STATUS") == [failed, failed | mask("STATUS", "DROPPING"), waits]
    assert values(log, "ENDED") == [0, 2]
    frames = log.frames()
    assert frames[1] == [chip.expected[0][0], None]
    assert [*frames[:1], *frames[2:]] == [chip.expected[i] for i in (1, 2, 1, 2)]
    assert log.broken == []


def accident(chip: Chip, rng, script: Script, image: int) -> list[tuple[int, bool]]:
    """A run of `image` in which the host does something wrong: (image, always there) to come."""
    match rng.integers(5):
        case 0:
            chip.send(script.control("START"), image, count=int(rng.integers(1, chip.size)))
            return []
        case 1:
            count = int(rng.integers(1, 2 * chip.size))
            chip.send(script.control("START"), 0, count=chip.size + count)
            return []
        case 2:
            chip.send(script.add("k").control("START"), image)
            script.add("n", int(rng.integers(1, chip.size + 1))).add("d", int(rng.integers(250)))
            script.control("ABORT")
            return [(image, False)]
        case 3:
            chip.send(loads(chip, script.control("START")), image)
            return [(image, True)]
        case _:
            chip.send(script.write("CONTROL", 1, strobes=7).control("START"), image)
            return [(image, True)]


def check_disturbed(chip: Chip, seed: int) -> None:
    """Twelve runs with accidents, each followed by one without: its results are right."""
    rng = np.random.default_rng(seed)
    script, coming = chip.loaded(), []
    for _ in range(12):
        wrong, right = rng.permutation(len(chip.images))[:2].tolist()
        script.add("p", int(rng.integers(1, 1 << 16)), int(rng.integers(1, 1 << 16)))
        coming += accident(chip, rng, script, wrong)
        chip.run(script.until("STATUS", "BUSY", False), right)
        coming.append((right, True))
    log = chip.play(script.until("STATUS", "WAITING", False))
    assert log.broken == []
    frames = [frame for frame in log.frames() if frame[-1] is not None]
    for image, always in coming:
        if always or (frames and frames[0] == chip.expected[image]):
            assert frames.pop(0) == chip.expected[image], (seed, image)
    assert frames == []


def test_accidents_at_random(chip):
    check_disturbed(chip, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("micro", "held"),
    [(name, False) for name in names()] + [(name, True) for name in names() if name != "binned"],
)  # binned lanes hold no weights
def test_many_accidents_on_every_micro_architecture(micro, held, tmp_path):
    made = build(two_layers(micro), tmp_path, micro=micro, rows=4 if held else 3, held=held)
    for seed in range(100, 130):
        check_disturbed(made, seed)


@pytest.mark.slow
@pytest.mark.parametrize("micro", names())
def test_a_watchdog_of_300_cycles_is_silent_while_streams_do_not_wait(micro, tmp_path):
    """The widest codes and levels: a beat of `binned` takes 255 cycles, of the others up to 64."""
    b = Builder(np.random.default_rng(4), (2, 3, 3), shifts=micro == "shift_add")
    b.mac(3, 2, weight_width=8 if micro != "shift_add" else 4, act_width=8)
    b.mac(2, 2, stage="requant", weight_width=8, uniform=True, out="s32")
    made = build(b.build(), tmp_path, micro=micro)
    script = made.loaded().write("WATCHDOG", 300)
    for image in (0, 1):
        made.run(script, image)
    log = made.play(finished(script))
    assert values(log, "ERROR") == [0, 0]
    assert log.frames() == made.expected[:2]
    assert log.broken == []
