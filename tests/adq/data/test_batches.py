"""Batches on a device, the GPU forms of the sums, and the choice of the device."""

import pytest
import torch
from needs import absent
from tiny_runs import tiny

from adqhw.adq.data import datasets
from adqhw.adq.data.batches import DeviceBatches, HostBatches, batches
from adqhw.adq.quantizers import activation
from adqhw.adq.tensors import masked_sums, row_sums, running_sum, segment_sums
from adqhw.adq.training import preparation, trainer
from adqhw.spec.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("changes", [(), ("data.crop_padding=0",), ("data.flip=true",)])
def test_gathered_batches_equal_the_hosts(changes):
    recipe = tiny("digits_resnet8_adq", *changes)
    data = datasets.load("digits", "train").take(60)
    host, gathered = HostBatches(data, recipe), DeviceBatches(data, recipe, CPU)
    for epoch, step in [(0, 0), (0, 3), (1, 0), (0, 1)]:
        for expected, actual in zip(host(epoch, step), gathered(epoch, step), strict=True):
            assert torch.equal(expected, actual)
            assert expected.dtype == actual.dtype
    assert len(host(0, 3)[1]) == 12  # the last batch is smaller
    assert isinstance(batches(data, recipe, CPU), HostBatches)


def test_one_hot_sums_equal_the_sums_by_index():
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(0, 7, (5, 40), generator=generator).to(torch.uint8)
    values = torch.randn(5, 2, 40, generator=generator, dtype=torch.float64)
    sums = row_sums(index, values, 7)
    for k in range(2):
        expected = segment_sums(index, values[:, k], 7)
        torch.testing.assert_close(sums[k], expected)


def test_the_gpu_form_of_the_activation_has_the_same_gradients(monkeypatch):
    x = torch.randn(4, 30, generator=torch.Generator().manual_seed(0)).double()
    lengths = torch.tensor([0.3, 0.5, 0.2]).double()

    def gradients():
        inputs = [t.clone().requires_grad_() for t in (x, lengths, torch.tensor(0.1).double())]
        gain = torch.tensor(1.2).double().requires_grad_()
        activation.stair(*inputs, gain).backward(torch.cos(x))
        return [t.grad for t in (*inputs, gain)]

    expected = gradients()

    def one_hot(index, values, count):
        return row_sums(index.view(1, -1), values.reshape(1, 1, -1), count)[0]

    monkeypatch.setattr(activation, "segment_sums", one_hot)
    for actual, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


@pytest.mark.parametrize("size", [1, 15])
def test_running_sum_without_cumsum_is_one(size):
    values = torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(masked_sums(values), torch.cumsum(values, 0))
    assert torch.equal(running_sum(values), torch.cumsum(values, 0))


def test_auto_is_decided_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = tiny("digits_resnet8_float", "train.device=auto", "train.epochs=1")
    trainer.train(recipe, tmp_path)
    assert trainer.train(recipe, tmp_path, existing="resume")["steps"] == 4
    assert preparation.on_device(recipe).train.device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert preparation.on_device(recipe).train.device == "cuda"


def test_impossible_devices_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"train\.device must be cpu or auto where no GPU"):
        trainer.train(tiny("digits_resnet8_float", "train.device=cuda"), tmp_path)
    with pytest.raises(InputError, match=r"train\.device must be cpu, cuda or auto, not 'tpu'"):
        tiny("digits_resnet8_float", "train.device=tpu")


def test_a_gpu_run_resumes_exactly(tmp_path):
    if not torch.cuda.is_available():
        absent("gpu", "torch must see a GPU, not none")
    from tiny_runs import Stop, StopAt, contents

    trainer.train(tiny("digits_resnet8_float", "train.epochs=1"), tmp_path / "float")
    weights = tmp_path / "float" / "checkpoint.safetensors"
    recipe = tiny("digits_resnet8_adq", "train.device=cuda")
    trainer.train(recipe, tmp_path / "whole", init=weights)
    with pytest.raises(Stop):
        trainer.train(recipe, tmp_path / "part", init=weights, observer=StopAt(5))
    trainer.train(recipe, tmp_path / "part", existing="resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
