"""Why a message waits, if what it waits for changes between two looks of the inspector."""

from __future__ import annotations

from typing import Any

from alsek.core.broker import Broker
from alsek.core.consumer import Consumer
from alsek.core.inspection.inspector import Inspector
from alsek.core.keys.limits import Concurrency
from alsek.core.keys.unique import Unique
from alsek.core.task import task
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import MessagePort


class Changing:
    """A message port in which nothing is left of limits, keys and other messages once a message was found."""

    def __init__(self, inner: MessagePort, uuid: str, *, gone: bool) -> None:
        self._inner = inner
        self._uuid = uuid
        self._gone = gone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def find(self, uuid: str) -> Any:
        """The one message; of others nothing."""
        return self._inner.find(uuid) if uuid == self._uuid else None

    def limits(self, ids: Any = None) -> Any:
        """No limit is known any more."""
        return [] if self._gone else self._inner.limits(ids)

    def unique_key(self, key: str) -> Any:
        """Nobody holds it any more."""
        return None if self._gone else self._inner.unique_key(key)


class Store(MemoryBackend):
    """A store whose message port may be another one."""

    port: Any = None

    @property
    def messages(self) -> MessagePort:
        """The port."""
        return self.port or super().messages  # type: ignore[no-any-return]


def test_a_limit_that_has_just_become_free() -> None:
    """The message still waits, and is ready with the next step; the holder of a place may have just ended."""
    store = Store()
    made = task(Broker(store), name="t", queue="q", limits=Concurrency(1))(lambda: None)
    made.generate(uuid="a")
    made.generate(uuid="b")
    inner = store.messages
    store.port = Changing(inner, "b", gone=False)
    assert "(a has just ended)" in Inspector(store).why("b").text
    store.port = Changing(inner, "b", gone=True)
    answer = Inspector(store).why("b")
    assert (answer.code, answer.facts["limit"]) == ("limited", "c:task:t")
    assert answer.text == (
        "Message b of task 't' in queue 'q' waits for a limit that has just become free, and is ready with the next "
        "step of a worker."
    )


def test_a_key_that_has_just_become_free() -> None:
    """The message still waits; who held the key is not known any more."""
    store = Store()
    made = task(Broker(store), name="t", queue="q", unique=Unique("", conflict="replace"))(lambda: None)
    made.generate(uuid="a")
    with Consumer(made.broker) as consumer:
        next(consumer.stream())
        made.generate(uuid="b")
        inner = store.messages
        store.port = Changing(inner, "b", gone=False)
        answer = Inspector(store).why("b")
        assert (answer.facts["held_by"], answer.facts["holder_state"]) == ("a", None)
        assert answer.text.endswith("message a ends, which holds its unique key 't:' and has just ended.")
        store.port = Changing(inner, "b", gone=True)
        answer = Inspector(store).why("b")
        assert answer.code == "unique"
        assert answer.text.endswith("waits until the message ends that holds its unique key 't:'.")
        store.port = None


def test_many_holders_are_not_all_named() -> None:
    """Three of them, and how many more."""
    store = Store()
    made = task(Broker(store), name="t", limits=Concurrency(5))(lambda: None)
    for number in range(7):
        made.generate(uuid=f"m{number}")
    answer = Inspector(store).why("m5")
    assert "(m0 is ready, m1 is ready, m2 is ready and 2 more)" in answer.text
    assert answer.facts["held_by"] == ["m0", "m1", "m2", "m3", "m4"]
