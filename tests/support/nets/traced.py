"""Users' networks quantized, trained for a few steps, and compared on every engine."""

import numpy as np
import torch
from torch import Tensor, nn

from adqhw.adq.export.compare import compare_codes, run_modules
from adqhw.adq.integers import integer
from adqhw.adq.networks.network import Network
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.program import Program


@torch.no_grad()
def uneven_norms(model: nn.Module) -> None:
    """Batch norms with statistics, and a negative slope."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.weight[0] = -0.8
            module.bias.uniform_(-0.5, 0.8)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)


def train_some(network: Network, images: Tensor, steps: int = 2) -> None:
    """A user's own loop: nothing but forward, backward and step."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()
    network.eval()


def assert_exact(network: Network, program: Program, images: Tensor) -> None:
    """0 differing codes: golden, numba, torch integers, the modules on integers, the graph."""
    codes = network.encode(images).cpu().numpy()
    expected = golden.run(program, codes, "all")
    for found in (Runner(program, keep="all").run(codes), integer.run(program, codes, "all")):
        for name, tensor in expected.tensors.items():
            np.testing.assert_array_equal(found.tensors[name], tensor, err_msg=name)
    compared = compare_codes(network, program, codes)
    assert not any(compared.differing.values()), compared.differing
    modules = run_modules(network, program, codes)
    np.testing.assert_array_equal(modules.logits, expected.logits)
