"""Accelergy: energies from a user's own energy reference table (ERT) inside a technology table.

An ERT is Accelergy's YAML: components, their actions, one energy each - without a unit, an error or
a width. A technology TOML that uses one says all three; nothing is guessed:

    [technology]
    ert = "timeloop-mapper.ERT.yaml"      # beside the TOML file
    ert_unit = "pJ"                       # of its energies: fJ, pJ or nJ

    [entry.multiply]
    ert = { table = "system_top_level.mac", action = "compute", divide = 64, low = 0.7, high = 1.6 }

`divide`: bits (or bit^2, by the entry's unit) that the action works on. `low` and `high`: the bar,
as multiples of the ERT's energy. Where an action stands there once per set of `arguments`, these
must be given. Ranges in names ([1..256]) need not be written.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..spec.errors import InputError

UNITS = {"fJ": 1e-3, "pJ": 1.0, "nJ": 1e3}
KEYS = ("table", "action", "divide", "low", "high")
RANGE = re.compile(r"\[\d+\.\.\d+\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ert:
    """An energy reference table: (component, action) -> [(arguments, energy)]."""

    where: str
    to_pj: float
    actions: dict[tuple[str, str], list[tuple[dict[str, Any], Any]]]

    def band(self, request: object, what: str) -> tuple[float, float, float]:
        """(low, expected, high) in pJ per unit of the entry `what`."""
        wanted = _request(request, what)
        key = (RANGE.sub("", wanted["table"]), wanted["action"])
        found = self.actions.get(key)
        if found is None:
            raise InputError(f"{what}: ert must name an action of {self.where}, not {key}")
        arguments = wanted.get("arguments")
        if arguments is not None:
            found = [(given, energy) for given, energy in found if given == arguments]
        if len(found) != 1:
            raise InputError(
                f"{what}: ert must choose one of the arguments of {key} in {self.where}, "
                f"not {arguments!r} ({len(found)} match)"
            )
        energy = _positive(found[0][1], f"{what}: energy of {key} in {self.where}")
        divide, low, high = (_positive(wanted[k], f"{what}: ert {k}") for k in KEYS[2:])
        if not low <= 1.0 <= high:
            raise InputError(f"{what}: ert must have low <= 1 <= high, not {low} and {high}")
        expected = energy * self.to_pj / divide
        return expected * low, expected, expected * high


def load_ert(path: Path, unit: object, what: str) -> Ert:
    """The table in the YAML file `path`, whose energies are in `unit`."""
    try:
        import yaml
    except ImportError as error:
        raise InputError("PyYAML must be installed to read an ERT: pip install 'adqhw[ert]'") from (
            error
        )
    if not isinstance(unit, str) or unit not in UNITS:
        raise InputError(f"{what}: ert_unit must be one of {', '.join(UNITS)}, not {unit!r}")
    if not path.is_file():
        raise InputError(f"{what}: ert must be a file, not {str(path)!r}")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"ERT must be YAML, {str(path)!r} is not: {error}") from error
    where = f"ERT {path.name!r}"
    tables = data.get("ERT", {}).get("tables") if _dict(data) and _dict(data.get("ERT")) else None
    if not isinstance(tables, list):
        raise InputError(f"{where} must have ERT: tables:, a list of components")
    actions: dict[tuple[str, str], list[tuple[dict[str, Any], Any]]] = {}
    for table in tables:
        for name, action, arguments, energy in _actions(table, where):
            actions.setdefault((RANGE.sub("", name), action), []).append((arguments, energy))
    return Ert(where=where, to_pj=UNITS[unit], actions=actions)


def _actions(table: object, where: str) -> list[tuple[str, str, dict[str, Any], Any]]:
    if not isinstance(table, dict) or not isinstance(table.get("actions"), list):
        raise InputError(f"{where}: every table must have a name and actions, not {table!r}")
    found = []
    for action in table["actions"]:
        if not _dict(action) or not {"name", "energy"} <= set(action):
            raise InputError(
                f"{where}, table {table.get('name')!r}: every action must have a name and an "
                f"energy, not {action!r}"
            )
        arguments = action.get("arguments") or {}
        found.append((str(table.get("name")), str(action["name"]), arguments, action["energy"]))
    return found


def _request(request: object, what: str) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise InputError(f"{what}: ert must be a table with {', '.join(KEYS)}, not {request!r}")
    for key in KEYS:
        if key not in request:
            raise InputError(f"{what}: ert must have {key!r}: an ERT has no bars, nothing defaults")
    unknown = sorted(set(request) - {*KEYS, "arguments"})
    if unknown:
        raise InputError(f"{what}: ert must have no unknown key, not {unknown[0]!r}")
    for key in KEYS[:2]:
        if not isinstance(request[key], str):
            raise InputError(f"{what}: ert {key} must be a text, not {request[key]!r}")
    return request


def _positive(value: object, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and value > 0:
        return float(value)
    raise InputError(f"{what} must be a positive finite number, not {value!r}")


def _dict(value: object) -> bool:
    return isinstance(value, dict)
