"""Waves of the page: values of every cycle, names as text, other files refused in one line."""

import random

import pytest
from explorer_pages import choices, subjects

from adqhw.cost.explorer.data import page_data
from adqhw.cost.explorer.page import render
from adqhw.cost.explorer.waves import MOST_CYCLES, MOST_SIGNALS, read_waves, waves_svg
from adqhw.spec import InputError

HEAD = """$version test $end $timescale 1ps $end
$scope module $rootio $end $var wire 1 ! clk $end $upscope $end
$scope module top $end
 $var wire 1 a valid $end $var wire 8 bb sum [7:0] $end $var wire 200 c wide [199:0] $end
 $scope module in&ner $end $var wire 4 d still [3:0] $end $var wire 1 a alias $end $upscope $end
$upscope $end
$enddefinitions $end
"""


def written(tmp_path, body, head=HEAD):
    path = tmp_path / "out.vcd"
    path.write_text(head + body)
    return path


def test_values_are_those_of_the_middle_of_a_cycle(tmp_path):
    """Edges are at 10 c - 5: what changes there is the value of cycle c."""
    rng, expected, lines = random.Random(0), [], []
    for cycle in range(7, 47):
        now = (rng.randrange(2), rng.randrange(256))
        expected.append(now)
        lines += [f"#{10 * cycle if cycle == 7 else 10 * cycle - 5}", f"{now[0]}a"]
        lines += [f"b{now[1]:b} bb", "b1 d", "bx c"]
    found = read_waves(written(tmp_path, "\n".join([*lines, "#460"])))
    assert (found.first, found.cycles) == (7, 40)
    by_name = {signal.name: values for signal, values in found.waves}
    assert list(zip(by_name["valid"], by_name["sum"], strict=True)) == expected
    assert set(by_name) == {"valid", "sum"}  # neither a clock, nor what stands still, nor too wide


def test_unknown_values_and_long_files(tmp_path):
    lines = [f"#{10 * c}\nb{'x' if c % 3 == 0 else bin(c)[2:]} bb" for c in range(200)]
    found = read_waves(written(tmp_path, "\n".join(lines)))
    ((_, values),) = found.waves
    assert found.cycles == 200
    assert len(values) == MOST_CYCLES
    assert [value is None for value in values[:4]] == [True, False, False, True]
    assert waves_svg(found).count('class="bus"') == MOST_CYCLES


def test_names_are_text_on_the_page(tmp_path):
    marks = [f"m{n}" for n in range(2 * MOST_SIGNALS)]
    head = "$scope module t $end $scope module <b>&x $end" + "".join(
        f" $var wire 1 {mark} s{n} $end" for n, mark in enumerate(marks)
    )
    lines = ["#0", *(f"0{mark}" for mark in marks), "#10", *(f"1{mark}" for mark in marks)]
    path = written(tmp_path, "\n".join(lines), head + " $enddefinitions $end\n")
    found = read_waves(path)
    assert (len(found.waves), found.changing) == (MOST_SIGNALS, 2 * MOST_SIGNALS)
    few = choices(micros=("decode",), weight_bits=(4,), act_bits=(4,))
    page = render(page_data(subjects()[:1], few, base=0), waves=[found])
    assert "<b>&x" not in page
    assert "&lt;b&gt;&amp;x.s0" in page
    assert "Waves of out.vcd" in page
    assert 'role="img" aria-label="24 signals of out.vcd in cycles 0 to 1"' in page


@pytest.mark.parametrize(
    "text",
    ["", "hello", "$var wire 1 a b $end", HEAD, HEAD + "#5\n1a", HEAD + "#50\n1a\n#20\n0a",
     HEAD + "#x", HEAD + "#" + "9" * 5000, "$scope module", "é", "#0 1a"],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(tmp_path, text):
    path = written(tmp_path, text, head="")
    with pytest.raises(InputError) as refused:
        read_waves(path)
    assert "\n" not in str(refused.value)
    assert "out.vcd" in str(refused.value)


def test_absent_and_large_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="must be a VCD file that can be read"):
        read_waves(tmp_path / "none.vcd")
    monkeypatch.setattr("adqhw.cost.explorer.waves.MOST_BYTES", 10)
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_waves(written(tmp_path, "#0 1a #10 0a"))


def test_the_other_format_of_cosim_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "layer.fst"
    path.write_bytes(b"\x00\x00\x01")
    with pytest.raises(InputError, match=r"must be a VCD file, not FST.*--waves FILE\.vcd"):
        read_waves(path)
