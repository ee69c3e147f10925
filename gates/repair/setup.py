"""Repair of set-up times: paths that are too slow are changed gate by gate until the period is met.

OpenROAD's `repair_timing` (`src/rsz/src/RepairSetup.cc`), its numbers are taken: all ends that are
late are repaired, the worst first; of a path's gates the one whose load costs most is changed
first; a change is kept when the design's worst slack is better, or that of the end while the worst
is the same; changes that make it worse may lead out of a hollow, up to `PATIENCE` of them, and are
undone then. In the end cells are sized once more where neither the worst slack nor the sum of
negative slacks suffers (`repairSetupLastGasp`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from .arrivals import Arrivals
from .clocking import End, Stage
from .draft import Draft, Pin
from .moves import Moves
from .required import margins_of

PATIENCE = 50
"""Changes in a row that may not help (`decreasing_slack_max_passes_`)."""
MOST_PASSES = 10_000
"""Of one end (`-max_passes`)."""
LAST_PASSES = 10
"""Of one end in the last round (`max_last_gasp_passes_`)."""
LEAST_GAIN = 0.05
"""Of the sum of negative slacks, for which there is a last round."""
SMALL, LARGE, AT_FIRST = 100, 1000, 1000
"""Changes between looks at the progress (`opto_small_interval_`), between which more of it is asked
for (`opto_large_interval_`), and without any question."""
LEAST_RATE = 0.0001
"""Progress of the sum of negative slacks from look to look (`inc_fix_rate_threshold_`)."""
EQUAL_NS = 1e-9
STALE = 20
"""Changes after which slacks of pins are computed anew."""


@dataclass(slots=True)
class _Progress:
    """When enough is enough."""

    first: float
    last: float
    rate: float = LEAST_RATE
    changes: int = 0

    def stalled(self, now: Callable[[], float]) -> bool:
        """Whether the last changes were worth too little."""
        self.changes += 1
        if self.changes % LARGE == 0:
            self.rate *= 2
        if self.changes % SMALL:
            return False
        total = now()
        gained = (self.last - total) / self.first if self.first else 0.0
        self.last = total
        return self.changes > AT_FIRST and gained < self.rate


class Setup:
    """The repair of one draft."""

    def __init__(self, draft: Draft, arrivals: Arrivals, moves: Moves, margin_ns: float) -> None:
        """margin_ns: slack that is asked for."""
        self.draft, self.arrivals, self.moves = draft, arrivals, moves
        self.margin = margin_ns
        self.changes = 0
        self._margins: dict[Pin, float] = {}
        self._age = STALE

    def repair(self) -> None:
        """All ends that are late."""
        total = self.arrivals.total_negative()
        progress = _Progress(first=total, last=total)
        stalls = 0
        for number, end in enumerate(self.arrivals.violating(self.margin)):
            if self._end(end, progress, first=number == 0):
                stalls += 1
                if stalls == 2:
                    break
            else:
                stalls = 0
        self._last_round(total)
        self.changes = progress.changes

    def _slack(self, end: End) -> float:
        return self.arrivals.slacks.get(end, self.margin)

    def _end(self, end: End, progress: _Progress, *, first: bool) -> bool:
        """Repair the paths to one end; whether there was no progress any more."""
        best_end, best = self._slack(end), self.arrivals.worst()[0]
        mark, unhelpful, stalled = self.draft.mark(), 0, False
        for _ in range(MOST_PASSES):
            if self._slack(end) >= self.margin:
                break
            stalled = progress.stalled(self.arrivals.total_negative)
            if stalled or not self._change(end, with_buffers=True):
                break
            now, worst_end = self.arrivals.worst()
            its = self._slack(end)
            same = abs(now - best) <= EQUAL_NS
            if now > best + EQUAL_NS or (not first and same and its > best_end + EQUAL_NS):
                best_end, best, unhelpful = its, now, 0
                mark = self.draft.mark()
            else:
                unhelpful += 1
                if unhelpful > PATIENCE:
                    break
            if first and worst_end is not None:
                end = worst_end
        self.draft.rollback(mark)
        self.arrivals.update()
        return stalled

    def _change(self, end: End, *, with_buffers: bool) -> bool:
        """Change one gate of the longest path to an end; False if none can be."""
        path = self.arrivals.path(end)
        for at in self._by_load(path):
            if self.moves.try_all(path, at, end, self._fresh if with_buffers else None):
                self.arrivals.update()
                self._age += 1
                return True
        return False

    def _by_load(self, path: list[Stage]) -> list[int]:
        """Stages of a path, those whose load costs most first."""
        costs = []
        for at, stage in enumerate(path):
            loaded, alone = self.arrivals.stage_delay(stage)
            costs.append((alone - loaded, -at, at))
        return [at for _, _, at in sorted(costs)]

    def _fresh(self) -> dict[Pin, float]:
        """Slack of pins, a few changes old at most."""
        if self._age >= STALE:
            self._margins, self._age = margins_of(self.arrivals), 0
        return self._margins

    def _last_round(self, first: float) -> None:
        """Sizes only, where nothing suffers."""
        total = self.arrivals.total_negative()
        if not first or total >= 0 or (first - total) / first < LEAST_GAIN:
            return
        worst = self.arrivals.worst()[0]
        for number, end in enumerate(self.arrivals.violating(self.margin)):
            for _ in range(LAST_PASSES):
                if self._slack(end) >= self.margin:
                    break
                mark = self.draft.mark()
                if not self._change(end, with_buffers=False):
                    break
                now, worst_end = self.arrivals.worst()
                its = self.arrivals.total_negative()
                if now < worst - EQUAL_NS or its < total - EQUAL_NS:
                    self.draft.rollback(mark)
                    self.arrivals.update()
                    break
                worst, total = now, its
                if number == 0 and worst_end is not None:
                    end = worst_end
