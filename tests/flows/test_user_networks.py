"""Users' modules down to the Verilog: quantized, trained, exported, co-simulated, costed."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import adqhw
from adqhw.adq.frontend.quantize import QuantizedModule
from adqhw.spec import golden
from adqhw.spec.program_file import load, save
from tests.support.nets import odd_modules as odd
from tests.support.nets import user_modules as user

CASES = {
    "vgg": lambda: (user.Vgg(), (1, 8, 8)),
    "branched": lambda: (user.BranchedResNet(), (1, 8, 8)),
    "ds-cnn": lambda: (user.DsCnn(classes=10), (1, 49, 10)),
    "mobilenet": lambda: (user.MobileNetV2(ins=1), (1, 8, 8)),
    "unet": lambda: (odd.UNet(), (3, 8, 8)),
    "functions": lambda: (odd.Functions(), (3, 8, 8)),
}


def digits(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits (N, *shape) in 0..1, repeated over channels and stretched to the map; labels."""
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16
    maps = F.interpolate(images, size=shape[1:]).expand(-1, shape[0], -1, -1)
    return maps[:800].contiguous(), torch.tensor(found.target)[:800]


def trained(name: str) -> tuple[QuantizedModule, torch.Tensor]:
    torch.manual_seed(0)
    model, shape = CASES[name]()
    images, labels = digits(shape)
    config = adqhw.QuantizeConfig(weight_width=3, act_width=4)
    net = adqhw.quantize(model, images[:64], config).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for rows in torch.arange(640).split(64):
        optimizer.zero_grad()
        logits = net(images[rows]).flatten(1)
        F.cross_entropy(logits, labels[rows] % logits.shape[1]).backward()
        optimizer.step()
    return net, images


@pytest.mark.slow
@pytest.mark.simulator
@pytest.mark.parametrize("name", CASES)
def test_a_users_network_runs_on_the_verilog(name, tmp_path):
    net, images = trained(name)
    save(net.eval().export(), tmp_path / "program.safetensors")
    program = load(tmp_path / "program.safetensors")
    codes = net.encode(images[700:704]).numpy()
    expected = golden.run(program, codes, "all")
    for engine in ("numba", "torch"):
        result = adqhw.simulate(program, codes, keep="all", engine=engine)
        assert all((result.tensors[k] == v).all() for k, v in expected.tensors.items()), engine
    report = adqhw.cosimulate(program, codes[:1], rows=4, cols=4, build_dir=tmp_path / "build")
    assert report.passed
    assert all(layer.cycles_rtl == layer.cycles_model for layer in report.layers)
    costs = adqhw.estimate(program, images=codes, rows=4, cols=4)
    assert costs.energy.total.low < costs.energy.total.expected < costs.energy.total.high
    print(f"{name}: 0 of {report.compared:,} codes, {costs.cycles:,} cycles")
