"""The study as plain JSON data."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...cost.technology.technology import Technology
from .moves import LEVELS, clock_energy, level_energy, moved_energy
from .programs import ProgramRow, program_records
from .study import Counted, Holds, on_chip, per_mac


def records(
    results: Mapping[str, Sequence[Counted]],
    holds: Mapping[str, Sequence[Holds]],
    technology: Technology,
    programs: Sequence[ProgramRow] = (),
) -> dict[str, Any]:
    return {
        "technology": technology.name,
        "machines": [
            {"network": name, **_record(row, technology)}
            for name, rows in results.items()
            for row in rows
        ],
        "holds": [
            {"network": name, "sums_in": each.store, "best": each.least, "pj": each.pj}
            for name, found in holds.items()
            for each in found
        ],
        "programs": program_records(programs),
    }


def _record(row: Counted, technology: Technology) -> dict[str, Any]:
    moves = row.moves
    return {
        "machine": row.machine.name,
        "macs": row.macs,
        "bits_per_mac": {level: per_mac(row, level) for level in LEVELS},
        "pj_per_mac": {
            level: level_energy(moves, technology, level).expected / row.macs for level in LEVELS
        },
        "clocked_bits_per_mac": moves.clocked / row.macs,
        "clock_pj_per_mac": clock_energy(moves, technology).expected / row.macs,
        "on_chip_pj_per_mac": on_chip(row, technology),
        "moved_pj_per_mac": {
            key: value / row.macs
            for key, value in moved_energy(moves, technology).as_dict().items()
        },
        "array_cycles": moves.cycles,
        "utilization": row.utilization(),
    }
