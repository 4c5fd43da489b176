"""A worker's session with a store of which a part is away: outcomes that are not known yet."""

from __future__ import annotations

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import Claimed, Succeeded
from tests.clock import Clock
from tests.unit.core.fakes import a_session
from tests.unit.core.partly_away import PartlyAwayBackend


@pytest.fixture
def store(clock: Clock) -> PartlyAwayBackend:
    """A store with five messages."""
    backend = PartlyAwayBackend(clock)
    Broker(backend).submit_many([Message("t", uuid=f"m{number}") for number in range(5)])
    return backend


def _done(claimed: Claimed) -> Succeeded:
    return Succeeded(claimed.uuid, claimed.queue, claimed.token)


def test_what_is_not_known_is_held(store: PartlyAwayBackend) -> None:
    """So a renewal does not give it back; the others are let go. Once it is known, it is let go as well."""
    session = a_session(store)
    one, two, three = session.step((), {"any": 3}).claimed
    store.partly.away = frozenset({one.uuid, three.uuid})
    answer = session.step((_done(one), _done(two)), {})
    assert (answer.unknown, session.held) == ({one.token}, {one.token, three.token})
    assert session.renew() == []
    assert not session.is_ending(one.token)
    answer = session.step((_done(three),), {})
    assert (answer.unknown, session.held) == ({one.token, three.token}, {one.token, three.token})
    store.partly.away = frozenset({three.uuid})
    assert session.step((), {}).unknown == {three.token}
    assert session.held == {three.token}
    store.partly.away = None
    answer = session.step((), {})
    assert (answer.unknown, answer.refused, session.held) == (None, [], set())
    assert store.messages.count("alsek_queue") == 2


def test_it_is_not_given_again(store: PartlyAwayBackend) -> None:
    """A caller that repeats it does not make the store take it for a second one."""
    session = a_session(store)
    (one,) = session.step((), {"any": 1}).claimed
    store.partly.away = frozenset({one.uuid})
    for _ in range(3):
        session.step((_done(one),), {})
    store.partly.away = None
    assert session.step((_done(one),), {}).refused == []
    assert store.partly.given == [one.token]
    assert session.step((_done(one),), {}).refused == [one.uuid]


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_step_that_is_sent_again_while_a_part_is_away(store: PartlyAwayBackend, lost: str) -> None:
    """What the answer says of it holds: the claims are kept until they are known."""
    session = a_session(store)
    one, two = session.step((), {"any": 2}).claimed
    store.partly.away = frozenset({one.uuid})
    session.step((_done(one),), {})
    store.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        session.step((_done(two),), {"any": 1})
    assert session.held == {one.token, two.token}
    answer = session.step((), {"any": 1})
    assert (answer.unknown, answer.refused) == ({one.token}, [])
    assert session.held == {one.token, *(each.token for each in answer.claimed)}


def test_one_that_is_finished_by_hand_is_not_known(store: PartlyAwayBackend) -> None:
    """That is an error, as in an outage; the outcome counts once that part is back, and a second call says so."""
    session = a_session(store)
    (one,) = session.step((), {"any": 1}).claimed
    store.partly.away = frozenset({one.uuid})
    for _ in range(2):
        with pytest.raises(
            BackendUnavailableError, match=f"not known yet whether the outcome of message '{one.uuid}'"
        ):
            session.finish(_done(one))
    store.partly.away = None
    assert session.finish(_done(one))
    assert not session.finish(_done(one))


def test_a_session_that_registers_again_knows_nothing_of_it(store: PartlyAwayBackend) -> None:
    """The claims were those of the worker that it was."""
    session = a_session(store)
    (one,) = session.step((), {"any": 1}).claimed
    store.partly.away = frozenset({one.uuid})
    session.step((_done(one),), {})
    session.register()
    assert session.held == set()
    store.partly.away = None
    (two,) = session.step((), {"any": 1}).claimed
    assert session.held == {two.token}
