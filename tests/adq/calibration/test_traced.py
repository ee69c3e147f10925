"""Users' own networks, calibrated: concatenations, functions, several linear layers, no norms."""

import pytest
import torch
from odd_modules import Functions, ResidualMlp, SqueezeNet, UNet
from traced import assert_exact, uneven_norms
from user_modules import BranchedResNet, DsCnn, MobileNetV2, Vgg

from adqhw.adq.calibration.calibrate import calibrate
from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode

CASES = {
    "vgg": (Vgg, (1, 8, 8)),
    "branched": (BranchedResNet, (1, 8, 8)),
    "ds_cnn": (DsCnn, (1, 49, 10)),
    "mobilenet": (MobileNetV2, (3, 16, 16)),
    "squeezenet": (SqueezeNet, (3, 31, 31)),
    "unet": (UNet, (3, 8, 8)),
    "mlp": (ResidualMlp, (20,)),
    "functions": (Functions, (3, 8, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_users_networks_are_calibrated_into_exact_programs(name):
    make, shape = CASES[name]
    torch.manual_seed(0)
    model = make().eval()
    uneven_norms(model)
    images = torch.randn(24, *shape, generator=torch.Generator().manual_seed(1))
    config = QuantizeConfig(weight_width=6, act_width=8, method=Method(per_channel=True))
    network = quantize(model, images, config)
    report = calibrate(network, [images])
    assert report.layers[-1].snr_db > 12
    assert network.mode is Mode.FAKEQUANT
    assert_exact(network, network.export(), images[:3])
