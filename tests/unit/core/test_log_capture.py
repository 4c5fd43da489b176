"""The lines that a task logs, on their way to the store: whatever its handlers and arguments do."""

from __future__ import annotations

import contextvars
import gc
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.execution.log_capture import LogCapture, capture_logs
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.reporting.log_lines import line_of
from alsek.core.reporting.reporter import Reporter
from alsek.core.task import task
from alsek.defaults import MAX_LOG_LINE, MOST_LOG_LINES
from alsek.exceptions import TaskTimeoutError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Report, Retried, Succeeded
from tests.unit.core.fakes import a_session, claim

_TIME = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


@pytest.fixture
def capture() -> Iterator[LogCapture]:
    """On the root logger; keeps five lines of each message of task t."""
    made = LogCapture({"t": 5})
    logging.root.addHandler(made)
    yield made
    logging.root.removeHandler(made)


@pytest.fixture
def log(capture: LogCapture) -> Iterator[logging.Logger]:
    """A user's logger."""
    logger = logging.getLogger("shop.tasks")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def alone(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other handlers do nothing: those of pytest make texts, too."""
    for each in logging.root.handlers:
        if not isinstance(each, LogCapture):
            monkeypatch.setattr(each, "handle", lambda record: True)


@pytest.fixture
def session(backend: MemoryBackend) -> WorkerSession:
    """A worker whose reporter's thread sends nothing during a test."""
    made = a_session(backend)
    made.reporter = Reporter(backend, 3_600.0)
    return made


@pytest.fixture
def message(broker: Broker, session: WorkerSession) -> Message:
    """A message that it holds."""
    broker.submit(Message("t", uuid="m", status_ttl=60_000))
    return claim(broker, session)


def within(message: Message, function: Callable[[], Any]) -> Any:
    """Call a function in the context of an attempt."""
    context = contextvars.copy_context()
    context.run(CURRENT.set, message)
    return context.run(function)


def lines(session: WorkerSession, message: Message) -> list[str]:
    """What is pending, without times and the mark of the attempt."""
    assert session.reporter is not None
    assert message.claim is not None
    last = [each for each in session.reporter.last_of(message.claim.token) if isinstance(each, Report)]
    found = [line for report in last for line in report.lines]
    assert all(_TIME.match(line) for line in found)
    texts = [_TIME.sub(b"", line).decode() for line in found]
    return [text for text in texts if not text.startswith("INFO alsek: attempt ")]


class _Hostile:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error


def test_lines_belong_to_the_message_of_their_context(
    broker: Broker, session: WorkerSession, message: Message, log: logging.Logger
) -> None:
    """Each is kept with its own, and what is logged outside of an attempt with none."""
    broker.submit(Message("t", uuid="n"))
    other = claim(broker, session)
    log.info("outside")
    within(message, lambda: log.info("half of %s", "it"))
    within(other, lambda: log.debug("the other"))
    assert lines(session, message) == ["INFO shop.tasks: half of it"]
    assert lines(session, other) == ["DEBUG shop.tasks: the other"]


def test_attempts_are_marked_and_follow_one_another(
    backend: MemoryBackend, broker: Broker, session: WorkerSession, message: Message, log: logging.Logger
) -> None:
    """The lines of earlier attempts stay, up to as many as are kept."""
    for number in range(2):
        held = message if not number else claim(broker, session)
        within(held, lambda n=number: log.info("attempt %d", n))  # type: ignore[misc]
        assert held.claim is not None
        session.step((Retried("m", "alsek_queue", held.claim.token, 0, number + 1),), {})
    (record,) = backend.messages.reports(["m"], lines=True)
    assert record is not None
    texts = [_TIME.sub(b"", line).decode() for line in record.lines]
    assert [text.partition(", in process")[0] for text in texts] == [
        "INFO alsek: attempt 1",
        "INFO shop.tasks: attempt 0",
        "INFO alsek: attempt 2",
        "INFO shop.tasks: attempt 1",
    ]


def test_the_last_lines_outlive_the_message(
    backend: MemoryBackend, session: WorkerSession, message: Message, log: logging.Logger
) -> None:
    """With its status: only as many as are kept."""

    def talk() -> None:
        for number in range(100):
            log.info("%d", number)

    within(message, talk)
    assert message.claim is not None
    session.step((Succeeded("m", "alsek_queue", message.claim.token),), {})
    (record,) = backend.messages.reports(["m"], lines=True)
    assert record is not None
    assert [line[-2:] for line in record.lines] == [b"95", b"96", b"97", b"98", b"99"]


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), KeyboardInterrupt(), RecursionError()])
def test_an_argument_without_text_leaves_a_line_that_says_so(
    session: WorkerSession, message: Message, log: logging.Logger, alone: None, error: BaseException
) -> None:
    """And raises nothing, not even what would end the process."""
    within(message, lambda: log.info("got %s", _Hostile(error)))
    assert lines(session, message) == [f"INFO shop.tasks: got %s <text can't be had: {type(error).__name__}>"]


def test_a_timeout_that_is_raised_meanwhile_ends_the_task(
    message: Message, log: logging.Logger, alone: None
) -> None:
    """It is raised in its thread at any point, also in here."""
    with pytest.raises(TaskTimeoutError):
        within(message, lambda: log.info("got %s", _Hostile(TaskTimeoutError("late"))))


def test_logging_inside_logging_ends(
    session: WorkerSession, message: Message, log: logging.Logger, alone: None
) -> None:
    """What the text of an argument logs is left out; it goes to the other handlers as always."""

    class Talks:
        def __str__(self) -> str:
            log.info("about %s", "me")
            return "one that talks"

    within(message, lambda: log.info("got %s", Talks()))
    assert lines(session, message) == ["INFO shop.tasks: got one that talks"]


def test_a_finalizer_that_logs_does_not_block(
    session: WorkerSession, message: Message, log: logging.Logger, alone: None, capture: LogCapture
) -> None:
    """The collector runs it at any point, also while a report is made."""
    capture._kept = {"t": 1_000}

    class Dies:
        def __del__(self) -> None:
            log.info("gone")

    def talk() -> None:
        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for number in range(200):
                circle: list[Any] = [Dies()]
                circle.append(circle)
                message.progress(number)
                log.info("%d", number)
        finally:
            gc.set_threshold(*before)

    thread = threading.Thread(target=within, args=(message, talk), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert "gone" in "".join(lines(session, message))


def test_a_slow_argument_holds_up_no_other_thread(
    session: WorkerSession, message: Message, log: logging.Logger, alone: None
) -> None:
    """Text is made without the handler's lock."""
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        def __str__(self) -> str:
            entered.set()
            assert leave.wait(60)
            return "slow"

    slow = threading.Thread(target=within, args=(message, lambda: log.info("%s", Slow())), daemon=True)
    slow.start()
    assert entered.wait(60)
    within(message, lambda: log.info("quick"))
    leave.set()
    slow.join(60)
    assert lines(session, message) == ["INFO shop.tasks: quick", "INFO shop.tasks: slow"]


def test_a_thread_that_is_left_behind_writes_nowhere(
    broker: Broker, session: WorkerSession, message: Message, log: logging.Logger
) -> None:
    """Its message has ended, and another one runs: neither gets a line."""
    go = threading.Event()

    def left_behind() -> None:
        assert go.wait(60)
        log.info("late")

    context = contextvars.copy_context()
    context.run(CURRENT.set, message)
    thread = threading.Thread(target=context.run, args=(left_behind,), daemon=True)
    thread.start()
    within(message, lambda: log.info("in time"))
    assert message.claim is not None
    session.step((Succeeded("m", "alsek_queue", message.claim.token),), {})
    broker.submit(Message("t", uuid="n"))
    other = claim(broker, session)
    go.set()
    thread.join(60)
    within(other, lambda: log.info("mine"))
    assert lines(session, other) == ["INFO shop.tasks: mine"]
    assert lines(session, message) == []


def test_a_process_that_a_task_has_forked_writes_nowhere(
    session: WorkerSession, message: Message, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not hold the message."""
    monkeypatch.setattr(forks, "forked", True)
    within(message, lambda: log.info("forked"))
    monkeypatch.undo()
    assert lines(session, message) == []


def test_messages_of_other_tasks_have_no_lines(
    broker: Broker, session: WorkerSession, log: logging.Logger
) -> None:
    """Only those whose broker keeps logs."""
    broker.submit(Message("other"))
    message = claim(broker, session)
    within(message, lambda: log.info("hello"))
    assert lines(session, message) == []


def test_a_traceback_is_part_of_its_line(
    session: WorkerSession, message: Message, log: logging.Logger
) -> None:
    """Also if the exception has no text."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def fail() -> None:
        try:
            raise ValueError("this is wrong")
        except ValueError:
            log.exception("failed")
        try:
            raise Mute
        except Mute as error:
            log.error("failed", exc_info=error, stack_info=True)

    hushed = [each for each in logging.root.handlers if not isinstance(each, LogCapture)]
    assert hushed
    within(message, fail)
    first, second = lines(session, message)
    assert first.startswith("ERROR shop.tasks: failed\nTraceback (most recent call last):\n")
    assert first.endswith("\nValueError: this is wrong")
    assert "Stack (most recent call last)" in second


def test_a_long_line_loses_its_middle() -> None:
    """It keeps what it says, and how it ends."""
    record = logging.LogRecord("a", logging.INFO, "", 0, "b" * 50_000 + "c", None, None)
    text = line_of(record).decode()
    assert len(text) <= MAX_LOG_LINE
    assert " INFO a: bbb" in text
    assert text.endswith("bc")
    assert " [\N{HORIZONTAL ELLIPSIS}] " in text


def test_any_text_can_be_kept() -> None:
    """Half a surrogate pair is escaped; a name of a level may be anything."""
    record = logging.LogRecord("a", 17, "", 0, "\ud800", None, None)
    assert line_of(record).endswith(b" Level 17 a: \\ud800")


def test_a_handler_is_added_only_if_logs_are_kept(backend: MemoryBackend) -> None:
    """Pools without `keep_logs` have nothing of this."""
    before = logging.root.handlers[:]
    plain, keeping = Broker(backend), Broker(backend, keep_logs=20)
    tasks = {name: task(broker, name=name)(print) for name, broker in (("p", plain), ("k", keeping))}
    assert capture_logs({"p": tasks["p"]}) is None
    assert logging.root.handlers == before
    made = capture_logs(tasks)
    assert made is not None
    assert logging.root.handlers == [*before, made]
    logging.root.removeHandler(made)


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "3", MOST_LOG_LINES + 1, None])
def test_keep_logs_is_checked(backend: MemoryBackend, wrong: Any) -> None:
    """It is a whole number up to the most that is kept."""
    with pytest.raises(ValidationError, match="keep_logs="):
        Broker(backend, keep_logs=wrong)


def test_without_another_handler_warnings_still_reach_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without this one: logging's last resort."""
    capture = LogCapture({})
    monkeypatch.setattr(logging.root, "handlers", [capture])
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(sys.stderr))
    logging.lastResort.setLevel(logging.WARNING)  # type: ignore[union-attr]
    log = logging.getLogger("shop.last")
    log.warning("careful")
    log.debug("not this")
    own = logging.NullHandler()
    log.addHandler(own)
    log.warning("nor this")
    log.removeHandler(own)
    assert capsys.readouterr().err == "careful\n"
