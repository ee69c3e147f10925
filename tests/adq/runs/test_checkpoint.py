"""Checkpoints: round trip, deterministic bytes, atomic writing, refusal of damaged files."""

import json
from pathlib import Path

import pytest
import torch
from places import ROOT
from safetensors.torch import save_file

from adqhw.adq.export.export import export
from adqhw.adq.models.build import restored
from adqhw.adq.recipes.config import Recipe
from adqhw.adq.recipes.older import completed
from adqhw.adq.runs import checkpoint
from adqhw.spec.errors import InputError
from adqhw.spec.program_file import load


def example(**change) -> checkpoint.Checkpoint:
    torch.manual_seed(0)
    values = {
        "recipe": Recipe(name="example"),
        "step": 7,
        "epoch": 1,
        "model": {"w": torch.randn(3, 4), "n": torch.tensor(5), "on": torch.tensor([True, False])},
        "momentum": {"w": torch.randn(3, 4)},
        "metrics": {"loss_sum": 0.1 + 0.2, "finished": False},
    }
    return checkpoint.Checkpoint(**(values | change))


def test_round_trip_is_exact(tmp_path):
    path = tmp_path / "deep" / "c.safetensors"
    checkpoint.save(example(), path)
    read = checkpoint.load(path)
    assert (read.recipe, read.step, read.epoch) == (Recipe(name="example"), 7, 1)
    assert read.metrics == {"loss_sum": 0.1 + 0.2, "finished": False}
    assert not read.finished
    assert read.digest == example().digest
    assert read.model["n"].shape == ()
    assert read.model["on"].dtype == torch.bool
    torch.testing.assert_close(read.momentum["w"], example().momentum["w"], rtol=0, atol=0)


def test_equal_states_give_equal_bytes(tmp_path):
    checkpoint.save(example(), tmp_path / "a")
    reversed_order = dict(reversed(example().model.items()))
    checkpoint.save(example(model=reversed_order), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_digest_sees_names_shapes_types_and_values():
    w = torch.zeros(2, 2)
    variants = [{"w": w}, {"v": w}, {"w": w.reshape(4)}, {"w": w.int()}, {"w": w + 1}]
    assert len({checkpoint.tensors_digest(tensors) for tensors in variants}) == 5


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "c.safetensors"
    checkpoint.save(example(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"c\.safetensors"):
        checkpoint.load(path)


def test_every_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(example(), path)
    content = path.read_bytes()
    for position in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"c\.safetensors"):
            checkpoint.load(path)


def test_foreign_missing_and_newer_files_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="plain weights are for --init"):
        checkpoint.load(path)
    save_file({"w": torch.zeros(2)}, path, {checkpoint.FORMAT: json.dumps({"format": "other"})})
    with pytest.raises(InputError, match="must have format 'adqhw-checkpoint'"):
        checkpoint.load(path)
    header = {"format": checkpoint.FORMAT, "version": 99}
    save_file({"w": torch.zeros(2)}, path, {checkpoint.FORMAT: json.dumps(header)})
    with pytest.raises(InputError, match="must have version 1, not 99"):
        checkpoint.load(path)
    with pytest.raises(InputError, match="must exist"):
        checkpoint.load(tmp_path / "nowhere")


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(example(), path)

    def broken(temporary, data):
        with temporary.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(RuntimeError, match="disk on fire"):
        checkpoint.save(example(step=8), path)
    assert checkpoint.load(path).step == 7
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_what_an_older_file_does_not_say_is_the_rule_of_then(tmp_path):
    path = ROOT / "zoo" / "checkpoints" / "cifar10_resnet20_w2a2.safetensors"
    recipe = checkpoint.load(path).recipe
    method = recipe.quant.method
    assert not recipe.train.winograd
    assert (method.levels, method.clip, method.early_rounding) == ("reserved", False, False)
    assert (method.dead, method.level_gradient) == ("keep", False)
    checkpoint.save(example(), tmp_path / "new")
    assert checkpoint.load(tmp_path / "new").recipe == Recipe(name="example")
    assert Recipe(name="example").quant.method.levels == "full"


@pytest.mark.parametrize("name", ["cifar10_resnet20_w2a2", "cifar10_resnet20_w4a4"])
def test_checkpoints_of_before_make_the_programs_they_made(name):
    state = checkpoint.load(ROOT / "zoo" / "checkpoints" / f"{name}.safetensors")
    program = export(restored(state, name).eval())
    assert program.digest == load(ROOT / "zoo" / f"{name}.safetensors").digest


def test_a_partly_written_recipe_is_completed_field_by_field():
    given = {"name": "x", "quant": {"decay": 0.5, "method": {"levels": "full"}}}
    whole = completed(given)
    assert whole["quant"]["decay"] == 0.5
    assert whole["quant"]["method"]["levels"] == "full"
    assert whole["quant"]["method"]["clip"] is False
    for other in (None, [], {"name": "x"}, {"quant": 3}, {"quant": {"method": 3}}):
        assert completed(other) == other
