"""Names for messages and workers."""

from __future__ import annotations

import ctypes
import os
import time
import uuid
from collections.abc import Callable

import pytest

from alsek.core import identifiers
from alsek.core.identifiers import check_name, check_queue, new_request_id, new_uuid, new_worker_id
from alsek.core.lock_owners import current_owner
from alsek.core.message import Message
from alsek.core.this_process import this_process
from alsek.exceptions import ValidationError


def test_a_new_uuid_is_one_of_version_7() -> None:
    """A message's uuid is of RFC 9562's version 7 and says when it was made."""
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_uuid())
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_uuids_are_ordered_by_time_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later millisecond gives a greater text, and one millisecond gives many texts."""
    moments = iter(range(1_700_000_000_000_000_000, 1_700_000_100_000_000_000, 1_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    made = [new_uuid() for _ in range(1_000)]
    assert made == sorted(made)
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_uuid() for _ in range(1_000)}) == 1_000


def test_worker_and_request_ids_never_repeat() -> None:
    """Ids of workers and requests are random."""
    assert len({new_worker_id() for _ in range(1_000)} | {new_request_id() for _ in range(1_000)}) == 2_000


@pytest.mark.parametrize("fork", [os.fork, ctypes.PyDLL(None).fork], ids=["by Python", "past Python's hooks"])
def test_a_forked_child_has_names_of_its_own(fork: Callable[[], int]) -> None:
    """What was made ahead in the parent is not used again in a child: no two processes give the same name.

    uWSGI forks its workers past Python's hooks. A request of one would be taken for a repetition of another's.
    """
    new_uuid(), new_request_id(), current_owner()  # some are made ahead now
    ours, theirs = os.pipe()
    child = fork()
    if child == 0:
        names = [name for _ in range(200) for name in (new_uuid()[13:], new_request_id())]
        names += [current_owner(), str(this_process.pid), str(os.getpid())]
        os.write(theirs, " ".join(names).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        made = pipe.read().decode().split()
    os.waitpid(child, 0)
    mine = [name for _ in range(200) for name in (new_uuid()[13:], new_request_id())]
    *made, owner, seen, real = made
    assert len({*made, *mine}) == 800
    assert owner != current_owner()
    assert seen == real == str(child)


def test_the_names_of_queues_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with any number of queues remembers a bounded number of them, and still checks each."""
    monkeypatch.setattr(identifiers, "_MOST_SEEN", len(identifiers._seen_queues) + 10)
    for n in range(20):
        assert check_queue(f"queue-{n}") == f"queue-{n}"
    assert len(identifiers._seen_queues) <= identifiers._MOST_SEEN
    with pytest.raises(ValidationError, match="queue"):
        check_queue("a b")


@pytest.mark.parametrize(
    "name", ["q", "math_ops", "a:b", "é-ß", "x" * 255, "67de0e4c-9816-11eb-8cb0-acde48001122"]
)
def test_sensible_names_are_taken(name: str) -> None:
    """A name of up to 255 visible characters is taken as it is."""
    assert check_name("queue", name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\nb", "a\tb", "a\0b", "\x7f", "x" * 256, "\ud800", 7, None, b"q"]
)
def test_other_names_are_refused(name: object) -> None:
    """A name that some store could not carry is refused with the value in the text."""
    with pytest.raises(ValidationError, match="queue"):
        check_name("queue", name)


@pytest.mark.parametrize("field", ["queue", "uuid"])
def test_a_message_checks_its_names(field: str) -> None:
    """A message can't be made with a queue or a uuid that a store could misread."""
    fields = {field: "white space"}
    with pytest.raises(ValidationError, match=field):
        Message("t", **fields)  # type: ignore[arg-type]
