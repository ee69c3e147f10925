"""ImageNet networks with random weights as W4/A4 programs, each with a picture and an array.

    python tests/support/models/random_imagenet.py resnet50 PICTURES FOLDER

writes FOLDER/program.safetensors, picture.npy and arch.toml for `adqhw cosim`. Weights are random,
so the classes mean nothing; shapes, widths, ranges and the flow of codes are those of the network.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.spec import Program
from adqhw.spec.program_file import save

RECIPES = {
    "resnet50": "imagenet_resnet50_adq281",
    "mobilenet-v2": "imagenet_mobilenetv2_adq4",
}
SIDE = 224
SIZE = {"rows": 16, "cols": 16, "hold": 16, "fill": 4, "out_lanes": 8}
"""A word of weights enters in 4 cycles: a row of the weight memory has 64 bits, and external memory
loads a row per cycle."""
STORAGE = Storage(
    code_width=8, activation_words=16384, weight_rows=2350, requant_rows=512, threshold_rows=512,
    codebook_rows=2048, passes=2048,
)  # fmt: skip
EXTERNAL = External(bus_width=128, jobs=2048)


def pictures(folder: Path) -> "np.ndarray":
    """Four pictures to calibrate with, and one to run, (5, 3, 224, 224) uint8."""
    from adqhw.adq.data.image_files import FolderConfig, ImageFiles

    files = ImageFiles(sorted(folder.iterdir()), FolderConfig(size=(SIDE, SIDE)))
    return np.concatenate([files[: 4 * 50 : 50], files[1:2]])


def random_program(name: str, images: "np.ndarray") -> Program:
    """The network of a recipe, with random weights and the batch norm statistics of `images`."""
    import torch

    from adqhw.adq.calibration.calibrate import calibrate
    from adqhw.adq.calibration.config import CalibrationConfig
    from adqhw.adq.models.build import build
    from adqhw.adq.networks.calibrate import recalibrate_batch_norm
    from adqhw.adq.recipes import recipes
    from adqhw.flows.calibration import program_of

    torch.manual_seed(0)
    recipe = recipes.get(RECIPES[name])
    method = replace(recipe.quant.method, per_channel=True)
    quant = replace(
        recipe.quant, mode="fakequant", average_weight_bits=None, weight_width=4, act_width=4,
        method=method,
    )  # fmt: skip
    model, batch = build(replace(recipe, quant=quant)), torch.from_numpy(images)
    recalibrate_batch_norm(model, [batch])
    config = CalibrationConfig(rounding="nearest", samples=1024, oversampling=0.25)
    calibrate(model, [batch], config)
    return program_of(model, recipe, config)


def small_memories(program: Program) -> Arch:
    """An array of `SIZE` with memories that hold neither the weights nor the maps."""
    return replace(narrowest_lanes(program, **SIZE), storage=STORAGE, external=EXTERNAL)


def toml(values: dict[str, object]) -> str:
    """An Arch file: numbers and names, then its tables."""
    lines = [f"{k} = {v!r}" for k, v in values.items() if v is not None and not isinstance(v, dict)]
    for name, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{k} = {v!r}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def main(name: str, folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    *calibrating, picture = pictures(folder)
    program = random_program(name, np.stack(calibrating))
    save(program, out / "program.safetensors")
    np.save(out / "picture.npy", picture[None])
    values = small_memories(program).to_dict() | {"external": asdict(EXTERNAL)}
    (out / "arch.toml").write_text(toml(values), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
