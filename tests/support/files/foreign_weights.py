"""State dicts as other repositories name them."""

import torch


def foreign_state(option_b: bool, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random state dict of a ResNet-8 (4, 8, 16) under the names of the two repositories."""
    torch.manual_seed(seed)
    state = {"conv1.weight": torch.randn(4, 3, 3, 3) / 5}

    def norm(name, width):
        state[f"{name}.weight"] = torch.rand(width) + 0.5
        state[f"{name}.bias"] = torch.randn(width) * 0.2
        state[f"{name}.running_mean"] = torch.randn(width) * 0.2
        state[f"{name}.running_var"] = torch.rand(width) + 0.5

    norm("bn1", 4)
    for s, (source, width) in enumerate(((4, 4), (4, 8), (8, 16)), 1):
        block = f"layer{s}.0"
        state[f"{block}.conv1.weight"] = torch.randn(width, source, 3, 3) / 5
        state[f"{block}.conv2.weight"] = torch.randn(width, width, 3, 3) / 8
        norm(f"{block}.bn1", width)
        norm(f"{block}.bn2", width)
        if option_b and s > 1:
            state[f"{block}.downsample.0.weight"] = torch.randn(width, source, 1, 1) / 2
            norm(f"{block}.downsample.1", width)
            state[f"{block}.downsample.1.num_batches_tracked"] = torch.tensor(7)
    head = "fc" if option_b else "linear"
    state[f"{head}.weight"], state[f"{head}.bias"] = torch.randn(5, 16), torch.randn(5)
    if option_b:
        state["layer1.0.conv1.act_alpha"] = torch.tensor(8.0)
        state["layer1.0.conv1.weight_quant.wgt_alpha"] = torch.tensor(3.0)
    return state
