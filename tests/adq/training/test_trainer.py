"""Training loop: schedule, parameter groups, freezing, logs, and stopping on errors."""

import json

import pytest
import torch

from adqhw.adq.data import datasets
from adqhw.adq.recipes import config_text, recipes
from adqhw.adq.recipes.config import OptimConfig
from adqhw.adq.recipes.demands import check_last_batch
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import preparation, run_state, trainer
from adqhw.adq.training.schedule import learning_rate
from adqhw.spec.errors import InputError
from adqhw.spec.host.locks import sole_owner

SMALL = ["data.limit=64", "train.batch_size=16", "train.epochs=2", "quant.calibration_images=64"]


def small(name: str = "digits_resnet8_adq", *changes: str):
    return config_text.override(recipes.get(name), [*SMALL, "model.width=4", *changes])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Float weights that the ADQ runs of this file start from."""
    folder = tmp_path_factory.mktemp("float")
    trainer.train(small("digits_resnet8_float", "train.epochs=4"), folder)
    return folder / "checkpoint.safetensors"


def final_state(folder) -> checkpoint.Checkpoint:
    return checkpoint.load(folder / "checkpoint.safetensors")


def test_learning_rate_warms_up_and_ends_at_zero():
    config = OptimConfig(lr=0.4, warmup_steps=4)
    rates = [learning_rate(config, step, 20) for step in range(21)]
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[4] == 0.4
    assert rates[12] == pytest.approx(0.2)
    assert rates[20] == pytest.approx(0.0, abs=1e-12)
    assert rates[4:] == sorted(rates[4:], reverse=True)


@pytest.mark.parametrize("name", ["digits_resnet8_float", "digits_resnet8_adq"])
def test_every_parameter_is_in_one_group(name):
    recipe = small(name)
    model = preparation.build(recipe)
    groups = run_state.make_optimizer(model, recipe.optim).param_groups
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    assert len(grouped) == len(list(model.parameters()))
    assert {p.dim() for p in groups[0]["params"]} <= {2, 4}
    decayed = sum(p.numel() for p in groups[0]["params"])
    assert decayed > 0.8 * sum(p.numel() for p in model.parameters())


def test_optimizer_decays_only_weights_and_slows_quantizers():
    recipe = small("digits_resnet8_adq", "optim.quantizer_lr_factor=0.25")
    weight, plain, quantizer = run_state.make_optimizer(
        preparation.build(recipe), recipe.optim
    ).param_groups
    assert weight["weight_decay"] == recipe.optim.weight_decay > 0
    assert plain["weight_decay"] == quantizer["weight_decay"] == 0
    assert (weight["factor"], plain["factor"], quantizer["factor"]) == (1, 1, 0.25)
    assert len(quantizer["params"]) > 0


def test_one_batch_can_be_overfitted(tmp_path):
    changes = ("data.limit=16", "data.crop_padding=0", "train.epochs=40", "optim.lr=0.05")
    trainer.train(small("digits_resnet8_float", *changes), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "epoch" in line]
    assert losses[0] > 1.5
    assert losses[-1] < 0.1


@pytest.mark.parametrize("name", ["digits_resnet8_float", "digits_resnet8_adq"])
def test_same_seed_same_bytes_other_seed_other_weights(tmp_path, name, weights):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer.train(small(name, f"train.seed={seed}"), tmp_path / folder, init=weights)
    first, again, other = (
        (tmp_path / folder / "checkpoint.safetensors").read_bytes() for folder in "abc"
    )
    assert first == again
    assert final_state(tmp_path / "a").digest != final_state(tmp_path / "c").digest
    assert first != other


def test_codebooks_move_until_frozen_and_end_as_integers(tmp_path, weights):
    values = {}

    class Watch(trainer.Observer):
        def step(self, *, step, loss, lr):
            values[step] = codebook_state(final_state(tmp_path), "values")

    recipe = small("digits_resnet8_adq", "train.checkpoint_steps=1", "quant.freeze_fraction=0.5")
    trainer.train(recipe, tmp_path, init=weights, observer=Watch())
    end = final_state(tmp_path)
    # the observer hears of a step before its checkpoint is written: values[k] is after k - 1
    assert not torch.equal(values[2], values[1])
    assert not torch.equal(values[4], values[3])
    assert torch.equal(values[7], values[6])
    assert torch.equal(values[7], codebook_state(end, "values"))
    levels = codebook_state(end, "levels")
    assert torch.equal(levels, levels.round())
    assert end.finished


def codebook_state(state: checkpoint.Checkpoint, field: str) -> torch.Tensor:
    found = [t for name, t in state.model.items() if name.endswith(f".quantizer.{field}")]
    assert found, sorted(state.model)
    return torch.cat([tensor.flatten() for tensor in found])


def test_log_has_steps_epochs_and_one_result(tmp_path):
    result = trainer.train(small("digits_resnet8_float", "train.log_steps=2"), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 4, 6, 8, 8, 8]
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2]
    assert lines[-1] == {"step": 8, **result}
    assert set(result) == {"recipe", "steps", "validation_top1", "test_top1"}
    assert 0 <= result["test_top1"] <= 100


def test_best_is_the_best_held_out_epoch(tmp_path):
    trainer.train(small("digits_resnet8_float", "train.epochs=5"), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    top = max(line["validation_top1"] for line in lines if "validation_top1" in line)
    best = checkpoint.load(tmp_path / "best.safetensors")
    assert best.metrics["best"]["validation_top1"] == top


def test_the_last_state_is_the_best_when_nothing_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "held_out_top1", lambda run, validation: None)
    result = trainer.train(small("digits_resnet8_float", "train.epochs=3"), tmp_path)
    assert result["validation_top1"] is None
    best, last = (
        checkpoint.load(tmp_path / f"{name}.safetensors") for name in ("best", "checkpoint")
    )
    assert best.metrics["best"] == {"step": last.metrics["best"]["step"], "validation_top1": None}
    assert best.metrics["best"]["step"] == result["steps"]


def test_test_images_never_influence_the_weights(tmp_path, monkeypatch, weights):
    recipe = small("digits_resnet8_adq", "train.epochs=1")
    trainer.train(recipe, tmp_path / "a", init=weights)
    real = datasets.load

    def shuffled(name, split, folder=None, *more, **named):
        data = real(name, split, folder, *more, **named)
        return real(name, "train", folder, *more, **named).take(32) if split == "test" else data

    monkeypatch.setattr(datasets, "load", shuffled)
    trainer.train(recipe, tmp_path / "b", init=weights)
    assert final_state(tmp_path / "a").digest == final_state(tmp_path / "b").digest
    best = [checkpoint.load(tmp_path / x / "best.safetensors").digest for x in "ab"]
    assert best[0] == best[1]


@pytest.mark.parametrize("name", ["digits_resnet8_float", "digits_resnet8_adq"])
def test_diverged_run_stops_and_keeps_a_finite_checkpoint(tmp_path, name, weights):
    recipe = small(name, "optim.lr=1e30", "optim.warmup_steps=0", "train.checkpoint_steps=1")
    with pytest.raises(
        InputError, match=r"Training diverged at step \d+.*lower optim\.lr"
    ) as caught:
        trainer.train(recipe, tmp_path, init=weights)
    assert "\n" not in str(caught.value)
    assert all(torch.isfinite(tensor).all() for tensor in final_state(tmp_path).model.values())
    assert not final_state(tmp_path).finished


def test_unwritable_output_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("data was read first"))
    with pytest.raises(InputError, match="Output folder must be writable"):
        trainer.train(small(), tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "in the way"


def test_earlier_run_is_not_overwritten_unasked(tmp_path):
    recipe = small("digits_resnet8_float", "train.epochs=1")
    trainer.train(recipe, tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"must be without an earlier run.*--resume"):
        trainer.train(recipe, tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    trainer.train(small("digits_resnet8_float"), tmp_path, existing="replace")
    assert final_state(tmp_path).step == 8


def test_init_takes_weights_of_a_float_run(tmp_path, weights):
    recipe = small("digits_resnet8_adq", "optim.lr=1e-12", "train.epochs=1")
    trainer.train(recipe, tmp_path, init=weights)
    before, after = checkpoint.load(weights).model, final_state(tmp_path).model
    names = [name for name in before if name.endswith("conv1.weight")]
    assert len(names) == 4
    for name in names:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-9)


def test_init_that_does_not_fit_is_refused(tmp_path, weights):
    with pytest.raises(InputError, match=r"--init .* must fit the recipe: .* must be \(8,\), not"):
        trainer.train(small("digits_resnet8_adq", "model.width=8"), tmp_path / "x", init=weights)
    with pytest.raises(InputError, match="must exist"):
        trainer.train(small(), tmp_path / "y", init=tmp_path / "nowhere")
    with pytest.raises(InputError, match="must start from float weights: pass --init"):
        trainer.train(small(), tmp_path / "z")


def test_mixed_allocation_meets_its_budget_and_is_recorded(tmp_path, weights):
    recipe = small("digits_resnet8_adq", "quant.average_weight_bits=3.0", "train.epochs=1")
    trainer.train(recipe, tmp_path, init=weights)
    state = final_state(tmp_path)
    widths = state.recipe.quant.widths
    assert len(set(widths.values())) > 1
    assert set(widths.values()) <= {2, 3, 4}
    sizes = {name: state.model[f"{name}.weight"].numel() for name in widths}
    average = sum(sizes[name] * widths[name] for name in widths) / sum(sizes.values())
    assert 2.5 < average <= 3.0


def test_a_folder_that_another_run_owns_is_left_alone(tmp_path):
    with (
        sole_owner(tmp_path),
        pytest.raises(InputError, match="must be used by one command at a time"),
    ):
        trainer.train(small("digits_resnet8_float"), tmp_path, existing="replace")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "changes", "refused"),
    [
        (32, ["train.batch_size=4"], True),  # 9 images: 4, 4, 1
        (32, ["train.batch_size=3"], False),
        (32, ["train.batch_size=3", "train.accumulate=2"], True),  # parts of 2 and 1
        (32, ["train.batch_size=9", "train.accumulate=4"], False),  # 3, 2, 2, 2
        (32, ["data.limit=1"], True),
        (64, ["train.batch_size=4"], False),  # the last maps are 2x2
    ],
)
def test_one_image_alone_in_maps_of_one_position_is_refused(size, changes, refused):
    image = [f"model.image=[3,{size},{size}]", "model.arch=resnet18", "model.width=4"]
    norm = ["model.mean=[0.5,0.5,0.5]", "model.std=[1,1,1]", "train.epochs=1"]
    recipe = config_text.override(recipes.get("imagenet_resnet18_float"), [*image, *norm, *changes])
    count = recipe.data.limit or 9
    model = preparation.build(recipe).train()
    parts = [
        part
        for start in range(0, count, recipe.train.batch_size)
        for part in torch.zeros(
            min(recipe.train.batch_size, count - start), 3, size, size, dtype=torch.uint8
        ).tensor_split(min(recipe.train.accumulate, min(recipe.train.batch_size, count - start)))
    ]
    if refused:
        with pytest.raises(InputError, match=r"one image alone where layer 'layer4\..*1x1"):
            check_last_batch(recipe, model.nodes, count)
        with pytest.raises(ValueError, match="more than 1 value per channel"):  # torch's own
            [model(part) for part in parts]
    else:
        check_last_batch(recipe, model.nodes, count)
        assert all(model(part).isfinite().all() for part in parts)
