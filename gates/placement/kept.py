"""Placements on disk: a file per wiring, footprints, options and version of the placer."""

import hashlib
from pathlib import Path

import numpy as np

from ...cosim.simulators.build_cache import build_folder, built
from ...spec.errors import InputError
from .footprints import Footprints
from .placer import Placement, PlaceOptions, place, version
from .wiring import Wiring

FILE = "placement.npz"
RULES = 2
"""Of `placer` and `ports`; kept placements of other rules are not read."""
_ARRAYS = "x", "y", "mirror_x", "mirror_y", "port_x", "port_y"


def kept_placement(
    wiring: Wiring, footprints: Footprints, options: PlaceOptions, cache: Path
) -> Placement:
    """The placement, from below `cache` where it is there."""
    folder = build_folder(
        cache, "placed", [_digest(wiring, footprints), options.to_dict(), version(), RULES]
    )

    def make(path: Path) -> None:
        found = place(wiring, footprints, options)
        arrays = {name: getattr(found, name) for name in _ARRAYS}
        np.savez(path / FILE, **arrays, core=np.array([found.width, found.height]))

    for attempt in range(2):
        file = built(folder, make, result=FILE) / FILE
        try:
            return _read(file, wiring)
        except (OSError, ValueError, KeyError):
            if attempt:
                break
            file.unlink(missing_ok=True)  # a damaged one is made again
    raise InputError(f"Placement {str(folder)!r} must be readable, it is not")


def _read(file: Path, wiring: Wiring) -> Placement:
    with np.load(file, allow_pickle=False) as content:
        arrays = {name: content[name] for name in _ARRAYS}
        width, height = (float(side) for side in content["core"])
    if len(arrays["x"]) != len(wiring.cells) or len(arrays["port_x"]) != wiring.ports:
        raise ValueError("another design's")
    return Placement(**arrays, width=width, height=height)


def _digest(wiring: Wiring, footprints: Footprints) -> str:
    found = hashlib.sha256()
    for array in (wiring.starts, wiring.instances):
        found.update(np.ascontiguousarray(array).tobytes())
    found.update("\n".join((*wiring.cells, "", *wiring.pins)).encode())
    for name in sorted(set(wiring.cells)):
        foot = footprints.of(name)
        found.update(repr((name, foot.width, foot.height, sorted(foot.pins.items()))).encode())
    return found.hexdigest()
