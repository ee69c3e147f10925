"""Tables: sheets of every array for trained programs, and for every choice of bits by hand.

A choice by hand is a width for each layer whose bits are free, one kind of weights and one width of
activations (`altered`). A layer's events depend on its own width and on the array; the array is the
narrowest for all layers, so its widths are the largest need of any. `Classes` enumerates the arrays
that can come out of a choice, and every class has a sheet with a row per layer and width.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...rtl.arch.arch import Arch
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.program.fit import narrowest_lanes
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.layers import MacLayer
from ...spec.program import Program, SizedNetwork
from ..events.memories import with_storage
from ..sweep.arrays import Lanes, multiplier_of
from ..sweep.designs import Workload
from .altered import ALL, Bits, Weights, act_widths, altered, choosable
from .choices import Choices
from .sheets import Pool, array_sheet, layer_rows

LEAST = {"weight_width": 2, "level_width": 2, "acc_width": 2}
"""Parameters of an array that depend on the bits of weights, at their least values."""
MOST_CLASSES = 64
Key = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Variants:
    """The base program with one kind of weights and one width of activations, at every width."""

    kind: Weights
    act_width: int
    networks: dict[int, SizedNetwork]
    """By bits of all layers whose bits are free."""

    @classmethod
    def of(cls, base: Program, kind: Weights, act_width: int, widths: Sequence[int]) -> "Variants":
        made = {
            width: altered(base, Bits(weights={ALL: (width, kind)}, act_width=act_width))
            for width in widths
        }
        return cls(kind=kind, act_width=act_width, networks=made)

    def only(self, widths: Collection[int]) -> "Variants":
        """The same of some widths."""
        kept = {width: n for width, n in self.networks.items() if width in widths}
        return replace(self, networks=kept)

    @property
    def needs(self) -> dict[int, list[Key]]:
        """By width, what each layer needs of `LEAST`'s parameters, in their order."""
        return {width: layer_needs(network) for width, network in self.networks.items()}

    def classes(self) -> list[Key]:
        """Largest needs that some choice may have."""
        needs = self.needs
        columns = range(len(LEAST))
        values = []
        for column in columns:
            seen = [[row[column] for row in rows] for rows in needs.values()]
            least = max(map(min, zip(*seen, strict=True)))  # every layer at its best
            values.append(sorted({least, *(x for rows in seen for x in rows if x > least)}))
        found = list(itertools.product(*values))
        if len(found) > MOST_CLASSES:
            raise InputError(
                f"Bits must lead to at most {MOST_CLASSES} different arrays, not {len(found)}: "
                f"fewer of --weight-bits"
            )
        return found


def layer_needs(network: SizedNetwork) -> list[Key]:
    """What each layer needs of the parameters in `LEAST`."""
    rows = []
    for layer in network.layers:
        need = dict(LEAST)
        if layer.name in network.bounds:
            need["acc_width"] = max(need["acc_width"], network.acc_width(layer.name))
        if isinstance(layer, MacLayer):
            need["level_width"] = max(need["level_width"], layer.level_width)
            if layer.codebook is not None:
                need["weight_width"] = max(need["weight_width"], layer.weight_width)
        rows.append(tuple(need.values()))
    return rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Everything that the page adds up."""

    pool: Pool
    trained: list[dict[str, Any]]
    """By configuration: sheets of the programs by their position, or why there is none."""
    by_hand: list[dict[str, Any]]
    """By configuration: sheets by `kind/act width/class`; refused widths by `kind/act width`."""
    variants: list[dict[str, Any]]
    """Needs of each kind and width of activations."""


def tabulate(
    workloads: Sequence[Workload],
    base: Program,
    choices: Choices,
    advance: Callable[[int], None] = lambda count: None,
) -> Tables:
    """Sheets of all configurations; `advance(1)` with each.

    workloads: programs of one network. Errors: `InputError` for others.
    """
    for workload in workloads:
        _check_same(workload, base)
    pool = Pool()
    made = [
        Variants.of(base, kind, act_width, choices.weight_bits)
        for kind in choices.kinds
        for act_width in choices.act_bits
    ]
    trained, by_hand = [], []
    for micro, lanes in choices.configs:
        trained.append(_trained(workloads, micro, lanes, pool))
        by_hand.append(dict(_by_hand(made, micro, lanes, pool)))
        advance(1)
    return Tables(
        pool=pool,
        trained=trained,
        by_hand=by_hand,
        variants=[{"kind": str(v.kind), "act_width": v.act_width, "needs": v.needs} for v in made],
    )


def free_layers(base: Program) -> tuple[str, ...]:
    """Layers whose bits may be chosen; refuse a program that has none."""
    network, _ = as_unsigned(base)
    found = choosable(network)
    if not found or not act_widths(network):
        raise InputError(
            "Explorer must have a program with weights below 8 bits and with thresholds: there "
            "are no bits to choose in this one"
        )
    return found


def _check_same(workload: Workload, base: Program) -> None:
    def sizes(program: Program) -> list[Any]:
        return [
            (x.name, x.kind, program.tensor_shape(x.name), program.macs(x.name))
            for x in program.layers
        ]

    if sizes(workload.program) != sizes(base):
        raise InputError(
            f"Programs must be of one network, {shown(workload.name)} has other layers: one page "
            f"for each network"
        )


def _trained(workloads: Sequence[Workload], micro: str, lanes: Lanes, pool: Pool) -> dict[str, Any]:
    """Sheets of the programs as they are."""
    sheets: dict[str, Any] = {}
    for position, workload in enumerate(workloads):
        network, _ = as_unsigned(workload.program)
        try:
            arch = _narrowest(network, micro, lanes)
        except InputError as error:  # such as a codebook that has no shifts
            sheets[str(position)] = {"refused": str(error)}
            continue
        rows, input_cycles = layer_rows(network, arch, pool, activity=workload.activity)
        sheet = array_sheet(network, arch)
        sheets[str(position)] = sheet | {"rows": rows, "input_cycles": input_cycles}
    return sheets


def _by_hand(
    made: Sequence[Variants], micro: str, lanes: Lanes, pool: Pool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sheets of the classes; under `kind/act width` alone the widths that lanes refuse, and why."""
    for variants in made:
        name = f"{variants.kind}/{variants.act_width}"
        archs, refused = {}, {}
        for width, network in variants.networks.items():
            try:
                archs[width] = _narrowest(network, micro, lanes)
            except InputError as error:  # of one of its layers, or of all that hold weights
                refused[str(width)] = str(error)
        if refused:
            yield name, {"refused": refused}
        accepted = variants.only(archs)
        for key in accepted.classes() if archs else ():
            arch = _of_class(next(iter(archs.values())), key)
            yield f"{name}/{'/'.join(map(str, key))}", _class_sheet(accepted, arch, key, pool)


def _of_class(arch: Arch, key: Key) -> Arch:
    wanted: dict[str, Any] = dict(zip(LEAST, key, strict=True))
    if arch.multiply_width is not None:
        wanted["multiply_width"] = min(arch.multiply_width, wanted["level_width"])
    return replace(arch, **wanted)


def _class_sheet(variants: Variants, arch: Arch, key: Key, pool: Pool) -> dict[str, Any]:
    """The sheet of one array, with rows by width; None for layers that need a larger array."""
    sheet: dict[str, Any] = {}
    rows: dict[str, list[int | None]] = {}
    for width, needed in variants.needs.items():
        network = variants.networks[width]
        stored = with_storage(network, arch)
        fits = [all(map(int.__le__, need, key)) for need in needed]
        sheet = array_sheet(network, stored)
        rows[str(width)], sheet["input_cycles"] = layer_rows(network, stored, pool, fits=fits)
    return sheet | {"rows": rows}


def _narrowest(network: SizedNetwork, micro: str, lanes: Lanes) -> Arch:
    name, width = multiplier_of(micro)
    arch = narrowest_lanes(network, **lanes._asdict(), micro=name, multiply_width=width)
    return with_storage(network, arch)
