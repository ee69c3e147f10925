"""Records: estimates and activities as plain JSON data and back, to the last bit.

A sweep keeps what it has computed and workers send it over a network, so both must survive as
text. JSON floats are written with the digits that give the same double again. Nothing is pickled.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..rtl.arch import Arch
from ..spec.layers import LayerKind
from .energy import Energy
from .estimate import Estimate, LayerEstimate
from .events import LayerEvents
from .technology import Band, Technology
from .traffic import Options

if TYPE_CHECKING:
    from ..sim.activity import LayerActivity

Record = dict[str, Any]


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
    }


def estimate_of(record: Record, technology: Technology) -> Estimate:
    """The inverse of `estimate_record`; `technology` is the table it was made with."""
    return Estimate(
        arch=Arch.from_dict(record["arch"]),
        technology=technology,
        options=Options(**record["options"]),
        statistics=record["statistics"],
        input_cycles=record["input_cycles"],
        area=_bands_of(record["area"]),
        layers=tuple(_layer_of(layer) for layer in record["layers"]),
    )


def activity_record(activity: "Mapping[str, LayerActivity] | None") -> Record | None:
    if activity is None:
        return None
    return {name: dataclasses.asdict(layer) for name, layer in activity.items()}


def activity_of(record: Record | None) -> "dict[str, LayerActivity] | None":
    from ..sim.activity import LayerActivity  # numba: only where something was measured

    if record is None:
        return None
    return {
        name: LayerActivity(**{**layer, "macs_by_code": tuple(layer["macs_by_code"])})
        for name, layer in record.items()
    }


def _layer_record(layer: LayerEstimate) -> Record:
    fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
    return fields | {
        "kind": str(layer.kind),
        "events": dataclasses.asdict(layer.events),
        "energy": _bands(layer.energy.parts),
        "area": _band(layer.area),
    }


def _layer_of(record: Record) -> LayerEstimate:
    return LayerEstimate(
        **record
        | {
            "kind": LayerKind(record["kind"]),
            "events": LayerEvents(**record["events"]),
            "energy": Energy(parts=_bands_of(record["energy"])),
            "area": _band_of(record["area"]),
        }
    )


def _band(band: Band) -> list[float]:
    return [band.low, band.expected, band.high]


def _band_of(values: list[float]) -> Band:
    low, expected, high = values
    return Band(low=low, expected=expected, high=high)


def _bands(bands: Mapping[str, Band]) -> dict[str, list[float]]:
    return {name: _band(band) for name, band in bands.items()}


def _bands_of(record: Mapping[str, list[float]]) -> dict[str, Band]:
    return {name: _band_of(values) for name, values in record.items()}
