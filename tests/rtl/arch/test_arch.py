"""Arch: limits, files, and how a program is fitted or refused."""

import dataclasses

import numpy as np
import pytest
from programs import Builder, every_kind

from adqhw.rtl.arch.arch import RANGES, Arch, RequantWidths
from adqhw.rtl.arch.registry import micro, names
from adqhw.rtl.networks.demands import check_program, needs
from adqhw.rtl.program.fit import check_storage, narrowest, narrowest_lanes
from adqhw.spec import InputError

TOML = """
rows = 4
cols = 2
micro = "uniform"
acc_width = 20
[requant]
shift_max = 9
"""


def replaced(arch: Arch, parameter: str, value: int) -> Arch:
    if parameter in RequantWidths.__dataclass_fields__:
        widths = dataclasses.replace(arch.requant, **{parameter: value})
        return dataclasses.replace(arch, requant=widths)
    return dataclasses.replace(arch, **{parameter: value})


@pytest.mark.parametrize("parameter", sorted(RANGES))
def test_every_parameter_has_enforced_limits(parameter: str):
    arch = Arch(rows=2, cols=2, micro="uniform")  # the lanes that have all of them
    low, high = RANGES[parameter]
    for value in (low - 1, high + 1, True, 2.0):
        with pytest.raises(InputError, match=f"{parameter} must be in {low}..{high}, not"):
            replaced(arch, parameter, value)
    assert replaced(arch, parameter, max(low, 12 if parameter == "out_width" else low))


def test_unknown_micro_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"micro must be one of decode, .*shift_add, not 'magic'"):
        Arch(rows=1, cols=1, micro="magic")


def test_dict_and_toml_round_trip(tmp_path):
    path = tmp_path / "arch.toml"
    path.write_text(TOML)
    arch = Arch.from_toml(path)
    assert arch == Arch(
        rows=4, cols=2, micro="uniform", acc_width=20, requant=RequantWidths(shift_max=9)
    )
    assert Arch.from_dict(arch.to_dict()) == arch
    assert arch.digest == Arch.from_dict(arch.to_dict()).digest
    assert arch.digest != dataclasses.replace(arch, rows=5).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = 4", "must have the key 'cols'"),
        ("rows = 4\ncols = 2\nlanes = 1", "not 'lanes'"),
        ("rows = 4\ncols = 2\n[requant]\nround = 1", "requant must have only the keys .* not 'ro"),
        ("rows = 4\ncols = 2\nrequant = 3", "requant must be a table, not 3"),
        ("rows = '4'\ncols = 2", "rows must be in 1..256, not '4'"),
        ("rows = [", "must be TOML"),
    ],
)
def test_bad_files_are_refused_by_reason(tmp_path, text: str, message: str):
    path = tmp_path / "arch.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Arch.from_toml(path)


def test_a_missing_file_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="Arch file must be a file"):
        Arch.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize("micro", names())
def test_a_fitted_arch_is_enough_and_not_more(micro: str):
    """The program fits; with any one demanded parameter smaller by one it is refused by name."""
    program = every_kind(shifts=True)
    arch = narrowest(program, rows=4, cols=3, micro=micro)
    check_program(arch, program)
    largest = {}
    bins = arch.lanes.needs(program, rows=4, cols=3)
    for need in (*needs(program), *bins):
        if need.value > largest.get(need.parameter, (0, ""))[0]:
            largest[need.parameter] = (need.value, need.layer)
    assert len(largest) == 12 + (micro == "binned")
    for parameter, (value, layer) in largest.items():
        low = RANGES[parameter][0]
        if value <= low or (parameter == "out_width" and value - 1 <= arch.threshold_width):
            continue
        smaller = replaced(arch, parameter, value - 1)
        if parameter == "weight_width" and micro == "uniform":
            check_program(smaller, program)  # it stores levels, and no codebook
            continue
        message = f"{parameter} must be at least {value} for layer '{layer}', not {value - 1}"
        with pytest.raises(InputError, match=message):
            check_program(smaller, program)


WIDER = [
    ("u20", r"have act_width at most 16 to run on decode lanes, not 20 \(tensor 'mac0' is u20\)"),
    ("s17", r"have act_width at most 16 to run on decode lanes, not 17 \(tensor 'mac0' is u17\)"),
]


@pytest.mark.parametrize(("out", "message"), WIDER)
def test_what_no_array_can_do_is_refused_with_layer_tensor_and_value(out, message):
    b = Builder(np.random.default_rng(0), (2, 4, 4))
    b.mac(3, stage="requant", weight_width=2, uniform=True, out=out)
    b.mac(3, 1, stage="requant", weight_width=2, uniform=True, out="s32")
    with pytest.raises(InputError, match=f"Layer 'mac1' must {message}"):
        narrowest(b.build(), rows=2, cols=2)
    with pytest.raises(InputError, match=f"Layer 'mac1' must {message}"):
        check_storage(Arch(rows=2, cols=2), b.build())


def test_windows_of_unequal_sides_need_an_axis_of_their_own():
    """An array for square windows names no axes: its digest is that of version 1."""
    for options, why in (
        ({"stride": (2, 1)}, r"strides \(2, 1\)"),
        ({"padding": (1, 0, 0, 0)}, "padding 1 at the top, 0 at the left"),
        ({"padding": (1, 1, 0, 2), "stride": (2, 2)}, None),
    ):
        b = Builder(np.random.default_rng(0), (2, 4, 4))
        b.mac(3, 2, stage="requant", weight_width=2, uniform=True, **options)
        arch = narrowest(b.build(), rows=2, cols=2)
        assert arch.axes == 1 + (why is not None)
        assert ("axes" in arch.to_dict()) == (why is not None)
        assert Arch.from_dict(arch.to_dict()) == arch
        if why is not None:
            with pytest.raises(InputError, match=f"axes must be at least 2 for .*'mac0', .*{why}"):
                check_program(dataclasses.replace(arch, axes=1), b.build())


def test_geometry_beyond_the_descriptors_is_refused_with_the_tensor():
    b = Builder(np.random.default_rng(0), (1, 1, 1024))
    b.mac(1, 1, stage="requant", weight_width=2, uniform=True, out="s32")
    arch = narrowest_lanes(b.build(), rows=2, cols=2, micro="decode")
    with pytest.raises(InputError, match=r"Tensor 'input' width must be below 1024 .*, not 1024"):
        check_storage(arch, b.build())


def test_shift_add_takes_only_codebooks_of_the_shift_form():
    program = every_kind()
    message = (
        r"Layer 'mac3' must have a codebook of levels 0, \+-2\^s, \+-C\*2\^s, one odd C .*, not \(0"
    )
    with pytest.raises(InputError, match=message):
        narrowest(program, rows=2, cols=2, micro="shift_add")
    fitted = dataclasses.asdict(narrowest(program, rows=2, cols=2))
    arch = Arch.from_dict(fitted | {"micro": "shift_add"})
    with pytest.raises(InputError, match="to run on shift_add"):
        check_program(arch, program)


def test_a_bin_holds_what_its_lane_may_add_in_a_sum():
    """3x3 windows over ceil(4 / 4) = 1 block of u4 codes: 9 * 15 = 135 takes 8 bits.

    The pool sums 5x5 u8 codes per channel; columns 3..5 read two blocks of 4 channels.
    """
    wanted = micro("binned").needs(every_kind(), rows=4, cols=3)
    found = {need.layer: need.value for need in wanted}
    assert found["mac3"] == 8
    assert found["pool12"] == (2 * 25 * 255).bit_length()
