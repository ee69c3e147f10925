"""`Arch`: the one validated parameter object that hardware, cycle model and cost model share."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ...spec.host.reading import exact_fields, read_toml
from ...spec.host.text import shown
from . import registry
from .external import External
from .storage import Storage

if TYPE_CHECKING:
    from ..lanes.micro import Micro


class Need(NamedTuple):
    """Layer `layer` runs only if the Arch's `parameter` is at least `value`; `why` names the cause.

    why: the tensor or field that needs it, for messages.
    """

    parameter: str
    value: int
    layer: str
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequantWidths:
    """Widths of the requant unit, all in bits; the defaults are the limits of the contract's first
    version, whose multipliers have 24 bits."""

    multiplier_width: int = 24
    """Signed, up to 32."""
    bias_width: int = 56
    """Signed."""
    shift_max: int = 47
    """Largest right shift (not a width)."""
    skip_multiplier_width: int = 32
    """Signed."""
    skip_width: int = 9
    """Signed width that holds every residual code (9 for u8)."""

    def __post_init__(self) -> None:
        _check(self, "Requant")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arch:
    """A lane array with its output stage: `rows` x `cols` lanes and the widths of everything."""

    rows: int
    """Input channels that one beat feeds (reduction)."""
    cols: int
    """Output channels that share a beat's activations."""
    micro: str = registry.DEFAULT
    """How a lane turns a weight field into a product: a name of the registry."""
    channels: int = 64
    """Channels whose output-stage parameters are held at once; the memory has the next 2^n rows."""
    act_width: int = 8
    """Unsigned activation codes of the lanes."""
    weight_width: int = 4
    """Widest codebook index."""
    level_width: int = 8
    """Signed levels: of the codebook, and of weights stored without one."""
    multiply_width: int | None = None
    """Bits of a level that a multiplier takes in a cycle, at most `level_width`; None: all. Wider
    levels take several cycles. Of `uniform` lanes only."""
    acc_width: int = 24
    """Signed sums."""
    threshold_width: int = 4
    """Widest code of the threshold unit: it has 2^threshold_width - 1 comparators."""
    out_width: int = 32
    """Signed width that holds every output code (9 for u8, 32 for logits)."""
    bin_width: int = 16
    """Unsigned bins, each the activations of one code in one lane, where lanes have bins."""
    axes: int = 1
    """1: windows move by the same stride down and across, and begin at the same padding; 2: each of
    the two has its own in a pass."""
    hold: int = 1
    """Most pixels that use a weight word before the next one is read: so many sums per column."""
    fill: int = 1
    """Cycles in which a weight word enters the lanes: the weight memory is cols / fill columns
    wide."""
    out_lanes: int = 1
    """Sums that the output stage takes per cycle, of neighbouring channels of a pixel."""
    requant: RequantWidths = field(default_factory=RequantWidths)
    storage: Storage = field(default_factory=Storage)
    external: External | None = None
    """The port to external memory; None: everything lies on chip."""

    def __post_init__(self) -> None:
        registry.checked(self.micro, "Arch micro")
        _check(self, "Arch")
        self._check_hold()
        self._check_multiplier()
        if self.out_width <= self.threshold_width:
            raise InputError(
                f"Arch out_width must be more than threshold_width {self.threshold_width}, "
                f"not {self.out_width}"
            )

    def _check_hold(self) -> None:
        if self.hold == 1 and (self.fill, self.out_lanes) != (1, 1):
            raise InputError(
                "Arch fill and out_lanes must be 1 where hold is 1, "
                f"not {self.fill} and {self.out_lanes}"
            )
        if self.holds:
            self.lanes.holding(self)
        if self.hold == 1 and self.external is not None:
            raise InputError("Arch hold must be at least 2 where it has external, not 1")
        if self.fill > self.hold:
            raise InputError(f"Arch fill must be at most hold {self.hold}, not {self.fill}")
        for name, parts, whole in (
            ("fill", self.fill, ("cols",)),
            ("out_lanes", self.out_lanes, ("rows", "cols")),
        ):
            for size in whole:
                if getattr(self, size) % parts:
                    raise InputError(
                        f"Arch {name} must divide {size} {getattr(self, size)}, not {parts}"
                    )

    def _check_multiplier(self) -> None:
        width = self.multiply_width
        if width is not None and width > self.level_width:
            raise InputError(
                f"Arch multiply_width must be at most level_width {self.level_width}, not {width}"
            )
        if self.digit_width < self.level_width:
            _ = self.lanes  # refuses lanes without such multipliers

    # -- derived -----------------------------------------------------------------------------------

    @property
    def holds(self) -> bool:
        """Weights stand in the lanes for several pixels: the arrays of `rtl.machine`."""
        return self.hold > 1

    @property
    def port_columns(self) -> int:
        """Columns whose weights enter the lanes in one cycle."""
        return self.cols // self.fill

    @property
    def lanes(self) -> "Micro":
        """The micro-architecture."""
        lanes = registry.micro(self.micro)
        if self.multiply_width is None or self.multiply_width >= self.level_width:
            return lanes
        return lanes.narrowed(self)

    @property
    def digit_width(self) -> int:
        """Bits of a level that a multiplier takes in a cycle."""
        return self.level_width if self.multiply_width is None else self.multiply_width

    @property
    def field_width(self) -> int:
        """Bits of one lane's weight in a beat: a level, or a code in its low bits."""
        if self.lanes.stores_levels:
            return self.level_width
        return max(self.level_width, self.weight_width)

    @property
    def plane_banks(self) -> int:
        """Banks of the weight memory, each one bit of every lane wide: a power of two."""
        return 1 << (self.field_width - 1).bit_length()

    @property
    def channel_width(self) -> int:
        """Bits of a channel number."""
        return max(1, (self.channels - 1).bit_length())

    @property
    def thresholds(self) -> int:
        """Comparators of the threshold unit."""
        return (1 << self.threshold_width) - 1

    @property
    def tau_width(self) -> int:
        """Signed: one more than the sums, because -acc and acc_max + 1 must be representable."""
        return self.acc_width + 1

    @property
    def digest(self) -> str:
        """SHA-256 of the parameters."""
        return json_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """JSON and TOML form; `Arch.from_dict` is the inverse.

        `axes`, `hold`, `fill` and `out_lanes` are not named where they are 1, nor `external` where
        there is none, nor `multiply_width` where it is that of the levels, so that an array which
        has no need of them keeps the digest that files of older versions say.
        """
        values = dataclasses.asdict(self)
        if self.digit_width == self.level_width:
            del values["multiply_width"]
        if self.external is None:
            del values["external"]
        for name in ("axes", "hold", "fill", "out_lanes"):
            if values[name] == 1:
                del values[name]
        return values

    # -- construction ------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, values: object, what: str = "Arch") -> "Arch":
        """Arch from plain data; an unknown or missing key is refused by name."""
        values = dict(exact_fields(values, cls, what, **_WORDING))
        for name, kind in (("requant", RequantWidths), ("storage", Storage)):
            table = values.get(name, {})
            values[name] = kind(**exact_fields(table, kind, f"{what} {name}", **_WORDING))
        if values.get("external") is not None:
            table = exact_fields(values["external"], External, f"{what} external", **_WORDING)
            values["external"] = External(**table)
        return cls(**values)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Arch":
        """Arch from a TOML file: top-level keys, tables `[requant]`, `[storage]`, `[external]`."""
        values = read_toml(path, "Arch file")
        return cls.from_dict(values, f"Arch file {str(path)!r}")


RANGES: dict[str, tuple[int, int]] = {
    "rows": (1, 256),
    "cols": (1, 256),
    "channels": (1, 1 << 24),
    "act_width": (1, 16),
    "weight_width": (2, 8),
    "level_width": (2, 16),
    "multiply_width": (2, 16),
    "acc_width": (2, 32),
    "threshold_width": (1, 8),
    "out_width": (2, 33),
    "bin_width": (1, 32),
    "axes": (1, 2),
    "hold": (1, 64),
    "fill": (1, 64),
    "out_lanes": (1, 256),
    "multiplier_width": (2, 32),
    "bias_width": (2, 56),
    "shift_max": (0, 47),
    "skip_multiplier_width": (2, 32),
    "skip_width": (2, 33),
}
"""Inclusive limits; the widths are the contract's."""
_WORDING = {
    "lacking": "must have the key {key}",
    "unknown": "must have only the keys {known}, not {key}",
}


def _check(values: Arch | RequantWidths, what: str) -> None:
    for entry in dataclasses.fields(values):
        if entry.name not in RANGES:
            continue
        low, high = RANGES[entry.name]
        value = getattr(values, entry.name)
        if entry.name == "multiply_width" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{what} {entry.name} must be in {low}..{high}, not {shown(value)}")
