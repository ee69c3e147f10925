"""Small quantized networks with negative and zero slopes, for the tests of `adq`."""

import torch

from adqhw.adq.networks.calibrate import start_fakequant
from adqhw.adq.networks.config import CifarConfig
from adqhw.adq.networks.network import Network
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method

TINY = {
    "depth": 8,
    "widths": (4, 8, 16),
    "classes": 5,
    "image_size": 8,
    "mean": (0.4, 0.5, 0.6),
    "std": (0.25, 0.2, 0.3),
}


def tiny_images(count: int, seed: int = 0, channels: int = 3, size: int = 8) -> torch.Tensor:
    """uint8 images (N, C, H, W), every code equally likely."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@torch.no_grad()
def tiny_network(
    seed: int = 0,
    *,
    codebook: CodebookConfig | None = None,
    method: Method | None = None,
    **changes,
) -> Network:
    """Float network whose batch norms have statistics, and some negative and zero slopes."""
    torch.manual_seed(seed)
    config = CifarConfig(
        **{**TINY, "method": method or Method(codebook=codebook or CodebookConfig()), **changes}
    )
    model = Network(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.weight[0] = -0.8
            module.weight[1] = 0.0
            module.bias.uniform_(-0.5, 0.8)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    model.fc.bias.uniform_(-1.0, 1.0)
    return model.eval()


def frozen_network(seed: int = 0, **changes) -> Network:
    """The same, calibrated on random images, in fakequant mode, its codebooks frozen."""
    model = tiny_network(seed, **changes)
    channels = len(model.config.mean)
    start_fakequant(model, [tiny_images(32, seed, channels, model.config.image_size)])
    model.freeze_codebooks()
    return model
