"""N2UQ: forward stair, generalized straight-through gradients, both code paths."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.adq.quantizers.activation import ThresholdActivation, edges, stair, thresholds
from adqhw.adq.tensors import Mode
from adqhw.spec.errors import InputError


def parameters(count: int, seed: int, dtype=torch.float32) -> tuple[torch.Tensor, ...]:
    """Uneven lengths, a start off zero, a gain off one."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.rand(count, generator=generator, dtype=dtype) * 0.4 + 0.05
    start = torch.rand((), generator=generator, dtype=dtype) * 0.2 - 0.1
    gain = torch.rand((), generator=generator, dtype=dtype) + 0.5
    return lengths, start, gain


def ramp(x, lengths, start, gain):
    """Expectation of L stochastic binarizers (docs/papers.md 3.2), by the definition."""
    u = gain * x
    starts = start + torch.cumsum(lengths, 0) - lengths
    return ((u[..., None] - starts) / lengths).clamp(0, 1).sum(-1)


def slow_stair(x, lengths, start, gain):
    return ((gain * x)[..., None] >= thresholds(lengths, start)).sum(-1).to(x.dtype)


def test_thresholds_sit_at_segment_midpoints():
    lengths = torch.tensor([0.2, 0.4, 1.0])
    torch.testing.assert_close(
        thresholds(lengths, torch.tensor(0.5)), torch.tensor([0.6, 0.9, 1.6])
    )
    torch.testing.assert_close(
        edges(lengths, torch.tensor(0.5)), torch.tensor([0.5, 0.6, 0.7, 0.9, 1.1, 1.6, 2.1])
    )


def test_a_value_on_the_threshold_reaches_it():
    lengths, start, gain = torch.full((3,), 0.5), torch.zeros(()), torch.ones(())
    x = torch.tensor([[0.25, 0.75, 1.25, 0.2499999, -1.0, 9.0, float("inf")]])
    assert stair(x, lengths, start, gain).tolist() == [[1, 2, 3, 0, 0, 3, 3]]


@given(seed=st.integers(0, 10_000), width=st.integers(1, 4))
@settings(max_examples=30)
def test_forward_counts_thresholds(seed, width):
    lengths, start, gain = parameters(2**width - 1, seed, torch.float64)
    x = torch.randn(4, 37, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = slow_stair(x, lengths, start, gain)
    assert torch.equal(stair(x, lengths, start, gain), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_gradients_equal_autograd_of_the_ramp(width, dtype):
    # float32 takes the compiled kernels, float64 plain torch
    x = (torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(1)) + 0.5).to(dtype)
    inputs = [x, *parameters(2**width - 1, 3, dtype)]
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    ours = [t.clone().requires_grad_() for t in inputs]
    stair(*ours).backward(grad)
    theirs = [t.clone().requires_grad_() for t in inputs]
    expectation = ramp(*theirs)
    out = expectation + (slow_stair(*theirs) - expectation).detach()
    out.backward(grad)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=2e-4, atol=2e-4)


def test_gradients_equal_the_closed_forms():
    lengths, start, gain = (t.requires_grad_() for t in parameters(3, 5, torch.float64))
    for k in range(3):  # one value in segment k: docs/papers.md 3.2, interval d = 1 (codes)
        with torch.no_grad():
            before = start + lengths[:k].sum()
            u = before + 0.3 * lengths[k]
        x = (u / gain).detach().view(1, 1).requires_grad_()
        grads = torch.autograd.grad(stair(x, lengths, start, gain), (x, lengths, start, gain))
        slope = 1 / lengths[k]
        expected = torch.zeros(3, dtype=torch.float64)
        expected[:k] = -slope.detach()
        expected[k] = -((u - before) / lengths[k] ** 2).detach()
        torch.testing.assert_close(grads[0].squeeze(), slope * gain)
        torch.testing.assert_close(grads[1], expected)
        torch.testing.assert_close(grads[2], -slope)
        torch.testing.assert_close(grads[3], x.squeeze() * slope)


def test_no_gradient_outside_the_ramp():
    lengths, start, gain = (t.requires_grad_() for t in parameters(7, 5))
    x = torch.tensor([[-3.0, 50.0]], requires_grad=True)
    grads = torch.autograd.grad(
        stair(x, lengths, start, gain), (x, lengths, start, gain), torch.ones(1, 2)
    )
    assert all((g == 0).all() for g in grads)


def test_gradient_factor_scales_the_parameters_only():
    x = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    shared = [t.requires_grad_() for t in parameters(3, 0)]
    plain = torch.autograd.grad(stair(x, *shared).sum(), (x, *shared))
    scaled = torch.autograd.grad(stair(x, *shared, 0.5).sum(), (x, *shared))
    assert torch.equal(plain[0], scaled[0])
    for a, b in zip(plain[1:], scaled[1:], strict=True):
        torch.testing.assert_close(a * 0.5, b)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_order_changes_nothing(layout):
    x = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    grad = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    shared = parameters(3, 0)
    reference = x.clone().requires_grad_()
    stair(reference, *shared).backward(grad)
    arranged = x.contiguous(memory_format=layout).requires_grad_()
    out = stair(arranged, *shared)
    out.backward(grad)
    assert torch.equal(out, stair(x, *shared))
    assert torch.equal(arranged.grad, reference.grad)


def test_data_driven_start_maps_the_quantile_to_the_end_of_the_range():
    unit = ThresholdActivation(2)
    unit.initialise(6.0)
    unit.mode = Mode.FAKEQUANT
    # lengths 2/3, thresholds 1/3, 1, 5/3 of 2; in units of x times 3
    torch.testing.assert_close(
        unit.real_thresholds(), torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64)
    )
    signal = unit(torch.tensor([[0.9, 1.1, 3.1, 7.0]]))
    assert signal.data.tolist() == [[0, 1, 2, 3]]
    assert signal.scale == pytest.approx(2.0)  # code 3 stands for 6


def test_short_segments_are_lengthened():
    unit = ThresholdActivation(2)
    with torch.no_grad():
        unit.lengths.copy_(torch.tensor([-1.0, 0.5, 0.0]))
    assert (unit.real_thresholds().diff() > 0).all()


def test_float_mode_is_a_relu():
    x = torch.tensor([[-1.0, 0.3]])
    assert torch.equal(ThresholdActivation(4)(x).data, torch.relu(x))


def test_nan_is_reported():
    unit = ThresholdActivation(4)
    unit.mode = Mode.FAKEQUANT
    with pytest.raises(FloatingPointError, match="must be finite"):
        unit(torch.tensor([[0.0, float("nan")]]))


def test_bad_width_is_refused():
    with pytest.raises(InputError, match=r"must be in 1\.\.8, not 9"):
        ThresholdActivation(9)


@pytest.mark.parametrize("width", [7, 8])
def test_wide_codes_on_the_steps_of_a_stream_are_its_codes(width):
    # 8 bits have 511 corners: more than a byte counts
    activation = ThresholdActivation(width)
    activation.mode = Mode.FAKEQUANT
    activation.initialise(0.37 * activation.count)
    codes = torch.arange(activation.count + 20.0)[None]
    signal = activation((codes * 0.37).requires_grad_())
    assert torch.equal(signal.data, codes.clamp(max=activation.count))
    signal.data.sum().backward()
    assert activation.lengths.grad.isfinite().all()
