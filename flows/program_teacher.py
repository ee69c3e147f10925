"""An integer program as the teacher of a run: the exact simulator computes its logits.

On one core a ResNet-20 program takes a sixth of the time of its float network in torch for a batch
of 128, and its logits are those of the hardware.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..spec.errors import InputError
from .checkpoints import is_program

if TYPE_CHECKING:
    from torch import Tensor

    from ..adq.recipes.config import Recipe
    from ..adq.training.distill import Teacher


def teachers_of(recipe: "Recipe", paths: Sequence[Path]) -> "Teacher | Path | None":
    """The teacher that `paths` are together: none, one, or several, the mean of whose logits is
    learned. A single file that is no program stays as it is, for the trainer.
    """
    if len(paths) < 2 or recipe.distill.mode == "off":
        return teacher_of(recipe, paths[0] if paths else None)
    from ..adq.training.distill import load_teacher, together

    found = [load_teacher(recipe, teacher_of(recipe, path)) for path in paths]
    return together([teacher for teacher in found if teacher is not None])


def teacher_of(recipe: "Recipe", path: Path | None) -> "Teacher | Path | None":
    """The teacher that the program in `path` is; any other file as it is, for the trainer."""
    if path is None or recipe.distill.mode == "off" or not is_program(path):
        return path
    import torch

    from ..adq.training.distill import Teacher, check_fits
    from ..sim.runner import load_program
    from ..spec.program_file import encode

    runner = load_program(path, threads=recipe.train.threads)
    program = runner.program
    classes = program.tensor_shape(program.layers[-1].name)[0]
    check_fits((*program.input_shape, classes), recipe, path)
    step = program.provenance.get("logit_step")
    if not isinstance(step, float) or not 0 < step < np.inf:
        raise InputError(
            f"--teacher {str(path)!r} must state the real value of its logits (provenance "
            f"logit_step > 0), not {step!r}: export it again"
        )

    def answer(images: "Tensor") -> "Tensor":
        logits = torch.from_numpy(runner(images.cpu().numpy()))
        return logits.to(images.device).float() * step

    return Teacher(model=answer, digest=f"{encode(program).digest} logit_step {step!r}")
