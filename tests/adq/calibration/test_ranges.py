"""Ends of ranges by the error against the float maps."""

import pytest
import torch

from adqhw.adq.calibration.config import CalibrationConfig
from adqhw.adq.calibration.ranges import least_error, sampled, set_range
from adqhw.adq.quantizers.activation import ThresholdActivation
from adqhw.adq.quantizers.stream import StreamQuantizer
from adqhw.spec.errors import InputError


def loss(values: torch.Tensor, end: float, high: int) -> float:
    step = end / high
    return float((torch.floor(values / step + 0.5).clamp(0, high) * step - values).square().mean())


@pytest.mark.parametrize("width", [2, 4, 8])
def test_the_end_is_the_best_of_many(width):
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(1)).relu()
    high = 2**width - 1
    end = least_error(values, values, 0, high, None)
    finest = min(loss(values, float(e), high) for e in torch.linspace(0.05, 4.5, 400))
    assert loss(values, end, high) <= 1.1 * finest


def test_few_codes_clip_and_many_do_not():
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(2)).abs()
    ends = [least_error(values, values, 0, 2**w - 1, None) for w in (2, 4, 8)]
    assert ends[0] < ends[1] < ends[2]
    assert ends[0] < 0.7 * float(values.max()) < 0.8 * float(values.max()) < ends[2]


def test_a_stream_is_read_code_for_code_where_codes_suffice():
    stream = torch.arange(256.0) * 0.031
    assert least_error(stream, stream, 0, 255, 255 * 0.031) == 255 * 0.031


def test_signed_streams_hold_both_signs():
    values = torch.linspace(-3.0, 1.0, 4001)
    quantizer = StreamQuantizer(8, signed=True)
    end = set_range(quantizer, values, values, CalibrationConfig())
    assert end == pytest.approx(3.0, rel=0.05)
    assert quantizer.real_step * 127 == pytest.approx(end)


def test_quantiles_are_the_other_rule():
    values = torch.arange(1.0, 1001.0)
    activation = ThresholdActivation(4)
    config = CalibrationConfig(ranges="quantile", act_quantile=0.9)
    assert set_range(activation, values, values, config) == 900.0


def test_a_map_of_zeros_has_a_range():
    activation = ThresholdActivation(4)
    assert set_range(activation, torch.zeros(10), torch.zeros(10), CalibrationConfig()) == 1.0


def test_samples_are_in_the_same_places():
    maps = [torch.arange(3_000_000.0).view(3, -1)]
    assert torch.equal(sampled(maps), sampled([m + 0.0 for m in maps]))
    assert 200_000 < len(sampled(maps)) < 400_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("damping", 0.0), ("act_quantile", 1.5), ("samples", 0), ("rounding", "up"), ("seed", -1)],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=f"Calibration {field}"):
        CalibrationConfig(**{field: value})
