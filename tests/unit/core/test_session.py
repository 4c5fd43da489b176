"""A worker's steps, whatever the network does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.exceptions import BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.records import Claimed, HistoryCounts, Released, Succeeded, Worker
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend, a_session


@pytest.fixture
def lossy(clock: Clock) -> LossyBackend:
    """A store with five messages, whose network is the test's."""
    backend = LossyBackend(clock)
    Broker(backend).submit_many([Message("t", uuid=f"m{number}") for number in range(5)])
    return backend


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_an_unanswered_step_is_sent_again_unchanged(lossy: LossyBackend, lost: str) -> None:
    """The same number, outcomes and limit, before anything new; both answers are given as one."""
    session = a_session(lossy)
    (first,) = session.step((), {"any": 1}).claimed
    done = Succeeded(first.uuid, first.queue, first.token)
    lossy.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        session.step((done,), {"any": 2})
    assert session.unanswered
    answer = session.step((), {"any": 3})
    assert lossy.lossy.steps[1:] == [(2, (done,), 2), (2, (done,), 2)]
    assert [claimed.uuid for claimed in answer.claimed] == ["m1", "m2"]
    assert answer.refused == []
    assert session.held == {claimed.token for claimed in answer.claimed}
    assert (session.seq, session.unanswered) == (2, False)


def test_schedules_that_two_answers_offer_are_told_once(lossy: LossyBackend) -> None:
    """In alphabetical order, as in one answer."""
    session = a_session(lossy)
    offers = [("b", "c"), ("a", "b")]
    step = lossy.lossy.step

    def offering(*args: Any, **pushes: Any) -> Any:
        return step(*args, **pushes)._replace(schedules=offers.pop(0))

    lossy.lossy.step = offering  # type: ignore[method-assign]
    assert session.finish(Released("nobody", "q", 1)) is False
    assert session.step((), {}).schedules == ("a", "b", "c")


def test_new_outcomes_follow_the_unanswered_step(lossy: LossyBackend) -> None:
    """They go in a step of their own, with what is left of the limit."""
    session = a_session(lossy)
    one, two = session.step((), {"any": 2}).claimed
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((Succeeded(one.uuid, one.queue, one.token),), {"any": 1})
    answer = session.step((Released(two.uuid, two.queue, two.token),), {"any": 3})
    assert [(seq, limit) for seq, _, limit in lossy.lossy.steps] == [(1, 2), (2, 1), (2, 1), (3, 2)]
    assert [claimed.uuid for claimed in answer.claimed] == ["m2", "m1", "m3"]


def test_what_is_left_of_the_limits_is_counted_by_slot_kind(clock: Clock) -> None:
    """Claims of the unanswered step take up threads and coroutines, as their messages say."""
    lossy = LossyBackend(clock)
    messages = [Message("t", uuid=f"m{number}", is_async=number < 4) for number in range(8)]
    Broker(lossy).submit_many(messages)
    session = WorkerSession(lossy, Worker("", "thread-async", None, 15_000, 60_000, "freely"))
    session.register()
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"thread": 1, "coroutine": 2})
    answer = session.step((Released("m9", "q", 9),), {"thread": 2, "coroutine": 3})
    assert [claimed.uuid for claimed in answer.claimed] == ["m0", "m1", "m4", "m2", "m5"]
    assert answer.waiting == ("thread", "coroutine")


def test_outcomes_wait_through_a_long_outage(lossy: LossyBackend) -> None:
    """Outcomes given while the store is away are all reported when it is back, each once."""
    session = a_session(lossy)
    claimed = session.step((), {"any": 3}).claimed
    outcomes = [Succeeded(each.uuid, each.queue, each.token) for each in claimed]
    lossy.plan += ["reply", "request", "request"]
    for outcome in outcomes:
        with pytest.raises(BackendUnavailableError):
            session.step((outcome,), {})
    answer = session.step(outcomes, {})
    assert answer.refused == []
    assert session.held == set()
    assert lossy.messages.count("alsek_queue") == 2
    sent = [outcome for seq, given, _ in lossy.lossy.steps for outcome in given if seq > 2]
    assert sent == outcomes[1:]


def test_a_refused_outcome_is_told(lossy: LossyBackend) -> None:
    """An outcome under a token that is not the current one comes back."""
    session = a_session(lossy)
    (one,) = session.step((), {"any": 1}).claimed
    assert session.step((Succeeded(one.uuid, one.queue, one.token + 1_000),), {}).refused == [one.uuid]
    assert session.held == {one.token}


def test_finish_tells_whether_it_was_accepted(lossy: LossyBackend) -> None:
    """Once yes, the second time no."""
    session = a_session(lossy)
    (one,) = session.step((), {"any": 1}).claimed
    outcome = Succeeded(one.uuid, one.queue, one.token)
    assert session.finish(outcome)
    assert not session.finish(outcome)


def test_what_came_with_a_finish_counts_against_the_limit(lossy: LossyBackend) -> None:
    """It is handed out first, and no more than asked for is claimed beside it, whatever is lost meanwhile."""
    session = a_session(lossy)
    (one,) = session.step((), {"any": 1}).claimed
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 2})
    assert session.finish(Succeeded(one.uuid, one.queue, one.token))
    lossy.plan.append("request")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 3})
    assert [claimed.uuid for claimed in session.step((), {"any": 3}).claimed] == ["m1", "m2", "m3"]


def test_an_answer_survives_the_failure_of_the_next_step(lossy: LossyBackend) -> None:
    """The unanswered step is answered, what is new is lost: the claims of the first are told with the next answer."""
    session = a_session(lossy)
    (one,) = session.step((), {"any": 1}).claimed
    lossy.plan += ["reply", "ok", "request"]
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 1})
    with pytest.raises(BackendUnavailableError):
        session.step((Succeeded(one.uuid, one.queue, one.token),), {"any": 1})
    answer = session.step((), {"any": 1})
    assert [claimed.uuid for claimed in answer.claimed] == ["m1"]
    assert session.held == {answer.claimed[0].token}


def test_registering_anew_forgets(lossy: LossyBackend) -> None:
    """A fresh id, no number, nothing held, nothing kept; and if it fails, all stays as it was."""
    session = a_session(lossy)
    session.step((), {"any": 2})
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 1})
    before = session.worker
    lossy.plan.append("request")
    with pytest.raises(BackendUnavailableError):
        session.register()
    assert (session.worker, session.seq, session.unanswered) == (before, 1, True)
    session.register()
    assert session.worker.id != before.id
    assert len(session.worker.id) == 32
    assert (session.seq, session.unanswered, session.held) == (0, False, set())


def test_an_unregistered_worker_is_refused(lossy: LossyBackend) -> None:
    """Nothing is handed to a worker that the store does not know."""
    session = a_session(lossy)
    session.step((), {"any": 1})
    session.retire()
    with pytest.raises(WorkerUnknownError):
        session.step((), {"any": 1})
    with pytest.raises(WorkerUnknownError):
        session.renew()


def test_a_renewal_keeps_what_is_held(lossy: LossyBackend, clock: Clock) -> None:
    """Renewed in time, a claim lasts; and it tells of revocations."""
    session, other = a_session(lossy, lease=100), a_session(lossy, lease=100)
    (one,) = session.step((), {"any": 1}).claimed
    for _ in range(5):
        clock.advance(60)
        session.renew()
        other.renew()
    lossy.messages.revoke(one.queue, one.uuid)
    assert session.renew() == [one.uuid]
    assert one.uuid not in [claimed.uuid for claimed in other.step((), {"any": 5}).claimed]


def test_a_renewal_while_a_claim_is_under_way_gives_nothing_back(lossy: LossyBackend) -> None:
    """A claim whose reply has not come yet is younger than the number that the renewal names."""
    session = a_session(lossy)
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 2})
    session.renew()
    assert len(lossy.messages.held(session.worker)) == 2
    assert len(session.step((), {"any": 2}).claimed) == 2


def test_a_takeover_is_logged_once(
    lossy: LossyBackend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """By whoever took over, with whose and how many messages: a warning, if there were any."""
    broker = Broker(lossy)
    dead, idle = a_session(lossy), a_session(lossy)
    broker.submit(Message("t"))
    dead.step((), {"any": 1})
    alive = a_session(lossy)
    clock.now += 10_000
    alive.renew()
    clock.now += 10_000
    with caplog.at_level("INFO"):
        alive.step((), {})
        alive.step((), {})
    levels = {record.args[0]: (record.levelname, record.args[1]) for record in caplog.records}  # type: ignore[index]
    assert levels == {dead.worker.id: ("WARNING", 1), idle.worker.id: ("INFO", 0)}
    assert len(caplog.records) == 2


def test_retiring_gives_back_and_takes_last_outcomes(lossy: LossyBackend) -> None:
    """The last outcomes are accepted, the rest is anyone's."""
    session = a_session(lossy)
    one, _two = session.step((), {"any": 2}).claimed
    assert session.retire([Succeeded(one.uuid, one.queue, one.token)]) == []
    assert len(a_session(lossy).step((), {"any": 5}).claimed) == 4


fates = st.lists(st.sampled_from(["ok", "ok", "request", "reply"]), max_size=12)


@settings(max_examples=60)
@given(
    fates, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=8)
)
def test_nothing_is_lost_and_nothing_counts_twice(
    plan: list[str], moves: list[tuple[int, int, bool]]
) -> None:
    """Whatever is lost on the way: each message is handed out once, and each outcome is accepted once."""
    backend = LossyBackend(Clock())
    total = 12
    Broker(backend).submit_many([Message("t", uuid=f"m{number}") for number in range(total)])
    session = a_session(backend)
    backend.plan += plan
    handed: list[str] = []
    holding: list[Claimed] = []
    finished: list[str] = []
    for ends, limit, renew in [*moves, *[(3, 3, False)] * (len(plan) + 2 * total)]:
        if renew:
            with suppress(BackendUnavailableError):
                session.renew()
        outcomes = [Succeeded(each.uuid, each.queue, each.token) for each in holding[:ends]]
        holding = holding[ends:]
        finished += [outcome.uuid for outcome in outcomes]
        try:
            answer = session.step(outcomes, {"any": limit})
        except BackendUnavailableError:
            continue
        assert answer.refused == []
        handed += [claimed.uuid for claimed in answer.claimed]
        holding += answer.claimed
        assert session.held == {claimed.token for claimed in holding}
    assert sorted(handed) == sorted(f"m{number}" for number in range(total))
    assert sorted(finished) == sorted(handed)
    assert backend.messages.count("alsek_queue") == 0


class RecordingSession(WorkerSession):
    """Notes what else stands in it whenever its worker changes."""

    def __init__(self, backend: LossyBackend) -> None:
        self.at_change: list[tuple[int, set[int]]] = []
        super().__init__(backend, Worker("", "thread", None, 15_000, 60_000))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "worker" and "held" in vars(self):
            self.at_change.append((self.seq, set(self.held)))
        super().__setattr__(name, value)


def test_a_new_id_is_never_seen_with_the_old_ones_steps(lossy: LossyBackend) -> None:
    """A renewal reads the worker first: when that changes, the number of its steps and its tokens are new already."""
    session = RecordingSession(lossy)
    session.register()
    assert len(session.step((), {"thread": 2}).claimed) == 2
    session.register()
    assert session.at_change == [(0, set()), (0, set())]


def test_claims_are_held_before_their_step_counts(lossy: LossyBackend) -> None:
    """A renewal reads the number of the last step first, so it knows of all claims of the steps up to that one."""
    session = a_session(lossy)
    counted: list[int] = []

    class Tokens(set[int]):
        def update(self, *others: Any) -> None:
            counted.append(session.seq)
            super().update(*others)

    session.held = Tokens()
    session.step((), {"any": 2})
    assert len(session.held) == 2
    assert (counted, session.seq) == ([0], 1)


def counted(backend: LossyBackend) -> list[str]:
    """What the store has counted."""
    minute = backend.messages.now() // 60_000
    return [row.counts for row in backend.messages.history(minute - 1, minute)]


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_counts_of_an_unanswered_step_count_once(lossy: LossyBackend, lost: str) -> None:
    """They are sent again with it, and neither lost nor doubled; new ones follow in a step of their own."""
    session = a_session(lossy)
    lossy.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        session.step((), {}, [HistoryCounts("q", "t", "s:1")])
    session.step((), {}, [HistoryCounts("q", "t", "s:2")])
    assert counted(lossy) == ["s:3"]


def test_counts_wait_while_an_earlier_step_is_unanswered(lossy: LossyBackend) -> None:
    """The session keeps them, as it keeps outcomes."""
    session = a_session(lossy)
    lossy.plan += ["request", "request"]
    for number in (1, 2):
        with pytest.raises(BackendUnavailableError):
            session.step((), {}, [HistoryCounts("q", "t", f"s:{number}")])
    session.step((), {})
    assert counted(lossy) == ["s:3"]


def test_counts_are_void_once_the_worker_registers_again(lossy: LossyBackend) -> None:
    """Nobody knows if the store has added them: doubled counts would be worse."""
    session = a_session(lossy)
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {}, [HistoryCounts("q", "t", "s:1")])
    session.register()
    session.step((), {})
    assert counted(lossy) == ["s:1"]
