"""Kept answers: what a function says of a subject, computed once as long as the subject lives.

For facts of a network or a layer that every further array asks for. Unlike `functools.lru_cache` it
keeps no subject alive: a program has tens of megabytes of weights.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple, cast
from weakref import WeakKeyDictionary

Subject = TypeVar("Subject")
Others = TypeVarTuple("Others")
Answer = TypeVar("Answer")


def kept(function: Callable[[Subject, *Others], Answer]) -> Callable[[Subject, *Others], Answer]:
    """`function`, computed once for a subject (by identity or equality, as it hashes) and the other
    arguments. The answer must not be changed, nor refer to the subject, which would never go then.

    >>> class Net:
    ...     layers = ["conv"]
    >>> count = kept(lambda net: print("counting") or len(net.layers))
    >>> net = Net()
    >>> count(net) + count(net)
    counting
    2
    """
    answers: WeakKeyDictionary[Subject, dict[tuple[object, ...], Answer]] = WeakKeyDictionary()

    @wraps(function)
    def answer(subject: Subject, *others: *Others) -> Answer:
        key = cast(tuple[object, ...], others)
        try:
            return answers[subject][key]
        except KeyError:
            found = function(subject, *others)
        answers.setdefault(subject, {})[key] = found
        return found

    return answer
