"""Statuses: written, replaced only as expected, published."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import StatusRecord, TaskStatus
from tests.contract.stores import SHORT, Store
from tests.contract.workers import hear, status_of, uuids


@pytest.mark.parametrize("details", [None, b'{"progress":0.5}', b"a|b|c", bytes(range(256))])
def test_a_status_is_kept_as_it_was_given(backend: Backend, store: Store, details: bytes | None) -> None:
    """A status is returned with its details, unchanged, and the time of its write."""
    assert backend.statuses.put("a", TaskStatus.RUNNING, details)
    record = StatusRecord("a", TaskStatus.RUNNING, details, store.now)
    assert backend.statuses.get(["none", "a"]) == [None, record]
    assert list(backend.statuses.scan()) == [record]


def test_a_later_status_replaces_an_earlier(backend: Backend) -> None:
    """The last write is kept, with its own details."""
    backend.statuses.put("a", TaskStatus.RUNNING, b"half")
    backend.statuses.put("a", TaskStatus.SUCCEEDED)
    (record,) = backend.statuses.get(["a"])
    assert record is not None
    assert (record.status, record.details) == (TaskStatus.SUCCEEDED, None)


def test_only_new_never_overwrites(backend: Backend) -> None:
    """With `only_new`, a status is refused if there is one."""
    assert backend.statuses.put("a", TaskStatus.SUBMITTED, only_new=True)
    backend.statuses.put("a", TaskStatus.RUNNING)
    assert not backend.statuses.put("a", TaskStatus.SUBMITTED, only_new=True)
    assert status_of(backend, "a") == TaskStatus.RUNNING


def test_replacing_needs_the_expected_record(backend: Backend, store: Store) -> None:
    """A status is replaced only while it is the one that was read."""
    backend.statuses.put("a", TaskStatus.RUNNING)
    (read,) = backend.statuses.get(["a"])
    assert read is not None
    store.advance(5)
    backend.statuses.put("a", TaskStatus.RUNNING)
    assert not backend.statuses.replace("a", read, TaskStatus.UNKNOWN)
    (read,) = backend.statuses.get(["a"])
    assert read is not None
    assert not backend.statuses.replace("a", read._replace(status=TaskStatus.RETRYING), TaskStatus.UNKNOWN)
    assert backend.statuses.replace("a", read, TaskStatus.UNKNOWN)
    assert status_of(backend, "a") == TaskStatus.UNKNOWN
    assert not backend.statuses.replace("none", read, TaskStatus.UNKNOWN)


def test_a_status_ends(backend: Backend, store: Store) -> None:
    """A status is deleted after its time; one without an end stays."""
    backend.statuses.put("a", TaskStatus.RUNNING, ttl=SHORT)
    backend.statuses.put("b", TaskStatus.RUNNING)
    store.outlive(SHORT, lambda: status_of(backend, "a") is None)
    assert uuids(backend.statuses.scan()) == ["b"]
    assert backend.statuses.put("a", TaskStatus.SUBMITTED, only_new=True)


def test_deleting(backend: Backend) -> None:
    """Deleted statuses are found nowhere, and counted."""
    backend.statuses.put("a", TaskStatus.RUNNING)
    backend.statuses.put("b", TaskStatus.RUNNING)
    assert backend.statuses.delete(["a", "none"]) == 1
    assert backend.statuses.get(["a"]) == [None]
    assert backend.statuses.delete([]) == 0


def test_scanning_shows_every_status_once(backend: Backend) -> None:
    """All statuses are seen, none twice, and nothing else that is stored."""
    backend.set("value", 1)
    backend.results.put("r", b"")
    names = {f"s{n}" for n in range(300)}
    for name in names:
        backend.statuses.put(name, TaskStatus.SUBMITTED)
    seen = uuids(backend.statuses.scan())
    assert len(seen) == 300
    assert set(seen) == names


def test_a_write_is_published(backend: Backend, store: Store) -> None:
    """Each write of a status is published; a refused one is not."""
    with backend.subscribe("statuses:a") as subscription:
        backend.statuses.put("b", TaskStatus.RUNNING)
        backend.statuses.put("a", TaskStatus.RUNNING, b"half|way")
        backend.statuses.put("a", TaskStatus.SUBMITTED, only_new=True)
        (read,) = backend.statuses.get(["a"])
        assert read is not None
        backend.statuses.replace("a", read, TaskStatus.UNKNOWN)
        notes = [hear(subscription), hear(subscription)]
    heard = [StatusRecord.unpack("a", note.data) for note in notes if note is not None]
    assert heard == [read, StatusRecord("a", TaskStatus.UNKNOWN, None, store.now)]


def test_watching_reads_after_subscribing(backend: Backend) -> None:
    """A watch has the status that is stored when it begins, and receives each later one."""
    news, record = backend.watch_status("a")
    with news:
        assert record is None
        backend.statuses.put("a", TaskStatus.RUNNING)
        assert hear(news) is not None
    news, record = backend.watch_status("a")
    with news:
        assert [record] == backend.statuses.get(["a"])
        assert news.wait(0) is None
