"""Stripes: passes on some lines of their maps, of which the others are in external memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...spec.layers import PoolLayer
from ...spec.program import Program
from ..layouts.descriptor import PassKind
from ..layouts.words import Word
from ..networks.plans import Pass, Plan
from ..networks.regions import Region, map_words
from ..timing.grouping import grouping
from .spill import HALVES

LOADED = ("feed", "read")
"""Roles of the maps that a pass reads."""
STORED = ("write", "second")


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """Lines of a tensor between its region and external memory.

    low, high: word addresses; line, lines: of the tensor.
    """

    tensor: str
    bank: int
    low: int
    high: int
    line: int
    lines: int
    store: bool

    def overlaps(self, other: "Move") -> bool:
        """They use words of one region."""
        same = self.tensor == other.tensor and self.bank == other.bank
        return same and self.low < other.high and other.low < self.high

    def meets(self, other: "Move") -> bool:
        """They move a line that is the same."""
        same = self.tensor == other.tensor
        return same and self.line < other.line + other.lines and other.line < self.line + self.lines


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A pass, the lines that must be on chip before it, and those it leaves to be stored."""

    entry: Pass
    needs: tuple[Move, ...] = ()
    gives: tuple[Move, ...] = ()


def striped(plan: Plan, outside: frozenset[str], rows: int, hold: int) -> list[Step]:
    """The passes of a plan, those that use a tensor of `outside` in stripes."""
    striper = _Striper(plan, outside, rows, hold)
    steps: list[Step] = []
    group: list[Pass] = []
    for entry in plan.passes:
        if group and (entry.layer, entry.kind) != (group[0].layer, group[0].kind):
            steps += striper.steps(group)
            group = []
        group.append(entry)
    return steps + striper.steps(group)


def banks_read(word: Word) -> int:
    """Banks of which a pass uses the read port."""
    kind = word["kind"]
    if word.get("idle"):
        return 0
    if kind == PassKind.INPUT:
        return int(word["fold"]["pad_stored"])
    banks = 0
    if kind in (PassKind.ARRAY, PassKind.MAX_POOL):
        banks |= 1 << word["feed"]["bank"]
    if kind == PassKind.DIRECT or word["stage"].get("skip"):
        banks |= word["walk"]["read"]["banks"]
    return banks


def banks_written(word: Word) -> int:
    """Banks of which a pass uses the write port."""
    walk = word["walk"]
    return 0 if word.get("idle") else walk["write"]["banks"] | walk["second"].get("banks", 0)


class _Striper:
    def __init__(self, plan: Plan, outside: frozenset[str], rows: int, hold: int) -> None:
        self.plan, self.program, self.outside = plan, plan.program, outside
        self.rows, self.hold = rows, hold
        self.turn = dict.fromkeys(outside, 0)  # the half that is used next

    def steps(self, group: list[Pass]) -> list[Step]:
        """Passes of one layer on the same lines."""
        names = roles(self.program, group[0])
        mine = {role: name for role, name in names.items() if name in self.outside}
        if not mine:
            return [Step(entry=entry) for entry in group]
        word = group[0].word
        height = word["walk"]["height"]
        double = {role: not self._blocked(role, word) for role in mine}
        lines = max(
            (n for n in range(1, height + 1) if self._fits(word, mine, double, n)), default=1
        )
        count = -(-height // lines)
        lines = -(-height // count)
        found: list[Step] = []
        for first in range(0, height, lines):
            found += self._stripe(group, mine, double, first, min(height, first + lines))
        return found

    def _blocked(self, role: str, word: Word) -> bool:
        """The pass uses the port that moving the lines of this role would need."""
        if role in LOADED:
            return bool(banks_written(word) & self._banks(role, word))
        return bool(banks_read(word) & self._banks(role, word))

    @staticmethod
    def _banks(role: str, word: Word) -> int:
        if role == "feed":
            return 1 << int(word["feed"]["bank"])
        return int(word["walk"][role]["banks"])

    def _fits(
        self, word: Word, mine: Mapping[str, str], double: Mapping[str, bool], n: int
    ) -> bool:
        for role, name in mine.items():
            region, line = self.plan.placement.tensors[name], self._line(name)
            space = region.words // (HALVES if double[role] else 1)
            low, high = self._lines(role, word, name, 0, n)
            needed = max(high - low, self._most(role, word, name, n))
            if needed * line > space:
                return False
        return True

    def _line(self, name: str) -> int:
        return map_words(self.program, name, self.rows) // self.program.tensor_shape(name)[1]

    def _most(self, role: str, word: Word, name: str, n: int) -> int:
        """Lines for a stripe of n inside the map."""
        height = self.program.tensor_shape(name)[1]
        if role == "feed":
            feed = word["feed"]
            return min(height, int((n - 1) * feed["stride_down"] + feed["kernel_height"]))
        if role == "read":
            return min(height, (n - 1) * self._skip_stride(word, name) + 1)
        return n

    def _skip_stride(self, word: Word, name: str) -> int:
        return int(word["walk"]["read"]["row_step"]) // self._line(name)

    def _lines(self, role: str, word: Word, name: str, first: int, end: int) -> tuple[int, int]:
        """Lines of the tensor from .. below that the lines first .. end - 1 of a pass use."""
        height = self.program.tensor_shape(name)[1]
        if role == "feed":
            top, below = _window_lines(word["feed"], first, end)
            top = min(max(0, top), height - 1)  # a line even where all windows are in the padding
            return top, min(height, max(below, top + 1))
        if role == "read":
            stride = self._skip_stride(word, name)
            return first * stride, min(height, (end - 1) * stride + 1)
        return first, end

    def _stripe(
        self, group: list[Pass], mine: Mapping[str, str], double: Mapping[str, bool],
        first: int, end: int,
    ) -> list[Step]:  # fmt: skip
        word = group[0].word
        origins, moves = {}, {}
        for role, name in mine.items():
            region = self.plan.placement.tensors[name]
            half = self.turn[name] % HALVES if double[role] else 0
            low = region.base + half * (region.words // HALVES)
            top, below = self._lines(role, word, name, first, end)
            line = self._line(name)
            origins[role] = low - top * line
            moves[role] = Move(
                tensor=name, bank=_bank(region), low=low, high=low + (below - top) * line,
                line=top, lines=below - top, store=role in STORED,
            )  # fmt: skip
        for name in set(mine.values()):
            self.turn[name] += 1
        last = end == word["walk"]["height"]
        found = []
        for number, entry in enumerate(group):
            shifts = {
                role: origin - self.plan.placement.tensors[mine[role]].base
                for role, origin in origins.items()
            }
            cut = stripe_word(entry.word, first, end, shifts, self.hold, last=last)
            written = {mine[role]: origins[role] for role in STORED if role in mine}
            loads = [move for role, move in moves.items() if role in LOADED] if number == 0 else []
            ends = number == len(group) - 1
            stores = [move for role, move in moves.items() if role in STORED] if ends else []
            found.append(
                Step(
                    entry=replace(entry, word=cut, origins=written, first_line=first),
                    needs=tuple(loads),
                    gives=tuple(stores),
                )
            )
        return found


def roles(program: Program, entry: Pass) -> dict[str, str]:
    """Names of the tensors that a pass reads and writes, by the part of the descriptor."""
    names = {"write": entry.layer}
    if entry.second is not None:
        names["second"] = entry.second
    if entry.kind == PassKind.INPUT:
        return names
    layer = program.layer(entry.layer)
    if entry.kind == PassKind.DIRECT:
        if isinstance(layer, PoolLayer):  # its codes, stored by a pass before, leave as results
            return {"read": entry.layer}
        return names | {"read": layer.reads[0]}
    if layer.skip is not None:
        names["read"] = layer.skip.tensor
    return names | {"feed": layer.reads[0]}


def _bank(region: Region) -> int:
    return region.banks >> 1


def _window_lines(feed: Word, first: int, end: int) -> tuple[int, int]:
    """Lines from .. below of the windows first .. end - 1, padding included."""
    stride, padding = feed["stride_down"], feed["padding_top"]
    return first * stride - padding, (end - 1) * stride - padding + int(feed["kernel_height"])


def stripe_word(
    word: Word, first: int, end: int, shifts: Mapping[str, int], hold: int, *, last: bool
) -> Word:
    """The descriptor for lines first .. end - 1 of its pass. shifts: by role, how far the words of
    a tensor are from where the descriptor has them."""
    cut = {**word, "walk": dict(word["walk"])}
    if not last:
        cut.pop("final", None)
    walk = cut["walk"]
    walk["height"] = end - first
    for role in ("write", "second", "read"):
        place = walk.get(role)
        if place:
            start = place["start"] + shifts.get(role, 0) + first * place["row_step"]
            walk[role] = {**place, "start": start}
    if word["kind"] == PassKind.INPUT:
        cut["fold"] = {**word["fold"], "height": end - first}
        cut["more"] = int(not last)
    elif word["feed"]:
        cut["feed"] = _stripe_feed(word, first, end, shifts.get("feed", 0), hold)
    return cut


def _stripe_feed(word: Word, first: int, end: int, shift: int, hold: int) -> Word:
    feed = word["feed"]
    top, below = _window_lines(feed, first, end)
    low, high = max(0, top), min(feed["height"], below)
    most = 1 if word["kind"] == PassKind.MAX_POOL else hold
    groups = grouping((end - first) * feed["out_width"], most)
    return {
        **feed,
        "start": feed["start"] + shift + first * feed["stride_down"] * feed["row_step"],
        "height": max(0, high - low),
        "padding_top": low - top,
        "groups": groups.groups,
        "larger": groups.larger,
        "size": groups.size,
    }
