"""Results: that of the newest claim is kept, and descendants are listed in the order in which they were written."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import FOR_EVER, ResultRecord
from tests.contract.stores import SHORT, Store
from tests.contract.workers import Actors, a_message, add, died, hear, result_of, uuids


def test_a_result_is_kept_as_it_was_given(backend: Backend, store: Store) -> None:
    """A result is returned unchanged, with the time and the token of its write."""
    payload = bytes(range(256))
    assert backend.results.put("a", payload, token=7)
    assert backend.results.put("b", b"")
    expected = [
        ResultRecord("b", b"", store.now, 0),
        None,
        ResultRecord("a", payload, store.now, 7),
    ]
    assert backend.results.get(["b", "none", "a"]) == expected
    assert backend.results.get([]) == []


def test_an_older_token_never_replaces_a_newer(backend: Backend) -> None:
    """The late result of an earlier claim is refused; the same claim and later ones may write."""
    assert backend.results.put("a", b"5", token=5)
    assert not backend.results.put("a", b"4", token=4)
    assert result_of(backend, "a") == b"5"
    assert backend.results.put("a", b"5 again", token=5)
    assert backend.results.put("a", b"10", token=10)
    assert result_of(backend, "a") == b"10"


def test_results_written_without_a_token_replace_each_other(backend: Backend) -> None:
    """A result without a claim may be written again."""
    assert backend.results.put("a", b"first")
    assert backend.results.put("a", b"second")
    assert result_of(backend, "a") == b"second"


def test_descendants_come_in_the_order_of_their_writing(backend: Backend, store: Store) -> None:
    """All results of a progenitor are listed, oldest write first, without its own."""
    for n, uuid in enumerate(("c", "root", "a", "b")):
        backend.results.put(uuid, uuid.encode(), token=n, progenitor="root")
        store.advance(1)
    backend.results.put("stranger", b"", progenitor="other")
    backend.results.put("orphan", b"")
    records = backend.results.descendants("root")
    assert uuids(records) == ["c", "a", "b"]
    assert records[0] == ResultRecord("c", b"c", store.now - 4, 0)
    assert backend.results.descendants("none") == []


def test_descendants_written_in_the_same_moment_keep_their_order(backend: Backend) -> None:
    """The order is that of the writes, even at the same time on the clock."""
    names = [f"d{n}" for n in (10, 9, 1, 2, 30, 3)]
    for name in names:
        backend.results.put(name, b"", progenitor="root")
    assert uuids(backend.results.descendants("root")) == names


def test_a_result_written_anew_is_the_newest_descendant(backend: Backend) -> None:
    """A result that is written again takes its place by its last write."""
    for uuid in ("a", "b", "a"):
        backend.results.put(uuid, b"", progenitor="root")
    assert uuids(backend.results.descendants("root")) == ["b", "a"]


def test_a_deleted_result_is_no_descendant(backend: Backend) -> None:
    """Deleted results are found nowhere, and counted."""
    for uuid in ("a", "b", "c"):
        backend.results.put(uuid, b"", progenitor="root")
    assert backend.results.delete(["a", "c", "none"]) == 2
    assert backend.results.get(["a", "b", "c"])[0::2] == [None, None]
    assert uuids(backend.results.descendants("root")) == ["b"]
    assert backend.results.delete(["a"]) == 0
    assert backend.results.delete([]) == 0


def test_a_result_ends(backend: Backend, store: Store) -> None:
    """A result is deleted after its time, also as a descendant; one without an end stays."""
    backend.results.put("a", b"", ttl=SHORT, progenitor="root")
    backend.results.put("b", b"", progenitor="root")
    store.outlive(SHORT, lambda: backend.results.get(["a"]) == [None])
    assert uuids(backend.results.descendants("root")) == ["b"]
    assert backend.results.put("a", b"anew", token=0)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("anew", [None, "another"])
def test_the_last_write_names_the_progenitor(backend: Backend, deleted: bool, anew: str | None) -> None:
    """A result that is written again descends from the progenitor of its last write only."""
    backend.results.put("a", b"1", progenitor="root")
    backend.results.put("b", b"2", progenitor="root")
    if deleted:
        backend.results.delete(["a"])
    backend.results.put("a", b"3", progenitor=anew)
    for _ in range(2):
        assert uuids(backend.results.descendants("root")) == ["b"]
        assert uuids(backend.results.descendants("another")) == (["a"] if anew else [])
    backend.results.put("a", b"4", progenitor="root")
    assert uuids(backend.results.descendants("root")) == ["b", "a"]
    assert backend.results.descendants("another") == []


def test_a_refused_write_changes_no_progenitor(backend: Backend) -> None:
    """A result of an older claim that is not stored leaves the descendants as they were."""
    backend.results.put("a", b"new", token=5, progenitor="root")
    assert not backend.results.put("a", b"old", token=4, progenitor="another")
    assert not backend.results.put("a", b"old", token=4)
    assert uuids(backend.results.descendants("root")) == ["a"]
    assert backend.results.descendants("another") == []


@pytest.mark.parametrize("progenitor", [None, "root"])
def test_a_result_is_read_as_it_was_written(backend: Backend, progenitor: str | None) -> None:
    """Payload, token and time are the same, with a progenitor or without, read or published."""
    with backend.subscribe("results:a") as news:
        backend.results.put("a", b"1|2^3|", token=7, progenitor=progenitor)
        note = hear(news)
    (record,) = backend.results.get(["a"])
    assert record is not None
    assert (record.payload, record.token) == (b"1|2^3|", 7)
    watch = backend.watch_result("q", "a")
    watch.news.close()
    assert watch.record == record
    assert note is not None
    assert not note.data or ResultRecord.unpack("a", note.data) == record


def test_a_new_write_has_a_new_time_to_live(backend: Backend, store: Store) -> None:
    """A result that is written again without an end no longer expires."""
    backend.results.put("a", b"short", ttl=SHORT)
    backend.results.put("marker", b"", ttl=SHORT)
    backend.results.put("a", b"long")
    store.outlive(SHORT, lambda: backend.results.get(["marker"]) == [None])
    assert result_of(backend, "a") == b"long"


def test_a_write_is_published(backend: Backend) -> None:
    """A subscription to a result receives its write, and no other."""
    with backend.subscribe("results:a") as subscription:
        backend.results.put("b", b"")
        backend.results.put("a", b"")
        note = hear(subscription)
    assert note is not None
    assert note.channel == "results:a"
    assert not note.data or ResultRecord.unpack("a", note.data) == backend.results.get(["a"])[0]


@pytest.mark.parametrize("size", [0, 4_000, 100_000])
def test_a_result_of_any_size_can_be_waited_for(backend: Backend, size: int) -> None:
    """A note has the whole record that was written, or is empty: never a part of it."""
    payload = bytes(range(256)) * (size // 256 + 1)
    with backend.subscribe("results:a") as subscription:
        backend.results.put("a", payload, token=3)
        note = hear(subscription)
    assert note is not None
    record = backend.results.get(["a"])[0]
    assert record is not None
    assert record.payload == payload
    assert note.data in (b"", record.pack())


def test_a_subscription_knows_whether_a_note_is_there(backend: Backend) -> None:
    """What has arrived is taken without waiting; with none there, a store may only say that there is none."""
    with backend.subscribe("results:a", "results:b") as subscription:
        assert not subscription.has_note()
        for name in ("a", "b", "a"):
            backend.results.put(name, name.encode())
        heard = [hear(subscription)]
        while subscription.has_note():
            heard.append(subscription.wait(0))
        while len(heard) < 3:
            heard.append(hear(subscription))
        assert [note and note.channel for note in heard] == ["results:a", "results:b", "results:a"]
        assert not subscription.has_note()


def test_watching_reads_after_subscribing(backend: Backend) -> None:
    """A watch has the result that is stored when it begins, and receives each later one."""
    with backend.watch_result("q", "a").news as news:
        backend.results.put("a", b"1")
        assert hear(news) is not None
    news, record, _ = backend.watch_result("q", "a")
    with news:
        assert record == backend.results.get(["a"])[0]
        assert news.wait(0) is None
    with backend.watch_result("q", "none").news as news:
        assert news.wait(0) is None


def test_what_may_have_failed_is_told(backend: Backend, actor: Actors) -> None:
    """A dead letter, or the status of one that keeps none, is never overlooked by a watch."""
    worker = actor()
    add(backend, a_message("buried", status_ttl=0), a_message("dropped", status_ttl=FOR_EVER))
    for claimed in worker.claim(2):
        kept_for = FOR_EVER if claimed.uuid == "buried" else 0
        worker.step(died(claimed, dlq_ttl=kept_for), limit=0)
    for uuid in ("buried", "dropped"):
        watch = backend.watch_result("q", uuid)
        watch.news.close()
        assert watch.may_have_failed


def test_what_was_watched_is_taken_once(backend: Backend) -> None:
    """To take a watched result deletes it and ends the watch; both may have been done before."""
    for _ in range(3):
        backend.results.put("a", b"1")
        news = backend.watch_result("q", "a").news
        backend.take_watched(news, "a")
        assert backend.results.get(["a"]) == [None]
        news.close()
    backend.results.put("a", b"1")
    backend.take_watched(news, "a")
    assert backend.results.get(["a"]) == [None]


@pytest.mark.parametrize("ttls", [(SHORT, 1_000 * SHORT), (1_000 * SHORT, SHORT)])
def test_a_progenitor_knows_its_longest_lived_result(
    backend: Backend, store: Store, ttls: tuple[int, int]
) -> None:
    """Of two descendants one ends; the other is still found, whichever was written first."""
    for uuid, ttl in zip("ab", ttls, strict=True):
        backend.results.put(uuid, b"", progenitor="root", ttl=ttl)
    short, long = ("a", "b") if ttls[0] == SHORT else ("b", "a")
    store.outlive(SHORT, lambda: backend.results.get([short]) == [None])
    assert uuids(backend.results.descendants("root")) == [long]
