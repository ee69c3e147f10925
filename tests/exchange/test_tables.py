"""Tables of codes as thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.exchange.tables import table_layers
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat


@given(st.lists(st.integers(0, 15), min_size=16, max_size=16), st.booleans())
@settings(max_examples=60, derandomize=True)
def test_tables_are_their_parts(values, signed):
    table, codes, out = np.array([values]), IntFormat(width=4, signed=signed), IntFormat(width=8)
    parts = table_layers(table, codes, out, "Layer 'a'")
    x = np.arange(codes.min, codes.max + 1)[None]
    rising = parts.rising.apply(x)
    falling = 0 if parts.falling is None else parts.falling.apply(x)
    assert (rising - falling + parts.bias == table).all()


def test_monotone_tables_are_one_layer_also_falling():
    table = np.array([[9, 9, 4, 0]])
    parts = table_layers(table, IntFormat(width=2), IntFormat(width=4), "a")
    assert parts.falling is None
    assert parts.rising.apply(np.arange(4)[None]).tolist() == table.tolist()


def test_a_table_that_rises_too_much_is_refused():
    table = np.array([[0, 200, 0, 200]])
    with pytest.raises(InputError, match="at most 255 in all, not by 400"):
        table_layers(table, IntFormat(width=2), IntFormat(width=8), "a")
