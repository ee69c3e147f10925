"""Every tensor of an imported TFLite file against the engine whose bits are meant."""

from collections import Counter

import numpy as np
from tflite_engines import ENGINES

from adqhw.exchange.imported import Imported
from adqhw.exchange.tflite.file import parse_graph
from adqhw.exchange.tflite.importer import import_graph
from adqhw.spec import golden


def differences(data, dialect, inputs, run=golden.run, many=1) -> tuple[Imported, Counter, int]:
    """The import, codes that differ by tensor's name, and how many were compared.

    inputs: (N, *shape) file codes. run: an engine of ours; many: images at a time.
    """
    graph = parse_graph(data, "made.tflite")
    imported = import_graph(graph, dialect)
    index = {tensor.name: tensor.index for tensor in graph.tensors}
    engine, wrong, compared = ENGINES[dialect](data), Counter(), 0
    for first in range(0, len(inputs), many):
        some = inputs[first : first + many]
        mine = imported.codes(run(imported.program, imported.encode(some), "all").tensors)
        for k, values in enumerate(some):
            tensor = engine(values[None])
            for name, codes in mine.items():
                theirs = np.asarray(tensor(index[name])).reshape(codes[k].shape)
                wrong[name] += int((theirs != codes[k]).sum())
                compared += theirs.size
    return imported, +wrong, compared


def inputs(shape, fmt, count, seed=0) -> np.ndarray:
    """Random, constant, stepwise and extreme codes, (count, *shape)."""
    rng = np.random.default_rng(seed)
    made = rng.integers(fmt.min, fmt.max + 1, (count, *shape))
    for k in range(1, count, 4):
        steps = np.cumsum(rng.integers(-9, 10, made[k].size)).reshape(shape)
        made[k] = np.clip(steps, fmt.min, fmt.max)
    for k in range(2, count, 4):
        made[k] = np.where(rng.random(shape) < 0.5, fmt.min, fmt.max)
    for k in range(3, count, 4):
        made[k] = rng.integers(fmt.min, fmt.max + 1)
    return made.astype(fmt.dtype)
