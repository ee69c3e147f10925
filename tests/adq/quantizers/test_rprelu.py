"""RPReLU before thresholds: it folds into thresholds per channel."""

import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images

from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.quantizers.rprelu import RPReLUThreshold
from adqhw.sim import engine
from adqhw.spec import golden


@torch.no_grad()
def bend(unit: RPReLUThreshold, seed: int) -> None:
    """Extreme parameters: negative lifts, slopes that are zero, below zero and above one."""
    generator = torch.Generator().manual_seed(seed)
    unit.shift.copy_(torch.randn(unit.shift.shape, generator=generator) * 0.5)
    unit.lift.copy_(torch.randn(unit.lift.shape, generator=generator) * 0.5 + 0.4)
    unit.slope.copy_(torch.rand(unit.slope.shape, generator=generator) * 1.5)
    unit.slope[0], unit.slope[1] = 0.0, -0.3
    unit.lift[2] = unit.bounds()[1].float()  # a threshold at the bend itself


@pytest.mark.parametrize("seed", range(5))
def test_codes_are_counts_of_thresholds_per_channel(seed):
    unit = RPReLUThreshold(3, 6)
    bend(unit, seed)
    unit.double()
    x = torch.linspace(-3, 3, 2001, dtype=torch.float64)
    tau = unit.real_thresholds()
    assert tau.shape == (6, 7)
    assert (tau[:, 1:] >= tau[:, :-1]).all()
    near = (x[None, :, None] - tau[:, None]).abs().min(2).values < 1e-6
    expected = (x[None, :, None] >= tau[:, None]).sum(2)
    actual = unit.quantize(x.view(1, 1, 1, -1).expand(1, 6, 1, -1)).data[0, :, 0].long()
    assert ((actual == expected) | near).all()
    assert near.float().mean() < 0.01


def test_its_parameters_learn():
    unit = RPReLUThreshold(2, 4)
    bend(unit, 1)
    x = torch.randn(8, 4, 5, 5, generator=torch.Generator().manual_seed(2))
    (unit.quantize(x).data * torch.rand(x.shape)).sum().backward()
    for name in ("shift", "lift", "slope"):
        grad = getattr(unit, name).grad
        assert torch.isfinite(grad).all()
        assert grad.abs().max() > 0, name
    assert unit.slope.grad[1] == 0  # below its limit


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_programs_compute_it_exactly(shortcut):
    model = frozen_network(method=Method(activations="n2uq-rprelu"), shortcut=shortcut, act_width=3)
    for seed, unit in enumerate(m for m in model.modules() if isinstance(m, RPReLUThreshold)):
        bend(unit, seed)
    program, images = export(model), tiny_images(24, 5).numpy()
    report = compare_codes(model, program, images)
    assert max(report.differing.values()) <= 1e-4, report.differing
    expected = golden.run(program, images[:4], keep="all")
    actual = engine.run(program, images[:4], keep="all")
    for tensor, codes in expected.tensors.items():
        np.testing.assert_array_equal(actual.tensors[tensor], codes, err_msg=tensor)
    assert program.layer("layer1.0.act1").output.tau.shape == (4, 7)
