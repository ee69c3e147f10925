"""Residual stream quantizer and uniform weights."""

import pytest
import torch

from adqhw.adq.quantizers.stream import StreamQuantizer, quantize_stream
from adqhw.adq.quantizers.uniform import UniformWeight, uniform_step
from adqhw.adq.tensors import Mode
from adqhw.spec.errors import InputError


def test_rounding_is_half_up():
    # contract section 5: not half to even
    x = torch.tensor([[-1.5, -0.5, 0.5, 1.5, 2.5]])
    out = quantize_stream(x, torch.tensor(1.0), -128, 127)
    assert out.tolist() == [[-1, 0, 1, 2, 3]]


def test_saturation_is_the_relu():
    x = torch.tensor([[-7.0, 127.4, 1000.0]])
    assert quantize_stream(x, torch.tensor(0.5), 0, 255).tolist() == [[0, 127.5, 127.5]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-8, 7)])
def test_gradients_are_those_of_lsq(dtype, low, high):
    # float32 takes the compiled kernels, float64 plain torch
    x = torch.linspace(-3, 40, 500).view(5, 100).to(dtype).requires_grad_()
    step = torch.tensor(0.13, dtype=dtype, requires_grad=True)
    grad = torch.randn(5, 100, generator=torch.Generator().manual_seed(0)).to(dtype)
    quantize_stream(x, step, low, high, 0.5).backward(grad)
    v = (x / step).detach()
    inside = (v >= low) & (v <= high)
    code = torch.floor(v + 0.5).clamp(low, high)
    torch.testing.assert_close(x.grad, torch.where(inside, grad, 0.0))
    slope = torch.where(inside, code - v, code)  # docs/papers.md 5.1
    torch.testing.assert_close(step.grad, (slope * grad).sum() * 0.5, rtol=1e-4, atol=1e-4)


def test_values_sit_on_the_grid_and_codes_come_back():
    unit = StreamQuantizer()
    unit.initialise(3.7)
    unit.mode = Mode.FAKEQUANT
    signal = unit(torch.rand(4, 100, generator=torch.Generator().manual_seed(0)) * 5)
    codes = unit.codes(signal.data)
    assert codes.min() >= 0
    assert codes.max() == 255
    assert torch.equal(codes.float() * unit.step.detach(), signal.data.detach())
    assert signal.scale == 1.0


def test_float_mode_is_a_relu_or_nothing():
    x = torch.tensor([[-1.0, 0.3]])
    assert torch.equal(StreamQuantizer()(x).data, torch.relu(x))
    assert torch.equal(StreamQuantizer(signed=True)(x).data, x)


def test_bad_stream_width_is_refused():
    with pytest.raises(InputError, match=r"must be in 2\.\.16, not 1"):
        StreamQuantizer(1)


def test_uniform_weights_use_the_whole_symmetric_range():
    weight = torch.tensor([[0.5, -1.0], [0.25, 0.0]], requires_grad=True)
    levels, step = UniformWeight(8)(weight)
    assert levels.tolist() == [[64, -127], [32, 0]]  # 63.5 and 31.75 rounded
    (levels * step).sum().backward()
    torch.testing.assert_close(weight.grad, torch.ones(2, 2))


def test_uniform_step_of_zeros_is_positive():
    assert uniform_step(torch.zeros(3)) > 0
