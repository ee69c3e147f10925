"""Seeded mutants of what a user can change: `--set`, checkpoints, weights. Each runs or is refused.

Structure-aware: fields keep their names and digests are made anew, so that the checks behind the
first one are reached. A refusal is an `InputError` of one line; anything else fails the test.
"""

import json
import random

import pytest
import torch
from foreign_weights import foreign_state
from forged_runs import finished_run, forged, small_recipe
from safetensors.torch import save as save_safetensors

from adqhw.adq.export.export import export
from adqhw.adq.models.build import restored
from adqhw.adq.networks import pretrained
from adqhw.adq.recipes import recipes
from adqhw.adq.recipes.config_text import from_dict, override, to_dict
from adqhw.adq.runs import checkpoint
from adqhw.adq.runs.run_folder import RunFolder
from adqhw.adq.training import preparation, run_state, trainer
from adqhw.spec.errors import InputError

VALUES = [
    "0", "-1", "1", "2", "3.5", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "null", "true",
    "1e-320", "9" * 5000, "1" + "0" * 22, str(2**31), str(2**63), str(-(2**64)), "[]", "{}", "[[]]",
    "[" * 5000, '{"a": ' * 3000, '""', '"text"', "text", "[1, 8, 8]", "[3, 64, 64]", "[0, 0, 0]",
    "[1, 99999, 99999]", '{"layer1.0.conv1": 3}', '{"nobody": 3}', '{"layer1.0.conv1": 1e30}',
    '{"": 2}', "\ud800", "\x1b[31m", "a" * 10_000, "resnet18", "resnet50", "cuda", "kl", "8", "16",
    "0.5", "1e30", "1e-30", "100000",
]  # fmt: skip
NUMBERS = [0.0, -1.0, 1e-45, 1e-20, 1e20, 3e38, -3e38, 0.5, 300.0]


def leaves(record, path=()):
    for name, value in record.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def refused(call) -> int:
    """1 where `call` was refused in one line, 0 where it went through."""
    try:
        call()
    except InputError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 2000
        return 1
    return 0


def mutate_set(draw: random.Random) -> list[str]:
    keys = [".".join(path) for path in leaves(to_dict(small_recipe()))]
    return [f"{draw.choice(keys)}={draw.choice(VALUES)}" for _ in range(draw.randint(1, 2))]


def prepared(assignments):
    recipe = override(small_recipe(), assignments)
    assert from_dict(type(recipe), json.loads(json.dumps(to_dict(recipe)))) == recipe
    # what is larger is slow, and refused or not by its memory only
    if recipe.model.width <= 16 and recipe.model.depth <= 20 and recipe.model.image[1] <= 64:
        preparation.build(recipe)


def mutate_tensor(draw: random.Random, tensors: dict) -> None:
    name = draw.choice(sorted(tensors))
    tensor = tensors[name]
    kind = draw.randrange(7)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[name] = tensor[None]
    elif kind == 2:
        tensors[name] = tensor.to(draw.choice([torch.float16, torch.int64, torch.bool]))
    elif kind == 3:
        tensors[f"{name}.{draw.choice(['x', 'weight', 'running_var'])}"] = tensor
    elif kind == 4 and tensor.numel():
        tensors[name] = tensor.flatten()[: tensor.numel() // 2]
    elif tensor.is_floating_point() and tensor.numel():
        flat = tensor.clone().flatten()
        value = draw.choice([*NUMBERS, float("nan"), float("inf")])
        flat[draw.randrange(len(flat)) if kind == 5 else slice(None)] = value
        tensors[name] = flat.view(tensor.shape)


def mutate_header(draw: random.Random, header: dict) -> None:
    path = draw.choice(list(leaves(header)))
    inner = header
    for name in path[:-1]:
        inner = inner[name]
    values = [0, -1, 2**70, 10**22, 1.5, float("nan"), None, True, "x", [], {}, [[1]], {"a": 1}]
    if draw.random() < 0.2:
        del inner[path[-1]]
    elif draw.random() < 0.2:
        inner[draw.choice(["unknown", "", "step"])] = draw.choice(values)
    else:
        inner[path[-1]] = draw.choice(values)


def mutate_checkpoint(draw: random.Random):
    def change(header, tensors):
        for _ in range(draw.randint(1, 2)):
            if draw.random() < 0.5:
                mutate_header(draw, header)
            else:
                mutate_tensor(draw, tensors)

    return forged(change)


def exported(path):
    state = checkpoint.load(path)
    if state.recipe.model.width <= 16 and state.recipe.model.depth <= 20:
        export(restored(state, "Checkpoint").eval())


def resumed(path):
    state = checkpoint.load(path)
    if state.recipe.model.width <= 16 and state.recipe.model.depth <= 20:
        run_state.resume(state.recipe, RunFolder(path=path.parent))


def run_set(draw, folder):
    return refused(lambda: prepared(mutate_set(draw)))


def run_checkpoint(draw, folder):
    path = folder / "checkpoint.safetensors"
    path.write_bytes(mutate_checkpoint(draw))
    return refused(lambda: exported(path)) + refused(lambda: resumed(path))


def run_weights(draw, folder):
    state = foreign_state(draw.random() < 0.5)
    for _ in range(draw.randint(1, 2)):
        mutate_tensor(draw, state)
    path = folder / "w.safetensors"
    path.write_bytes(save_safetensors({k: v.contiguous().clone() for k, v in state.items()}))
    return refused(lambda: pretrained.load_pretrained(path, image_size=8))


CASES = [(run_set, 400), (run_checkpoint, 25), (run_weights, 60)]


@pytest.mark.parametrize(("run", "count"), CASES)
def test_mutants_are_refused_or_run(tmp_path, run, count):
    draw = random.Random(14)
    found = sum(run(draw, tmp_path) > 0 for _ in range(count))
    assert count // 3 < found  # most are broken


@pytest.mark.slow
@pytest.mark.parametrize(("run", "count"), [(run, 20 * count) for run, count in CASES])
def test_many_mutants_are_refused_or_run(tmp_path, run, count):
    draw = random.Random(2026)
    assert sum(run(draw, tmp_path) > 0 for _ in range(count)) > count // 3


@pytest.mark.slow
def test_mutants_of_settings_train_or_are_refused(tmp_path):
    """The whole run, of the float recipe: what `build` takes must also train."""
    draw = random.Random(7)
    small = ["model.width=4", "data.limit=20", "train.batch_size=8", "train.epochs=1"]
    recipe = override(recipes.get("digits_resnet8_float"), small)
    for k in range(150):
        key, _, value = mutate_set(draw)[0].partition("=")
        if key.startswith(("train.epochs", "model.width", "model.depth")):
            continue  # long runs
        folder = tmp_path / str(k)
        refused(lambda c=[f"{key}={value}"], f=folder: trainer.train(override(recipe, c), f))


def test_the_network_that_mutants_are_made_of_is_sound(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(forged(lambda header, tensors: None))
    assert refused(lambda: exported(path)) + refused(lambda: resumed(path)) == 0
    assert checkpoint.load(path).digest == finished_run().digest
