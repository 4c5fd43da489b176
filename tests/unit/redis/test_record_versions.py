"""Records of other versions of Alsek on Redis: each reads what the other wrote, and keeps what it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from alsek.storage.backends.records import (
    ACCEPTED,
    Claimed,
    Failed,
    Lost,
    Released,
    Retried,
    Submission,
    Worker,
)
from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis

#: The patterns by which 0.1.0 reads a record and a claim.
OLD_RECORD = re.compile(
    rb"1\|[atp]\|\d+\|\d+\|\d+\|(\d+)\|\d+\|(-?\d+)\|[01]\|([^|]*)\|([^\n]+)\n(.*)", re.DOTALL
)
OLD_CLAIM = re.compile(
    rb"(\d+)\|\d+\|\d\|1\|[atp]\|\d+\|\d+\|\d+\|\d+\|\d+\|(-?\d+)\|[01]\|([^|]*)\|([^\n]+)\n"
)
ERROR = b'{"name": "E|;", "text": "100 %\\n", "traceback": null}'


class Actor:
    """A registered worker."""

    def __init__(self, backend: RedisBackend, worker: Worker) -> None:
        self.backend, self.worker, self.seq = backend, worker, 0
        backend.messages.register(worker)

    def step(self, *outcomes: Retried | Released | Lost | Failed, limit: int = 1) -> list[Claimed]:
        """Report outcomes and claim."""
        self.seq += 1
        return self.backend.messages.step(self.worker, self.seq, outcomes, {self.worker.kind: limit}).claimed

    def claim(self) -> Claimed:
        """Claim one message."""
        (claimed,) = self.step()
        return claimed


@pytest.fixture
def actor(backend: RedisBackend, new_worker: Callable[..., Worker]) -> Actor:
    """A worker that takes everything."""
    return Actor(backend, new_worker())


def record_of(backend: RedisBackend, uuid: str) -> bytes:
    """The stored bytes."""
    record: bytes = backend._link.call("HGET", f"{backend.namespace}:messages", uuid)
    return record


def set_tail(backend: RedisBackend, uuid: str, tail: bytes, version: bytes = b"1") -> None:
    """Put a tail behind the request, as a newer version would."""
    line, payload = record_of(backend, uuid).split(b"\n", 1)
    fields = line.split(b"|")
    fields[0], fields[9] = version, fields[9] + tail
    backend._link.call("HSET", f"{backend.namespace}:messages", uuid, b"|".join(fields) + b"\n" + payload)


@pytest.mark.parametrize("several", [False, True])
def test_a_record_without_tail_has_the_bytes_of_0_1_0(backend: RedisBackend, several: bool) -> None:
    """A submission is stored as 0.1.0 stores it, alone or among others."""
    batch = [
        Submission("a", "q", b"p|\n;", priority=3, wish="thread", ttl=5_000),
        Submission("b", "q", b""),
    ]
    assert backend.messages.add(batch[: 1 + several], "req")[0] == ACCEPTED
    assert re.fullmatch(rb"1\|t\|3\|1\|0\|\d{13}\|5000\|0\|0\|req\|q\np\|\n;", record_of(backend, "a"))


def test_0_1_0_reads_what_was_retried(backend: RedisBackend, actor: Actor) -> None:
    """The tail is in the place of the request, which 0.1.0 does not look into; the payload is where it was."""
    backend.messages.add([Submission("a", "q", b"payload", status_ttl=-1)], "req")
    claimed = actor.claim()
    actor.step(Retried("a", "q", claimed.token, 0, 1, 5, 7, ERROR), limit=0)
    found = OLD_RECORD.fullmatch(record_of(backend, "a"))
    assert found is not None
    assert found[3].startswith(b"req;")
    assert (found[4], found[5]) == (b"q", b"payload")
    claimed = actor.claim()
    assert claimed.last_error == ERROR
    entry = backend._link.call("HGET", f"{backend.namespace}:claims:{actor.worker.id}", "a")
    assert OLD_CLAIM.fullmatch(entry)


def test_fields_of_a_newer_version_are_kept(backend: RedisBackend, actor: Actor) -> None:
    """Whatever rewrites a record keeps what it does not know in the tail."""
    backend.messages.add([Submission("a", "q", b"payload", delay=20, ttl=60_000)], "req")
    set_tail(backend, "a", b";x1=new;y=")
    while not (claimed := actor.step()):
        pass
    actor.step(Released("a", "q", claimed[0].token), limit=0)
    actor.step(Lost("a", "q", actor.claim().token), limit=0)
    backend.messages.revoke("q", "a")
    actor.step(Retried("a", "q", actor.claim().token, 0, 1, 5), limit=0)
    actor.step(Retried("a", "q", actor.claim().token, 0, 2, 6, payload=b"edited"), limit=0)
    assert backend.messages.reschedule(Retried("a", "q", 0, 0, 3))
    assert b"|req;x1=new;y=;r=3|q\n" in record_of(backend, "a")
    again = actor.claim()
    assert (again.retries, again.updated_at, again.payload, again.losses) == (3, 0, b"edited", 1)
    actor.step(Failed("a", "q", again.token, b"{}", 60_000), limit=0)
    letter = backend.messages.dead_letter("q", "a")
    assert letter is not None
    assert (letter.retries, letter.payload) == (3, b"edited")


def test_the_version_of_a_record_is_kept(backend: RedisBackend, actor: Actor) -> None:
    """A record that an older version must leave alone is not made one that it takes."""
    backend.messages.add([Submission("a", "q", b"payload")], "req")
    set_tail(backend, "a", b";x=1", version=b"2")
    actor.step(Retried("a", "q", actor.claim().token, 0, 1, 5), limit=0)
    assert record_of(backend, "a").startswith(b"2|")
    assert actor.claim().retries == 1


def test_a_damaged_tail_keeps_no_message_from_being_run(backend: RedisBackend, actor: Actor) -> None:
    """What is no number counts as not there."""
    backend.messages.add([Submission("a", "q", b"payload"), Submission("b", "q", b"payload")], "req")
    set_tail(backend, "a", b";r=\xff;d=1;u;;=")
    first, second = actor.step(limit=2)
    assert (first.retries, first.retry_delay) == (0, 1)
    assert second.uuid == "b"


def test_a_uuid_that_0_1_0_remembered_with_a_tail(backend: RedisBackend, actor: Actor) -> None:
    """What 0.1.0 notes of a finished message has the tail too; the request is recognized all the same."""
    backend.messages.add([Submission("a", "q", b"p")], "req")
    claimed = actor.claim()
    actor.step(Failed("a", "q", claimed.token, b"{}", 0), limit=0)
    (name,) = backend._link.call("KEYS", f"{backend.namespace}:finished:*")
    entry: bytes = backend._link.call("HGET", name.decode(), "a")
    backend._link.call("HSET", name.decode(), "a", entry + b";r=1;e=x")
    assert backend.messages.add([Submission("a", "q", b"p")], "req") == [ACCEPTED]
    assert not backend.messages.add([Submission("a", "q", b"p")], "other")[0].accepted
