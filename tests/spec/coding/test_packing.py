"""Packing of codes into bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.coding.packing import pack, packed_bytes, unpack
from adqhw.spec.errors import ContractError


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_packing_against_a_big_integer(width, values):
    codes = [value % (1 << width) for value in values]
    stream = sum(code << (i * width) for i, code in enumerate(codes))  # low code first
    size = packed_bytes(len(codes), width)
    packed = pack(np.array(codes, dtype=np.int64), width)
    assert packed.tobytes() == stream.to_bytes(size, "little")
    assert unpack(packed, width, len(codes)).tolist() == codes


def test_packing_refuses_wrong_sizes_and_dirty_tails():
    assert pack(np.array([1, 2, 3]), 3).tolist() == [0xD1, 0x00]  # contract section 8
    with pytest.raises(ContractError, match="must be 2 bytes"):
        unpack(np.zeros(3, np.uint8), 3, 3)
    with pytest.raises(ContractError, match="end in zero bits"):
        unpack(np.array([0, 0x80], np.uint8), 3, 3)
