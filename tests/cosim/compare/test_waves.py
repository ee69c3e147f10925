"""Waves of a window: the cycles asked for, with the values of those cycles, and no others."""

from pathlib import Path

import needs
import numpy as np
import pytest
from programs import Builder, random_images
from simulators import usable

from adqhw.cosim.compare.waves import check_waves, write_waves
from adqhw.cosim.network.network import Case
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError


def traced(tmp_path, kind):
    usable("verilator")
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    b.mac(3, 1, stage="requant", uniform=True, weight_width=4)
    program = b.build()
    arch = narrowest(program, rows=1, cols=2)
    case = Case(program=program, images=random_images(program, 2))
    path = tmp_path / f"out.{kind}"
    return write_waves(case, arch, tmp_path, path, kind=kind, window=(7, 12), image=1)


def values(path: Path, scope: str, name: str) -> dict[int, int]:
    """time -> value of one signal of a VCD, where it changes."""
    scopes, mark, time, found = [], None, 0, {}
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            scopes.append(words[2])
        elif words[:1] == ["$upscope"]:
            scopes.pop()
        elif words[:1] == ["$var"] and words[4] == name and scopes[-1:] == [scope]:
            mark = words[3]
        elif line.startswith("#"):
            time = int(line[1:])
        elif line.startswith("b") and words[1] == mark:
            found[time] = int(words[0][1:], 2)
    return found


@pytest.mark.simulator
def test_a_vcd_holds_the_window_and_its_cycles(tmp_path):
    path = traced(tmp_path, "vcd")
    cycles = values(path, "adqhw_network", "cycle")
    # first seen in the middle of cycle 7; then it changes with every edge, half a cycle before
    assert cycles == {70: 7} | {10 * c - 5: c for c in range(8, 14)}


@pytest.mark.simulator
@pytest.mark.slow
def test_an_fst_is_written_where_its_headers_are(tmp_path):
    try:
        path = traced(tmp_path, "fst")
    except InputError as error:
        if "liblz4-dev" in str(error):
            needs.absent("lz4", str(error))
        raise
    assert path.stat().st_size > 100


@pytest.mark.parametrize(("kind", "window", "message"), [
    ("vcd", (5, 4), r"Window must be FIRST:LAST with 0 <= FIRST <= LAST < 2\^40, not 5:4"),
    ("vcd", (-1, 4), "Window must be FIRST:LAST"),
    ("saif", (0, 1), "Waves must be vcd or fst, not 'saif'"),
])  # fmt: skip
def test_what_cannot_be_written_is_refused(kind, window, message):
    with pytest.raises(InputError, match=message):
        check_waves(kind, window)
