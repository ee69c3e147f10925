"""Records: estimates and activities as plain JSON data and back, to the last bit.

A sweep keeps what it has computed and workers send it over a network, so both must survive as
text. JSON floats are written with the digits that give the same double again. Nothing is pickled.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...rtl.arch.arch import Arch
from ...spec.errors import InputError
from ...spec.host.text import one_line, shown
from ...spec.layers import LayerKind
from ..events.events import EVENTS, PARTS, LayerEvents
from ..events.traffic import Options
from ..technology.built import Built
from ..technology.memory_table import Kind
from ..technology.technology import BAND_KEYS, Band, Technology
from .energy import Energy
from .estimate import Estimate, LayerEstimate

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

Record = dict[str, Any]
_NOT_WHOLE = ("name", "macs_by_code")
_MISFITS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def estimate_record(result: Estimate) -> Record:
    """All of `result` but its technology, which is a table of its own."""
    return {
        "arch": result.arch.to_dict(),
        "technology": result.technology.name,
        "options": dataclasses.asdict(result.options),
        "statistics": result.statistics,
        "input_cycles": result.input_cycles,
        "area": _bands(result.area),
        "layers": [_layer_record(layer) for layer in result.layers],
        "memories": _memories_record(result.memories),
    }


def estimate_of(record: Record, technology: Technology) -> Estimate:
    """The inverse of `estimate_record`; `technology` is the table it was made with.

    Anything else than such a record is refused: it comes from a file, or over a network.
    """
    try:
        return Estimate(
            arch=Arch.from_dict(record["arch"]),
            technology=technology,
            options=Options(**record["options"]),
            statistics=_text(record["statistics"]),
            input_cycles=_whole(record["input_cycles"]),
            area=_bands_of(record["area"]),
            layers=tuple(_layer_of(layer) for layer in record["layers"]),
            memories=_memories_of(record["memories"]),
        )
    except _MISFITS as error:
        raise _refused("estimate", error) from error


def activity_record(activity: "Mapping[str, LayerActivity] | None") -> Record | None:
    if activity is None:
        return None
    return {name: dataclasses.asdict(layer) for name, layer in activity.items()}


def activity_of(record: Record | None) -> "dict[str, LayerActivity] | None":
    from ...sim.activity import LayerActivity  # numba: only where something was measured

    if record is None:
        return None
    try:
        return {
            name: LayerActivity(
                **{key: _whole(value) for key, value in layer.items() if key not in _NOT_WHOLE},
                name=_text(layer["name"]),
                macs_by_code=tuple(_whole(value) for value in layer["macs_by_code"]),
            )
            for name, layer in record.items()
        }
    except _MISFITS as error:
        raise _refused("activity", error) from error


def _refused(what: str, error: Exception) -> InputError:
    return InputError(f"Record must be of an {what}, not one that fails with {one_line(error)}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text {shown(value)}")
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise TypeError(f"count {shown(value)}")
    return value


def _number(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not abs(value) < math.inf:
        raise TypeError(f"number {shown(value)}")
    return float(value)


def _layer_record(layer: LayerEstimate) -> Record:
    fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
    return fields | {
        "kind": str(layer.kind),
        "events": dataclasses.asdict(layer.events),
        "energy": _bands(layer.energy.parts),
        "area": _band(layer.area),
    }


def _layer_of(record: Record) -> LayerEstimate:
    for key in ("weight_width", "stored_width", "act_width"):
        if record[key] is not None or key == "act_width":
            _whole(record[key])
    return LayerEstimate(
        **record
        | {
            "name": _text(record["name"]),
            "kind": LayerKind(record["kind"]),
            "events": _events_of(record["events"]),
            "energy": _energy_of(record["energy"]),
            "area": _band_of(record["area"]),
        }
    )


def _events_of(record: Record) -> LayerEvents:
    numbers = {key: value for key, value in record.items() if key not in ("name", "counts")}
    for value in (*numbers.values(), *record["counts"].values()):
        _number(value)
    for key in ("beats", "cycles", "outputs"):
        _whole(record[key])
    _text(record["name"])
    if set(record["counts"]) != set(EVENTS):
        raise KeyError(f"events {shown(list(record['counts']))}")
    return LayerEvents(**record)


def _energy_of(record: Mapping[str, list[float]]) -> Energy:
    if set(record) != set(PARTS):
        raise KeyError(f"parts {shown(list(record))}")
    return Energy(parts=_bands_of(record))


def _memories_record(memories: Mapping[str, Built] | None) -> Record | None:
    if memories is None:
        return None
    return {name: one.to_dict() for name, one in memories.items()}


def _memories_of(record: Mapping[str, Record] | None) -> dict[str, Built] | None:
    return None if record is None else {name: _built_of(one) for name, one in record.items()}


def _built_of(record: Record) -> Built:
    values: Record = {"kind": Kind(record["kind"])}
    for field in dataclasses.fields(Built):
        if field.type is Band:
            values[field.name] = _band_of([record[field.name][key] for key in BAND_KEYS])
        elif field.name != "kind":
            values[field.name] = _whole(record[field.name])
    if set(record) != set(values):
        raise KeyError(f"memory {shown(list(record))}")
    return Built(**values)


def _band(band: Band) -> list[float]:
    return [band.low, band.expected, band.high]


def _band_of(values: list[float]) -> Band:
    low, expected, high = map(_number, values)
    return Band(low=low, expected=expected, high=high)


def _bands(bands: Mapping[str, Band]) -> dict[str, list[float]]:
    return {name: _band(band) for name, band in bands.items()}


def _bands_of(record: Mapping[str, list[float]]) -> dict[str, Band]:
    return {name: _band_of(values) for name, values in record.items()}
