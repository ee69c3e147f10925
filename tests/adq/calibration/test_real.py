"""Calibration of real float weights on real images (ADQHW_DATA, ADQHW_WEIGHTS)."""

from pathlib import Path

import needs
import numpy as np
import pytest
import torch

from adqhw.adq.calibration.calibrate import calibrate
from adqhw.adq.data import cifar10
from adqhw.adq.data.image_files import FolderConfig, ImageFiles
from adqhw.adq.export.export import export
from adqhw.adq.networks.network import Network
from adqhw.adq.networks.pretrained import load_pretrained
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode
from adqhw.flows.engines import run_in_steps, top1

pytestmark = [pytest.mark.data, pytest.mark.slow]
ADQ = Method(per_channel=True)


def classes(model: Network, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode(), model.evaluating(Mode.FLOAT):
        return np.concatenate(
            [model(torch.from_numpy(part)).argmax(1).numpy() for part in np.split(images, 4)]
        )


@pytest.mark.parametrize(
    ("weights", "activations", "least"), [(8, 8, 91.5), (4, 4, 90.0), (2, 4, 86.0)]
)
def test_resnet20_keeps_its_top1_without_training(weights, activations, least):
    folder = needs.cifar10()
    path = Path(needs.weights()) / "resnet20_optA_fp32.safetensors"
    model = load_pretrained(path, weight_width=weights, act_width=activations, method=ADQ)
    calibrate(model, [torch.from_numpy(cifar10.load("train", folder).images[:256])])
    test = cifar10.load("test", folder)
    logits = run_in_steps("numba", export(model), test.images).logits
    assert top1(logits, test.labels) >= least  # measured 91.77, 91.04, 87.94; float 91.73


def test_resnet18_agrees_with_its_float_network():
    root = Path(needs.cifar10())
    weights, pictures = root / "resnet18.safetensors", root / "imagenet" / "pictures"
    if not weights.is_file() or not pictures.is_dir():
        needs.absent("data", f"{root} must hold resnet18.safetensors and imagenet/pictures")
    files = ImageFiles(sorted(pictures.iterdir()), FolderConfig(size=(224, 224)))
    calibrating, others = files[::8][:48], files[1::8][:48]
    model = load_pretrained(weights, weight_width=8, act_width=8, method=ADQ)
    expected = classes(model, others)
    calibrate(model, [torch.from_numpy(calibrating)])
    program = export(model)
    logits = run_in_steps("numba", program, others).logits
    assert (logits.argmax(1) == expected).mean() >= 0.95
    assert np.array_equal(run_in_steps("torch", program, others[:4]).logits, logits[:4])
    assert np.array_equal(run_in_steps("golden", program, others[:1]).logits, logits[:1])
