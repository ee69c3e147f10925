"""Registers of the host port: the table for decoder, manifest, page and C header.

`register_texts` writes the texts.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from ..accelerator.ports import TARGET_WIDTH, row_widths
from ..arch.arch import Arch
from ..layouts.counters import COUNTER_WIDTH, EVENTS, EXTERNAL_EVENTS, HELD_EVENTS

WORD = 32
ADDRESS_WIDTH = 12
"""4 KiB, the least region of AXI interconnects: no register has an alias."""
ALL_PASSES = (1 << WORD) - 1
MAGIC = int.from_bytes(b"ADQ", "big")
MAP_VERSION = 1
WHOLE = "VALUE"
"""Name of a register's only field."""
OKAY, SLVERR = 0, 2
"""Responses: done; refused, without effect."""


class Access(StrEnum):
    """Accepted accesses of a register. The other direction is refused."""

    READ_ONLY = "RO"
    WRITE_ONLY = "WO"
    READ_WRITE = "RW"
    WRITE_1_CLEARS = "W1C"
    """Read; every 1 that is written clears its bit."""

    @property
    def reads(self) -> bool:
        return self is not Access.WRITE_ONLY

    @property
    def writes(self) -> bool:
        return self is not Access.READ_ONLY


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Bits low .. low + width - 1 of a register."""

    name: str
    low: int = 0
    width: int = 1
    reset: int = 0
    meaning: str

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1 << self.low


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """A word. Bits without a field read 0 and are ignored when written."""

    name: str
    offset: int
    """In bytes."""
    access: Access
    meaning: str
    fields: tuple[Field, ...]

    @property
    def reset(self) -> int:
        return sum(entry.reset << entry.low for entry in self.fields)

    def field(self, name: str) -> Field:
        """The field called `name`."""
        return next(entry for entry in self.fields if entry.name == name)


def _word(meaning: str, *, width: int = WORD, reset: int = 0) -> tuple[Field, ...]:
    return (Field(name=WHOLE, width=width, reset=reset, meaning=meaning),)


def _bits(meanings: dict[str, str]) -> tuple[Field, ...]:
    """One bit each, from bit 0 on."""
    names = enumerate(meanings.items())
    return tuple(Field(name=name, low=low, meaning=text) for low, (name, text) in names)


ERRORS = {
    "ACCESS": "a write to no register, a read-only one or an unaligned address, with some strobes "
    "but not all, of a PASS that does not exist, or of START and ABORT together",
    "BUSY": "START, TARGET, ROW or DATA was written during a run",
    "ROW": "TARGET was written with a number that is no memory, or DATA for a row beyond it",
    "NOT_LOADED": "START without a whole program in the descriptor memory",
    "IMAGE_SHORT": "s_axis_tlast came before the last code of the image: the run has ended",
    "IMAGE_LONG": "the last code of the image came without s_axis_tlast: the run has ended, what "
    "follows is dropped up to s_axis_tlast",
    "WATCHDOG": "nothing moved for WATCHDOG cycles: the run has ended",
}
"""Causes from bit 0 on, and their descriptions."""
EXTERNAL_ERRORS = {
    **ERRORS,
    "MEMORY": "external memory answered with an error: the run has ended",
}
"""With the one of arrays that have external memory."""


def _counters(events: tuple[str, ...]) -> list[Register]:
    """Cycles and events, one register each."""
    texts = {
        "cycles": "cycles in which the accelerator was busy",
        "beats": "beats taken by the array",
        "drain_stalls": "cycles in which the array waits for the drain",
        "input_stalls": "cycles in which the input pass waits for the image",
        "output_stalls": "cycles in which the engine waits for the taker of results",
        "word_stalls": "cycles in which an array whose lanes hold weights waits for a word",
        "external_stalls": "cycles in which a pass that is complete waits for its jobs",
        "beats_read": "beats read from external memory",
        "beats_written": "beats written to external memory",
    }
    return [
        Register(
            name=name.upper(),
            offset=0x40 + 4 * number,
            access=Access.READ_ONLY,
            meaning="Counter since START, as PASS says; refused when PASS has not ended.",
            fields=_word(f"{texts[name]}, modulo 2^{COUNTER_WIDTH}", width=COUNTER_WIDTH),
        )
        for number, name in enumerate(("cycles", *events))
    ]


REGISTERS: tuple[Register, ...] = (
    Register(
        name="CONTROL",
        offset=0x00,
        access=Access.WRITE_ONLY,
        meaning="What to do now; 0 does nothing.",
        fields=_bits(
            {
                "START": "run all passes on one image; refused during a run and without a program",
                "ABORT": "end the run: DONE and the counters become 0, the rest of an image that "
                "has begun is dropped, results that have begun are closed; memories stay loaded",
                "REALIGN": "stop dropping: the next transfer of s_axis begins an image",
            }
        ),
    ),
    Register(
        name="STATUS",
        offset=0x04,
        access=Access.READ_ONLY,
        meaning="What is going on.",
        fields=_bits(
            {
                "BUSY": "a run is under way",
                "DONE": "the last run has come to its end; until the next START or ABORT",
                "LOADED": "descriptors 0 to n were written in this order, n with its final bit",
                "DROPPING": "transfers of s_axis are taken and dropped, up to one with tlast",
                "WAITING": "a transfer of m_axis waits for its taker",
                "ERROR": "a bit of ERROR is set",
            }
        ),
    ),
    Register(
        name="ERROR",
        offset=0x08,
        access=Access.WRITE_1_CLEARS,
        meaning="What went wrong since reset; a bit stays until it is cleared.",
        fields=_bits(ERRORS),
    ),
    Register(
        name="WATCHDOG",
        offset=0x0C,
        access=Access.READ_WRITE,
        meaning="Ends a run in which nothing moves: no code, beat, word or result.",
        fields=_word("cycles without progress that end a run; 0: never"),
    ),
    Register(
        name="TARGET",
        offset=0x10,
        access=Access.READ_WRITE,
        meaning="Memory that DATA loads; writing it forgets the words of an unfinished row.",
        fields=_word("its number; weight bank i is WEIGHTS + i", width=TARGET_WIDTH),
    ),
    Register(
        name="ROW",
        offset=0x14,
        access=Access.READ_WRITE,
        meaning="Row that DATA loads; writing it forgets the words of an unfinished row.",
        fields=_word("its number; one more after every row that was loaded"),
    ),
    Register(
        name="DATA",
        offset=0x18,
        access=Access.WRITE_ONLY,
        meaning="Words of the row, least significant first; the last one loads it.",
        fields=_word("the next word; bits beyond the row's width are not looked at"),
    ),
    Register(
        name="PASS",
        offset=0x1C,
        access=Access.READ_WRITE,
        meaning="What the counters show.",
        fields=_word("the totals at the end of this pass; all ones: now", reset=ALL_PASSES),
    ),
    Register(
        name="ENDED",
        offset=0x20,
        access=Access.READ_ONLY,
        meaning="How far the last run has come.",
        fields=_word("passes that have ended since START"),
    ),
    Register(
        name="ID",
        offset=0x24,
        access=Access.READ_ONLY,
        meaning="What this is.",
        fields=(
            Field(name="VERSION", width=8, reset=MAP_VERSION, meaning="of this map"),
            Field(name="MAGIC", low=8, width=24, reset=MAGIC, meaning="the letters ADQ"),
        ),
    ),
    *_counters(EVENTS),
)


_CAUSES = {
    "DONE": "a run has come to its end",
    "ERROR": "a bit of ERROR was set",
}
_INTERRUPTS = (
    Register(
        name="INTERRUPT",
        offset=0x28,
        access=Access.WRITE_1_CLEARS,
        meaning="What has happened; a bit stays until it is cleared. Where lanes hold weights.",
        fields=_bits(_CAUSES),
    ),
    Register(
        name="INTERRUPT_ENABLE",
        offset=0x2C,
        access=Access.READ_WRITE,
        meaning="The bits of INTERRUPT of which each sets the output irq. Where lanes hold "
        "weights.",
        fields=_bits(_CAUSES),
    ),
)
_MEMORY_BASE = Register(
    name="MEMORY_BASE",
    offset=0x30,
    access=Access.READ_WRITE,
    meaning="Where external memory begins, with which jobs count. Where there is one.",
    fields=_word("byte address, of which the low 12 bits are not looked at"),
)
HELD_REGISTERS = (*REGISTERS, *_INTERRUPTS, *_counters(HELD_EVENTS)[1 + len(EVENTS) :])
"""With those that only arrays which hold weights have."""
EXTERNAL_REGISTERS = (
    *(replace(r, fields=_bits(EXTERNAL_ERRORS)) if r.name == "ERROR" else r for r in REGISTERS),
    *_INTERRUPTS,
    _MEMORY_BASE,
    *_counters(EXTERNAL_EVENTS)[1 + len(EVENTS) :],
)
"""With those of external memory."""


def registers_of(arch: Arch) -> tuple[Register, ...]:
    """The registers in front of an accelerator."""
    if arch.external is not None:
        return EXTERNAL_REGISTERS
    return HELD_REGISTERS if arch.holds else REGISTERS


def errors_of(arch: Arch) -> dict[str, str]:
    """The bits of ERROR in front of an accelerator."""
    return ERRORS if arch.external is None else EXTERNAL_ERRORS


def register(name: str) -> Register:
    """The register called `name`."""
    return next(entry for entry in EXTERNAL_REGISTERS if entry.name == name)


def offset(name: str) -> int:
    """Byte address of the register called `name`."""
    return register(name).offset


def mask(name: str, field: str) -> int:
    """The bits of a field of a register."""
    return register(name).field(field).mask


def load_words(arch: Arch) -> dict[int, int]:
    """DATA words of a row of every load target."""
    return {target: -(-width // WORD) for target, width in row_widths(arch).items()}
