"""Structure-aware mutants of program files: every field of header and tensors, sealed again.

A mutant is either refused by the loader, or a program that every engine computes alike. The
expected result is that of `reference.py`, which reads the mutant's fields in Python integers.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import edge_programs
import numpy as np
import programs
from forging import forge_parts
from reference import span

from adqhw.spec import LayerKind, Program, Skip
from adqhw.spec.program_file import encode

Random = random.Random

INTEGERS = (-1, 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 47, 48, 255, 256, 1000, 2**15,
            2**16 - 1, 2**16, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32, 2**53, 2**62,
            2**63 - 1, 2**63, 2**64, -(2**31), -(2**31) - 1, -(2**63), 10**400)  # fmt: skip
ODDITIES = (None, True, False, 1.0, 0.5, "1", "", [], {}, [1], "input", 1e300)
FORMATS = (*edge_programs.FORMATS, "u32", "u33", "u40", "u62", "u63", "u64", "s33", "s40", "s62",
           "s63", "s64", "s65", "u0", "s0", "u08", "x8", "8", "", "s-1", "u8 ")  # fmt: skip
NAMES = ("input", "logits", "file", "allow_pickle", "../x", "a/b", "", ".", "a..b", "-a",
         "a" * 201, "$(id)", "[red]", "=1", "\x1b[0m", "é", "a b", "mac0", "x.npy", "con",
         "a.weights")  # fmt: skip


@dataclass
class Mutant:
    """Fields of a file, changed; `made_by` names the changes."""

    header: dict
    tensors: dict
    made_by: list[str]

    def data(self) -> bytes:
        """The file, with digest and checksum that fit."""
        return forge_parts(self.header, self.tensors)


def parents() -> list[Program]:
    """Small programs that hold every layer kind, both stages, groups, skips and wide maps."""
    small = programs.Builder(np.random.default_rng(1), (2, 4, 4))
    small.mac(4, stage="requant", weight_width=8, uniform=True, padding=1)
    stream = small.pool(LayerKind.MAX_POOL, 2, 1, 1)
    small.read(2)
    small.mac(4, weight_width=3, act_width=3, padding=1, stride=2)
    small.mac(
        6, kernel=1, stage="requant", skip=Skip(tensor=stream, stride=2, channel_offset=1), out="s8"
    )
    small.pool(LayerKind.AVG_POOL, 3, 3)
    small.mac(3, kernel=1, stage="requant", uniform=True, linear=True, out="s32", weight_width=8)
    split = programs.Builder(np.random.default_rng(3), (4, 3, 4))
    split.mac(4, groups=4, padding=1)
    split.mac(6, groups=2, padding=1, stride=2, stage="requant", out="s12", level_width=16)
    split.read(3, shared=False)
    wide = programs.Builder(np.random.default_rng(4), (6, 2, 2))
    wide.mac(3, kernel=1, level_width=16, weight_width=8)
    wide.mac(3, kernel=2, stage="requant", out="s32", level_width=16)
    wide.read(2)
    return [
        small.build(), split.build(), wide.build(), edge_programs.edge_program("u31"),
        edge_programs.edge_program("s32"), edge_programs.edge_program("s9"),
    ]  # fmt: skip


def mutant(parent: Program, rng: Random) -> Mutant:
    """One to three changes of `parent`."""
    encoded = encode(parent)
    made = Mutant(
        header=json.loads(json.dumps(encoded.header)),
        tensors={name: array.copy() for name, array in encoded.tensors.items()},
        made_by=[],
    )
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(CHANGES)
        made.made_by.append(change.__name__.strip("_"))
        try:
            change(made, rng)
        except (TypeError, AttributeError, KeyError, ValueError, IndexError):
            break  # an earlier change has left nothing of the kind that this one edits
    return made


def _layer(mutant: Mutant, rng: Random) -> dict:
    return rng.choice(mutant.header["layers"]) if mutant.header["layers"] else {}


def _input_format(mutant: Mutant, rng: Random) -> None:
    mutant.header["input_format"] = rng.choice(FORMATS)


def _output_format(mutant: Mutant, rng: Random) -> None:
    stage = _layer(mutant, rng).get("output")
    if isinstance(stage, dict) and "format" in stage:
        stage["format"] = rng.choice(FORMATS)


def _input_shape(mutant: Mutant, rng: Random) -> None:
    mutant.header["input_shape"][rng.randrange(3)] = rng.choice((*INTEGERS, *ODDITIES, 1, 2, 3, 5))


def _integer(mutant: Mutant, rng: Random) -> None:
    """Any integer of a layer, its stage or its skip: strides, padding, kernel, shifts, widths."""
    layer = _layer(mutant, rng)
    owners = [x for x in (layer, layer.get("output"), layer.get("skip")) if isinstance(x, dict)]
    places = [(owner, key) for owner in owners for key in owner if type(owner[key]) is int]
    if places:
        owner, key = rng.choice(places)
        small = rng.choice((0, 1, 2, 3))
        owner[key] = rng.choice(
            (small, small, owner[key] + 1, owner[key] - 1, rng.choice(INTEGERS))
        )


def _oddity(mutant: Mutant, rng: Random) -> None:
    """A value of another type anywhere in a layer."""
    layer = _layer(mutant, rng)
    owner = rng.choice([x for x in (layer, layer.get("output"), layer.get("skip"), mutant.header)
                        if isinstance(x, dict) and x])  # fmt: skip
    owner[rng.choice(sorted(owner))] = rng.choice(ODDITIES)


def _missing(mutant: Mutant, rng: Random) -> None:
    layer = _layer(mutant, rng)
    owner = rng.choice([x for x in (layer, layer.get("output"), mutant.tensors) if x])
    owner.pop(rng.choice(sorted(owner)))


def _codebook(mutant: Mutant, rng: Random) -> None:
    books = [x for x in mutant.header["layers"] if isinstance(x.get("codebook"), list)]
    if books and (levels := rng.choice(books)["codebook"]):
        for _ in range(rng.choice((1, 1, len(levels)))):
            levels[rng.randrange(len(levels))] = rng.choice((2, -2, 32767, -32768, *INTEGERS))
        levels[0] = rng.choice((0, 0, 0, 0, levels[0]))


def _no_codebook(mutant: Mutant, rng: Random) -> None:
    layer = _layer(mutant, rng)
    if "codebook" in layer:
        layer["codebook"] = rng.choice((None, [0, 1, -1], [0, 32767, -32768, 2]))


def _tensor_values(mutant: Mutant, rng: Random) -> None:
    """Some entries of a tensor become extreme; thresholds are sorted again, mostly."""
    name = rng.choice(sorted(mutant.tensors))
    array = mutant.tensors[name]
    if array.dtype == np.uint8:
        array[rng.randrange(array.size)] = rng.randrange(256)
        return
    wide = array.astype(object)
    flat = wide.reshape(-1)
    for _ in range(rng.choice((1, 2, flat.size))):
        edge = rng.choice((rng.choice(INTEGERS), 2 ** rng.randrange(1, 63)))
        value = rng.choice((1, -1)) * (edge + rng.choice((-1, 0, 1)))
        flat[rng.randrange(flat.size)] = min(max(value, -(2**63)), 2**63 - 1)
    if wide.ndim == 2 and rng.random() < 0.9:
        wide = np.array([sorted(row) for row in wide.tolist()], object)
    narrow = all(-(2**31) <= value < 2**31 for value in wide.reshape(-1))
    mutant.tensors[name] = wide.astype(np.int32 if narrow else np.int64)


def _tensor_kind(mutant: Mutant, rng: Random) -> None:
    name = rng.choice(sorted(mutant.tensors))
    array = mutant.tensors[name]
    mutant.tensors[name] = rng.choice((
        array.astype(np.int64), array.astype(np.float32), array.astype(np.uint8),
        array[:1], array[:0], array.reshape(-1), np.concatenate([array, array]), array[None],
    ))  # fmt: skip


def _source(mutant: Mutant, rng: Random) -> None:
    names = ["input", *(x.get("name") for x in mutant.header["layers"])]
    layer = _layer(mutant, rng)
    if isinstance(layer.get("skip"), dict) and rng.random() < 0.5:
        layer["skip"]["tensor"] = rng.choice(names)
    else:
        layer["input"] = rng.choice(names)


def _skip(mutant: Mutant, rng: Random) -> None:
    layer = _layer(mutant, rng)
    if "skip" in layer:
        names = ["input", *(x.get("name") for x in mutant.header["layers"])]
        layer["skip"] = rng.choice((None, {
            "tensor": rng.choice(names), "stride": rng.choice((1, 2, 3)),
            "channel_offset": rng.choice((0, 1, 2)),
        }))  # fmt: skip
        if isinstance(layer.get("output"), dict) and "skip_multiplier" in layer["output"]:
            layer["output"]["skip_multiplier"] = rng.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**31))


def _name(mutant: Mutant, rng: Random) -> None:
    """Another name, at every occurrence of the name, so that only the name is refused."""
    layer = _layer(mutant, rng)
    old, new = layer.get("name"), rng.choice(NAMES)
    for other in mutant.header["layers"]:
        if other.get("input") == old:
            other["input"] = new
        if isinstance(other.get("skip"), dict) and other["skip"].get("tensor") == old:
            other["skip"]["tensor"] = new
    layer["name"] = new
    for name in [n for n in mutant.tensors if n.rpartition(".")[0] == old]:
        mutant.tensors[f"{new}.{name.rpartition('.')[2]}"] = mutant.tensors.pop(name)


def _kind(mutant: Mutant, rng: Random) -> None:
    _layer(mutant, rng)["kind"] = rng.choice((*LayerKind, "conv3d", ""))


def _order(mutant: Mutant, rng: Random) -> None:
    layers = mutant.header["layers"]
    if not layers:
        return
    i, j = rng.randrange(len(layers)), rng.randrange(len(layers))
    match rng.randrange(3):
        case 0:
            layers[i], layers[j] = layers[j], layers[i]
        case 1:
            del layers[i:]  # with tensors left over
        case _:
            layers.append(dict(layers[i]))


def _cut(mutant: Mutant, rng: Random) -> None:
    """The first layers only, with their tensors: any kind of layer becomes the result."""
    layers = mutant.header["layers"]
    del layers[rng.randrange(len(layers)) + 1 :]
    kept = {x.get("name") for x in layers}
    for name in [n for n in mutant.tensors if n.rpartition(".")[0] not in kept]:
        del mutant.tensors[name]


CHANGES: tuple[Callable[[Mutant, Random], None], ...] = (
    _input_format, _input_format, _output_format, _output_format, _input_shape, _integer, _integer,
    _integer, _oddity, _missing, _codebook, _no_codebook, _tensor_values, _tensor_values,
    _tensor_values, _tensor_kind, _source, _skip, _name, _kind, _order, _cut,
)  # fmt: skip


def images(program: Program, rng: Random, count: int = 2) -> np.ndarray:
    """Images of edge codes and random ones; the first of one extreme only."""
    low, high = span(program.input_format.name)
    ends = edge_programs.edges(program.input_format)
    size = (count, *program.input_shape)
    cells = [
        rng.choice((rng.choice(ends), rng.randint(low, high))) for _ in range(int(np.prod(size)))
    ]
    array = np.array(cells, program.input_format.dtype).reshape(size)
    array[0] = rng.choice((low, high))
    return array


def work(program: Program) -> int:
    """Codes and products of one image, to leave out what takes plain Python too long."""
    codes = sum(c * h * w for c, h, w in (t.shape for t in program.tensors.values()))
    windows = sum(
        prod(program.tensor_shape(x.name)) * x.taps
        for x in program.layers
        if x.kind in (LayerKind.AVG_POOL, LayerKind.MAX_POOL)
    )
    return codes + windows + sum(program.macs(x.name) for x in program.layers)
