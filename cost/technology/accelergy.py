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

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import exact_keys, positive_number, read_text
from ...spec.host.text import one_line, shown

UNITS = {"fJ": 1e-3, "pJ": 1.0, "nJ": 1e3}
KEYS = ("table", "action", "divide", "low", "high")
MAX_BYTES = 4 << 20
"""ERTs of whole accelerators have some hundred kilobytes."""
MAX_DEPTH, MAX_NODES = 16, 200_000
"""Nesting, and nodes with every alias written out: a few short lines of aliases of aliases would
stand for more than any memory holds."""
NOTHING = (None, "", "null", "Null", "NULL", "~")
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
            raise InputError(f"{what}: ert must name an action of {self.where}, not {shown(key)}")
        arguments = wanted.get("arguments")
        if arguments is not None:
            found = [(given, energy) for given, energy in found if _same(given, arguments)]
        if len(found) != 1:
            raise InputError(
                f"{what}: ert must choose one of the arguments of {shown(key)} in {self.where}, "
                f"not {shown(arguments)} ({len(found)} match)"
            )
        energy = positive_number(
            _energy(found[0][1]), f"{what}: energy of {shown(key)} in {self.where}"
        )
        divide, low, high = (positive_number(wanted[k], f"{what}: ert {k}") for k in KEYS[2:])
        if not low <= 1.0 <= high:
            raise InputError(f"{what}: ert must have low <= 1 <= high, not {low} and {high}")
        expected = energy * self.to_pj / divide
        return expected * low, expected, expected * high


def load_ert(path: Path, unit: object, what: str) -> Ert:
    """The table in the YAML file `path`, whose energies are in `unit`."""
    if not isinstance(unit, str) or unit not in UNITS:
        raise InputError(f"{what}: ert_unit must be one of {', '.join(UNITS)}, not {shown(unit)}")
    data = _plain(read_text(path, "ERT", MAX_BYTES), f"ERT must be YAML, {str(path)!r} is not")
    where = f"ERT {shown(path.name)}"
    tables = data.get("ERT", {}).get("tables") if _dict(data) and _dict(data.get("ERT")) else None
    if _dict(data) and "ERT_summary" in data and "ERT" not in data:
        raise InputError(
            f"{where} must be the full table (ERT.yaml of the same run of Accelergy), not its "
            "summary: ERT_summary.yaml has one average per action, without the arguments it is of"
        )
    if not isinstance(tables, list):
        raise InputError(f"{where} must have ERT: tables:, a list of components")
    actions: dict[tuple[str, str], list[tuple[dict[str, Any], Any]]] = {}
    for table in tables:
        for name, action, arguments, energy in _actions(table, where):
            actions.setdefault((RANGE.sub("", name), action), []).append((arguments, energy))
    return Ert(where=where, to_pj=UNITS[unit], actions=actions)


def _plain(text: str, what: str) -> Any:
    """YAML as nested dictionaries, lists and texts, with bounded nesting and aliases.

    No scalar is resolved, so none can fail: dates, numbers of any length, sets and tags are texts.
    """
    try:
        import yaml
    except ImportError as error:
        raise InputError("PyYAML must be installed to read an ERT: pip install 'adqhw[ert]'") from (
            error
        )
    try:
        _bounded(yaml, text, what)
        return yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except yaml.YAMLError as error:
        raise InputError(f"{what}: {one_line(error)}") from error


def _bounded(yaml: Any, text: str, what: str) -> None:
    """Refuse text that is nested too deeply or has too many nodes; nothing is built."""
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in opened}:
                raise InputError(f"{what}: alias {shown(event.anchor)} is a part of itself")
            nodes += sizes.get(event.anchor, 0)  # the loader refuses an alias of nothing
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if not isinstance(event, yaml.ScalarEvent):
                opened.append((event.anchor, nodes))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, first = opened.pop()
            if anchor is not None:
                sizes[anchor] = nodes - first + 1
        if len(opened) > MAX_DEPTH:
            raise InputError(f"{what}: nested more than {MAX_DEPTH} deep")
        if nodes > MAX_NODES:
            raise InputError(f"{what}: more than {MAX_NODES:,} nodes, aliases written out")


def _actions(table: object, where: str) -> list[tuple[str, str, dict[str, Any], Any]]:
    if not isinstance(table, dict) or not isinstance(table.get("actions"), list):
        raise InputError(f"{where}: every table must have a name and actions, not {shown(table)}")
    found = []
    for action in table["actions"]:
        if not _dict(action) or not {"name", "energy"} <= set(action):
            raise InputError(
                f"{where}, table {shown(table.get('name'))}: every action must have a name and an "
                f"energy, not {shown(action)}"
            )
        arguments = action.get("arguments")
        if arguments in NOTHING:
            arguments = {}
        if not isinstance(arguments, dict):
            raise InputError(
                f"{where}, table {shown(table.get('name'))}: arguments must be a table, "
                f"not {shown(arguments)}"
            )
        found.append((str(table.get("name")), str(action["name"]), arguments, action["energy"]))
    return found


def _request(request: object, what: str) -> dict[str, Any]:
    wanted = exact_keys(
        request,
        KEYS,
        f"{what}: ert",
        optional=("arguments",),
        lacking="must have {key}: an ERT has no bars, nothing defaults",
    )
    for key in KEYS[:2]:
        if not isinstance(wanted[key], str):
            raise InputError(f"{what}: ert {key} must be a text, not {shown(wanted[key])}")
    return wanted


def _energy(text: object) -> object:
    """The number in a text of the table; other text is returned unchanged, to be refused."""
    try:
        return float(text) if isinstance(text, str) and text.isascii() else text
    except ValueError:
        return text


def _same(given: dict[str, Any], wanted: object) -> bool:
    """Arguments of the table, all texts, against those of a technology file."""
    if not isinstance(wanted, dict) or set(given) != set(wanted):
        return False
    return all(
        given[key] == shown(value).strip("'") or _energy(given[key]) == value
        for key, value in wanted.items()
    )


def _dict(value: object) -> bool:
    return isinstance(value, dict)
