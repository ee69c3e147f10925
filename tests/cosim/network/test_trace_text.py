"""Reading the harness's recording: fields of any width, values that are no numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.cosim.network import trace_text
from adqhw.cosim.network.trace_text import Lines
from adqhw.spec.errors import SimulationError


def written(kind: str, rows: list[tuple[int, ...]], widths: list[int]) -> str:
    """Lines as `$fwrite` with %h makes them: every field has its full width."""
    digits = [-(-width // 4) for width in widths]
    return "".join(
        f"{kind} " + " ".join(f"{v:0{d}x}" for v, d in zip(row, digits, strict=True)) + "\n"
        for row in rows
    )


@given(
    width=st.integers(1, 32),
    count=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_fields_are_those_of_the_lanes_that_are_set(width, count, seed):
    random = np.random.default_rng(seed)
    values, mask = random.integers(0, 1 << width, (5, count)), random.integers(0, 2, (5, count))
    words, masks = (
        [sum(int(v) << (size * i) for i, v in enumerate(row)) for row in table]
        for table, size in ((values, width), (mask, 1))
    )
    text = written("w", list(zip(masks, words, strict=True)), [count, width * count])
    enabled, digits = Lines.of(text.encode()).hexes("w", [count, width * count])
    line, lane = trace_text.lanes_set(enabled, count)
    np.testing.assert_array_equal((line, lane), np.nonzero(mask))
    found = trace_text.fields(digits, width, line, lane)
    np.testing.assert_array_equal(found, values[mask == 1])


def test_kinds_may_be_mixed_and_keep_their_order():
    text = "".join(
        [
            written("w", [(1, 0xABC)], [3, 12]),
            written("r", [(0x7F, 9)], [7, 32]),
            "p 0 12 3\n",
            written("w", [(7, 0x123)], [3, 12]),
            "end 1 44\n",
        ]
    )
    lines = Lines.of(text.encode())
    layer, word = lines.hexes("w", [3, 12])
    assert trace_text.number(layer).tolist() == [1, 7]
    assert trace_text.number(word).tolist() == [0xABC, 0x123]
    code, cycle = lines.hexes("r", [7, 32])
    assert (trace_text.number(code).tolist(), trace_text.number(cycle).tolist()) == ([127], [9])
    assert lines.decimals("p") == [[0, 12, 3]]
    assert lines.decimals("e") == [[1, 44]]
    assert [len(digits) for digits in lines.hexes("q", [3, 8])] == [0, 0]


@pytest.mark.parametrize("text", ["w 1 0x\n", "w 1 zz\n", "w X 00\n"])
def test_an_undefined_digit_is_refused_with_its_line(text):
    lines = Lines.of(("w 1 22\n" + text).encode())
    with pytest.raises(SimulationError, match=f"an output is undefined: '{text.strip()}"):
        lines.hexes("w", [3, 8])


def test_an_undefined_total_and_a_cut_line_are_refused():
    with pytest.raises(SimulationError, match="an output is undefined: 'p 0 xx'"):
        Lines.of(b"p 0 xx\n").decimals("p")
    with pytest.raises(SimulationError, match="a line must have 7 characters, not fewer"):
        Lines.of(b"w 1 22\nw 1\n").hexes("w", [3, 8])
