"""Waves of a page: an excerpt of a VCD file, as `adqhw cosim --waves` writes it, as a picture.

Time in such a file is 10 units per cycle, and a signal's value in cycle c is the one at 10 c. The
first `MOST_CYCLES` cycles are drawn, of the signals that change in them. pyvcd 0.4 cannot take
these files: it refuses Verilator's outermost scope, `$rootio`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.text import printable, shown

UNITS = 10
"""Of time, per cycle."""
MOST_BYTES = 16_000_000
MOST_CYCLES, MOST_SIGNALS, MOST_WIDTH = 64, 24, 64
SKIPPED = ("clk", "rst")
FIRST_WORDS = ("state", "valid", "ready", "first", "last", "cycle", "busy")
"""Signals whose names have them come first: who waits for whom."""
NAME_WIDTH, CYCLE_WIDTH, ROW, TOP = 260, 18, 24, 26


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One signal of a VCD file."""

    name: str
    """With its modules, from the outermost."""
    width: int
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """Some signals over some cycles."""

    file: str
    first: int
    """Cycle of the first value."""
    cycles: int
    """Of the file; values are those of the first `MOST_CYCLES`."""
    waves: tuple[tuple[Signal, tuple[int | None, ...]], ...]
    """Values by cycle; None: unknown."""
    changing: int
    """Signals that change, drawn or not."""


def read_waves(path: str | Path) -> Excerpt:
    """The excerpt of a VCD file; `InputError` for one that is none, or larger than `MOST_BYTES`."""
    what = f"Waves {str(path)!r}"
    if Path(path).suffix.lower() == ".fst":
        raise InputError(
            f"{what} must be a VCD file, not FST, which is for viewers: write the same window with "
            "adqhw cosim --waves FILE.vcd"
        )
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{what} must have at most {MOST_BYTES:,} bytes, not {size:,}: take fewer cycles "
                "(adqhw cosim --window)"
            )
        tokens = Path(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{what} must be a VCD file that can be read: {error}") from error
    signals, body = _header(tokens, what)
    events, last = _events(tokens[body:], signals, what)
    begin = min((times[0][0] for times in events.values() if times), default=0)
    first, count = -(-begin // UNITS), last // UNITS - -(-begin // UNITS) + 1
    if count < 1:
        raise InputError(f"{what} must hold at least one cycle of {UNITS} units of time, not none")
    span = range(first, first + min(count, MOST_CYCLES))
    drawn = [(signals[mark], _sampled(times, span)) for mark, times in events.items()]
    changing = [(signal, values) for signal, values in drawn if len(set(values)) > 1]
    changing.sort(key=lambda one: _place(one[0]))
    return Excerpt(
        file=Path(path).name,
        first=first,
        cycles=count,
        waves=tuple(changing[:MOST_SIGNALS]),
        changing=len(changing),
    )


def _header(tokens: Sequence[str], what: str) -> tuple[dict[str, Signal], int]:
    """Signals by their marks, each once, and where the values begin."""
    scopes: list[str] = []
    signals: dict[str, Signal] = {}
    position = 0
    while position < len(tokens):
        word = tokens[position]
        try:
            end = tokens.index("$end", position)
        except ValueError:
            break
        fields = tokens[position + 1 : end]
        if word == "$enddefinitions":
            return signals, end + 1
        if word == "$scope" and len(fields) == 2:
            scopes.append(fields[1])
        elif word == "$upscope" and scopes:
            scopes.pop()
        elif word == "$var" and len(fields) >= 4 and fields[1].isascii() and fields[1].isdigit():
            width, mark, name = int(fields[1][:9]), fields[2], fields[3]
            if width <= MOST_WIDTH and name not in SKIPPED:
                path = ".".join((*scopes[1:], name))
                signals.setdefault(mark, Signal(name=path, width=width, depth=len(scopes)))
        elif not word.startswith("$"):
            break
        position = end + 1
    raise InputError(f"{what} must be a VCD file with $enddefinitions, not {shown(tokens[:1])}")


def _events(
    tokens: Sequence[str], signals: dict[str, Signal], what: str
) -> tuple[dict[str, list[tuple[int, int | None]]], int]:
    """(time, value) of every signal, in order, and the last time."""
    events: dict[str, list[tuple[int, int | None]]] = {mark: [] for mark in signals}
    time, words = -1, iter(tokens)
    for word in words:
        kind, rest = word[0], word[1:]
        if kind == "#":
            if not (rest.isascii() and rest.isdigit() and len(rest) <= 18) or int(rest) < time:
                raise InputError(f"{what} must have times that grow, not {shown(word)}")
            time = int(rest)
        elif kind in "bBrR":
            mark = next(words, "")
            if mark in events:
                events[mark].append((time, _value(rest)))
        elif kind in "01xXzZ" and rest in events:
            events[rest].append((time, _value(kind)))
    return events, time


def _value(bits: str) -> int | None:
    try:
        return int(bits[: MOST_WIDTH + 1], 2)
    except ValueError:  # x, z, or a real number
        return None


def _sampled(times: Sequence[tuple[int, int | None]], span: range) -> tuple[int | None, ...]:
    """The value in every cycle of `span`."""
    values: list[int | None] = []
    now: int | None = None
    following = iter([*times, (1 << 62, None)])
    at, upcoming = next(following)
    for cycle in span:
        while at <= cycle * UNITS:
            now = upcoming
            at, upcoming = next(following)
        values.append(now)
    return tuple(values)


def _place(signal: Signal) -> tuple[bool, int]:
    own = signal.name.rpartition(".")[2]
    return not any(word in own for word in FIRST_WORDS), signal.depth


def waves_svg(excerpt: Excerpt) -> str:
    """The picture, with a text for screen readers; its colours are the page's."""
    count = min(excerpt.cycles, MOST_CYCLES)
    wide, high = NAME_WIDTH + count * CYCLE_WIDTH + 8, TOP + len(excerpt.waves) * ROW + 4
    last = excerpt.first + count - 1
    said = f"{len(excerpt.waves)} signals of {excerpt.file} in cycles {excerpt.first} to {last}"
    head = f'<svg viewBox="0 0 {wide} {high}" style="width:{wide}px" role="img"'
    parts = [f'{head} aria-label="{_text(said)}">']
    for number in range(0, count, 8):
        x = NAME_WIDTH + number * CYCLE_WIDTH
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{high}"/>')
        parts.append(f'<text x="{x}" y="14">{excerpt.first + number}</text>')
    for number, (signal, values) in enumerate(excerpt.waves):
        parts += _row(signal, values, TOP + number * ROW)
    return "".join([*parts, "</svg>"])


def _row(signal: Signal, values: Sequence[int | None], top: int) -> Iterator[str]:
    """The name, and a line of one bit or a box per value of several."""
    low, high = top + ROW - 6, top + 4
    name = signal.name if len(signal.name) <= 38 else f"…{signal.name[-37:]}"
    yield f'<g><title>{_text(signal.name)}</title><text x="4" y="{top + 16}">{_text(name)}</text>'
    if signal.width == 1:
        points = []
        for cycle, value in enumerate(values):
            y = (low + high) // 2 if value is None else (high if value else low)
            x = NAME_WIDTH + cycle * CYCLE_WIDTH
            points += [f"{x},{y}", f"{x + CYCLE_WIDTH},{y}"]
        yield f'<polyline class="bit" points="{" ".join(points)}"/></g>'
        return
    start = 0
    for cycle in range(1, len(values) + 1):
        if cycle < len(values) and values[cycle] == values[start]:
            continue
        x, wide = NAME_WIDTH + start * CYCLE_WIDTH, (cycle - start) * CYCLE_WIDTH
        value = values[start]
        told = "x" if value is None else f"{value:x}"
        yield f'<rect class="bus" x="{x + 1}" y="{high}" width="{wide - 2}" height="{low - high}"/>'
        if len(told) * 7 <= wide - 4:
            yield f'<text x="{x + 4}" y="{top + 16}">{told}</text>'
        start = cycle
    yield "</g>"


def _text(text: str) -> str:
    return escape(printable(text, max(len(text), 1)))
