"""Data of the page: one plain JSON object, computed once; the page adds and multiplies."""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from ...rtl.arch.arch import Arch
from ...rtl.networks.unsigned import as_unsigned
from ...spec.host.version import VERSION
from ...spec.layers import Layer, MacLayer
from ...spec.program import SizedNetwork
from ..estimate.energy import ABSENT
from ..estimate.estimate import ASSUMED, NOT_A_MEASUREMENT
from ..events.events import EVENTS, PARTS, SPLITS
from ..sweep.arrays import Lanes, micro_label
from ..sweep.designs import Workload
from ..technology.dram_types import Dram
from ..technology.entries import Entry
from ..technology.memory_table import NAMES, MemoryTable
from ..technology.technology import BAND_KEYS, ENTRIES, Technology
from .altered import LEVEL_WIDTH, act_widths, stored_as
from .choices import Choices
from .predictor import fit
from .tables import LEAST, free_layers, tabulate


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A program of the page, and where its file is."""

    workload: Workload
    path: str
    told_bits: bool = False
    """`adqhw estimate` must be told bits, lest it measure activity on images of its own."""


def page_data(
    subjects: Sequence[Subject],
    choices: Choices,
    *,
    base: int,
    technologies: Sequence[str] = (),
    memories: Sequence[str] = (),
    drams: Sequence[str] = (),
    results: Sequence[Mapping[str, Any]] = (),
    gates: Sequence[Mapping[str, Any]] = (),
    cosimulated: Sequence[Mapping[str, Any]] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Everything that the page shows. base: position of the program whose bits are set by hand.
    technologies, memories, drams: what `--tech`, `--memories` and `--dram` were given for each of
    `choices`; their own names by default. results: of `read_results`. gates: figures of
    characterizations, by number of program, micro-architecture and number of array. cosimulated: of
    `cosimulation`.

    Errors: `InputError` for programs of several networks, and one without bits to choose.
    """
    workloads = [subject.workload for subject in subjects]
    program = workloads[base].program
    free = set(free_layers(program))
    tables = tabulate(workloads, program, choices, advance)
    predictor = fit(workloads)
    return {
        "version": VERSION,
        "base": base,
        "layers": [_layer(program, layer, free) for layer in program.layers],
        "programs": [
            _program(subject, free) | {"label": label}
            for subject, label in zip(subjects, _labels(workloads), strict=True)
        ],
        "weight_bits": choices.weight_bits,
        "act_bits": choices.act_bits,
        "kinds": [str(kind) for kind in choices.kinds],
        "micros": choices.micros,
        "arrays": [lanes._asdict() for lanes in choices.arrays],
        "events": [{"name": name, **kind._asdict()} for name, kind in EVENTS.items()],
        "parts": PARTS,
        "splits": SPLITS,
        "units": ENTRIES,
        "technologies": [
            _technology(table, path) for table, path in _given(choices.technologies, technologies)
        ],
        "memories": [
            memory_record(table) | {"path": path}
            for table, path in _given(choices.memories, memories)
        ],
        "drams": [_dram(kind) | {"path": path} for kind, path in _given(choices.drams, drams)],
        "needs": list(LEAST.values()),
        "variants": tables.variants,
        "pool": tables.pool.rows,
        "trained": tables.trained,
        "by_hand": tables.by_hand,
        "predictor": predictor.to_dict() if predictor else None,
        "results": list(results),
        "gates": list(gates),
        "cosimulated": list(cosimulated),
        "level_width": LEVEL_WIDTH,
        "assumed": ASSUMED,
        "disclaimer": NOT_A_MEASUREMENT,
        "absent": ABSENT,
    }


def cosimulation(program: str, arch: Arch, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of a co-simulation. report: what `adqhw cosim --json` prints."""
    keys = ("images", "compared", "mismatches", "simulator")
    lanes = {name: getattr(arch, name) for name in Lanes._fields}
    cycles = {layer["name"]: layer["cycles_rtl"] for layer in report["layers"]}
    found = {key: report[key] for key in keys}
    return found | {
        "program": program,
        "micro": micro_label(arch),
        "lanes": lanes,
        "cycles": cycles,
    }


def packed(data: Mapping[str, Any]) -> str:
    """The object as text for a script element: JSON, deflated (zlib), base64."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def unpacked(text: str) -> dict[str, Any]:
    """The inverse of `packed`."""
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return found


def _layer(network: SizedNetwork, layer: Layer, free: set[str]) -> dict[str, Any]:
    weighted = layer if isinstance(layer, MacLayer) else None
    return {
        "name": layer.name,
        "kind": str(layer.kind),
        "shape": network.tensor_shape(layer.name),
        "reads": layer.reads,
        "macs": network.macs(layer.name),
        "weights": int(weighted.weights.size) if weighted else 0,
        "weight_width": weighted.weight_width if weighted else None,
        "free": layer.name in free,
    }


def _labels(workloads: Sequence[Workload]) -> list[str]:
    """Names without the words at their beginning that all of them share."""
    words = [workload.name.split("_") for workload in workloads]
    least = min(map(len, words)) - 1
    shared = 0
    while shared < least and len({name[shared] for name in words}) == 1:
        shared += 1
    return ["_".join(name[shared:]) for name in words]


def _program(subject: Subject, free: set[str]) -> dict[str, Any]:
    workload = subject.workload
    network, _ = as_unsigned(workload.program)
    bits = {layer.name: stored_as(layer)[0] for layer in network.mac_layers if layer.name in free}
    return {
        "name": workload.name,
        "path": subject.path,
        "told_bits": subject.told_bits,
        "measured_images": _measured_images(workload),
        "digest": workload.digest,
        "accuracy": workload.accuracy,
        "accuracy_error": workload.accuracy_error,
        "accuracy_source": workload.accuracy_source,
        "method": _method(workload),
        "kind": str(stored_as(network.layer(next(iter(bits))))[1]) if bits else None,
        "bits": bits,
        "act_widths": act_widths(network),
    }


def _measured_images(workload: Workload) -> int | None:
    """Images of which the activity was counted; None where it was not."""
    layers = (workload.activity or {}).values()
    return next((layer.images for layer in layers), None)


def _method(workload: Workload) -> str | None:
    """How the weights were quantized, as the program's own record says."""
    network = workload.program.provenance.get("network")
    method = network.get("method") if isinstance(network, Mapping) else None
    weights = method.get("weights") if isinstance(method, Mapping) else None
    return weights if isinstance(weights, str) else None


_Table = TypeVar("_Table", Technology, MemoryTable, Dram)


def _given(tables: Sequence[_Table], paths: Sequence[str]) -> list[tuple[_Table, str]]:
    """Each table and what names it on a command line."""
    return list(zip(tables, paths or [table.name for table in tables], strict=True))


def _dram(kind: Dram) -> dict[str, Any]:
    return {
        "name": kind.name,
        "summary": kind.summary,
        "pj_per_bit": kind.pj_per_bit.as_dict(),
        "source": kind.pj_source,
        "bandwidth_gbytes_s": kind.bandwidth_gbytes_s,
    }


def _technology(table: Technology, path: str) -> dict[str, Any]:
    return {
        "name": table.name,
        "node": table.node,
        "summary": table.summary,
        "sram_law": table.sram_law,
        "path": path,
        "counts": table.counts,
        "entries": {name: _entry(entry) for name, entry in table.entries.items()},
        "voltage": table.voltage,
        "threshold_voltage": table.threshold_voltage,
        "memories": None if table.memories is None else memory_record(table.memories),
        "dram": None if table.dram is None else _dram(table.dram),
    }


def memory_record(table: MemoryTable) -> dict[str, Any]:
    """All that `build` needs of a memory table."""
    bands = ("read_pj", "write_pj", "area_um2", "leakage_uw", "access_ns")
    return {
        "name": table.name,
        "node": table.node,
        "voltage": table.voltage,
        "summary": table.summary,
        "entries": {name: _entry(entry) for name, entry in table.entries.items()},
        "organizations": {name: asdict(table.organization(name)) for name in NAMES},
        "macros": [
            asdict(macro) | {key: getattr(macro, key).as_dict() for key in bands}
            for macro in table.macros
        ],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    value = {key: getattr(entry.value, key) for key in BAND_KEYS}
    return value | {"source": entry.source, "node": entry.node, "note": entry.note}
