"""What is kept of reports on messages: its keys, for how long they live, and what stands in their way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.defaults import DEFAULT_STATUS_TTL
from alsek.exceptions import BackendError
from alsek.storage.backends.copies import CopyKind, MessageCopy, ReportCopy
from alsek.storage.backends.records import (
    FOR_EVER,
    Claimed,
    Failed,
    Outcome,
    Released,
    Report,
    ReportRecord,
    Submission,
    Succeeded,
    Worker,
)
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.keys import Keys

pytestmark = pytest.mark.redis

WORKER = Worker("w", "thread", None, 15_000, 600_000)
#: How much of a lifetime may have passed before a test looks at it.
SPENT = 60_000


def _claim(backend: RedisBackend, submission: Submission, seq: int = 1) -> Claimed:
    """Submit a message, and hand it to the worker."""
    backend.messages.register(WORKER)
    backend.messages.add([submission], f"r{seq}")
    (claimed,) = backend.messages.step(WORKER, seq, [], {"thread": 1}).claimed
    return claimed


def _report(claimed: Claimed, number: int = 1, lines: tuple[bytes, ...] = (b"one",)) -> Report:
    return Report(claimed.uuid, "q", claimed.token, number, b"{}", b"1", lines, 2)


def _lifetimes(backend: RedisBackend, uuid: str) -> list[int]:
    """Those of the two keys: -1 for ever, -2 for a key that is not there."""
    keys = Keys(backend.namespace)
    return [int(backend._link.call("PTTL", key)) for key in (keys.reports(uuid), keys.log(uuid))]


def test_while_a_message_is_stored_nothing_of_it_expires(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """Two keys are written at the first report; they have no end."""
    claimed = _claim(backend, submission("a"))
    assert _lifetimes(backend, "a") == [-2, -2]
    assert backend.messages.report(WORKER, [_report(claimed)]) == []
    assert _lifetimes(backend, "a") == [-1, -1]


@pytest.mark.parametrize("status_ttl", [0, 400_000, FOR_EVER])
@pytest.mark.parametrize("dlq_ttl", [None, 0, 500_000, FOR_EVER])
def test_the_keys_live_as_long_as_what_is_left_of_the_message(
    status_ttl: int, dlq_ttl: int | None, backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """As long as the dead letter; else as the status, a week if that is kept for ever; else they are deleted."""
    claimed = _claim(backend, submission("a", status_ttl=status_ttl))
    end: Outcome = Succeeded("a", "q", claimed.token)
    if dlq_ttl is not None:
        end = Failed("a", "q", claimed.token, b"{}", dlq_ttl)
    backend.messages.step(WORKER, 2, [_report(claimed), end], {"thread": 0})
    expected = dlq_ttl or (DEFAULT_STATUS_TTL if status_ttl == FOR_EVER else status_ttl) or None
    for left in _lifetimes(backend, "a"):
        if expected is None:
            assert left == -2
        elif expected == FOR_EVER:
            assert left == -1
        else:
            assert expected - SPENT < left <= expected
    (kept,) = backend.messages.reports(["a"])
    assert (kept is not None and kept.checkpoint) == (b"1" if dlq_ttl else None if expected else False)


def test_a_replayed_message_keeps_its_keys_again(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """Once the dead letter is replayed they have no end any more; the purge of another letter deletes them."""
    claimed = _claim(backend, submission("a"))
    end = Failed("a", "q", claimed.token, b"{}", 500_000)
    backend.messages.step(WORKER, 2, [_report(claimed), end], {"thread": 0})
    letter = backend.messages.dead_letter("q", "a")
    assert letter is not None
    assert backend.messages.replay(submission("a"), letter.died_at).accepted
    assert _lifetimes(backend, "a") == [-1, -1]
    assert backend.messages.fail("q", "a", b"{}", 500_000)
    assert backend.messages.purge("q") == 1
    assert _lifetimes(backend, "a") == [-2, -2]


def test_what_other_programs_overwrite_is_told(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """A report whose key is foreign raises an error that names it, and the step of the worker goes on without it."""
    claimed = _claim(backend, submission("a"))
    assert backend.messages.report(WORKER, [_report(claimed)]) == []
    name = Keys(backend.namespace).reports("a")
    backend._link.call("SET", name, "foreign")
    with pytest.raises(BackendError, match=name):
        backend.messages.report(WORKER, [_report(claimed, 2)])
    assert backend.messages.reports(["a"], lines=True) == [None]
    step = backend.messages.step(WORKER, 2, [_report(claimed, 2), Released.of(claimed)], {"thread": 0})
    assert step.refused == []
    assert name in {corrupt.queue for corrupt in step.corrupt}
    assert backend._link.call("GET", name) == b"foreign"


def test_a_number_that_is_none_stops_no_step(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """Another program may have written anything into the hash: the next report is taken in."""
    claimed = _claim(backend, submission("a"))
    assert backend.messages.report(WORKER, [_report(claimed)]) == []
    backend._link.call("HSET", Keys(backend.namespace).reports("a"), "number", "no number")
    step = backend.messages.step(WORKER, 2, [_report(claimed, 2), Released.of(claimed)], {"thread": 0})
    assert (step.refused, step.corrupt) == ([], [])
    (kept,) = backend.messages.reports(["a"], lines=True)
    assert kept is not None
    assert kept.lines == (b"one", b"one")


def test_without_its_record_nothing_is_kept_of_a_message(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """If another program has deleted the message, a report is refused: nothing would ever delete what it left."""
    claimed = _claim(backend, submission("a"))
    backend._link.call("HDEL", Keys(backend.namespace).messages(), "a")
    assert backend.messages.report(WORKER, [_report(claimed)]) == ["a"]
    assert _lifetimes(backend, "a") == [-2, -2]


def test_a_message_on_which_more_was_reported_stays(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """A move does not take out a message with a copy of reports that are out of date."""
    claimed = _claim(backend, submission("a"))
    backend.messages.step(WORKER, 2, [_report(claimed), Released.of(claimed)], {"thread": 0})
    transfer = backend.transfer
    transfer.open_source("move", "target", "there", 600_000)
    (page,) = transfer.read(CopyKind.MESSAGE, 10)
    (copy,) = page.copies
    assert isinstance(copy, MessageCopy)
    assert copy.report is not None
    assert copy.report[:1] == (claimed.token,)
    (claimed,) = backend.messages.step(WORKER, 3, [], {"thread": 1}).claimed
    backend.messages.step(WORKER, 4, [_report(claimed), Released.of(claimed)], {"thread": 0})
    assert transfer.take_out("move", "b1", [copy]) == [False]
    (page,) = transfer.read(CopyKind.MESSAGE, 10)
    assert transfer.take_out("move", "b2", page.copies) == [True]
    assert _lifetimes(backend, "a") == [-2, -2]


@pytest.mark.parametrize("tail", ["", ";o=1", ";new=x;o=1;r=1"])
@pytest.mark.parametrize("with_report", [True, False])
def test_the_flag_of_what_arrives_is_right(tail: str, with_report: bool, backend: RedisBackend) -> None:
    """A message that comes with reports has the flag, and one without has not, whatever its header said."""
    report = ReportCopy(3, 1, 1_000, None, b"", (b"one", b"", b"two"), None) if with_report else None
    copy = MessageCopy(
        "a", "q", b"p", 0, "any", None, None, 0, 0, 0, False, False, "", tail, 1, None, report=report
    )
    transfer = backend.transfer
    transfer.open_target("move", "source", 0, 0)
    transfer.stage("move", "source", "batch", b"data")
    assert transfer.refusals([copy]) == [""]
    assert transfer.commit("move", "source", "batch", [copy]) == []
    found = backend.messages.get("q", "a")
    assert found is not None
    assert found.reported is with_report
    kept = ReportRecord("a", 3, 1_000, None, b"", (b"one", b"", b"two")) if with_report else None
    assert backend.messages.reports(["a"], lines=True) == [kept]
