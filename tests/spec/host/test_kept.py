"""Kept answers: computed once for a subject, and gone with it."""

import gc
import weakref

import pytest

from adqhw.spec.host.kept import kept


class Net:
    """A subject: compared by identity, as programs are."""


def test_an_answer_is_computed_once_for_each_subject_and_argument():
    asked = []

    @kept
    def words(net: Net, rows: int) -> int:
        asked.append((net, rows))
        return rows + 1

    one, other = Net(), Net()
    assert [words(one, 4), words(one, 4), words(one, 5), words(other, 4)] == [5, 5, 6, 5]
    assert asked == [(one, 4), (one, 5), (other, 4)]


def test_a_subject_is_not_kept_alive():
    @kept
    def size(net: Net) -> int:
        return 1

    net = Net()
    size(net)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_an_error_is_no_answer():
    """A KeyError of the function is its caller's, and the next call computes again."""
    answers = iter([KeyError("layer"), 7])

    @kept
    def ask(net: Net) -> int:
        answer = next(answers)
        if isinstance(answer, KeyError):
            raise answer
        return answer

    net = Net()
    with pytest.raises(KeyError, match="layer"):
        ask(net)
    assert ask(net) == 7
