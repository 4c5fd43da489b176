"""A namespace over several partitions of which more than one has something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError
from alsek.storage.backends.history import packed
from alsek.storage.backends.locations import LOCATIONS
from alsek.storage.backends.records import (
    Added,
    HistoryCounts,
    Limit,
    Step,
    Submission,
    UniqueKey,
)
from alsek.storage.backends.redis import RedisBackend
from tests.contract.workers import (
    Actor,
    a_message,
    a_request,
    add,
    an_actor,
    died,
    lost,
    succeeded,
    uuids,
    who_rings,
)
from tests.unit.redis.partitioned import PARTITIONS, backend, message_in, partition_of

__all__ = ["backend"]


class _Spy:
    """Counts the steps that partitions are sent, and lets some of them fail.

    Args:
        backend: The backend whose partitions these are.
        patch: Puts this in the place of their methods.
    """

    def __init__(self, backend: RedisBackend, patch: pytest.MonkeyPatch) -> None:
        self.visited: list[int] = []
        self.away: set[int] = set()
        self.replies_lost: set[int] = set()
        ports: Any = backend._ports
        for number, part in enumerate(ports.parts.all):
            patch.setattr(part.messages, "step", self._spied(number, part.messages.step))

    def _spied(self, number: int, step: Callable[..., Step]) -> Callable[..., Step]:
        def spied(*args: Any, **kwargs: Any) -> Step:
            self.visited.append(number)
            if number in self.away:
                raise BackendUnavailableError("away")
            answer = step(*args, **kwargs)
            if number in self.replies_lost:
                raise BackendUnavailableError("the reply is lost")
            return answer

        return spied

    def of(self, actor: Actor, *outcomes: Any, limit: int | Mapping[Any, int] = 100) -> list[int]:
        """The partitions that are visited by the next step."""
        self.visited.clear()
        actor.step(*outcomes, limit=limit)
        return self.visited


@pytest.fixture
def spy(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> _Spy:
    """Sees the steps of the partitions."""
    return _Spy(backend, monkeypatch)


def test_all_messages_are_handed_out(backend: RedisBackend) -> None:
    """Messages of all partitions are claimed, each once, and in each partition by priority."""
    submissions = [message_in(n % PARTITIONS, priority=n % 3) for n in range(60)]
    assert all(add(backend, *submissions))
    actor, claimed = an_actor(backend), []
    while found := actor.step(*map(succeeded, claimed[-7:]), limit=7).claimed:
        claimed += found
    assert sorted(uuids(claimed)) == sorted(uuids(submissions))
    assert len({each.token for each in claimed}) == 60
    priority = {each.uuid: each.priority for each in submissions}
    for part in range(PARTITIONS):
        order = [priority[each.uuid] for each in claimed if partition_of(each.uuid) == part]
        assert order == sorted(order)
    assert backend.messages.queues() == []


def test_a_call_may_be_repeated(backend: RedisBackend) -> None:
    """A submission over several partitions that is sent again is accepted again, and changes nothing."""
    submissions, request = [message_in(n % PARTITIONS) for n in range(10)], a_request()
    twice = [*submissions, submissions[0]]
    answers = [Added(True)] * 10 + [Added(False, submissions[0].uuid, "ready")]
    assert backend.messages.add(twice, request) == answers
    assert backend.messages.add(twice, request) == answers
    assert backend.messages.count("q") == 10


@pytest.mark.parametrize("reached", [False, True])
def test_a_partition_that_does_not_answer(backend: RedisBackend, spy: _Spy, reached: bool) -> None:
    """The repetition of a step asks only those that have not answered; nothing is lost, and nothing counts twice."""
    first, second = an_actor(backend), an_actor(backend)
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    claimed = first.claim()
    assert len(claimed) == PARTITIONS
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    (spy.replies_lost if reached else spy.away).add(2)
    spy.visited.clear()
    with pytest.raises(BackendUnavailableError):
        first.step(*map(succeeded, claimed))
    before = list(spy.visited)
    spy.away.clear()
    spy.replies_lost.clear()
    spy.visited.clear()
    answer = first.again(*map(succeeded, claimed))
    assert before + spy.visited[1:] == [*dict.fromkeys(before + spy.visited)]
    assert answer.refused == []
    assert len(answer.claimed) == PARTITIONS
    assert second.claim() == []
    again = first.again(*map(succeeded, claimed))
    assert (again.refused, sorted(again.claimed)) == ([], sorted(answer.claimed))
    assert first.step(*map(succeeded, answer.claimed)).refused == []
    assert first.step(*map(succeeded, answer.claimed)).refused == uuids(answer.claimed)


def test_a_step_that_is_late_is_refused(backend: RedisBackend) -> None:
    """One whose number is lower than the last one's does nothing, whichever partition that was."""
    actor = an_actor(backend)
    actor.step()
    actor.step()
    actor.seq = 1
    with pytest.raises(BackendError, match="came after"):
        actor.again()


def test_no_partition_starves(backend: RedisBackend) -> None:
    """A worker with one slot turns to others though one partition has messages without end."""
    add(backend, *(message_in(0) for _ in range(200)))
    others = [message_in(part) for part in range(1, PARTITIONS)]
    add(backend, *others)
    actor, claimed, order = an_actor(backend), [], []
    for _ in range(130):
        claimed = actor.step(*map(succeeded, claimed), limit=1).claimed
        order += uuids(claimed)
    assert {each.uuid for each in others} <= set(order)


def test_an_idle_worker_looks_at_one_partition_at_a_time(backend: RedisBackend, spy: _Spy) -> None:
    """While a message would wake it, a look costs as much as without partitions; each has its turn."""
    actor = an_actor(backend)
    waiter = actor.waiter()
    assert len(spy.of(actor)) == PARTITIONS
    waiter.arm()
    looks = [spy.of(actor)[0] for _ in range(PARTITIONS)]
    assert sorted(looks) == list(range(PARTITIONS))
    waiter.close()


def test_a_worker_that_ends_when_nothing_is_left_looks_everywhere(backend: RedisBackend, spy: _Spy) -> None:
    """Each of its steps visits all partitions, also while a message would wake it."""
    actor = an_actor(backend, thorough=True)
    waiter = actor.waiter()
    spy.of(actor)
    waiter.arm()
    assert [len(spy.of(actor)) for _ in range(3)] == [PARTITIONS] * 3
    waiter.close()


def test_a_wake_up_says_which_partition(backend: RedisBackend, spy: _Spy) -> None:
    """The step after it goes there first, and one worker is woken."""
    actors = [an_actor(backend), an_actor(backend)]
    waiters = [actor.waiter() for actor in actors]
    for actor, waiter in zip(actors, waiters, strict=True):
        actor.step()
        waiter.arm()
    submission = message_in(2)
    add(backend, submission)
    (woken,) = who_rings(waiters)
    assert spy.of(actors[woken], limit=1) == [2]
    assert uuids(actors[woken].held()) == [submission.uuid]
    for waiter in waiters:
        waiter.close()


def test_a_wake_up_that_is_not_acted_on_wakes_another_worker(backend: RedisBackend) -> None:
    """Whether its worker says so, has no room for what is there, or ends."""
    for how in ("says so", "is full", "ends"):
        actors = [an_actor(backend), an_actor(backend)]
        waiters = [actor.waiter() for actor in actors]
        for actor, waiter in zip(actors, waiters, strict=True):
            actor.step()
            waiter.arm()
        submission = message_in(1)
        add(backend, submission)
        (woken,) = who_rings(waiters)
        if how == "says so":
            waiters[woken].pass_on()
        elif how == "is full":
            actors[woken].step(limit={"thread": 0})
        else:
            waiters[woken].close()
        assert who_rings([waiters[1 - woken]]) == [0]
        assert uuids(actors[1 - woken].claim()) == [submission.uuid]
        for actor, waiter in zip(actors, waiters, strict=True):
            waiter.close()
            actor.retire(*map(succeeded, actor.held()))


def test_a_suspect_is_alone(backend: RedisBackend) -> None:
    """No worker gets one while it holds messages of another partition, nor anything else while it holds one."""
    first, second = an_actor(backend), an_actor(backend)
    suspect, other = message_in(0), message_in(1)
    add(backend, suspect)
    first.step(lost(first.claim_one(), suspect=True), limit=0)
    add(backend, other)
    (held,) = second.claim()
    if held.suspect:  # it came to that partition first
        assert second.claim() == []
        (held,) = second.step(succeeded(held)).claimed
        assert held.uuid == other.uuid
        return
    assert second.step().suspects
    (alone,) = second.step(succeeded(held)).claimed
    assert (alone.uuid, alone.suspect) == (suspect.uuid, True)


def test_what_is_lost_goes_to_others(backend: RedisBackend) -> None:
    """A renewal gives back what its worker does not know of, and a retirement all that it holds, in each partition."""
    first, second = an_actor(backend), an_actor(backend)
    submissions = [message_in(part) for part in range(PARTITIONS)]
    add(backend, *submissions)
    claimed = first.claim()
    known = [each.token for each in claimed[:2]]
    assert backend.messages.renew(first.worker, first.seq, known) == []
    assert sorted(uuids(second.claim())) == sorted(uuids(claimed[2:]))
    assert second.retire() == []
    assert first.retire(succeeded(claimed[0])) == []
    third = an_actor(backend)
    assert sorted(uuids(third.claim())) == sorted(uuids(claimed[1:]))
    assert backend.results.get([claimed[0].uuid])[0] is not None


def test_what_is_shown_is_the_sum(backend: RedisBackend) -> None:
    """Counts, workers, pauses, dead letters and history of all partitions are shown as those of one store."""
    actor = an_actor(backend)
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    history = [HistoryCounts("q", "t", packed({"s": 2}))]
    claimed = actor.step(history=history).claimed
    actor.step(*map(died, claimed[:3]), limit=0, history=history)
    (tally,) = backend.messages.tallies()
    assert (tally.ready, tally.claimed, tally.dead) == (0, 1, 3)
    (worker,) = backend.messages.workers()
    assert [each.token for each in worker.claims] == [claimed[3].token]
    letters = list(backend.messages.dead_letters("q"))
    assert [each.died_at for each in letters] == sorted(each.died_at for each in letters)
    assert sorted(uuids(letters)) == sorted(uuids(claimed[:3]))
    now = backend.messages.now() // 60_000
    assert sum(int(row.counts[2:]) for row in backend.messages.history(now - 1, now)) == 4
    assert backend.messages.pause("q", "me")
    assert not backend.messages.pause("q", "you")
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    assert actor.claim() == []
    assert [pause.by for pause in backend.messages.pauses()] == ["me"]
    assert backend.messages.resume("q")
    assert len(actor.claim()) == PARTITIONS
    assert backend.messages.purge("q") == 3


@pytest.mark.parametrize("bound", ["unique", "limits"])
def test_what_is_bound_to_another_partition_is_refused(backend: RedisBackend, bound: str) -> None:
    """Nothing is stored of a call that has a message whose key is elsewhere."""
    fields = {"unique": UniqueKey("k")} if bound == "unique" else {"limits": (Limit("k", 1),)}
    good, bad = (
        message_in(0),
        next(m for m in (message_in(n, **fields) for n in range(PARTITIONS)) if _refused(backend, m)),
    )
    with pytest.raises(ValidationError, match=r"in partition \d, and its .* in partition \d"):
        backend.messages.add([good, bad], a_request())
    assert backend.messages.queues() == []


def _refused(backend: RedisBackend, submission: Submission) -> bool:
    return backend.location_of("k") * PARTITIONS // LOCATIONS != partition_of(submission.uuid)


def test_a_callback_of_another_partition_fails_its_message(backend: RedisBackend) -> None:
    """It can't be stored in the same step: the message becomes a dead letter that says so."""
    actor = an_actor(backend)
    add(backend, message_in(0))
    claimed = actor.claim_one()
    assert actor.step(succeeded(claimed, callback=message_in(3))).refused == []
    (letter,) = backend.messages.dead_letters("q")
    assert b"in partition 3" in letter.error


def test_another_number_of_partitions_is_refused(backend: RedisBackend, redis_url: str) -> None:
    """Whether it is another one, none, or that of a namespace which has none; nothing is changed."""
    add(backend, message_in(0))
    for partitions in (2, 5):
        other = RedisBackend(redis_url, namespace=backend.namespace, partitions=partitions)
        with pytest.raises(ValidationError, match=f"has 4 partitions, .* partitions={partitions}"):
            other.messages.count("q")
    plain = RedisBackend(redis_url, namespace=backend.namespace)
    for call in (
        lambda: add(plain, "a"),
        lambda: add(plain, a_message("a", delay=1)),
        lambda: an_actor(plain),
        plain.clear_namespace,
    ):
        with pytest.raises((BackendError, ValidationError), match="has 4 partitions"):
            call()
    assert backend.messages.count("q") == 1
    without = RedisBackend(redis_url, namespace=f"{backend.namespace}.plain")
    add(without, "a")
    late = RedisBackend(redis_url, namespace=without.namespace, partitions=4)
    with pytest.raises(ValidationError, match="has no partitions"):
        late.messages.count("q")
    without.clear_namespace()
    late.messages.count("q")
    late.clear_namespace()


def test_the_store_tells_how_many_there_are(backend: RedisBackend, redis_url: str) -> None:
    """A backend that is to find out has as many; it has none where there are none."""
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    found = RedisBackend(redis_url, namespace=backend.namespace, partitions=None)
    assert (found.messages.count("q"), found.partitions) == (PARTITIONS, PARTITIONS)
    without = RedisBackend(redis_url, namespace=f"{backend.namespace}.none", partitions=None)
    assert (without.messages.count("q"), without.partitions) == (0, 1)
    found.close()
    without.close()


def test_what_is_wrong_is_told_once(backend: RedisBackend) -> None:
    """The operator is told of one server once, and how many partitions there are."""
    findings = list(backend.examine())
    assert [each.text for each in findings if each.subject == "partitions"] == [
        "The namespace has 4 partitions."
    ]
    assert len({each for each in findings if each.level != "ok"}) == len(
        [each for each in findings if each.level != "ok"]
    )
    assert [each.subject for each in findings].count("reachable") == 1


@pytest.mark.parametrize("partitions", [0, 1025, "4"])
def test_a_number_of_partitions_is_checked(partitions: Any) -> None:
    """It is a whole number from 1 to 1024."""
    with pytest.raises(ValidationError, match="partitions="):
        RedisBackend(partitions=partitions)


def test_results_are_heard_in_their_partition(backend: RedisBackend) -> None:
    """Who waits for a result is told of it, whichever partition it is in; so are subscribers of several channels."""
    actor = an_actor(backend)
    submissions = [message_in(part) for part in range(PARTITIONS)]
    add(backend, *submissions)
    watches = [backend.watch_result("q", each.uuid) for each in submissions]
    news = backend.subscribe(*(f"results:{each.uuid}" for each in submissions))
    actor.step(*map(succeeded, actor.claim()))
    heard = set()
    for _ in submissions:
        note = news.wait(60_000)
        assert note is not None
        heard.add(note.channel)
    assert heard == {f"results:{each.uuid}" for each in submissions}
    for watch in watches:
        note = watch.news.wait(60_000)
        assert note is not None
        watch.news.close()
    news.close()
