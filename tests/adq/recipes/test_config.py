"""Configs: JSON round trip, refusals, and `--set` overrides."""

import dataclasses
import json

import pytest

from adqhw.adq.recipes import config, quant_config, recipes
from adqhw.adq.recipes.config_text import from_dict, override, to_dict
from adqhw.spec.errors import InputError


def example() -> config.Recipe:
    quant = config.QuantConfig(mode="fakequant", widths={"layer1.0.conv1": 3})
    return config.Recipe(name="example", quant=quant)


def test_json_round_trip_keeps_every_field():
    text = json.dumps(to_dict(example()))
    assert from_dict(config.Recipe, json.loads(text)) == example()


@pytest.mark.parametrize("name", recipes.names())
def test_every_named_recipe_survives_the_round_trip(name):
    recipe = recipes.get(name)
    assert recipe.name == name
    assert from_dict(config.Recipe, to_dict(recipe)) == recipe


def test_no_config_has_more_than_thirteen_fields():
    known = [*vars(config).values(), *vars(quant_config).values()]
    groups = {kind for kind in known if dataclasses.is_dataclass(kind)}
    assert len(groups) == 10
    assert max(len(dataclasses.fields(kind)) for kind in groups) <= 13


@pytest.mark.parametrize(
    ("assignment", "group", "field", "expected"),
    [
        ("optim.lr=0.02", "optim", "lr", 0.02),
        ("optim.lr=1", "optim", "lr", 1.0),
        ("train.epochs = 3", "train", "epochs", 3),
        ("data.flip=True", "data", "flip", True),
        ("data.limit=None", "data", "limit", None),
        ("data.limit=64", "data", "limit", 64),
        ("model.shortcut=B", "model", "shortcut", "B"),
        ("model.mean=[0.5]", "model", "mean", (0.5,)),
        ('quant.widths={"layer2.0.conv1": 2}', "quant", "widths", {"layer2.0.conv1": 2}),
        ("quant.average_weight_bits=2.8", "quant", "average_weight_bits", 2.8),
    ],
)
def test_override_sets_one_field(assignment, group, field, expected):
    changed = override(example(), [assignment])
    value = getattr(getattr(changed, group), field)
    assert value == expected
    assert type(value) is type(expected)
    restored = dataclasses.replace(
        changed,
        **{group: dataclasses.replace(getattr(changed, group), **{field: _original(group, field)})},
    )
    assert restored == example()


def _original(group: str, field: str) -> object:
    return getattr(getattr(example(), group), field)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("optim.lr", "--set must be KEY=VALUE, not 'optim.lr'"),
        ("optim.lrr=1", "did you mean 'lr'"),
        ("optimizer.lr=1", "did you mean 'optim'"),
        ("optim=1", "its fields: optim.lr, optim.momentum"),
        ("optim.lr.x=1", "lr has no parts"),
        ("optim.lr=fast", "optim.lr must be a finite number, not 'fast'"),
        ("optim.lr=NaN", "optim.lr must be a finite number"),
        ("optim.lr=-1", "optim.lr must be positive, not -1.0"),
        ("optim.lr=true", "optim.lr must be a finite number, not True"),
        ("train.epochs=2.5", "train.epochs must be a whole number, not 2.5"),
        ("train.epochs=0", "train.epochs must be positive, not 0"),
        ("data.flip=1", "data.flip must be true or false, not 1"),
        ("data.name=mnist", "data.name must be one of digits, cifar10, imagefolder"),
        ("model.depth=9", "model.depth must be 6 n \\+ 2"),
        ("model.std=[0]", "model.std must be 1 positive numbers"),
        ("quant.weight_width=9", "quant.weight_width must be in 2..8, not 9"),
        ('quant.widths={"a": 2.5}', "quant.widths must be a whole number, not 2.5"),
        ('quant.widths={"a": 1}', "quant.widths of layer 'a' must be in 2..8, not 1"),
    ],
)
def test_override_refuses_with_the_field_and_the_reason(assignment, message):
    with pytest.raises(InputError, match=message):
        override(example(), [assignment])


def test_unknown_and_missing_fields_of_a_stored_recipe_are_refused():
    record = to_dict(example())
    record["optim"]["nesterov"] = True
    with pytest.raises(InputError, match="optim must have only known fields, not 'nesterov'"):
        from_dict(config.Recipe, record)
    with pytest.raises(InputError, match=r"Recipe must have all required fields.*name"):
        from_dict(config.Recipe, {})
    with pytest.raises(InputError, match="data must be an object"):
        from_dict(config.Recipe, {"name": "x", "data": 3})


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'digits_resnet8_adq'"):
        recipes.get("digits_resnet8_adqq")
