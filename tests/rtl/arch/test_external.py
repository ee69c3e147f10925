"""`Arch.external`: its limits, its file form, and that arrays without it keep their digest."""

import dataclasses

import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.spec.errors import InputError

TOML = "rows = 4\ncols = 4\nhold = 4\nfill = 2\nout_lanes = 2\n[external]\nbus_width = 128\n"


def test_round_trip_and_digest(tmp_path):
    path = tmp_path / "arch.toml"
    path.write_text(TOML)
    arch = Arch.from_toml(path)
    assert arch.external == External(bus_width=128)
    assert Arch.from_dict(arch.to_dict()) == arch
    without = dataclasses.replace(arch, external=None)
    assert "external" not in without.to_dict()
    assert Arch.from_dict(without.to_dict() | {"external": None}) == without
    assert without.digest != arch.digest


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bus_width": 512}, "external bus_width must be in 32..256, not 512"),
        ({"bus_width": 96}, "external bus_width must be a power of two, not 96"),
        ({"burst_beats": 12}, "external burst_beats must be a power of two, not 12"),
        ({"bus_width": 256, "burst_beats": 256}, "burst_beats must be at most 128 where bus_width"),
        ({"outstanding": 0}, "external outstanding must be in 1..16, not 0"),
        ({"jobs": True}, "external jobs must be in 1..65536, not True"),
        ({"beats": 4}, "Arch external must have only the keys .*, not 'beats'"),
        (3, "Arch external must be a table, not 3"),
    ],
)
def test_bad_values_are_refused(values, message):
    table = {"rows": 4, "cols": 4, "hold": 4, "external": values}
    with pytest.raises(InputError, match=message):
        Arch.from_dict(table)


def test_an_array_that_reads_weights_again_has_none():
    with pytest.raises(InputError, match="hold must be at least 2 where it has external, not 1"):
        Arch(rows=4, cols=4, external=External())
