"""Pages of the explorer for tests, and what their data say, added up in plain Python."""

import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
from programs import Builder

from adqhw.cost.estimate.energy import MEMORIES, MEMORY_PARTS
from adqhw.cost.estimate.estimate import Estimate, estimate
from adqhw.cost.estimate.operation import Operation, operation
from adqhw.cost.events.memories import with_storage
from adqhw.cost.explorer.altered import Bits, Weights, altered
from adqhw.cost.explorer.choices import Choices
from adqhw.cost.explorer.data import Subject, unpacked
from adqhw.cost.sweep.arrays import Lanes, multiplier_of
from adqhw.cost.sweep.designs import Workload
from adqhw.cost.technology.built import Built, Demand, build_all
from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.dram_types import load_dram
from adqhw.cost.technology.memory_table import load_memories
from adqhw.cost.technology.technology import load
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.spec import Program
from adqhw.spec.layers import Skip
from adqhw.spec.program import SizedNetwork
from adqhw.spec.program_file import save

HELD = Lanes(4, 8, 4, 2, 2)
CORNERS = ("low", "expected", "high")


def net(weight_width: int = 4, act_width: int = 4, **provenance: object) -> Program:
    """Three layers whose bits are free, a residual, 8-bit ends."""
    b = Builder(np.random.default_rng(weight_width), (3, 8, 8))
    stream = b.mac(8, stage="requant", weight_width=8, uniform=True, padding=1)
    b.read(act_width)
    b.mac(16, weight_width=weight_width, act_width=act_width, padding=1, stride=2)
    skip = Skip(tensor=stream, stride=2, channel_offset=4)
    b.mac(16, stage="requant", weight_width=weight_width, padding=1, skip=skip)
    b.read(act_width)
    b.mac(12, stage="requant", weight_width=weight_width, padding=1)
    b.mac(10, 4, stage="requant", weight_width=8, uniform=True, out="s32")
    return b.build(**provenance)


WIDTHS = ((4, 4), (3, 3), (2, 2), (4, 2), (2, 4))
"""Weights and activations of the programs that `saved` writes."""


def saved(folder: Path) -> list[Path]:
    """Program files of one network, each with an accuracy of its own record."""
    paths = []
    for number, (weights, acts) in enumerate(WIDTHS):
        accuracy = {"integer": 90.0 + weights + acts / 2 - number / 10, "images": 1000}
        path = folder / f"net_w{weights}a{acts}.safetensors"
        save(net(weights, acts, accuracy=accuracy), path)
        paths.append(path)
    return paths


def subjects() -> list[Subject]:
    loads = [
        Workload(name=f"net_w{w}a{a}", program=net(w, a), accuracy=90.0 + w, accuracy_source="test")
        for w, a in WIDTHS
    ]
    return [Subject(workload=load, path=f"{load.name}.safetensors") for load in loads]


def choices(**changed: Any) -> Choices:
    few: dict[str, Any] = {
        "technologies": (load("literature45"), load("scaled130"), load("unit")),
        "memories": (load_memories("sram45"), load_memories("sram130")),
        "drams": (load_dram("lpddr4"), load_dram("hbm2")),
        "micros": ("decode", "uniform", "uniform:4", "bit_serial", "binned"),
        "arrays": (Lanes(4, 4), HELD),
    }
    return Choices(**few | changed)


def data_of(page: str) -> dict[str, Any]:
    """The data inside a page."""
    found = re.search(r'<script type="application/octet-stream" id="data">(.*?)</script>', page)
    assert found is not None
    return unpacked(found[1])


def random_setting(data: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """One that the page may be set to: a program as it is, or bits by hand."""
    free = [layer["name"] for layer in data["layers"] if layer["free"]]
    trained = rng.random() < 0.3
    return {
        "program": rng.randrange(len(data["programs"])) if trained else None,
        "kind": rng.choice(data["kinds"]),
        "act": rng.choice(data["act_bits"]),
        "bits": {name: rng.choice(data["weight_bits"]) for name in free},
        "micro": rng.choice(data["micros"]),
        "array": rng.randrange(len(data["arrays"])),
    }


def random_choice(data: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """What the page may be set to beside a setting: technology, memories, DRAM, clock, supply."""
    number = rng.randrange(len(data["technologies"]))
    tech = data["technologies"][number]
    fitting = [i for i, table in enumerate(data["memories"]) if table["node"] == tech["node"]]
    return {
        "tech": number,
        "memories": rng.choice([-1, *fitting]),
        "dram": -1 if tech["counts"] else rng.randrange(-1, len(data["drams"])),
        "voltage": rng.choice([None, 0.7, 1.3]) if tech["voltage"] else None,
        "clock": rng.choice([13, 200, 817.5]),
    }


def memories_of(data: dict[str, Any], choice: dict[str, Any]) -> str | None:
    """The memory table that is in use: the chosen one, else the technology's own."""
    if choice["memories"] >= 0:
        return data["memories"][choice["memories"]]["name"]
    own = data["technologies"][choice["tech"]]["memories"]
    return own and own["name"]


def parts_chosen(data: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    """The same as `chosen` takes it."""
    memories, dram = choice["memories"], choice["dram"]
    return {
        "tech": data["technologies"][choice["tech"]]["path"],
        "memories": None if memories < 0 else data["memories"][memories]["path"],
        "dram": None if dram < 0 else data["drams"][dram]["path"],
        "voltage": choice["voltage"],
    }


def network_of(data: dict[str, Any], setting: dict[str, Any]) -> SizedNetwork:
    """The network of `subjects` that a setting means, made without any table."""
    if setting["program"] is not None:
        return subjects()[setting["program"]].workload.program
    kind = Weights(setting["kind"])
    weights = {name: (width, kind) for name, width in setting["bits"].items()}
    return altered(net(), Bits(weights=weights, act_width=setting["act"]))


def estimated(
    data: dict[str, Any], setting: dict[str, Any], choice: dict[str, Any]
) -> tuple[Estimate, Operation | None]:
    """What `estimate` says of a setting; `InputError` where the lanes do not take it."""
    network, (micro, width) = network_of(data, setting), multiplier_of(setting["micro"])
    lanes = Lanes(**data["arrays"][setting["array"]])
    arch = narrowest_lanes(network, **lanes._asdict(), micro=micro, multiply_width=width)
    technology = chosen(**parts_chosen(data, choice))
    found = estimate(network, with_storage(network, arch), technology)
    return found, None if technology.counts else operation(found, choice["clock"])


def words_of(data: dict[str, Any], setting: dict[str, Any], choice: dict[str, Any]) -> list[str]:
    """The command line that asks for the same figures."""
    lanes, (micro, _, width) = data["arrays"][setting["array"]], setting["micro"].partition(":")
    given = setting["program"]
    words = ["estimate", data["programs"][data["base"] if given is None else given]["path"]]
    if given is None:
        plain = "p" if setting["kind"] == "plain" else ""
        bits = ",".join(f"{name}={width}{plain}" for name, width in setting["bits"].items())
        words += ["--bits", bits, "--act-bits", str(setting["act"])]
    words += ["--rows", str(lanes["rows"]), "--cols", str(lanes["cols"]), "--micro", micro]
    if width:
        words += ["--multiply-width", width]
    if lanes["hold"] > 1:
        words += ["--hold", str(lanes["hold"]), "--fill", str(lanes["fill"])]
        words += ["--out-lanes", str(lanes["out_lanes"])]
    for name, value in parts_chosen(data, choice).items():
        words += [] if value is None else [f"--{name}", str(value)]
    if not data["technologies"][choice["tech"]]["counts"]:
        words += ["--clock", str(choice["clock"])]
    return [*words, "--json"]


def added_up(
    data: dict[str, Any], setting: dict[str, Any], table: int = 0, memories: str | None = None
) -> dict[str, Any]:
    """Cycles, energy in pJ and area in um2 by layer and part of a setting, or why there are none.

    The plain twin of the page's model.js. memories: a memory table, at the supply of the
    technology.
    """
    sheet, rows = sheet_of(data, setting)
    if sheet is None:
        return {"refused": rows}
    tech = data["technologies"][table]
    entries = tech["entries"]
    capacity = {k: sheet[k] for k in ("activation_bits", "parameter_bits", "sum_bits")}
    stored = sum(data["pool"][row][2] for row in rows)
    capacity["weight_bits"] = sheet["unit"] * max(1, -(-stored // sheet["per"]))
    built = None
    if memories is not None:
        built = built_of(data, sheet, rows, capacity, memories, tech["voltage"])
    layers = []
    for layer, number in zip(data["layers"], rows, strict=True):
        row = data["pool"][number]
        counts = dict(zip(map(int, row[6::2]), row[7::2], strict=True))
        counts[index(data, "clock_bit")] = row[1] * sheet["flip_flops"]
        energy = {
            corner: sum(
                n * price(data, tech, capacity, e, corner, built) for e, n in counts.items()
            )
            + sum(row[1] * getattr(one.standing_pj, corner) for one in (built or {}).values())
            for corner in CORNERS
        }
        area = entries["sram_area"]["expected"] * (row[3] + row[4])
        if built is not None:
            area = built["weights"].area_um2.expected * row[3] / capacity["weight_bits"]
            area += built["parameters"].area_um2.expected * row[4] / capacity["parameter_bits"]
        layers.append({"name": layer["name"], "cycles": row[0], "energy": energy, "area": area})
    area = sum(
        bits * entries[entry]["expected"] * entries["area_overhead"]["expected"]
        for terms in sheet["logic"].values()
        for entry, bits in terms.items()
    )
    if built is not None:
        return {
            "layers": layers,
            "area": area + sum(one.area_um2.expected for one in built.values()),
        }
    memory = sum(v for k, v in capacity.items() if k != "sum_bits") + sheet["sums_area_bits"]
    return {"layers": layers, "area": area + memory * entries["sram_area"]["expected"]}


def built_of(
    data: dict[str, Any],
    sheet: dict[str, Any],
    rows: list[int],
    capacity: Any,
    memories: str,
    voltage: float | None,
) -> dict[str, Built]:
    """The memories of a sheet, by the demands that stand in it."""
    widest = max(data["pool"][row][5] for row in rows) or 1
    demands = {}
    for bits, name in MEMORIES.items():
        if name in sheet["demands"]:
            given = dict(sheet["demands"][name])
            if name == "weights":
                given["word"] = sheet["word_lanes"] * (1 if sheet["holds"] else widest)
            demands[name] = Demand(bits=capacity[bits], **given)
    assert set(demands) <= set(MEMORY_PARTS)
    return build_all(load_memories(memories), demands, voltage)


def sheet_of(data: dict[str, Any], setting: dict[str, Any]) -> tuple[Any, Any]:
    """The sheet and its row numbers; (None, reason) where there is none."""
    config = data["micros"].index(setting["micro"]) * len(data["arrays"]) + setting["array"]
    if setting["program"] is not None:
        sheet = data["trained"][config][str(setting["program"])]
        return (None, sheet["refused"]) if "refused" in sheet else (sheet, sheet["rows"])
    name = f"{setting['kind']}/{setting['act']}"
    sheets = data["by_hand"][config]
    refused = sheets.get(name, {}).get("refused", {})
    chosen = [str(width) for width in setting["bits"].values()]
    bad = next((width for width in chosen if width in refused), None)
    if bad is not None:
        return None, refused[bad]
    (needs,) = (
        v["needs"]
        for v in data["variants"]
        if (v["kind"], v["act_width"]) == (setting["kind"], setting["act"])
    )
    fixed = next(width for width in data["weight_bits"] if str(width) not in refused)
    widths = [str(setting["bits"].get(layer["name"], fixed)) for layer in data["layers"]]
    demanded = [needs[width][i] for i, width in enumerate(widths)]
    key = [max(column) for column in zip(data["needs"], *demanded, strict=True)]
    sheet = sheets[f"{name}/{'/'.join(map(str, key))}"]
    return sheet, [sheet["rows"][width][i] for i, width in enumerate(widths)]


def index(data: dict[str, Any], event: str) -> int:
    return [kind["name"] for kind in data["events"]].index(event)


def price(
    data: dict[str, Any], tech: Any, capacity: Any, event: int, corner: str, built: Any = None
) -> float:
    kind, entries = data["events"][event], tech["entries"]
    if kind["memory"] is not None and built is not None:
        memory = built[MEMORIES[kind["memory"]]]
        reads = kind["name"].endswith("_read_bit")
        return float(getattr(memory.read_pj_bit if reads else memory.write_pj_bit, corner))
    if kind["memory"] is None:
        overhead = entries["datapath_overhead"][corner] if kind["overhead"] else 1.0
        return float(entries[kind["entry"]][corner] * overhead)
    unit = entries["sram"][corner]
    if tech["sram_law"] == "flat":
        return float(unit)
    kib = max(capacity[kind["memory"]] / 8192, entries["sram_floor"][corner])
    return float(unit * math.sqrt(kib))
