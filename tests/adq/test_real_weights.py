"""Real weights on real images: float accuracies measured independently (data/README.md).

ADQHW_DATA names a folder with the official CIFAR-10 batches, ADQHW_WEIGHTS one with the foreign
safetensors files. The test batch is only read, never tuned on.
"""

from pathlib import Path

import needs
import numpy as np
import pytest
import torch

from adqhw.adq.data import cifar10
from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.networks.calibrate import recalibrate_batch_norm, start_fakequant
from adqhw.adq.networks.pretrained import load_pretrained
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method

pytestmark = pytest.mark.data


def weights(name: str) -> Path:
    return Path(needs.weights()) / f"{name}.safetensors"


@pytest.mark.parametrize(
    ("name", "correct"), [("resnet20_optA_fp32", 9173), ("resnet20_optB_apot32", 9296)]
)
@torch.no_grad()
def test_float_networks_reproduce_the_measured_top1(name, correct):
    test = cifar10.load("test", needs.cifar10())
    model = load_pretrained(weights(name))
    tops = [model(torch.from_numpy(part)).argmax(1) for part in np.split(test.images, 20)]
    hits = int((torch.cat(tops).numpy() == test.labels).sum())
    # one image whose two best logits lie within float rounding may fall either way
    assert abs(hits - correct) <= 1


def test_post_training_program_agrees_with_its_graph():
    folder = needs.cifar10()
    calibration = cifar10.load("train", folder).images[:1000]
    batches = [torch.from_numpy(part) for part in np.split(calibration, 4)]
    book = CodebookConfig(init_lloyd=20)
    model = load_pretrained(weights("resnet20_optA_fp32"), method=Method(codebook=book))
    start_fakequant(model, batches)
    model.freeze_codebooks()
    recalibrate_batch_norm(model, batches)
    held_out = cifar10.load("validation", folder)
    report = compare_codes(model, export(model), held_out.images[:500], held_out.labels[:500])
    assert max(report.differing.values()) <= 1e-4, report.differing
    assert report.agreement == 1.0
    assert report.program_top1 > 0.8  # measured 0.85 without any training
