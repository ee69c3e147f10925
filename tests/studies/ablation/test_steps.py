"""`bench steps`: probes on activations, the oracles' choices, counts of the cost, and the page."""

import json
from dataclasses import replace

import pytest
import torch
from networks import frozen_network, tiny_images
from typer.testing import CliRunner

from adqhw.adq.export.export import export
from adqhw.adq.models.build import build
from adqhw.adq.networks import calibrate
from adqhw.adq.quantizers.uniform_activation import LsqActivation
from adqhw.adq.recipes import recipes
from adqhw.adq.runs import checkpoint
from adqhw.adq.tensors import Mode
from adqhw.cli import app
from adqhw.spec.activation import Threshold
from adqhw.studies.ablation import steps
from adqhw.studies.ablation.steps import by_offset, by_step, oracles
from adqhw.studies.ablation.steps_cost import cost_of
from adqhw.studies.ablation.steps_page import difference


@pytest.fixture(scope="module")
def found():
    model = frozen_network(act_width=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = tiny_images(24, 3)
    labels = torch.arange(24) % model.config.classes
    with model.evaluating(Mode.FAKEQUANT):
        plain = model(images).detach()
    result = oracles(model, images, labels)
    return model, before, images, labels, plain, result


def test_the_network_is_left_as_it_was(found):
    model, before, images, _, plain, _ = found
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not [m for m in model.modules() if "quantize" in m.__dict__]
    with model.evaluating(Mode.FAKEQUANT):
        assert torch.equal(model(images).detach(), plain)


def test_without_a_choice_the_answers_are_the_networks(found):
    *_, labels, plain, result = found
    expected = torch.nn.functional.cross_entropy(plain, labels, reduction="none").double()
    assert torch.allclose(result.plain.loss, expected, atol=1e-5)
    assert torch.equal(result.plain.top, plain.argmax(1))
    assert difference(result.plain, result.plain) == (0.0, 0.0)


def test_oracles_never_lose_by_their_own_measure(found):
    *_, result = found
    assert result.activations == 6
    assert (result.loss.loss <= result.plain.loss).all()
    assert (result.control.loss <= result.plain.loss).all()
    assert (result.loss.loss < result.plain.loss).any()
    assert result.errors.image <= result.errors.layer <= 1
    assert 0 < result.errors.chosen < 1
    assert 0 < result.loss.chosen < 1


def test_a_step_per_image_follows_the_size_of_the_image():
    unit = LsqActivation(4)
    unit.mode = Mode.FAKEQUANT
    unit.initialise(15.0)
    ramp = torch.linspace(0, 15, 200).view(1, 1, 10, 20)
    x = torch.cat([ramp / 2, ramp, ramp * 2])
    probe = steps._Probe(unit)
    probe.adapts = True
    codes = probe(x).data.detach()
    assert probe.errors[0].argmin(1).tolist() == [1, 0, 2]  # of CHOICES: half, own, twice
    assert torch.equal(codes[0] * 2, codes[1])
    assert torch.equal(codes[2], codes[1] * 2)
    assert float(codes[2].max()) == 30
    moved = by_offset(unit.quantize, ramp, torch.tensor([1]), unit.scale)
    assert torch.equal(moved, torch.floor(ramp / unit.scale + 0.75).clamp(max=15))
    halves = by_step(unit.quantize, ramp, torch.tensor([-1]), unit.scale)
    assert torch.equal(halves, unit.quantize(ramp * 2).data / 2)


def test_spread_counts_octaves():
    sizes = torch.tensor([[1.0, 1.0, 2.0, 1.1], [3.0, 3.0, 3.0, 0.0]]).double()
    spread = steps._spread(sizes)
    assert spread.beyond == 2 / 8
    errors = torch.tensor([[[4.0, 1.0, 2.0], [4.0, 8.0, 2.0]], [[1.0, 2.0, 2.0], [1.0, 9.0, 9.0]]])
    found = steps._errors(errors.double())
    assert found.layer == (4 / 8 + 1) / 2
    assert found.image == (3 / 8 + 1) / 2
    assert found.chosen == 2 / 4


def test_cost_counts_every_map_once_more(found):
    program = export(found[0])
    cost = cost_of(program)
    sums, reads = [], []
    for layer in program.layers:
        channels, height, width = program.tensor_shape(layer.name)
        codes = channels * height * width
        if not isinstance(getattr(layer, "output", None), Threshold):
            continue
        if layer.name.endswith("act1"):
            reads.append(codes)
        else:
            sums.append(codes * program.acc_width(layer.name))
    assert (len(sums), len(reads)) == (3, 3)
    assert cost.more_storage == max(sums)
    macs = sum(program.macs(layer.name) for layer in program.layers)
    assert cost.more_bits == pytest.approx((2 * sum(sums) + 8 * sum(reads)) / macs)
    walked = sum(reads) + sum(
        bits // program.acc_width(layer.name)
        for layer, bits in zip(
            [x for x in program.mac_layers if isinstance(x.output, Threshold)], sums, strict=True
        )
    )
    assert cost.more_cycles == walked / 4
    assert 0 < cost.map_bits < cost.bits


def test_the_command_writes_the_page_and_reads_no_test_images(tmp_path, monkeypatch):
    recipe = recipes.get("digits_resnet8_adq")
    recipe = replace(recipe, model=replace(recipe.model, width=4))
    model = build(recipe)
    calibrate.start_fakequant(model, [tiny_images(32, 1, 1, 8)])
    model.freeze_codebooks()
    file = tmp_path / "w4.safetensors"
    state = checkpoint.Checkpoint(recipe=recipe, step=1, epoch=1, model=model.state_dict())
    checkpoint.save(state, file)
    from adqhw.adq.data import datasets

    splits, load = [], datasets.for_recipe

    def loaded(recipe, split, data):
        splits.append(split)
        return load(recipe, split, data)

    monkeypatch.setattr(datasets, "for_recipe", loaded)
    page = tmp_path / "page.md"
    words = ["bench", "steps", str(file), "--images", "12", "-o", str(page), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert splits == ["validation"]
    figures = json.loads(result.stdout)["w4"]
    text = page.read_text()
    assert f"| w4 | 6 | {figures['errors']['layer']:.3f} |" in text
    assert "measured as a graph on 12 images" in text
    assert text.count("| w4 |") == 6
    assert f"{figures['cost']['more_cycles']:,} (" in text

    plain = tmp_path / "float.safetensors"
    floating = recipes.get("digits_resnet8_float")
    checkpoint.save(replace(state, recipe=floating), plain)
    page.unlink()
    refused = CliRunner().invoke(app, ["bench", "steps", str(plain), "-o", str(page)])
    assert refused.exit_code == 2
    assert "must be of a quantized recipe, not a float one" in " ".join(refused.output.split())
    assert not page.exists()
