"""What a child process of `fork()` inherits from a pool of threads: nothing that runs.

Threads do not survive `fork()`, and a lock that another thread held stays locked for ever. Every
registered object drops both in the child, before any of its code runs there.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object with threads or locks of its own."""

    def forget_threads(self) -> None:
        """Called in the child: drop threads and locks."""


_known: WeakSet[Forkable] = WeakSet()


def register(one: Forkable) -> None:
    """Have `one.forget_threads()` called in every child process; `one` is held weakly."""
    _known.add(one)


def _in_child() -> None:
    for one in list(_known):
        one.forget_threads()


if hasattr(os, "register_at_fork"):  # a system without fork() has no such children
    os.register_at_fork(after_in_child=_in_child)
