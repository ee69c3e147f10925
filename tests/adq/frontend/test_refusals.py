"""What cannot be a network is refused in one line: module, file and line of the user's code."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from adqhw.spec.errors import InputError

IMAGES = torch.rand(4, 3, 8, 8)


class Around(nn.Module):
    """A convolution, then `inner`, then a classifier."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.conv, self.inner, self.fc = nn.Conv2d(3, 8, 3, padding=1), inner, nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.inner(self.conv(x)).mean((2, 3)))  # here


class Calls(nn.Module):
    """A module whose forward pass is a function of two convolutions and the map."""

    def __init__(self, function) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def branching(self: Calls, x: Tensor) -> Tensor:
    return self.a(x) if x.sum() > 0 else self.b(x)


def counted(self: Calls, x: Tensor) -> Tensor:
    return self.a(x) * int(x.max())


OPERATIONS = {
    "group norm": (nn.GroupNorm(2, 8), r"'inner' \(GroupNorm\).*not group_norm"),
    "layer norm": (nn.LayerNorm(8), r"'inner' \(LayerNorm\).*not layer_norm"),
    "instance norm": (nn.InstanceNorm2d(8), r"'inner' \(InstanceNorm2d\).*not instance_norm"),
    "transposed": (nn.ConvTranspose2d(8, 8, 2), r"\(ConvTranspose2d\).*not conv_transpose2d"),
    "slopes": (nn.PReLU(8), r"'inner' \(PReLU\).*PReLU must have one slope, not 8"),
    "reflect": (nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), "zeros.*not reflect"),
    "circular": (nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"), "zeros.*not circular"),
    "padded average": (nn.AvgPool2d(3, 1, 1), r"AvgPool2d.*whole windows only.*padding"),
    "adaptive": (nn.AdaptiveAvgPool2d(3), r"divides \(8, 8\), not \(3, 3\)"),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), "not upsample_bilinear2d"),
    "uneven upsample": (
        nn.Upsample(size=(12, 8)),
        r"whole factors, not from \(8, 8\) to \(12, 8\)",
    ),
    "dilated pool": (nn.MaxPool2d(2, dilation=2), r"dilation 1, not \(2, 2\)"),
    "softmax": (nn.Softmax(1), "not softmax"),
    "no statistics": (nn.BatchNorm2d(8, track_running_stats=False), "track_running_stats=True"),
    "no affine": (nn.BatchNorm2d(8, affine=False), "affine=True"),
    "cumulative": (nn.BatchNorm2d(8, momentum=None), "momentum, not None"),
    "shuffle": (Calls(lambda s, x: F.pixel_shuffle(x, 2).repeat(1, 4, 1, 1)), "pixel_shuffle"),
    "double": (nn.Conv2d(8, 8, 1).double(), "same operations"),
    "shared": (Calls(lambda s, x: s.a(s.a(x))), r"called once.*not 'inner\.a' again after"),
    "product": (Calls(lambda s, x: s.a(x) * s.b(x)), "not mul"),
    "constant": (Calls(lambda s, x: s.a(x) + 1.0), "not constants"),
    "scaled": (Calls(lambda s, x: torch.add(s.a(x), x, alpha=2)), "unscaled"),
    "broadcast": (Calls(lambda s, x: s.a(x) + x.mean((2, 3), keepdim=True)), "one shape"),
    "batch": (Calls(lambda s, x: torch.cat([x, x], 0)[:2]), "channels.*dimension 0"),
    "transpose": (Calls(lambda s, x: s.a(x.transpose(2, 3))), "not transpose"),
    "permuted": (Calls(lambda s, x: s.a(x.reshape(2, 4, 2, 8, 8).flatten(1, 2))), r"reshape must"),
    "computed": (Calls(lambda s, x: F.conv2d(x, s.a.weight * 2)), r"not mul"),
    "chunk": (Calls(lambda s, x: torch.cat(x.chunk(2, 1), 1)), "not chunk"),
    "limits": (Calls(lambda s, x: x.clamp(4.0, 3.0)), r"below the upper one, not \(4\.0, 3\.0\)"),
    "padding": (
        Calls(lambda s, x: F.pad(s.a(x), (1, 1, 1, 1)).relu()),
        "followed by a convolution",
    ),
    "ones": (Calls(lambda s, x: s.a(F.pad(x, (1, 1, 1, 1), value=1.0))), "zeros.* of 1.0"),
    "dropout": (Calls(lambda s, x: F.dropout(s.a(x), 0.5) + x), "in front of a layer"),
    "branch": (
        Calls(branching),
        rf"test_refusals\.py, line {branching.__code__.co_firstlineno + 1}",
    ),
    "count": (Calls(counted), rf"test_refusals\.py, line {counted.__code__.co_firstlineno + 1}"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_refused(name):
    inner, pattern = OPERATIONS[name]
    with pytest.raises(InputError, match=pattern) as refused:
        quantize(Around(inner), IMAGES)
    text = str(refused.value)
    assert "\n" not in text
    assert re.search(r"test_refusals\.py, line \d+", text), text
    assert re.search(r" must .*not ", text), text


def test_the_line_is_that_of_the_call():
    with pytest.raises(InputError, match=r"line (\d+)") as refused:
        quantize(Around(nn.GroupNorm(2, 8)), IMAGES)
    line = int(re.search(r"line (\d+)", str(refused.value))[1])
    assert "# here" in Path(__file__).read_text().splitlines()[line - 1]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0])


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        return y, y.relu()


class Pair(Two):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return self.conv(x + y)


class Nothing(Two):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return x


class Buffer(Two):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.ones(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.conv(x - self.shift)


MODELS = {
    "two outputs": (Two(), "return one tensor, not 2"),
    "two inputs": (Pair(), "Pair.* missing a required argument: 'y'"),
    "nothing": (Nothing(), "not return its input"),
    "buffer": (Buffer(), "not sub"),
    "no module": (F.relu, "torch.nn.Module, not "),
    "no parameters": (nn.ReLU(), "must have parameters"),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_is_refused(name):
    model, pattern = MODELS[name]
    with pytest.raises(InputError, match=pattern) as refused:
        quantize(model, IMAGES)
    assert "\n" not in str(refused.value)


def test_layers_with_memory_are_refused():
    with pytest.raises(
        InputError, match=r"'lstm' \(LSTM\), .*line \d+: operation must .* not LSTM"
    ):
        quantize(Recurrent(), torch.zeros(4, 8))


def overwritten(self: Calls, x: Tensor) -> Tensor:
    y = self.a(x)
    flat = y.flatten(1)
    y.relu_()
    return self.b(y) + flat.view(-1, 8, 8, 8)  # a view of what relu_ has written


def test_a_trace_that_computes_something_else_is_refused():
    with pytest.raises(InputError, match="must compute what its trace computes"):
        quantize(Around(Calls(overwritten)), IMAGES)


def test_broken_numbers_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(InputError, match=r"finite"):
        quantize(model, torch.full((2, 3, 8, 8), torch.nan))
    with torch.no_grad():
        model[0].weight[1, 2, 0, 1] = torch.inf
    with pytest.raises(
        InputError, match=r"'0\.weight' must be finite, not inf at index \(1, 2, 0, 1\)"
    ):
        quantize(model, IMAGES)


@pytest.mark.parametrize(
    "images",
    [[1, 2], torch.zeros(3, 8, 8), torch.zeros(0, 3, 8, 8), torch.zeros(2, 3, 8, 8).long()],
)
def test_bad_examples_are_refused(images):
    with pytest.raises(InputError, match="Example images must be"):
        quantize(nn.Conv2d(3, 4, 3), images)


def test_pixels_out_of_range_are_refused_and_features_are_clipped():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    pixels = quantize(model, IMAGES, QuantizeConfig(mean=0.5, std=0.5))
    with pytest.raises(InputError, match=r"pixels in 0\.\.255"):
        pixels(IMAGES * 3)
    with pytest.raises(InputError, match=r"pixels in 0\.\.255"):
        quantize(model, IMAGES * 3, QuantizeConfig(mean=0.5, std=0.5))
    features = quantize(model, IMAGES)
    assert int(features.encode(IMAGES * 3).max()) == 255


def test_inputs_of_another_size_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    network = quantize(model, IMAGES)
    for images in (torch.rand(2, 3, 16, 16), torch.zeros(4, 3, 4, 8, dtype=torch.uint8)):
        with pytest.raises(InputError, match=r"Input must be \(N, 3, 8, 8\), not"):
            network(images)
        with pytest.raises(InputError, match=r"Input must be \(N, 3, 8, 8\), not"):
            network.encode(images)


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"weight_width": 1}, r"weight_width must be an integer in 2\.\.8, not 1"),
        ({"act_width": 9}, r"act_width must be an integer in 1\.\.8, not 9"),
        ({"weight_widths": {"a": 9}}, r"weight_widths of 'a' must be in 2\.\.8"),
        ({"mean": 0.5}, "both or not at all"),
    ],
)
def test_bad_settings_are_refused(fields, pattern):
    with pytest.raises(InputError, match=pattern):
        QuantizeConfig(**fields)


def test_unknown_layers_and_wrong_channels_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten())
    with pytest.raises(InputError, match="Weight width must name a hidden layer, not 'nine'"):
        quantize(model, IMAGES, QuantizeConfig(weight_widths={"nine": 3}))
    with pytest.raises(InputError, match="mean must have 3 numbers, one per channel, not 2"):
        quantize(model, IMAGES, QuantizeConfig(mean=(0.5, 0.5), std=(0.5, 0.5)))


def test_one_bit_cannot_hold_both_signs():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(InputError, match="act_width must be at least 2 where convolutions read"):
        quantize(model, IMAGES, QuantizeConfig(act_width=1))
