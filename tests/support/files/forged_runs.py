"""Checkpoints of an untrained network, and the same with defects under a correct digest."""

import json
from functools import cache

import torch
from safetensors.torch import save as save_safetensors

from adqhw.adq.networks import calibrate
from adqhw.adq.recipes import config_text, recipes
from adqhw.adq.runs import checkpoint
from adqhw.adq.runs.checkpoint import FORMAT
from adqhw.adq.training import preparation

METRICS = {"loss_sum": 0.0, "best": None, "finished": False, "init": None}


@cache
def small_recipe():
    changes = ["model.width=4", "data.limit=48", "train.batch_size=16", "train.epochs=1"]
    return config_text.override(recipes.get("digits_resnet8_adq"), changes)


@cache
def finished_run() -> checkpoint.Checkpoint:
    """Random weights, calibrated on random images, frozen: what can be exported and resumed."""
    torch.manual_seed(5)
    recipe = small_recipe()
    model = preparation.build(recipe)
    images = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8)
    calibrate.start_fakequant(model, [images])
    model.freeze_codebooks()
    momentum = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    return checkpoint.Checkpoint(
        recipe=recipe,
        step=2,
        epoch=0,
        model=model.state_dict(),
        momentum=momentum,
        metrics=dict(METRICS),
    )


def forged(change) -> bytes:
    """The file of `finished_run` edited by `change(header, tensors)`, with a new digest."""
    state = finished_run()
    tensors = {name: t.clone() for name, t in checkpoint._flatten(state).items()}
    header = {
        "format": FORMAT,
        "version": checkpoint.VERSION,
        "recipe": config_text.to_dict(state.recipe),
        "step": state.step,
        "epoch": state.epoch,
        "metrics": dict(state.metrics),
    }
    change(header, tensors)
    header["digest"] = checkpoint._file_digest(header, tensors)
    tensors = {name: t.contiguous().clone() for name, t in tensors.items()}
    return save_safetensors(tensors, metadata={FORMAT: json.dumps(header, sort_keys=True)})
