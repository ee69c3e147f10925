"""Placement by Coloquinte (PyPI `coloquinte`, a C++ placer): global, legal, detailed.

The core is a square of rows at a stated utilization. Cells are widened to the density at which they
are packed, so that the free area among them is spread evenly, as routers need it; what the density
leaves of the core stays empty. Cells are placed once without ports, whose bits then get places on
the core's edge (`ports.py`), and once more with them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from .footprints import Footprints
from .ports import Edge, port_places
from .quiet import quiet
from .wiring import Wiring

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GRID = 200
"""Places per um: positions are whole numbers of 5 nm."""
FILLED = 0.8
"""Of the area that cells are packed in, by widened cells."""
PACKED_MORE, MOST_PACKED = 0.1, 0.7
"""Density over utilization where none is stated, and its limit: OpenROAD's flow adds 0.1 to 0.2 for
its designs (PLACE_DENSITY_LB_ADDON), of which 0.1 fits lengths of four public ones
(docs/placement.md); the limit is its placer's own default."""
NARROWER, TRIES = 0.8, 6
"""What cells that do not find a place in rows are widened by in the next try, and how many."""
FIRST_EFFORT = 1
"""Of the placement without ports."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceOptions:
    """How cells are placed."""

    utilization: float = 0.7
    """Area of cells over area of the core."""
    density: float | None = None
    """Area of cells over the area that they are packed in; None: `packed` says."""
    effort: int = 3
    """Of Coloquinte, 1 to 9."""
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0.01 <= self.utilization <= 0.95:
            raise InputError(f"Utilization must be from 0.01 to 0.95, not {self.utilization!r}")
        if self.density is not None and not self.utilization <= self.density <= 0.95:
            raise InputError(
                f"Density must be from the utilization, {self.utilization:g}, to 0.95, not "
                f"{self.density!r}"
            )
        if not 1 <= self.effort <= 9:
            raise InputError(f"Effort must be from 1 to 9, not {self.effort!r}")
        if not 0 <= self.seed < 1 << 31:
            raise InputError(f"Seed must be from 0 to 2^31 - 1, not {self.seed!r}")

    @property
    def packed(self) -> float:
        """The density, stated or not."""
        if self.density is not None:
            return self.density
        return max(self.utilization, min(self.utilization + PACKED_MORE, MOST_PACKED))

    def to_dict(self) -> dict[str, Any]:
        found = asdict(self) | {"density": self.packed}
        if self.packed == self.utilization:  # said by that
            del found["density"]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Positions in um; of instances their lower left corners."""

    x: Floats
    y: Floats
    mirror_x: Flags
    """Left and right are swapped."""
    mirror_y: Flags
    port_x: Floats
    port_y: Floats
    width: float
    height: float


def version() -> str:
    """Coloquinte's; refused where it is absent."""
    try:
        return metadata.version("coloquinte")
    except metadata.PackageNotFoundError:
        raise InputError(
            "coloquinte must be installed to place cells, not absent: pip install 'adqhw[place]'"
        ) from None


def pin_positions(
    wiring: Wiring, footprints: Footprints, placement: Placement
) -> tuple[Floats, Floats]:
    """(pins,) x and y in um of every pin of every net."""
    dx, dy, _, _ = _offsets(wiring, footprints)
    return pin_places(placement, footprints, wiring.cells, wiring.instances, dx, dy)


def pin_places(
    placement: Placement,
    footprints: Footprints,
    cells: Sequence[str],
    instances: npt.NDArray[np.int64],
    dx: Floats,
    dy: Floats,
) -> tuple[Floats, Floats]:
    """Positions of pins that are dx, dy from the corners of unmirrored instances."""
    size = np.array([(f.width, f.height) for f in map(footprints.of, cells)]).reshape(-1, 2)
    port, at = instances < 0, np.maximum(instances, 0)
    if not len(cells):
        return placement.port_x[-1 - instances], placement.port_y[-1 - instances]
    x = placement.x[at] + np.where(placement.mirror_x[at], size[at, 0] - dx, dx)
    y = placement.y[at] + np.where(placement.mirror_y[at], size[at, 1] - dy, dy)
    if port.any():
        x[port] = placement.port_x[-1 - instances[port]]
        y[port] = placement.port_y[-1 - instances[port]]
    return x, y


def place(wiring: Wiring, footprints: Footprints, options: PlaceOptions) -> Placement:
    """Place every instance; a core that cannot hold them is refused."""
    version()
    core = _Core.of(wiring, footprints, options)
    found = core.solved(FIRST_EFFORT, options.seed, None) if wiring.ports else None
    ports = _port_places(wiring, footprints, found, core) if found is not None else ([], [])
    for _ in range(TRIES):
        try:
            return core.solved(options.effort, options.seed, ports)
        except InputError:  # wide cells leave parts of rows into which none of them fits
            if core.wider == 1.0:
                raise
            core = replace(core, wider=max(1.0, NARROWER * core.wider))
    return replace(core, wider=1.0).solved(options.effort, options.seed, ports)


def _offsets(wiring: Wiring, footprints: Footprints) -> tuple[Floats, Floats, list[int], list[int]]:
    """Of every pin in um from its instance's corner; the sizes of instances in places."""
    known: dict[tuple[str, str], tuple[float, float]] = {}
    dx, dy = np.zeros(len(wiring.pins)), np.zeros(len(wiring.pins))
    for number, (instance, pin) in enumerate(
        zip(wiring.instances.tolist(), wiring.pins, strict=True)
    ):
        if instance >= 0:
            key = wiring.cells[instance], pin
            if key not in known:
                known[key] = footprints.of(key[0]).pin(pin)
            dx[number], dy[number] = known[key]
    sizes = [footprints.of(cell) for cell in wiring.cells]
    return dx, dy, [_up(f.width) for f in sizes], [round(f.height * GRID) for f in sizes]


def _up(um: float) -> int:
    return max(1, math.ceil(um * GRID - 1e-6))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Core:
    """The area that cells are placed in, in places of the grid."""

    wiring: Wiring
    footprints: Footprints
    row: int
    rows: int
    width: int
    wider: float
    """Width of a placed cell over its own."""
    faced: float
    """Side of the area that cells are packed in over that of the core."""

    @classmethod
    def of(cls, wiring: Wiring, footprints: Footprints, options: PlaceOptions) -> "_Core":
        if not wiring.cells:
            raise InputError("Netlist must have cells to place, not none")
        row = round(footprints.row_height(set(wiring.cells)) * GRID)
        _, _, widths, heights = _offsets(wiring, footprints)
        area = sum(w * h for w, h in zip(widths, heights, strict=True)) / options.utilization
        rows = max(1, max(heights) // row, round(math.sqrt(area) / row))
        wider = max(1.0, FILLED / options.packed)
        width = max(math.ceil(area / (rows * row)), math.ceil(max(widths) * wider))
        faced = math.sqrt(options.utilization / options.packed)
        return cls(
            wiring=wiring, footprints=footprints, row=row, rows=rows, width=width, wider=wider,
            faced=faced,
        )  # fmt: skip

    @property
    def height(self) -> int:
        return self.rows * self.row

    def solved(
        self, effort: int, seed: int, ports: tuple[Sequence[int], Sequence[int]] | None
    ) -> Placement:
        """Placed with bits of ports at these places; None: without them, and not in rows."""
        import coloquinte

        wiring, count = self.wiring, len(self.wiring.cells)
        dx, dy, widths, heights = _offsets(wiring, self.footprints)
        widths = [math.floor(width * self.wider) for width in widths]
        px, py = ports or ([], [])
        fixed = len(px)
        circuit = coloquinte.Circuit(count + fixed)
        circuit.cell_width, circuit.cell_height = widths + [0] * fixed, heights + [0] * fixed
        circuit.cell_is_fixed = [False] * count + [True] * fixed
        circuit.cell_is_obstruction = [True] * count + [False] * fixed
        circuit.cell_x = [self.width // 2] * count + list(px)
        circuit.cell_y = [self.height // 2] * count + list(py)
        circuit.rows = [
            coloquinte.Row(
                coloquinte.Rectangle(0, self.width, at * self.row, (at + 1) * self.row),
                coloquinte.CellOrientation.FS if at % 2 else coloquinte.CellOrientation.N,
            )
            for at in range(self.rows)
        ]
        self._nets(circuit, np.rint(dx * GRID), np.rint(dy * GRID), fixed)
        parameters = coloquinte.ColoquinteParameters(effort, seed)
        try:
            with quiet():
                circuit.check()
                circuit.place_global(parameters)
                if ports is not None:
                    circuit.place_detailed(parameters)
        except RuntimeError as error:
            raise InputError(f"Cells must fit their core, Coloquinte says: {error}") from None
        return self._placement(circuit, px, py)

    def _nets(self, circuit: Any, dx: Floats, dy: Floats, fixed: int) -> None:
        wiring, count = self.wiring, len(self.wiring.cells)
        xs, ys = dx.astype(int).tolist(), dy.astype(int).tolist()
        instances, starts = wiring.instances.tolist(), wiring.starts.tolist()
        for begin, end in pairwise(starts):
            pins = [at for at in range(begin, end) if instances[at] >= 0 or fixed]
            if len(pins) > 1:
                cells = [i if (i := instances[at]) >= 0 else count - 1 - i for at in pins]
                circuit.add_net(cells, [xs[at] for at in pins], [ys[at] for at in pins])

    def _placement(self, circuit: Any, px: Sequence[int], py: Sequence[int]) -> Placement:
        import coloquinte

        kinds, count = coloquinte.CellOrientation, len(self.wiring.cells)
        orientations = circuit.cell_orientation[:count]
        swapped = kinds.W, kinds.E, kinds.FW, kinds.FE
        if any(orientation in swapped for orientation in orientations):
            raise InputError("Cells must be placed upright in their rows, not turned")
        return Placement(
            x=np.array(circuit.cell_x[:count]) / GRID,  # a cell is at the left of its own space
            y=np.array(circuit.cell_y[:count]) / GRID,
            mirror_x=np.array([o in (kinds.S, kinds.FN) for o in orientations], bool),
            mirror_y=np.array([o in (kinds.S, kinds.FS) for o in orientations], bool),
            port_x=np.array(px, float) / GRID,
            port_y=np.array(py, float) / GRID,
            width=self.width / GRID,
            height=self.height / GRID,
        )


def _port_places(
    wiring: Wiring, footprints: Footprints, found: Placement, core: _Core
) -> tuple[list[int], list[int]]:
    """Of cells placed without ports."""
    dx, dy, _, _ = _offsets(wiring, footprints)
    whole = wiring.instances >= 0
    sizes = np.diff(wiring.starts)
    net = np.repeat(np.arange(wiring.nets), sizes)
    at = np.zeros((len(net), 2))
    at[whole, 0], at[whole, 1] = pin_places(
        found, footprints, wiring.cells, wiring.instances[whole], dx[whole], dy[whole]
    )
    cells = np.maximum(np.bincount(net, whole, wiring.nets), 1)
    middle = np.stack([np.bincount(net, at[:, i], wiring.nets) / cells for i in (0, 1)], axis=1)
    of_port = np.zeros(wiring.ports, np.int64)
    of_port[-1 - wiring.instances[~whole]] = net[~whole]
    edge = Edge(width=core.width, height=core.height, faced=core.faced)
    places = port_places(edge, middle[of_port] * GRID)
    return places[:, 0].tolist(), places[:, 1].tolist()
