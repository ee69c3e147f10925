"""One contender of `adqhw bench train`, alone in its process: ``CONTENDER SETTING`` (JSON).

Answers one JSON line when it is ready, then one per line it reads.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

PLAIN, DIRECT = ["quant.mode=float"], ["train.winograd=false"]
LSQ = ["quant.method.weights=lsq", "quant.method.activations=lsq"]
OWN = {
    "float": [*PLAIN, *DIRECT],
    "float, winograd": PLAIN,
    "adq": [],
    "adq, direct": DIRECT,
    "lsq": LSQ,
}
"""Contenders of this trainer, by their changes of the recipe. `float` is torch's own step: its
convolutions are oneDNN's direct ones."""
CONTENDERS = (*OWN, "brevitas")
SPINNING = "float", "brevitas"
"""Contenders whose OpenMP threads spin while they wait, torch's default: the faster way for them.
The others' sleep, as those of `adqhw train` do."""
NETWORKS = {
    "resnet20": ("cifar10_resnet20_adq", 32, 10),
    "resnet18": ("imagenet_resnet18_adq281", 224, 1000),
}
"""Name -> recipe whose network it is, image size, classes."""


def main() -> None:
    """Serve turns until standard input ends."""
    name, setting = sys.argv[1], json.loads(sys.argv[2])
    try:
        step = contender(name, setting)
    except ModuleNotFoundError as error:
        say({"absent": f"{error.name} is not installed (make setup-bench)"})
        return
    before = peak_mib(now=True)
    step()  # compiles kernels, makes optimizer state
    say({"absent": None})
    clock = time.process_time if setting["clock"] == "cpu" else time.perf_counter
    for _ in sys.stdin:
        times = []
        for _ in range(setting["steps"]):
            start = clock()
            step()
            times.append(clock() - start)
        say({"seconds": min(times), "peak_mib": peak_mib() - before})


def say(record: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(record), flush=True)


def peak_mib(now: bool = False) -> float:
    """Peak resident memory of the process, or the present one, in MiB (Linux)."""
    if not now:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open("/proc/self/statm") as stream:  # noqa: PTH123
        return int(stream.read().split()[1]) * resource.getpagesize() / 2**20


def contender(name: str, setting: dict[str, Any]) -> Callable[[], None]:
    """A function that does one training step."""
    if name not in SPINNING:
        importlib.import_module("adqhw.adq")  # says so, and has to before torch is loaded
    import torch

    from ...adq.tensors import reuse_heap
    from ...adq.training import trainer

    recipe = _recipe(setting)
    trainer.make_deterministic(recipe)
    reuse_heap()
    size, classes = NETWORKS[setting["network"]][1:]
    generator = torch.Generator().manual_seed(0)
    shape = (setting["batch"], 3, size, size)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, shape[:1], generator=generator)
    if name == "brevitas":
        from .brevitas import brevitas_step

        return brevitas_step(setting, images, labels)
    return _own_step(name, recipe, images, labels)


def _recipe(setting: dict[str, Any]) -> Any:
    from ...adq.recipes import recipes
    from ...adq.recipes.config_text import override

    changes = (f"train.threads={setting['threads']}", f"train.amp={json.dumps(setting['amp'])}")
    return override(
        recipes.get(NETWORKS[setting["network"]][0]),
        [*changes, "quant.average_weight_bits=null", "train.device=cpu", "quant.lloyd_steps=0"],
    )


def _own_step(name: str, recipe: Any, images: Any, labels: Any) -> Callable[[], None]:
    """A step of this trainer: its loop's own functions."""
    from ...adq.models.build import build
    from ...adq.networks import calibrate
    from ...adq.recipes.config_text import override
    from ...adq.training import descent, optimizers, run_state

    recipe = override(recipe, OWN[name])
    model = build(recipe)
    if recipe.quant.quantized:
        calibrate.start_fakequant(model, [images[:32]])
    optimizer = optimizers.make_optimizer(model, recipe.optim)
    run = run_state.Run(recipe=recipe, model=model, optimizer=optimizer, forward=model)

    run_state.prepare_steps(run, {})
    batch = [descent.Part(images, labels, None, share=1.0)]

    def step() -> None:
        descent.descend(run, batch, 1e-4)
        if recipe.quant.quantized:
            model.update_codebooks()

    return step


if __name__ == "__main__":
    main()
