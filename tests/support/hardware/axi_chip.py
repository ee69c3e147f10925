"""The small design of the bus tests, and readers of its logs."""

import numpy as np
from axi_bus import OKAY, Chip, Script, build
from programs import Builder

from adqhw.rtl.accelerator.ports import target_rows
from adqhw.rtl.bus.registers import ERRORS, mask, offset

BEGUN = 12
"""Cycles from START within which the first code of an image that is offered is taken."""


def two_layers(micro: str = "decode"):
    """24 codes, two passes after the input, 8 results, 147 cycles; 3 descriptors."""
    b = Builder(np.random.default_rng(3), (2, 3, 4), shifts=micro == "shift_add")
    b.mac(3, 2, weight_width=2, act_width=3)
    b.mac(4, 2, stage="requant", weight_width=2, uniform=True, out="s32")
    return b.build()


def small_chip(tmp_path_factory, *, held: bool) -> Chip:
    """Of `two_layers`, on the first accelerator or the second, built once per test process."""
    if held not in _CHIPS:  # a build that was skipped leaves its folder: each has a new one
        _CHIPS[held] = build(two_layers(), tmp_path_factory.mktemp("axi_chip"), held=held)
    return _CHIPS[held]


_CHIPS: dict[bool, Chip] = {}


def error(*names: str) -> int:
    return sum(mask("ERROR", name) for name in names)


def values(log, name: str) -> list[int]:
    """Values read from a register; every read must have answered OKAY."""
    found = [(value, response) for at, value, response in log.reads if at == offset(name)]
    assert {response for _, response in found} <= {OKAY}
    return [value for value, _ in found]


def finished(script: Script) -> Script:
    """Wait until the last result was accepted, then read ERROR and clear it."""
    script.until("STATUS", "WAITING", False).read("ERROR").write("ERROR", (1 << len(ERRORS)) - 1)
    return script.read("ERROR")


def loads(chip: Chip, script: Script) -> Script:
    """Try to load a row of ones everywhere, and to start."""
    for target, rows in target_rows(chip.arch).items():
        for row in (0, rows - 1):
            script.write("TARGET", target).write("ROW", row)
            for _ in range(20):
                script.write("DATA", 0xFFFFFFFF)
    return script.control("START")
