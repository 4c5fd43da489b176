"""Unique keys: who holds one, until when, and what a submission of the same key does."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Limit,
    UniqueKey,
    UniqueRecord,
)
from tests.contract.leaving import ENDS, RETURNS, Scene, leaving
from tests.contract.stores import START, Store
from tests.contract.unique_messages import KEY, REPLACE, STARTED, WINDOW, submit
from tests.contract.workers import (
    Actors,
    a_message,
    a_request,
    add,
    died,
    lost,
    replay,
    retried,
    state_of,
    status_of,
    succeeded,
)


@pytest.mark.parametrize("delay", [0, 1_000])
def test_a_revoked_message_that_no_worker_holds_holds_no_key(
    messages: MessagePort, actor: Actors, delay: int
) -> None:
    """Another one takes the key at once, and keeps it when the revoked one ends."""
    submit(messages, "a", delay=delay)
    messages.revoke("q", "a")
    assert messages.unique_key("k") is None
    messages.revoke("q", "a")
    assert submit(messages, "b", delay=5_000) == ACCEPTED
    messages.remove("q", "a")
    assert messages.unique_key("k") == UniqueRecord("k", "b")


def test_a_revoked_message_that_runs_holds_its_key(messages: MessagePort, actor: Actors) -> None:
    """Until it has ended."""
    worker = actor()
    submit(messages, "a")
    claimed = worker.claim_one()
    messages.revoke("q", "a")
    assert not submit(messages, "b").accepted
    worker.step(died(claimed), limit=0)
    assert submit(messages, "b").accepted


def test_a_holder_that_is_revoked_lets_in_what_waits_behind_it(
    messages: MessagePort, store: Store, actor: Actors
) -> None:
    """It waits for a retry then. One that waits behind the holder and is revoked stays there."""
    worker = actor()
    submit(messages, "a", REPLACE)
    claimed = worker.claim_one()
    submit(messages, "b", REPLACE)
    worker.step(retried(claimed, delay=9_000), limit=0)
    messages.revoke("q", "b")
    assert messages.unique_key("k") == UniqueRecord("k", "a", "b")
    messages.revoke("q", "a")
    assert messages.unique_key("k") == UniqueRecord("k", "b")
    assert worker.claim_one().uuid == "b"


def test_a_window_outlasts_a_revocation(messages: MessagePort, store: Store) -> None:
    """The key is free when it is over."""
    submit(messages, "a", WINDOW, delay=90_000)
    messages.revoke("q", "a")
    assert not submit(messages, "b").accepted
    store.advance(WINDOW.window)
    assert submit(messages, "b").accepted


@pytest.mark.parametrize("conflict", ["existing", "raise"])
def test_one_message_holds_a_key(messages: MessagePort, conflict: Any) -> None:
    """A second message of the key is refused, with the uuid and the state of the first; nothing of it is stored."""
    unique = UniqueKey("k", conflict=conflict)
    assert submit(messages, "a", unique) == ACCEPTED
    assert submit(messages, "b", unique) == Added(False, "a", "ready")
    assert messages.find("b") is None
    assert messages.count("q") == 1
    assert messages.unique_key("k") == UniqueRecord("k", "a")


def test_keys_are_of_the_whole_store(messages: MessagePort) -> None:
    """The same key in another queue is the same key; another key, and a message without one, are not concerned."""
    submit(messages, "a")
    assert submit(messages, "b", queue="other") == Added(False, "a", "ready")
    assert submit(messages, "c", UniqueKey("K")) == ACCEPTED
    assert messages.add([a_message("d")], a_request()) == [ACCEPTED]
    assert messages.unique_key("never") is None


@pytest.mark.parametrize("key", ["a:b", "u:c:r:", "é ü 🙂", "x" * 1_000, " ", "{}*?[]'\"\\", "=", ""])
def test_any_key_will_do(backend: Backend, messages: MessagePort, actor: Actors, key: str) -> None:
    """A key is any text without what core escapes; it is shown as it is, and is free in the end."""
    unique = UniqueKey(key, conflict="replace", window=7)
    submit(messages, "a", unique)
    assert submit(messages, "b", UniqueKey(key)) == Added(False, "a", "ready")
    record = messages.unique_key(key)
    assert record == UniqueRecord(key, "a", "", START + 7)
    stored = messages.get("q", "a")
    assert stored is not None
    assert stored.unique == unique


def test_the_holder_is_shown_with_its_state(store: Store, messages: MessagePort, actor: Actors) -> None:
    """A refusal tells the state in which the holder is now."""
    submit(messages, "a", delay=1_000)
    assert submit(messages, "b") == Added(False, "a", "delayed")
    store.advance(1_000)
    actor().claim_one()
    assert submit(messages, "b") == Added(False, "a", "claimed")


def test_two_of_one_key_in_one_call(messages: MessagePort) -> None:
    """The first is accepted, the second refused because of it; the same call again is answered alike."""
    batch, request = [a_message("a", unique=KEY), a_message("b", unique=KEY), a_message("c")], a_request()
    for _ in range(2):
        assert messages.add(batch, request) == [ACCEPTED, Added(False, "a", "ready"), ACCEPTED]


def test_the_same_request_again_is_accepted(store: Store, messages: MessagePort, actor: Actors) -> None:
    """A repeated call is accepted while the message holds the key, and after it has ended; it takes no key again."""
    call, request, worker = [a_message("a", unique=KEY)], a_request(), actor()
    for _ in range(2):
        assert messages.add(call, request) == [ACCEPTED]
    claim = worker.claim_one()
    assert messages.add(call, request) == [ACCEPTED]
    worker.step(succeeded(claim))
    assert messages.add(call, request) == [ACCEPTED]
    assert messages.unique_key("k") is None
    assert submit(messages, "b") == ACCEPTED


def test_a_refused_submission_changes_nothing(backend: Backend, messages: MessagePort) -> None:
    """It writes no status, removes no traces of its uuid, and does not change a limit or a window."""
    backend.results.put("b", b"old")
    messages.add([a_message("a", unique=KEY, limits=(Limit("l", 2),))], a_request())
    refused = a_message("b", unique=WINDOW, limits=(Limit("l", 9),), named=True)
    assert messages.add([refused], a_request()) == [Added(False, "a", "ready")]
    assert status_of(backend, "b") is None
    assert backend.results.get(["b"])[0] is not None
    assert [limit.amount for limit in messages.limits()] == [2]
    assert messages.unique_key("k") == UniqueRecord("k", "a")


@pytest.mark.parametrize("how", ENDS)
def test_every_end_frees_the_key(store: Store, messages: MessagePort, how: str) -> None:
    """However a message ends, its key is free in the same step, and nothing is left of it."""
    scene = Scene(store)
    messages.add([leaving(unique=KEY)], a_request())
    ENDS[how](scene)
    assert messages.find("a") is None
    assert submit(messages, "b") == ACCEPTED
    assert messages.unique_key("k") == UniqueRecord("k", "b")
    assert messages.remove("q", "b")
    assert messages.unique_key("k") is None


@pytest.mark.parametrize("how", RETURNS)
def test_a_message_that_comes_back_holds_its_key(store: Store, messages: MessagePort, how: str) -> None:
    """Until it has ended: retries, losses and giving back free no key."""
    scene = Scene(store)
    messages.add([leaving(unique=KEY)], a_request())
    RETURNS[how](scene)
    assert submit(messages, "b") == Added(False, "a", "ready")


def test_a_retry_with_a_delay_holds_the_key(store: Store, messages: MessagePort, actor: Actors) -> None:
    """The key is held while the message is delayed, and the message keeps it in its record."""
    worker = actor()
    submit(messages, "a", WINDOW)
    worker.step(retried(worker.claim_one(), b"new payload", delay=1_000, last_error=b"e"))
    assert submit(messages, "b") == Added(False, "a", "delayed")
    stored = messages.get("q", "a")
    assert stored is not None
    assert stored.unique == WINDOW


def test_a_purge_frees_no_key(messages: MessagePort, actor: Actors) -> None:
    """A dead letter holds nothing, so to delete it changes nothing."""
    worker = actor()
    submit(messages, "a")
    worker.step(died(worker.claim_one()), limit=0)
    submit(messages, "b")
    assert messages.purge("q") == 1
    assert submit(messages, "c") == Added(False, "b", "ready")


def test_a_cleared_namespace_has_no_keys(backend: Backend, messages: MessagePort) -> None:
    """Nothing is held after everything was deleted, not even within a window."""
    submit(messages, "a", WINDOW)
    backend.clear_namespace()
    assert messages.unique_key("k") is None
    assert submit(messages, "b") == ACCEPTED


def test_a_callback_takes_its_key(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """In the step in which its parent ends, and with its parent has ended: it may have the same key."""
    worker = actor()
    submit(messages, "a")
    step = worker.step(succeeded(worker.claim_one(), callback=a_message("b", unique=KEY)), limit=0)
    assert step.skipped == []
    assert messages.unique_key("k") == UniqueRecord("k", "b")
    assert state_of(backend, "b") == "ready"


def test_a_skipped_callback_is_reported(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The step names the callback that was refused because of its key."""
    worker = actor("q")
    submit(messages, "holder", queue="other")
    add(backend, "a")
    outcome = succeeded(worker.claim_one(), callback=a_message("b", unique=KEY))
    assert worker.step(outcome, limit=0).skipped == ["b"]
    assert worker.again(outcome, limit=0).skipped == ["b"]
    assert messages.find("b") is None


def test_a_key_until_started_is_free_once_claimed(messages: MessagePort, actor: Actors) -> None:
    """The claim frees it, so that one may wait while one runs; two never wait."""
    worker = actor()
    submit(messages, "a", STARTED)
    assert submit(messages, "b", STARTED) == Added(False, "a", "ready")
    worker.claim_one()
    assert messages.unique_key("k") is None
    assert submit(messages, "b", STARTED) == ACCEPTED
    assert submit(messages, "c", STARTED) == Added(False, "b", "ready")


@pytest.mark.parametrize("how", [*ENDS, *RETURNS])
def test_what_becomes_of_a_started_message_concerns_no_key(
    store: Store, messages: MessagePort, how: str
) -> None:
    """Once it was claimed, another message may hold the key, and keeps it whatever becomes of the first."""
    scene = Scene(store)
    messages.add([leaving(unique=STARTED)], a_request())
    scene.worker.step(lost(scene.claimed()), limit=0)
    submit(messages, "b", STARTED)
    ({**ENDS, **RETURNS})[how](scene)
    assert messages.unique_key("k") == UniqueRecord("k", "b")
    assert submit(messages, "c") == Added(False, "b", "ready")


def test_a_window_keeps_the_key_after_the_end(store: Store, backend: Backend, messages: MessagePort) -> None:
    """From its submission to the last ms of the window, others are refused; then the key is free by itself."""
    submit(messages, "a", WINDOW)
    store.advance(10)
    messages.remove("q", "a")
    assert messages.unique_key("k") == UniqueRecord("k", "a", "", START + 50_000)
    store.advance(50_000 - 11)
    assert submit(messages, "b", WINDOW) == Added(False, "a", "finished")
    store.advance(1)
    assert messages.unique_key("k") is None
    assert submit(messages, "b", WINDOW) == ACCEPTED


@pytest.mark.parametrize("how", ENDS)
def test_no_end_cuts_a_window_short(store: Store, messages: MessagePort, how: str) -> None:
    """However a message ends, its window goes on, and after it the key is free."""
    scene = Scene(store)
    messages.add([leaving(unique=WINDOW)], a_request())
    ENDS[how](scene)
    assert submit(messages, "b") == Added(False, "a", "finished")
    store.advance(START + 50_000 - store.now)
    assert submit(messages, "b") == ACCEPTED


def test_the_message_holds_the_key_beyond_its_window(store: Store, messages: MessagePort) -> None:
    """The end of the window frees no key of a message that has not ended."""
    submit(messages, "a", WINDOW)
    store.advance(60_000)
    assert submit(messages, "b") == Added(False, "a", "ready")
    messages.remove("q", "a")
    assert messages.unique_key("k") is None


def test_a_window_after_the_start(store: Store, messages: MessagePort, actor: Actors) -> None:
    """With both, the claim leaves the window: others are refused until it is over, also to replace."""
    worker = actor()
    submit(messages, "a", STARTED._replace(window=5_000))
    claim = worker.claim_one()
    assert submit(messages, "b", STARTED) == Added(False, "a", "claimed")
    assert submit(messages, "b", REPLACE) == Added(False, "a", "claimed")
    worker.step(succeeded(claim))
    assert submit(messages, "b", REPLACE) == Added(False, "a", "finished")
    store.advance(5_000)
    assert submit(messages, "b", STARTED) == ACCEPTED


def test_a_window_is_not_for_the_same_uuid_either(store: Store, messages: MessagePort) -> None:
    """A new message of the uuid that has ended is another message."""
    submit(messages, "a", WINDOW, named=True)
    messages.remove("q", "a")
    assert submit(messages, "a", WINDOW, named=True) == Added(False, "a", "finished")


def test_a_replay_takes_the_key_again(messages: MessagePort, actor: Actors) -> None:
    """The dead letter has its key, and the message of the replay holds it; a repeated replay is accepted."""
    worker = actor()
    submit(messages, "a")
    worker.step(died(worker.claim_one()), limit=0)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert letter.unique == KEY
    for _ in range(2):
        assert messages.replay(a_message("a", unique=KEY), letter.died_at) == ACCEPTED
    assert submit(messages, "b") == Added(False, "a", "ready")


@pytest.mark.parametrize("unique", [KEY, REPLACE, STARTED])
def test_a_replay_is_refused_if_the_key_is_held(
    messages: MessagePort, actor: Actors, unique: UniqueKey
) -> None:
    """Whatever `conflict` says: the letter stays, and the answer has the holder. Later it is replayed."""
    worker = actor()
    submit(messages, "a", unique)
    worker.step(died(worker.claim_one()), limit=0)
    submit(messages, "b", unique)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert messages.replay(a_message("a", unique=unique), letter.died_at) == Added(False, "b", "ready")
    assert messages.dead_letter("q", "a") == letter
    messages.remove("q", "b")
    assert replay(messages, a_message("a", unique=unique))
    assert messages.unique_key("k") == UniqueRecord("k", "a")


def test_a_replay_within_its_own_window(messages: MessagePort, actor: Actors) -> None:
    """The window is that of the message itself: it may be replayed. In the window of another it may not."""
    worker = actor()
    submit(messages, "a", WINDOW)
    worker.step(died(worker.claim_one()), limit=0)
    assert replay(messages, a_message("a", unique=WINDOW))
    worker.step(died(worker.claim_one()), limit=0)
    submit(messages, "c", UniqueKey("d", window=9_000))
    messages.remove("q", "c")
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    refused = messages.replay(a_message("a", unique=UniqueKey("d")), letter.died_at)
    assert refused == Added(False, "c", "finished")
