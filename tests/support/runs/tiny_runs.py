"""Training runs of a few steps on the digits, stopped at a chosen step."""

from pathlib import Path

from adqhw.adq.recipes import config_text, recipes
from adqhw.adq.training import trainer

TINY = [
    "data.limit=60",
    "train.batch_size=16",
    "train.epochs=2",
    "train.checkpoint_steps=3",
    "train.log_steps=2",
    "model.width=4",
    "quant.calibration_images=32",
    "quant.freeze_fraction=0.4",
]
TOTAL_STEPS = 8


class Stop(Exception):
    """Simulates a power cut in the in-process tests."""


class StopAt(trainer.Observer):
    def __init__(self, last: int):
        self.last = last

    def step(self, *, step, loss, lr):
        if step == self.last:
            raise Stop

    def stage(self, text):
        if self.last > TOTAL_STEPS and text == "test images":
            raise Stop


def tiny(name: str, *changes: str):
    return config_text.override(recipes.get(name), [*TINY, *changes])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
