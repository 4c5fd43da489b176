"""Several databases of one server: their channels belong to the whole server, what they tell does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from alsek.storage.backends.records import Submission, TaskStatus
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.subscriptions import Subscription

pytestmark = pytest.mark.redis


class _Pair(NamedTuple):
    """The same namespace of two databases."""

    first: RedisBackend
    second: RedisBackend


@pytest.fixture(params=[(0, 1), (1, 0), (2, 1)], ids=str)
def pair(request: pytest.FixtureRequest, redis_url: str) -> Iterator[_Pair]:
    """Of the session's server."""
    namespace = f"t{uuid4().hex[:12]}"
    server = redis_url.rpartition("/")[0]
    made = _Pair(*(RedisBackend(f"{server}/{number}", namespace=namespace) for number in request.param))
    yield made
    for backend in made:
        backend.clear_namespace()
        backend.close()


def _tell_all(backend: RedisBackend) -> None:
    """Publish on every channel of the message "u", and on one of the user's."""
    messages = backend.messages
    messages.add([Submission("u", "q", b"p", status_ttl=60_000)], "r")
    messages.fail("q", "u", b"{}", 60_000)
    letter = messages.dead_letter("q", "u")
    assert letter is not None
    messages.replay(Submission("u", "q", b"p", status_ttl=60_000), letter.died_at)
    messages.remove("q", "u")
    backend.results.put("u", b"1", 60_000)
    backend.statuses.put("u", TaskStatus.SUCCEEDED, ttl=60_000)
    backend.locks.acquire("l", "me", 60_000)
    backend.locks.release("l", "me")
    backend.pub("mine", 1)


@pytest.mark.parametrize("channel", ["results:u", "statuses:u", "locks:l", "mine"])
def test_another_database_is_not_heard(pair: _Pair, channel: str) -> None:
    """Nothing that is published in one reaches who waits in the other; in its own it does."""
    with pair.first.subscribe(channel) as here, pair.second.subscribe(channel) as there:
        _tell_all(pair.second)
        assert _receives(there)
        assert here.wait(20) is None
        _tell_all(pair.first)
        note = here.wait(60_000)
        assert note is not None
        assert note.channel == channel


def _receives(subscription: Subscription) -> bool:
    return subscription.wait(60_000) is not None


@pytest.mark.parametrize("name", ["@1:mine", "@0:mine", "@"])
def test_no_name_leads_into_another_database(pair: _Pair, name: str, redis_url: str) -> None:
    """A channel of any name belongs to its own database, and is reported under its name."""
    with pair.first.subscribe(name) as here, pair.second.subscribe(name.removeprefix("@1:")) as there:
        pair.first.pub(name, 1)
        note = here.wait(60_000)
        assert note is not None
        assert note.channel == name
        assert there.wait(20) is None


def test_channels_keep_their_names_in_the_first_database() -> None:
    """Versions before and after can be mixed there; and ``&alsek:*`` is the right to all channels of all databases."""
    assert Keys("alsek").channel("results:u") == "alsek:results:u"
    for number in (0, 1, 15):
        assert Keys("alsek", database=number).channel("@1:x").startswith("alsek:")


@pytest.mark.parametrize("database", [0, 3])
def test_a_name_comes_back(database: int) -> None:
    """What is heard has the name that was subscribed to."""
    keys = Keys("alsek", database=database)
    names: list[str] = ["results:u", "@", "@0:x", "@3:x", "@3:@3:x"]
    back: Callable[[str], str] = keys.short_channel
    assert [back(keys.channel(name)) for name in names] == names
