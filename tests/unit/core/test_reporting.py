"""What a task tells of its message: how it reaches the store, whatever the network does."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.claim import Claim
from alsek.core.execution.session import ReadOnlySession, WorkerSession
from alsek.core.message import Message
from alsek.core.reporting.progress import Progress, progress_from_wire
from alsek.core.reporting.reporter import Reporter
from alsek.core.reporting.reporting import MOST_BYTES, Reporting
from alsek.exceptions import (
    BackendError,
    BackendUnavailableError,
    ClaimLostError,
    PayloadTooLargeError,
    SerializationError,
    TaskTimeoutError,
    ValidationError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Report, ReportRecord, Retried, Succeeded, Worker
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend, a_session, claim
from tests.waiting import eventually

#: The thread of such a reporter sends nothing during a test.
NEVER = 3_600.0


@pytest.fixture
def lossy(clock: Clock) -> LossyBackend:
    """A store with two messages, whose network is the test's."""
    backend = LossyBackend(clock)
    Broker(backend).submit_many([Message("t", uuid=f"m{number}", status_ttl=60_000) for number in range(2)])
    return backend


@pytest.fixture
def session(lossy: LossyBackend) -> WorkerSession:
    """A worker, whose reports are sent by the test."""
    made = a_session(lossy)
    made.reporter = Reporter(lossy, NEVER)
    return made


@pytest.fixture
def message(lossy: LossyBackend, session: WorkerSession) -> Message:
    """One that it holds."""
    return claim(Broker(lossy), session)


def kept(backend: MemoryBackend, uuid: str = "m0") -> ReportRecord:
    """What the store has of the reports on a message."""
    (record,) = backend.messages.reports([uuid], lines=True)
    assert record is not None
    return record


def told(backend: MemoryBackend) -> Progress | None:
    """The progress that the store has."""
    data = kept(backend).progress
    return None if data is None else progress_from_wire(data)


def told_at_all(backend: MemoryBackend) -> Progress | None:
    """Likewise; None if the store has nothing of the message."""
    return told(backend) if backend.messages.reports(["m0"]) != [None] else None


def send(session: WorkerSession) -> bool:
    """As the thread does four times a second."""
    assert session.reporter is not None
    return session.reporter.send_pending()


def reporting_of(session: WorkerSession, message: Message) -> Reporting:
    """What is pending of a message."""
    assert message.claim is not None
    made = session.open_reporter().of(message.claim.claimed, session.worker, session.held)
    assert made is not None
    return made


def done(message: Message) -> Succeeded:
    """Its success."""
    assert message.claim is not None
    return Succeeded(message.uuid, message.queue, message.claim.token)


def again(message: Message) -> Retried:
    """Another attempt at once."""
    assert message.claim is not None
    return Retried(message.uuid, message.queue, message.claim.token, 0, 0, 1)


def test_progress_is_sent_by_the_thread_once_for_all(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """However often a task says how far it is, and however many messages do: one call, with the last of each."""
    other = claim(Broker(lossy), session)
    for number in range(100):
        message.progress(number, 100, "rows")
        other.progress(number)
    assert lossy.lossy.sent_reports == []
    assert send(session)
    assert [[report.uuid for report in call] for call in lossy.lossy.sent_reports] == [["m0", "m1"]]
    assert told(lossy) == Progress(99, 100, "rows")
    assert send(session)
    assert len(lossy.lossy.sent_reports) == 1


def test_the_thread_begins_by_itself(lossy: LossyBackend) -> None:
    """With the first report; it ends when the worker retires."""
    session = a_session(lossy)
    message = claim(Broker(lossy), session)
    assert session.reporter is None
    message.progress(1, 2)
    eventually(lambda: bool(lossy.lossy.sent_reports))
    assert told(lossy) == Progress(1, 2)
    assert session.reporter is not None
    thread = session.reporter._thread
    session.retire()
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive()


def test_requests_that_come_at_once_are_sent_together(lossy: LossyBackend) -> None:
    """Two threads may both find that nothing was requested yet; the store has four writes a second all the same."""
    session = a_session(lossy)
    session.reporter = Reporter(lossy, 0.5)
    message = claim(Broker(lossy), session)
    began = time.monotonic()
    for number in range(20):
        message.progress(number)
        session.reporter._requests.put(True)
    eventually(lambda: bool(lossy.lossy.sent_reports))
    assert time.monotonic() - began >= 0.5
    assert [report.number for call in lossy.lossy.sent_reports for report in call] == [1]
    assert told(lossy) == Progress(19)
    session.retire()


def test_a_timeout_while_the_thread_begins_leaves_the_next_one_to_begin(
    lossy: LossyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised in the task's thread at any point, also before the thread has begun."""

    def late(thread: threading.Thread) -> None:
        raise TaskTimeoutError("late")

    session = a_session(lossy)
    message = claim(Broker(lossy), session)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", late)
        with pytest.raises(TaskTimeoutError):
            message.progress(1)
    message.progress(2)
    eventually(lambda: told_at_all(lossy) == Progress(2))
    session.retire()


def test_progress_survives_that_no_thread_can_be_started(
    lossy: LossyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with the outcome then."""
    session = a_session(lossy)
    message = claim(Broker(lossy), session)

    def refused(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    message.progress(1, 2)
    monkeypatch.undo()
    session.step((done(message),), {})
    assert told(lossy) == Progress(1, 2)


def test_the_last_report_travels_with_the_outcome(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """In the same step, before it: a finish waits for nothing, and nothing that was told is lost."""
    message.progress(3, 4)
    session.step((done(message),), {})
    (report, outcome) = lossy.lossy.steps[-1][1]
    assert isinstance(report, Report)
    assert outcome == done(message)
    assert (told(lossy), lossy.lossy.sent_reports) == (Progress(3, 4), [])
    assert session.held == set()


def test_an_unanswered_report_goes_once_more_with_the_outcome(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """The store takes each number once, so no line is there twice, and none is missing."""
    reporting_of(session, message).add_line(b"one", 10)
    lossy.plan.append("reply")
    assert not send(session)
    reporting_of(session, message).add_line(b"two", 10)
    session.step((again(message),), {})
    assert [report.number for report in lossy.lossy.steps[-1][1] if isinstance(report, Report)] == [1, 2]
    assert kept(lossy).lines == (b"one", b"two")


def test_what_an_outage_kept_back_comes_in_order(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """The same report again until it is answered; what has come since goes in the next."""
    reporting = reporting_of(session, message)
    reporting.add_line(b"one", 10)
    message.progress(1)
    lossy.plan += ["request", "reply", "request"]
    for _ in range(3):
        assert not send(session)
        message.progress(2)
    reporting.add_line(b"two", 10)
    assert send(session)
    assert kept(lossy).lines == (b"one",)
    assert send(session)
    assert not send(session) or len(lossy.lossy.sent_reports) == 5
    assert (kept(lossy).lines, told(lossy)) == ((b"one", b"two"), Progress(2))


def test_save_is_there_when_it_returns(lossy: LossyBackend, session: WorkerSession, message: Message) -> None:
    """The next attempt has it; so has this one, each time as a new object."""
    value = {"row": 1, "seen": [1]}
    message.save(value)
    value["row"] = 2
    assert json.loads(kept(lossy).checkpoint or b"") == {"row": 1, "seen": [1]}
    assert message.checkpoint == {"row": 1, "seen": [1]}
    message.checkpoint["seen"].append(2)
    assert message.checkpoint == {"row": 1, "seen": [1]}
    session.step((again(message),), {})
    second = claim(Broker(lossy), session)
    while second.uuid != "m0":
        second = claim(Broker(lossy), session)
    assert second.checkpoint == {"row": 1, "seen": [1]}


def test_save_brings_what_is_unanswered_first(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """A report with a lower number would come to nothing after it."""
    reporting_of(session, message).add_line(b"one", 10)
    lossy.plan.append("request")
    assert not send(session)
    message.save(5)
    assert [report.number for report in lossy.lossy.sent_reports[-1]] == [1, 2]
    assert kept(lossy).lines == (b"one",)
    assert kept(lossy).checkpoint == b"5"
    assert not reporting_of(session, message).is_pending


def test_a_save_that_is_not_answered_raises(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """It was saved or not; the next one counts."""
    message.save(1)
    for lost, found in (("request", 1), ("reply", 2)):
        lossy.plan.append(lost)
        with pytest.raises(BackendUnavailableError):
            message.save(2)
        assert kept(lossy).checkpoint == str(found).encode()
        assert message.checkpoint == 1
    message.save(3)
    assert kept(lossy).checkpoint == b"3"


def test_asave_is_save(lossy: LossyBackend, session: WorkerSession, message: Message) -> None:
    """Without blocking the loop; the value is that of the call."""

    async def run() -> None:
        value = [1]
        saving = asyncio.ensure_future(message.asave(value))
        await asyncio.sleep(0)
        value.append(2)
        await saving

    asyncio.run(run())
    assert kept(lossy).checkpoint == b"[1]"


def test_an_older_holder_never_overwrites_a_newer_one(clock: Clock, lossy: LossyBackend) -> None:
    """Its save raises, its progress comes to nothing, and it is told to stop."""
    old, new = a_session(lossy, lease=1_000), a_session(lossy)
    message = claim(Broker(lossy), old)
    message.save("old")
    for _ in range(3):  # others reach the store: it is not an outage
        clock.now += 500
        new.step((), {})
    held = next(each for each in (claim(Broker(lossy), new), claim(Broker(lossy), new)) if each.uuid == "m0")
    assert held.checkpoint == "old"
    held.save("new")
    message.progress(1)
    assert not message.stopping
    with pytest.raises(ClaimLostError, match="no longer held under token"):
        message.save("older")
    assert message.stopping
    assert kept(lossy, message.uuid).checkpoint == b'"new"'
    message.progress(2)  # still does not raise: the task may not care
    assert send(old)
    assert kept(lossy, message.uuid).progress is None
    with pytest.raises(ClaimLostError):
        message.save("older")
    old.register()
    assert message.stopping
    with pytest.raises(ClaimLostError):
        message.progress(3)


@pytest.mark.parametrize("tell", [lambda m: m.progress(1), lambda m: m.save(1)])
def test_nothing_can_be_told_outside_of_an_attempt(
    lossy: LossyBackend, session: WorkerSession, message: Message, tell: Callable[[Message], None]
) -> None:
    """Neither of a message that nobody holds, nor after the end of its attempt, nor under a claim elsewhere."""
    with pytest.raises(ValidationError, match="no attempt of it runs here"):
        tell(Message("t"))
    session.step((done(message),), {})
    with pytest.raises(ClaimLostError, match="its attempt has ended"):
        tell(message)
    lost = Message("t")
    assert message.claim is not None
    lost.claim = Claim(ReadOnlySession(lossy, Worker("x", "any", None, 1, 1)), message.claim.claimed)
    with pytest.raises(ClaimLostError):
        tell(lost)


def test_after_the_outcome_was_handed_over_nothing_more_is_told(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """Also while the store is away: a thread that the task has left behind must not write."""
    message.progress(1)
    lossy.plan.append("request")
    with pytest.raises(BackendUnavailableError):
        session.step((done(message),), {})
    with pytest.raises(ClaimLostError):
        message.progress(2)
    with pytest.raises(ClaimLostError):
        message.save(2)
    assert not reporting_of(session, message).add_line(b"late", 10)
    session.step((), {})
    assert told(lossy) == Progress(1)


def test_outside_of_an_attempt_there_is_nothing_to_ask(message: Message) -> None:
    """No checkpoint, and no reason to stop."""
    assert (Message("t").checkpoint, Message("t").stopping) == (None, False)
    assert (message.checkpoint, message.stopping) == (None, False)


@pytest.mark.parametrize(
    "copied", [Message.clone, copy, deepcopy, lambda m: pickle.loads(pickle.dumps(m)), Message.callback]
)
def test_no_copy_of_a_message_may_tell_of_it(
    lossy: LossyBackend, session: WorkerSession, message: Message, copied: Callable[[Message], Message]
) -> None:
    """A clone, a copy in another process, a callback: none of them is held."""
    message.append_callback(Message("u"))
    message.save(3)
    other = copied(message)
    assert (other.checkpoint, other.stopping) == (None, False)
    with pytest.raises(ValidationError):
        other.progress(1)


def test_a_value_that_can_not_be_saved_is_refused_with_a_sentence(
    session: WorkerSession, message: Message, clock: Clock
) -> None:
    """It names the message; nothing is sent."""
    message.save(1)
    with pytest.raises(
        SerializationError, match=r"the checkpoint of Message\(uuid='m0'.*can't be serialized"
    ):
        message.save(object())
    small = MemoryBackend(clock=clock, max_payload=100)
    Broker(small).submit(Message("t", uuid="m0"))
    held = claim(Broker(small), a_session(small))
    with pytest.raises(PayloadTooLargeError, match=r"the checkpoint of .*'m0'.*has 202 bytes"):
        held.save("x" * 200)
    assert message.checkpoint == 1


def test_a_checkpoint_that_can_not_be_read_says_so(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """Not that there is none: the task would begin anew."""
    reporting_of(session, message).saved = b"\xff"
    with pytest.raises(SerializationError, match=r"the checkpoint of .* can't be read by JsonSerializer"):
        _ = message.checkpoint


def test_claims_wait_until_their_checkpoints_are_read(
    lossy: LossyBackend, session: WorkerSession, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away between the two loses no claim: the next step hands them out."""
    message.save("here")
    session.step((again(message),), {})
    inner, answers = lossy.lossy._inner, [BackendUnavailableError("away"), BackendUnavailableError("away")]

    def reports(uuids: list[str], lines: bool = False) -> list[ReportRecord | None]:
        if answers:
            raise answers.pop()
        return inner.reports(uuids, lines)

    monkeypatch.setattr(lossy.lossy, "reports", reports, raising=False)
    for _ in range(2):
        with pytest.raises(BackendUnavailableError):
            session.step((), {"any": 2})
        assert session.unanswered
        assert len(session.held) == 2
    step = session.step((), {"any": 2})
    assert {(claimed.uuid, claimed.checkpoint) for claimed in step.claimed} == {
        ("m0", b'"here"'),
        ("m1", None),
    }
    assert not session.unanswered
    assert session.held == {claimed.token for claimed in step.claimed}


def test_a_message_of_which_nothing_was_told_costs_no_read(
    lossy: LossyBackend, session: WorkerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are read of those only that have a report."""
    monkeypatch.setattr(lossy.lossy, "reports", None, raising=False)
    assert len(session.step((), {"any": 2}).claimed) == 2


def test_several_reports_of_one_claim_are_queued_each_once(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """An outcome that is given again after a lost reply has no second report; the two that go with it stay two."""
    reporting_of(session, message).add_line(b"one", 10)
    lossy.plan.append("reply")
    assert not send(session)
    reporting_of(session, message).add_line(b"two", 10)
    lossy.plan += ["request", "reply"]
    for _ in range(2):
        with pytest.raises(BackendUnavailableError):
            session.step((again(message),), {})
    assert session.step((again(message),), {}).refused == []
    assert len(lossy.lossy.steps[-1][1]) == 3
    assert kept(lossy).lines == (b"one", b"two")


def test_reports_that_follow_an_unanswered_step_are_all_queued(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """Of one claim there may be two."""
    reporting_of(session, message).add_line(b"one", 10)
    lossy.plan += ["reply", "reply"]
    assert not send(session)
    with pytest.raises(BackendUnavailableError):
        session.step((), {})
    reporting_of(session, message).add_line(b"two", 10)
    session.step((again(message),), {})
    assert kept(lossy).lines == (b"one", b"two")


def test_a_report_does_not_end_a_claim(lossy: LossyBackend, session: WorkerSession, message: Message) -> None:
    """A step may bring one without an outcome, and the next one another."""
    assert message.claim is not None
    first = Report("m0", "alsek_queue", message.claim.token, 1, progress=b'{"current": 3}')
    second = first._replace(number=2, progress=b'{"current": 4}')
    lossy.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((first,), {})
    assert session.step((first, second), {}).refused == []
    assert session.held == {message.claim.token}
    assert told(lossy) == Progress(4)


def test_reports_of_another_process_travel_with_the_outcome(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """A task process sends its last ones with its answer."""
    token = message.claim.token if message.claim is not None else 0
    report = Report("m0", "alsek_queue", token, 4, progress=b'{"current": 4}')
    session.open_reporter().adopt(token, (report,))
    session.step((done(message),), {})
    assert lossy.lossy.steps[-1][1] == (report, done(message))
    assert told(lossy) == Progress(4)


def test_a_retirement_brings_the_last_reports(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """What is given back keeps what was told of it."""
    message.progress(7)
    assert session.retire() == []
    assert told(lossy) == Progress(7)


def test_lines_that_wait_are_bounded(session: WorkerSession, message: Message) -> None:
    """In number and in bytes: the oldest go."""
    reporting = reporting_of(session, message)
    for number in range(1_000):
        assert reporting.add_line(b"%d" % number, 3)
    with reporting.sending:
        report = reporting.next_report()
    assert report is not None
    assert (report.lines, report.keep) == ((b"997", b"998", b"999"), 3)
    reporting.on_answer(report.number, refused=False)
    for _ in range(100):
        reporting.add_line(b"x" * (MOST_BYTES // 10), 1_000)
    with reporting.sending:
        report = reporting.next_report()
    assert report is not None
    assert sum(map(len, report.lines)) <= MOST_BYTES


def test_ended_claims_are_forgotten(lossy: LossyBackend, session: WorkerSession, message: Message) -> None:
    """What is kept of them here goes with the next message that tells something."""
    message.progress(1)
    session.step((done(message),), {})
    other = claim(Broker(lossy), session)
    other.progress(1)
    assert session.reporter is not None
    assert message.claim is not None
    assert session.reporter.existing(message.claim.token) is None


def test_one_message_that_is_damaged_holds_up_no_other(
    lossy: LossyBackend, session: WorkerSession, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may refuse the whole call because another program has written where one report belongs."""
    other = claim(Broker(lossy), session)
    taken = lossy.lossy.report

    def refuse(worker: Worker, reports: Sequence[Report]) -> list[str]:
        if any(report.uuid == "m0" for report in reports):
            raise BackendError("the key 'reports:m0' has something that Alsek did not write")
        return taken(worker, reports)

    message.progress(1)
    other.progress(2)
    with monkeypatch.context() as patch:
        patch.setattr(lossy.lossy, "report", refuse)
        assert not send(session)
    assert kept(lossy, "m1").progress == b'{"current": 2, "total": null, "text": ""}'
    assert send(session)
    assert told(lossy) == Progress(1)


def test_a_failure_of_the_port_does_not_end_the_thread(
    lossy: LossyBackend,
    session: WorkerSession,
    message: Message,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, and what was to be sent is left out."""
    message.progress(1)
    monkeypatch.setattr(lossy.lossy, "report", lambda *_: 1 / 0)
    assert send(session)
    assert "are left out" in caplog.text
    monkeypatch.undo()
    message.progress(2)
    assert send(session)
    assert told(lossy) == Progress(2)


def test_reports_for_a_process_that_has_died_are_taken(
    lossy: LossyBackend, session: WorkerSession, message: Message
) -> None:
    """Their numbers are above all that the process can have used: the store would leave out lower ones."""
    assert message.claim is not None
    claimed = message.claim.claimed
    before = Reporting(claimed, session.worker)
    for number in range(3):
        before.show(Progress(number))
        report = before.next_report()
        assert report is not None
        assert lossy.messages.report(session.worker, [report]) == []
        before.on_answer(report.number, refused=False)
    after = Reporting(claimed, session.worker, follows=True)
    after.show(Progress(10))
    last = after.next_report()
    assert last is not None
    assert lossy.messages.report(session.worker, [last]) == []
    assert told(lossy) == Progress(10)
