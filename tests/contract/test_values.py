"""Values by name, channels, and namespaces that share nothing."""

from __future__ import annotations

import threading

import pytest

from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import TaskStatus
from alsek.storage.backends.subscriptions import Note
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    add,
    hear,
    result_of,
    status_of,
    uuids,
)


@pytest.mark.parametrize("value", [None, 0, "", "text", "жар-птица", [1, 2.5, None], {"a": {"b": [True]}}])
def test_a_value_comes_back(backend: Backend, value: object) -> None:
    """What the serializer can take is stored and returned, also when it is false."""
    assert backend.set("name", value)
    assert backend.exists("name")
    assert backend.get("name", default="default") == value


def test_what_was_not_stored(backend: Backend) -> None:
    """A missing value is the default, and no error except to delete."""
    assert not backend.exists("none")
    assert backend.get("none") is None
    assert backend.get("none", 7) == 7
    assert not backend.delete("none", missing_ok=True)
    with pytest.raises(KeyError):
        backend.delete("none")


def test_deleting(backend: Backend) -> None:
    """A deleted value no longer exists."""
    backend.set("name", 1)
    assert backend.delete("name")
    assert not backend.exists("name")


def test_setting_only_what_is_new(backend: Backend) -> None:
    """With `nx` an existing value stays."""
    assert backend.set("name", 1, nx=True)
    assert not backend.set("name", 2, nx=True)
    assert backend.get("name") == 1
    assert backend.set("name", 3)
    assert backend.get("name") == 3


def test_a_value_ends(backend: Backend, store: Store) -> None:
    """A value is deleted after its time; one that is set again without an end stays."""
    backend.set("short", 1, ttl=SHORT)
    backend.set("renewed", 1, ttl=SHORT)
    backend.set("renewed", 2)
    store.outlive(SHORT, lambda: not backend.exists("short"))
    assert backend.get("short", "gone") == "gone"
    assert list(backend.scan()) == ["renewed"]
    assert backend.set("short", 2, nx=True)


def test_what_can_not_be_serialized_is_refused(backend: Backend) -> None:
    """A value that the serializer can't take is an error, and nothing is stored."""
    with pytest.raises(TypeError):
        backend.set("name", object())
    assert not backend.exists("name")


def test_names_may_carry_the_namespace(backend: Backend) -> None:
    """A name is the same with its namespace and without."""
    backend.set("name", 1)
    assert backend.get(backend.full_name("name")) == 1
    assert backend.exists(f"{backend.namespace}:name")
    assert backend.delete(backend.full_name("name"))


def test_scanning_lists_values_alone(backend: Backend, actor: Actors) -> None:
    """Names are listed once each, by pattern, and nothing that the ports store is among them."""
    worker = actor()
    add(backend, "a", "b")
    worker.claim_one()
    backend.messages.fail("q", "b", ERROR, DLQ_TTL)
    backend.results.put("a", b"")
    backend.locks.acquire("l", "me", 60_000)
    names = sorted(f"name:{n}" for n in range(150))
    for name in names:
        backend.set(name, 1)
    backend.set("other", 1)
    assert sorted(backend.scan()) == [*names, "other"]
    assert sorted(backend.scan("name:*")) == names
    assert sorted(backend.scan("name:1?")) == [f"name:{n}" for n in range(10, 20)]
    assert sorted(backend.scan("name:[12]")) == ["name:1", "name:2"]
    assert list(backend.scan("none*")) == []


def test_counting_a_value(backend: Backend) -> None:
    """A name that is no collection counts as a value: 1 if it exists, else 0."""
    backend.set("name", [1, 2, 3])
    assert (backend.count("name"), backend.count("none")) == (1, 0)


def test_odd_names(backend: Backend) -> None:
    """Names may hold characters that a store uses for itself."""
    names = ["a:b", "ключ", "100%", "under_score", "a'b", "-"]
    for name in names:
        backend.set(name, name)
    assert [backend.get(name) for name in names] == names
    assert sorted(backend.scan()) == sorted(names)
    assert list(backend.scan("100%")) == ["100%"]
    assert list(backend.scan("under_*")) == ["under_score"]


def test_clearing_leaves_nothing(backend: Backend, actor: Actors) -> None:
    """After clearing, nothing that was stored can be found, and the store works on."""
    worker = actor()
    add(backend, "a", "b", "c", a_message("d", queue="r", delay=1_000))
    worker.claim_one()
    backend.messages.fail("q", "b", ERROR, DLQ_TTL)
    backend.results.put("x", b"", progenitor="root")
    backend.statuses.put("x", TaskStatus.RUNNING)
    backend.locks.acquire("l", "me", 60_000)
    backend.set("value", 1)
    assert backend.clear_namespace() > 0
    assert backend.messages.queues() == backend.messages.dead_queues() == []
    assert backend.messages.count("q") == 0
    assert list(backend.statuses.scan()) == []
    assert backend.results.descendants("root") == []
    assert result_of(backend, "x") is None
    assert backend.locks.holder("l") is None
    assert list(backend.scan()) == []
    assert backend.clear_namespace() == 0
    assert add(backend, "a") == [True]
    assert uuids(actor().claim()) == ["a"]


def test_namespaces_are_worlds_of_their_own(backend: Backend, store: Store, actor: Actors) -> None:
    """Two namespaces of one store share nothing: no message, value, lock, result or channel."""
    other = store.open(store.namespace + "x")
    add(backend, "a")
    backend.messages.fail("q", "a", ERROR, DLQ_TTL)
    add(backend, "b")
    backend.results.put("r", b"1")
    backend.locks.acquire("l", "one", 60_000)
    backend.set("v", 1)
    assert other.messages.queues() == other.messages.dead_queues() == []
    assert add(other, "b") == [True]
    assert result_of(other, "r") is None
    assert status_of(other, "a") is None
    assert other.locks.acquire("l", "two", 60_000).owner == "two"
    assert not other.exists("v")
    assert list(other.scan()) == []
    with other.subscribe("results:z") as subscription:
        backend.results.put("z", b"")
        other.results.put("z", b"")
        assert hear(subscription) is not None
        assert subscription.wait(0) is None
    other.clear_namespace()
    assert backend.messages.exists("q", "b")
    assert backend.get("v") == 1
    assert not backend.same_store(other)


@pytest.mark.stores("sqlite", "redis", "fakeredis")
def test_another_object_on_the_same_store_is_the_same(backend: Backend, store: Store, actor: Actors) -> None:
    """Two objects with one store and namespace see each other's writes and know that they are the same."""
    twin = store.open()
    assert twin is not backend
    if store.kind != "fakeredis":  # two clients of an imitation have nothing that names their server
        assert twin.same_store(backend)
    add(backend, "a")
    assert add(twin, "a") == [False]
    worker = actor()
    claimed = worker.claim_one()
    assert twin.messages.held(worker.worker) == [claimed]
    twin.set("v", 1)
    assert backend.get("v") == 1


@pytest.mark.parametrize("namespace", ["", "a b", "a*b", "{a}", "a\\b", "a[b]", "a\n"])
def test_namespaces_that_could_be_misread_are_refused(store: Store, namespace: str) -> None:
    """A namespace is not empty and has no character that a store could take for a pattern."""
    with pytest.raises(ValidationError):
        store.open(namespace)


def test_publishing_reaches_whoever_listens(backend: Backend) -> None:
    """Each subscriber of a channel receives each value, in order, and nothing of other channels."""
    with backend.subscribe("c", "d") as one, backend.subscribe("c") as two:
        backend.pub("d", 1)
        backend.pub("c", {"a": [2]})
        backend.pub("none", 3)
        backend.pub("c")
        assert hear(one) == Note("d", b"1")
        heard_by_one = [hear(one), hear(one)]
        heard_by_two = [hear(two), hear(two)]
    notes = [note for note in heard_by_two if note is not None]
    assert heard_by_one == notes
    assert [backend.serializer.reverse(note.data) for note in notes] == [{"a": [2]}, None]


def test_waiting_without_a_note(backend: Backend) -> None:
    """If nothing is published, a wait returns None after its time."""
    with backend.subscribe("c") as subscription:
        assert subscription.wait(0) is None
        assert subscription.wait(20) is None


def test_what_was_published_before_is_not_heard(backend: Backend) -> None:
    """A subscription receives only what is published after it began."""
    backend.pub("c", 1)
    with backend.subscribe("c") as subscription:
        backend.pub("c", 2)
        note = hear(subscription)
        assert note is not None
        assert backend.serializer.reverse(note.data) == 2


def test_values_of_a_channel(backend: Backend) -> None:
    """`sub` yields the values that are published."""
    heard: list[object] = []
    done = threading.Event()

    def listen() -> None:
        for value in backend.sub("c"):
            heard.append(value)
            if value == "end":
                break
        done.set()

    listener = threading.Thread(target=listen)
    listener.start()
    while not heard:
        backend.pub("c", "begin")
        done.wait(0.005)
    backend.pub("c", "end")
    assert done.wait(60)
    listener.join()
    assert heard[0] == "begin"
    assert heard[-1] == "end"


def test_a_live_store_answers(backend: Backend) -> None:
    """`ping` of a store that can be reached raises nothing, and `describe` names the store."""
    backend.ping()
    assert backend.describe()
    backend.close()
    backend.set("after", 1)
    assert backend.get("after") == 1
