"""Fields of a recipe that change the update: each has its effect, and resumes exactly."""

import json
import math

import pytest
import torch
from networks import tiny_network
from tiny_runs import Stop, StopAt, contents, tiny

from adqhw.adq.data.batches import batches
from adqhw.adq.data.datasets import load
from adqhw.adq.models.build import restored
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.recipes.config import OptimConfig
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import descent, evaluate, preparation, trainer
from adqhw.adq.training.average import Average, averaged_names
from adqhw.adq.training.optimizers import make_optimizer
from adqhw.adq.training.run_state import Run
from adqhw.adq.training.schedule import Schedule, codebook_decay
from adqhw.spec.errors import InputError

NAME = "digits_resnet8_adq"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    trainer.train(tiny("digits_resnet8_float"), folder)
    return folder / "checkpoint.safetensors"


def final(folder):
    return checkpoint.load(folder / "checkpoint.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        ("optim.kind=adam", "optim.average=0.9"),
        ("optim.kind=adamw", "optim.lr=0.001", "train.accumulate=3"),
    ],
    ids=["adam,average", "adamw,accumulate"],
)
def test_resume_is_exact(tmp_path, weights, changes):
    recipe = tiny(NAME, *changes)
    trainer.train(recipe, tmp_path / "whole", init=weights)
    for last in (4, 7):  # before and after the freeze
        folder = tmp_path / str(last)
        with pytest.raises(Stop):
            trainer.train(recipe, folder, init=weights, observer=StopAt(last))
        trainer.train(recipe, folder, existing="resume")
        assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize(("kind", "decoupled"), [("adam", False), ("adamw", True)])
def test_adam_moves_by_its_formula(kind, decoupled):
    config = OptimConfig(kind=kind, lr=0.01, momentum=0.8, beta2=0.95, weight_decay=0.1)
    model = tiny_network()
    optimizer = make_optimizer(model, config)
    weight = model.conv1.weight
    before, first, second = weight.detach().clone(), 0.0, 0.0
    expected = before.clone()
    for step in (1, 2):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.5 * step)
        optimizer.step()
        grad = 0.5 * step + (0 if decoupled else 0.1 * expected)
        if decoupled:
            expected = expected * (1 - 0.01 * 0.1)
        first = 0.8 * first + 0.2 * grad
        second = 0.95 * second + 0.05 * grad**2
        root = (
            (second / (1 - 0.95**step)) ** 0.5
            if torch.is_tensor(second)
            else math.sqrt(second / (1 - 0.95**step))
        )
        expected = expected - 0.01 * (first / (1 - 0.8**step)) / (root + 1e-8)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-7)


def still(run):
    """Batch norm by its running statistics: parts then differ from the whole by rounding only."""
    run.model.train = lambda mode=True: type(run.model).train(run.model, False)


def steps(recipe, weights, count=3):
    data = load("digits", "train").take(60)
    prepared = preparation.prepare(recipe, data, weights, lambda text: None)
    run = Run(
        recipe=prepared.recipe,
        model=prepared.model,
        optimizer=make_optimizer(prepared.model, recipe.optim),
        forward=prepared.model,
    )
    still(run)
    schedule = Schedule.of(recipe, 60)
    fetch = batches(data, recipe, torch.device("cpu"))
    losses = []
    for step in range(count):
        run.step = step
        parts = descent.parts_of(run, fetch(0, step), schedule)
        losses.append((len(parts), descent.descend(run, parts, 0.01)))
    return losses, run.model.state_dict()


@pytest.mark.parametrize("parts", [3, 16])
def test_parts_of_a_batch_give_the_gradient_of_the_batch(weights, parts):
    whole, expected = steps(tiny(NAME), weights)
    cut, actual = steps(tiny(NAME, f"train.accumulate={parts}"), weights)
    assert [n for n, _ in whole] == [1] * 3
    assert [n for n, _ in cut] == [parts] * 3
    assert [loss for _, loss in cut] == pytest.approx([loss for _, loss in whole], abs=1e-5)
    for name, tensor in expected.items():
        torch.testing.assert_close(actual[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_the_average_is_the_moving_average():
    model = tiny_network()
    average, expected = Average(model, 0.6), model.conv1.weight.detach().clone()
    for step, decay in enumerate([0.1, 2 / 11, 0.25]):
        with torch.no_grad():
            model.conv1.weight.add_(1.0)
        average.update(model, step)
        expected = decay * expected + (1 - decay) * model.conv1.weight.detach()
    torch.testing.assert_close(average.tensors["conv1.weight"], expected)
    own = model.conv1.weight.detach().clone()
    with average.shown(model):
        assert torch.equal(model.conv1.weight, average.tensors["conv1.weight"])
    assert torch.equal(model.conv1.weight, own)


def test_averaged_weights_are_measured_and_left_for_export(tmp_path, weights):
    recipe = tiny(NAME, "optim.average=0.9")
    trainer.train(recipe, tmp_path / "averaged", init=weights)
    trainer.train(tiny(NAME), tmp_path / "plain", init=weights)
    ours, plain = final(tmp_path / "averaged"), final(tmp_path / "plain")
    names = averaged_names(preparation.build(recipe))
    assert {f"average.{name}" for name in names} == set(ours.extra)
    for name, tensor in ours.model.items():
        if name in names and ".bn." not in name:
            assert torch.equal(tensor, ours.extra[f"average.{name}"])
    assert torch.equal(  # the training itself was not touched: codebooks follow the weights
        ours.model["layer1.0.conv1.quantizer.values"],
        plain.model["layer1.0.conv1.quantizer.values"],
    )
    assert not torch.equal(ours.model["conv1.weight"], plain.model["conv1.weight"])
    model = preparation.build(recipe)
    model.load_state_dict(ours.model)
    top1 = evaluate.model_top1(model, load("digits", "test"))
    assert top1 == ours.metrics["final"]["test_top1"]


# the compiler imports what torch itself calls deprecated
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_compiled_steps_are_the_steps_but_for_rounding(tmp_path):
    changes = ("train.epochs=1", "data.limit=32")
    trainer.train(tiny("digits_resnet8_float", *changes), tmp_path / "plain")
    compiled = tiny("digits_resnet8_float", *changes, "train.compile=true")
    trainer.train(compiled, tmp_path / "compiled")
    ours, theirs = final(tmp_path / "compiled"), final(tmp_path / "plain")
    assert set(ours.model) == set(theirs.model)
    for name, tensor in ours.model.items():
        torch.testing.assert_close(tensor, theirs.model[name], rtol=1e-4, atol=1e-5, msg=name)


def test_quantized_steps_are_not_compiled_again():
    with pytest.raises(InputError, match=r"train\.compile must be false in a quantized recipe"):
        tiny(NAME, "train.compile=true")


def test_lengths_and_codebook_values_have_rates_of_their_own():
    method = Method(codebook=CodebookConfig(level_gradient=True))
    model = tiny_network(method=method)
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    def factors(**changes: float) -> dict[str, set[float]]:
        groups = make_optimizer(model, OptimConfig(quantizer_lr_factor=0.1, **changes)).param_groups
        found: dict[str, set[float]] = {}
        for group in groups:
            for parameter in group["params"]:
                found.setdefault(names[id(parameter)].rpartition(".")[2], set()).add(
                    group["factor"]
                )
        assert sum(len(group["params"]) for group in groups) == len(names)
        return found

    assert factors()["lengths"] == factors()["push"] == factors()["gain"] == {0.1}
    other = factors(length_lr_factor=0.3, level_lr_factor=0.02)
    assert (other["lengths"], other["push"], other["gain"]) == ({0.3}, {0.02}, {0.1})
    assert 1.0 in other["weight"]


def test_a_search_does_not_read_the_test_images_and_logs_its_codebooks(tmp_path, weights):
    changes = ("data.test=false", "quant.method.level_gradient=true", "optim.level_lr_factor=0.05")
    recipe = tiny(NAME, *changes)
    with pytest.raises(Stop):
        trainer.train(recipe, tmp_path, init=weights, observer=StopAt(3))
    result = trainer.train(recipe, tmp_path, existing="resume")
    assert result["test_top1"] is None
    assert 0 <= result["validation_top1"] <= 100
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = [line["codebooks"] for line in lines if "codebooks" in line]
    model = restored(final(tmp_path), "Checkpoint")
    for name, conv in model.hidden().items():
        fit = logged[-1][name]
        assert len(fit["use"]) == 2**conv.quantizer.width
        assert sum(fit["use"]) == conv.weight.numel()
        assert 0 < fit["error"] < 0.5
        # 0 between two steps; what a frozen value was pushed by is forgotten
        assert not conv.quantizer.push.any()


def test_the_decay_of_codebooks_follows_the_length_of_the_run():
    assert codebook_decay(1) == codebook_decay(100) == 0.8
    assert codebook_decay(2500) == pytest.approx(0.99)
    assert codebook_decay(10**6) == 0.995
    recipe = tiny(NAME)
    schedule = Schedule.of(recipe, 1000)
    assert schedule.decay == codebook_decay(schedule.freeze)
