"""Foreign float weights."""

import pytest
import torch
import torch.nn.functional as F
from foreign_weights import foreign_state
from safetensors.torch import save_file

from adqhw.adq.networks.pretrained import APOT_MEAN, load_pretrained, our_name
from adqhw.spec.errors import InputError


def reference_logits(state, images, mean, std, option_b):
    """The two repositories' forward pass, written with functions only."""

    def norm(x, name):
        parts = (state[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts)

    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))
    x = (images.float() / 255 - mean) / std
    x = F.relu(norm(F.conv2d(x, state["conv1.weight"], padding=1), "bn1"))
    for s, width in enumerate((4, 8, 16), 1):
        block, stride = f"layer{s}.0", 1 if s == 1 else 2
        y = F.conv2d(x, state[f"{block}.conv1.weight"], stride=stride, padding=1)
        y = F.relu(norm(y, f"{block}.bn1"))
        y = norm(F.conv2d(y, state[f"{block}.conv2.weight"], padding=1), f"{block}.bn2")
        if s > 1 and option_b:
            x = F.conv2d(x, state[f"{block}.downsample.0.weight"], stride=2)
            x = norm(x, f"{block}.downsample.1")
        elif s > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, width // 4, width // 4))
        x = F.relu(x + y)
    head = "fc" if option_b else "linear"
    return F.linear(x.mean((2, 3)), state[f"{head}.weight"], state[f"{head}.bias"])


@pytest.mark.parametrize("option_b", [False, True])
def test_logits_equal_those_of_the_original_network(tmp_path, option_b):
    state = foreign_state(option_b)
    save_file(state, tmp_path / "weights.safetensors")
    model = load_pretrained(tmp_path / "weights.safetensors", image_size=8)
    assert model.config.shortcut == ("B" if option_b else "A")
    assert model.config.widths == (4, 8, 16)
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    mean, std = model.config.mean, model.config.std
    assert (mean == APOT_MEAN) is option_b
    expected = reference_logits(state, images, mean, std, option_b)
    torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-3)


def test_names_are_mapped_and_leftovers_dropped():
    assert our_name("bn1.weight") == "conv1.bn.weight"
    assert our_name("module.layer2.0.bn2.bias") == "layer2.0.conv2.bn.bias"
    assert our_name("layer2.0.downsample.1.running_var") == "layer2.0.downsample.bn.running_var"
    assert our_name("layer2.0.downsample.0.weight") == "layer2.0.downsample.weight"
    assert our_name("bn1.num_batches_tracked") is None
    assert our_name("layer1.0.conv1.weight_quant.wgt_alpha") is None


def test_a_missing_tensor_is_named(tmp_path):
    state = foreign_state(False)
    del state["layer2.0.bn1.bias"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"have a tensor 'layer2\.0\.conv1\.bn\.bias'"):
        load_pretrained(tmp_path / "w.safetensors", image_size=8)


def test_a_wrong_shape_is_named(tmp_path):
    state = foreign_state(False)
    state["linear.bias"] = torch.zeros(4)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"'fc\.bias' must be \(5,\), not \(4,\)"):
        load_pretrained(tmp_path / "w.safetensors", image_size=8)


@pytest.mark.parametrize(("content", "message"), [(None, "must exist"), (b"x", "safetensors")])
def test_files_that_are_not_weights_are_refused(tmp_path, content, message):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_pretrained(path)
