"""Tables: what the page adds up is what `estimate` says of the same network, for any choice."""

import random
import re

import pytest
from explorer_pages import (
    CORNERS,
    added_up,
    choices,
    estimated,
    memories_of,
    network_of,
    random_choice,
    random_setting,
    subjects,
)

from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.explorer.data import packed, page_data, unpacked
from adqhw.cost.sweep.arrays import Lanes
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.spec import InputError

SETTINGS = 40


@pytest.fixture(scope="module")
def data():
    return unpacked(packed(page_data(subjects(), choices(), base=0)))


def test_added_up_equals_the_estimate_of_the_same_network(data):
    rng, counted = random.Random(1), 0
    for _ in range(SETTINGS):
        setting = random_setting(data, rng)
        choice = random_choice(data, rng) | {"dram": -1, "voltage": None}
        found = added_up(data, setting, choice["tech"], memories_of(data, choice))
        if "refused" in found:
            with pytest.raises(InputError, match=re.escape(found["refused"])):
                estimated(data, setting, choice)
            continue
        wanted, _ = estimated(data, setting, choice)
        for ours, theirs in zip(found["layers"], wanted.layers, strict=True):
            assert ours["cycles"] == theirs.events.cycles
            for corner in CORNERS:
                assert ours["energy"][corner] == pytest.approx(
                    getattr(theirs.energy.total, corner), rel=1e-12
                )
            assert ours["area"] == pytest.approx(theirs.area.expected, rel=1e-12)
        assert found["area"] == pytest.approx(wanted.total_area.expected, rel=1e-12)
        counted += 1
    assert counted > SETTINGS / 2


def test_equal_rows_are_kept_once(data):
    rows = [tuple(row) for row in data["pool"]]
    assert len(set(rows)) == len(rows)


def test_lanes_that_refuse_are_said_to(data):
    binned = data["micros"].index("binned") * len(data["arrays"]) + 1
    refused = data["by_hand"][binned]["codebook/4"]["refused"]
    assert set(refused) == {"2", "3", "4"}
    assert "hold must be 1 for binned lanes" in refused["4"]
    assert "refused" in data["trained"][binned]["0"]


def test_a_refused_width_leaves_the_others():
    """Codes of the program itself have no shifts; those assumed at 2 and 3 bits have."""
    made = page_data(subjects(), choices(micros=("shift_add",), arrays=(Lanes(4, 4),)), base=0)
    data = unpacked(packed(made))
    assert set(data["by_hand"][0]["codebook/4"]["refused"]) == {"4"}
    free = [layer["name"] for layer in data["layers"] if layer["free"]]
    setting = {
        "program": None, "kind": "codebook", "act": 4, "micro": "shift_add", "array": 0,
        "bits": dict(zip(free, (2, 3, 3), strict=True)),
    }  # fmt: skip
    arch = narrowest_lanes(network_of(data, setting), rows=4, cols=4, micro="shift_add")
    wanted = estimate(network_of(data, setting), arch, choices().technologies[0])
    found = added_up(data, setting)
    assert [x["cycles"] for x in found["layers"]] == [x.events.cycles for x in wanted.layers]
    setting["bits"][free[0]] = 4
    assert "must have a codebook of levels" in added_up(data, setting)["refused"]


def test_programs_of_another_network_are_refused_by_name():
    from cost_nets import small_net

    from adqhw.cost.explorer.data import Subject
    from adqhw.cost.sweep.designs import Workload

    other = Subject(workload=Workload(name="other", program=small_net()), path="other.safetensors")
    with pytest.raises(InputError, match=r"one network, 'other' has other layers"):
        page_data([*subjects(), other], choices(), base=0)
