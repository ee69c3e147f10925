"""Row views and sums that the quantizers share."""

import pytest
import torch

from adqhw.adq.tensors import as_rows, from_rows, segment_sums


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_row_views_share_memory_and_come_back(layout):
    x = torch.randn(3, 4, 5, 6).contiguous(memory_format=layout)
    rows = as_rows(x)
    assert rows.shape == (3, 120)
    assert rows.data_ptr() == x.data_ptr()
    back = from_rows(rows, x)
    assert torch.equal(back, x)
    assert back.stride() == x.stride()


def test_rows_follow_the_order_of_another_map():
    x = torch.randn(2, 3, 4, 5)
    like = torch.empty(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert torch.equal(as_rows(x, like), x.permute(0, 2, 3, 1).reshape(2, -1))


def test_segment_sums_are_float64_and_complete():
    index, values = torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 4.0])
    sums = segment_sums(index, values, 4)
    assert sums.dtype is torch.float64
    assert sums.tolist() == [2.0, 0.0, 5.0, 0.0]
