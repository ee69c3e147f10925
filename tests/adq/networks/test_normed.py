"""Batch norm and quantizer as one function, against the two modules that it stands for."""

import numpy as np
import pytest
import torch
from torch import nn

from adqhw.adq.networks import normed
from adqhw.adq.networks.layers import scaled_batch_norm
from adqhw.adq.quantizers import normed_kernels
from adqhw.adq.quantizers.activation import ThresholdActivation
from adqhw.adq.quantizers.stream import StreamQuantizer
from adqhw.adq.ranks import BatchNorm
from adqhw.adq.tensors import Mode, bytes_of, with_bytes

SCALE, OFFSET = 0.003, 0.7
KINDS = ("A2", "A4", "stream", "stream with residual", "signed stream")


def last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def case(kind: str, n=8, c=6, h=5):
    draw = torch.Generator().manual_seed(1)
    spread = 200 * torch.randn(1, c, 1, 1, generator=draw)
    acc = last(torch.randn(n, c, h, h, generator=draw) * 500 + spread)
    skip = last(torch.rand(n, c, h, h, generator=draw)) if "residual" in kind else None
    bn = BatchNorm(c)
    with torch.no_grad():
        bn.weight.copy_(torch.rand(c, generator=draw) - 0.3)  # a falling channel too
        bn.bias.copy_(torch.randn(c, generator=draw) * 0.3)
    if kind.startswith("A"):
        output: nn.Module = ThresholdActivation(int(kind[1]))
    else:
        output = StreamQuantizer(8, signed="signed" in kind)
    output.initialise(0.8)  # some values are beyond the range
    output.mode = Mode.FAKEQUANT
    weights = torch.randn(acc.shape, generator=draw)
    return acc, skip, bn, output, weights


def figures(kind: str, fused: bool, **shape):
    acc, skip, bn, output, weights = case(kind, **shape)
    if fused:
        assert normed.applies(bn, acc, SCALE, output, skip)
        made = normed.normed(bn, acc, SCALE, OFFSET, output, skip)
    else:
        y = scaled_batch_norm(bn, acc, SCALE, OFFSET)
        made = output(y if skip is None else y + skip)
    (made.data * weights).sum().backward()
    found = {"data": made.data, "scale": torch.tensor(made.scale), "sums": acc.grad}
    found |= {name: p.grad for name, p in bn.named_parameters()}
    found |= {name: p.grad for name, p in output.named_parameters()}
    found |= {name: b.float() for name, b in bn.named_buffers()}
    return found | ({} if skip is None else {"skip": skip.grad})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape",
    [{"n": 8, "c": 6, "h": 5}, {"n": 3, "c": 1030, "h": 2}, {"n": 2, "c": 4, "h": 2}],
    ids=["blocks", "more channels than a block", "fewer rows than parts"],
)
def test_it_is_the_two_modules(kind, shape):
    one, two = figures(kind, True, **shape), figures(kind, False, **shape)
    assert one.keys() == two.keys()
    # a value within rounding of a threshold may fall on its other side: of these, none does
    torch.testing.assert_close(one["data"], two["data"], rtol=1e-6, atol=1e-6)
    for name in one:
        size = float(two[name].detach().abs().max())
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5 * size, msg=name)


def test_the_gradient_is_that_of_the_formula_in_float64():
    # straight through inside the range: the stream's own gradient is 1 there
    acc, _, bn, output, weights = case("signed stream")
    output.initialise(1e6)
    made = normed.normed(bn, acc, SCALE, OFFSET, output, None)
    (made.data * weights).sum().backward()
    exact = acc.detach().double().requires_grad_()
    mean, var = exact.mean((0, 2, 3), keepdim=True), exact.var((0, 2, 3), False, keepdim=True)
    eps = bn.eps / SCALE**2
    y = (exact - mean) / (var + eps).sqrt() * bn.weight.double().view(1, -1, 1, 1)
    (y * weights).sum().backward()
    torch.testing.assert_close(acc.grad.double(), exact.grad, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_threads(kind, monkeypatch):
    one = figures(kind, True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for name, value in figures(kind, True).items():
        assert torch.equal(value, one[name]), name


@pytest.mark.parametrize("kind", ["A2", "stream"])
def test_not_a_number_is_heard(kind):
    acc, _, bn, output, _ = case(kind)
    with torch.no_grad():
        acc[1, 2, 3, 4] = float("nan")
    with pytest.raises(FloatingPointError, match="values must be finite, not NaN"):
        normed.normed(bn, acc, SCALE, OFFSET, output, None)


def test_long_sums_stay_exact():
    rows = 64 * 16 * 40
    x, ones = np.full((rows, 8), 0.1, np.float32), np.ones((rows, 8), np.float32)
    affine = np.ones(8, np.float32), np.zeros(8, np.float32)
    grid = np.array([0.01, 0, 255], np.float32)
    inner, sums, _ = normed_kernels.stream_sums(ones, x, None, affine, grid)
    assert inner.all()
    np.testing.assert_array_equal(sums[0], rows)
    np.testing.assert_allclose(sums[1], rows * np.float64(np.float32(0.1)), rtol=2e-6)


def test_where_it_does_not_apply():
    acc, _, bn, output, _ = case("A4")
    assert normed.applies(bn, acc, SCALE, output, None)
    assert not normed.applies(None, acc, SCALE, output, None)
    assert not normed.applies(bn, acc, torch.tensor(SCALE), output, None)
    assert not normed.applies(bn, acc.detach().contiguous(), SCALE, output, None)
    assert not normed.applies(bn, acc.double(), SCALE, output, None)
    assert not normed.applies(bn, acc, SCALE, output, acc)
    with torch.no_grad():
        assert not normed.applies(bn, acc, SCALE, output, None)
    wide = ThresholdActivation(8)
    wide.mode = Mode.FAKEQUANT
    assert not normed.applies(bn, acc, SCALE, wide, None)
    hook = output.register_forward_pre_hook(lambda module, inputs: None)
    assert not normed.applies(bn, acc, SCALE, output, None)
    hook.remove()
    output.mode = Mode.FLOAT
    assert not normed.applies(bn, acc, SCALE, output, None)
    output.mode = Mode.FAKEQUANT
    bn.eval()
    assert not normed.applies(bn, acc, SCALE, output, None)


def stream_of(bytes_known: bool = True):
    """Values of a stream whose codes are known, or the same values that tell nothing."""
    acc, _, bn, output, _ = case("stream")
    values = normed.normed(bn, acc, SCALE, OFFSET, output, None).data
    known = bytes_of(values)
    plain = values.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    return with_bytes(plain, known) if bytes_known else plain


def test_a_stream_tells_its_bytes_exactly():
    values = stream_of()
    numbers, unit = bytes_of(values)
    made = numbers.permute(0, 3, 1, 2).float() * torch.tensor(unit, dtype=torch.float32)
    assert torch.equal(made, values)
    assert numbers.dtype == torch.uint8
    assert len(numbers.unique()) > 20
    for other in (values + 0, values[:1], torch.relu(values)):
        assert bytes_of(other) is None
    acc, _, bn, output, _ = case("signed stream")
    assert bytes_of(normed.normed(bn, acc, SCALE, OFFSET, output, None).data) is None


def test_gradients_from_bytes_are_those_from_the_values():
    found = []
    for known in (True, False):
        skip = stream_of(known)
        acc, _, bn, output, weights = case("stream with residual")
        made = normed.normed(bn, acc, SCALE, OFFSET, output, skip)
        activation = ThresholdActivation(3)
        activation.initialise(0.6)
        (activation.quantize(skip).data * weights).sum().backward()
        (made.data * weights).sum().backward()
        parts = [acc.grad, skip.grad, output.step.grad, made.data, *bn.parameters()]
        found.append([*parts, *(p.grad for p in [*bn.parameters(), *activation.parameters()])])
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["A4", "stream"])
def test_a_backward_pass_leaves_what_others_read(kind):
    acc, _, bn, output, weights = case(kind)
    before = acc.detach().clone()
    made = normed.normed(bn, acc, SCALE, OFFSET, output, None).data
    grad = (weights + 0).contiguous(memory_format=torch.channels_last)
    given = grad.clone(memory_format=torch.preserve_format)
    made.backward(grad)
    assert torch.equal(grad, given)
    assert torch.equal(acc.detach(), before)
