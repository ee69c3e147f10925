"""Which tensors of a weights file are meant: dictionaries in dictionaries, prefixes of names.

What trainers write: the state dict itself; under a key (Lightning, timm, MMDetection:
``state_dict``; torchvision's references: ``model``), with averaged copies beside it (``model_ema``,
``state_dict_ema``); or a dictionary per part of the network (``{"model": {"backbone": {..}}}``).
Which of two sets of weights of one network is meant is for the user to say.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.text import printable, shown

STATE_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "params_ema",
    "model",
    "net",
    "network",
    "params",
    "weights",
    "module",
)
"""Where trainers keep the state dict in a dictionary of theirs; among parts with different names
the first that is there counts."""
MAX_DEPTH = 4
"""Dictionaries in each other."""
MOST_PARTS = 64
"""Dictionaries with tensors in one dictionary."""
MOST_LISTED = 8
OPTION = "--init-part"
_OTHERS = re.compile(r"optim|sched|scaler|callback|loop|hyper_param|^args$|^meta$|^rng", re.I)
"""Keys of a trainer's own state: never weights of a network."""
WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod|model|net|network|ema|student|backbone)\.)+")
"""Prefixes of a network's names by DataParallel, torch.compile, averages and trainers."""

Named = dict[str, Tensor]


def state_dict(record: object, what: str, part: str | None = None) -> Named:
    """The tensors of a torch file's ``record``, by name; ``part`` chooses where there are several.

    part: keys with dots between them, or the beginning of names.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"{what} must hold a dictionary of tensors, not {type(record).__name__}")
    reader = _Reader(what)
    return reader.found(record) if part is None else reader.chosen(record, part)


def with_prefix(tensors: Mapping[str, Tensor], part: str, what: str) -> Named:
    """The tensors whose names begin with ``part``, without it."""
    start = part.rstrip(".") + "."
    named = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
    if not named:
        starts = sorted({name.split(".")[0] for name in tensors})
        raise InputError(f"{OPTION} must be a part of {what} ({listed(starts)}), not {shown(part)}")
    return named


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - MOST_LISTED
    text = ", ".join(printable(name, 60) for name in names[:MOST_LISTED])
    return f"{text} and {more} more" if more > 0 else text


class _Reader:
    """Reads each dictionary once, in however many places of the file it stands."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.states: dict[int, bool] = {}
        self.read: dict[int, Named] = {}

    def chosen(self, record: Mapping[Any, Any], part: str) -> Named:
        """What is at the keys ``part``, the longest that fit; the rest is a beginning of names."""
        keys = part.split(".")
        for end in range(len(keys), 0, -1):
            key, rest = ".".join(keys[:end]), ".".join(keys[end:])
            inner = record.get(key)
            if isinstance(inner, Mapping) and self.is_state(inner):
                return self.chosen(inner, rest) if rest else self.found(inner)
        return with_prefix(_tensors(record) or self.found(record), part, self.what)

    def found(self, record: Mapping[Any, Any], path: str = "") -> Named:
        """The only state dict in a dictionary, or its parts joined."""
        if id(record) not in self.read:
            if path.count(".") > MAX_DEPTH:
                raise InputError(
                    f"{self.what} must hold a dictionary of tensors, not dictionaries in each other"
                )
            self.read[id(record)] = self._found(record, path)
        return self.read[id(record)]

    def _found(self, record: Mapping[Any, Any], path: str) -> Named:
        inner = {
            key: value
            for key, value in record.items()
            if isinstance(key, str) and self.is_state(value) and not _OTHERS.search(key)
        }
        known = [key for key in STATE_KEYS if key in inner]
        tensors = _tensors(record)
        if tensors and not known and all(isinstance(key, str) for key in record):
            return tensors
        if not 0 < len(inner) <= MOST_PARTS:
            keys = ", ".join(printable(repr(key), 40) for key in list(record)[:MOST_LISTED])
            raise InputError(
                f"{self.what} must hold a state dict, itself or under {', '.join(STATE_KEYS)}, "
                f"not the keys {keys or 'of an empty dictionary'}"
            )
        parts = {key: self.found(value, f"{path}{key}.") for key, value in inner.items()}
        self._refuse_choice(parts, path)
        if known or len(parts) == 1:
            return parts[known[0]] if known else next(iter(parts.values()))
        return {
            f"{key}.{name}": value for key, part in parts.items() for name, value in part.items()
        }

    def _refuse_choice(self, parts: Mapping[str, Named], path: str) -> None:
        """Refuse two dictionaries with the same names of tensors."""
        bare = {key: {WRAPPERS.sub("", name) for name in part} for key, part in parts.items()}
        keys = list(parts)
        for place, one in enumerate(keys):
            for other in keys[place + 1 :]:
                if 2 * len(bare[one] & bare[other]) > min(len(bare[one]), len(bare[other])):
                    counts = [f"{path}{key} ({len(part)} tensors)" for key, part in parts.items()]
                    raise InputError(
                        f"{self.what} must have one set of weights, not {listed(counts)}: choose "
                        f"one, such as {OPTION} {path}{one}"
                    )

    def is_state(self, value: object, levels: int = MAX_DEPTH) -> bool:
        """Whether a value is a dictionary by names that has tensors in it, or below."""
        if not isinstance(value, Mapping) or not value:
            return False
        if id(value) not in self.states:
            self.states[id(value)] = False  # while it is looked at: it may hold itself
            named = levels >= 0 and all(isinstance(key, str) for key in value)
            self.states[id(value)] = named and any(
                isinstance(item, Tensor) or self.is_state(item, levels - 1)
                for item in value.values()
            )
        return self.states[id(value)]


def _tensors(record: Mapping[Any, Any]) -> Named:
    return {k: v for k, v in record.items() if isinstance(k, str) and isinstance(v, Tensor)}
