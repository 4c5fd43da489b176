"""Middleware of a broker: around submissions and attempts, and told of ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.attempts import Attempt, attempt
from alsek.core.execution.conclusions import conclude
from alsek.core.execution.notices import pending_notices, send_notice
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.submission.calls import Call
from alsek.core.task import Task, task
from alsek.exceptions import (
    MessageRevokedError,
    Retry,
    SerializationError,
    TaskFailedError,
    ValidationError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Succeeded
from tests.unit.core.attempt_harness import Recorder, failing, run, through
from tests.unit.core.fakes import claim, held

ERRORS = [ValueError("no"), SystemExit(3), ValidationError("no"), SerializationError("no")]


class Spy(Middleware):
    """Writes down what it is called for, under its name."""

    def __init__(self, calls: list[str], name: str = "spy") -> None:
        self.calls, self.name = calls, name

    def submitting(self, message: Message) -> None:
        self.calls.append(f"{self.name} submitting {message.task_name}")
        message.metadata = {**(message.metadata or {}), self.name: "was here"}

    @contextmanager
    def attempt(self, message: Message) -> Generator[None]:
        self.calls.append(f"{self.name} before")
        try:
            yield
        except BaseException as error:
            self.calls.append(f"{self.name} {error!r}")
            raise
        self.calls.append(f"{self.name} after")

    def ended(self, message: Message, outcome: str) -> None:
        self.calls.append(f"{self.name} ended {outcome}")


class Wrapping(Middleware):
    """Its attempts run in what a function returns."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def attempt(self, message: Message) -> AbstractContextManager[Any]:
        made: AbstractContextManager[Any] = self.make()
        return made


class Refusing(Middleware):
    """Refuses the submissions of one task."""

    def __init__(self, error: BaseException, name: str) -> None:
        self.error, self.name = error, name

    def submitting(self, message: Message) -> None:
        if message.task_name == self.name and message.args != (0,):
            raise self.error


def _broker(backend: MemoryBackend, *middleware: Middleware) -> Broker:
    return Broker(backend, middleware=list(middleware))


def _reported(made: Task[..., Any], **options: Any) -> str:
    """Run a message to its end, and send the reports: as a pool does. Returns the ending."""
    message, _ = made.generate(**options), None
    delivery = held(claim(made.broker))
    conclusion = conclude(made, delivery, attempt(made, delivery))
    for notice in pending_notices({made.name: made}, made, delivery, conclusion, made.broker):
        send_notice(notice)
    assert message.uuid == delivery.uuid
    return conclusion.ending


def test_it_is_nested_in_the_order_of_the_list(backend: MemoryBackend) -> None:
    """The first is the outermost, around pre_op, the function and post_op."""
    calls: list[str] = []
    made = task(_broker(backend, Spy(calls, "a"), Spy(calls, "b")), base_task=Recorder)(lambda: 99)
    assert isinstance(made, Recorder)
    made.calls = calls
    assert _reported(made) == "succeeded"
    assert calls == [
        "a submitting <lambda>",
        "b submitting <lambda>",
        "a before",
        "b before",
        "pre_op",
        "post_op 99",
        "b after",
        "a after",
        "on_success 99",
        "a ended succeeded",
        "b ended succeeded",
    ]


def test_an_exception_passes_through_it(backend: MemoryBackend) -> None:
    """Each sees the exception of the attempt, with its own traceback; the message says why when it has ended."""
    calls: list[str] = []
    error = ValueError("no")
    broker = _broker(backend, Spy(calls, "a"), Spy(calls, "b"))
    made = task(broker, max_retries=1)(failing(error))
    made.generate()
    delivery = held(claim(broker))
    attempted = attempt(made, delivery)
    assert attempted.exception is error
    assert calls[4:] == ["b ValueError('no')", "a ValueError('no')"]
    trace, names = error.__traceback__, []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "_within" not in names
    assert conclude(made, delivery, attempted).ending == "retrying"
    assert (delivery.message.exception_details or {}).get("text") == "no"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), Retry("again")])
@pytest.mark.parametrize("where", ["attempt", "enter", "exit"])
def test_what_it_raises_is_the_attempts_own(backend: MemoryBackend, where: str, error: BaseException) -> None:
    """Whatever is raised by it, on entering or on leaving, fails the attempt, and those further out see it."""

    @contextmanager
    def make() -> Generator[None]:
        if where == "enter":
            raise error
        yield
        raise error

    calls: list[str] = []
    inner = Wrapping(failing(error) if where == "attempt" else make)
    made = task(_broker(backend, Spy(calls), inner))(lambda: calls.append("function"))
    made.generate()
    assert attempt(made, held(claim(made.broker))).exception is error
    assert calls[1:] == ["spy before", *(["function"] if where == "exit" else []), f"spy {error!r}"]


def test_it_may_raise_another_exception(backend: MemoryBackend) -> None:
    """An exception that is raised in place of the function's is the attempt's."""
    other = KeyError("other")

    @contextmanager
    def make() -> Generator[None]:
        try:
            yield
        except ValueError:
            raise other from None

    made = task(_broker(backend, Wrapping(make)))(failing(ValueError("no")))
    made.generate()
    assert attempt(made, held(claim(made.broker))).exception is other


def test_it_can_not_make_a_success_of_a_failure(backend: MemoryBackend) -> None:
    """If it swallows the exception, the attempt has failed with it, and those further out see it."""

    @contextmanager
    def forgetful() -> Generator[None]:
        try:
            yield
        except ValueError:
            pass

    calls: list[str] = []
    made = task(_broker(backend, Spy(calls), Wrapping(forgetful)))(failing(ValueError("no")))
    assert _reported(made) == "retrying"
    assert calls[1:] == ["spy before", "spy ValueError('no')", "spy ended retrying"]


def _echo(n: int = 0) -> int:
    return n


def _generator() -> Generator[None]:
    yield


@contextmanager
def _never_yields() -> Generator[None]:
    yield from ()


@contextmanager
def _yields_twice() -> Generator[None]:
    yield
    yield


async def _coroutine() -> None: ...


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: None, "Wrapping.attempt returned None: it must return a context manager"),
        (_generator, "decorate it with contextlib.contextmanager"),
        (_coroutine, "it must return a context manager"),
        (_never_yields, "generator didn't yield"),
        (_yields_twice, "generator didn't stop"),
    ],
)
def test_a_wrong_context_manager_fails_the_attempt(
    backend: MemoryBackend, make: Callable[[], Any], text: str
) -> None:
    """What is no context manager, or a generator that misbehaves, fails the attempt with a text that says so."""
    made = task(_broker(backend, Wrapping(make)))(lambda: None)
    made.generate()
    assert text in str(attempt(made, held(claim(made.broker))).exception)


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=lambda error: type(error).__name__
)
def test_what_ended_raises_is_logged(
    backend: MemoryBackend, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever `ended` raises, the others are called, and the end stands."""

    class Failing(Middleware):
        def ended(self, message: Message, outcome: str) -> None:
            raise error

    calls: list[str] = []
    made = task(_broker(backend, Failing(), Spy(calls)))(lambda: None)
    assert _reported(made) == "succeeded"
    assert calls[-1] == "spy ended succeeded"
    assert "Failing.ended failed for" in caplog.text


def test_how_a_message_may_end(backend: MemoryBackend) -> None:
    """A failure is retrying or failed; a revocation is told from other failures."""
    broker = _broker(backend, Spy([]))
    assert _reported(task(broker, name="a")(failing(ValueError("no")))) == "retrying"
    assert _reported(task(broker, name="b", max_retries=0)(failing(ValueError("no")))) == "failed"
    assert _reported(task(broker, name="c")(failing(MessageRevokedError("revoked")))) == "revoked"


class TestSubmitting:
    """Before a submission."""

    def test_every_way_to_submit(self, backend: MemoryBackend) -> None:
        """It is called once for each message, by each call that submits; a deferred one is not submitted yet."""
        calls: list[str] = []
        broker = _broker(backend, Spy(calls))
        made = task(broker, name="t")(_echo)
        made.generate(metadata={"own": 1})
        made.generate_many([(1,), (2,)])
        made.generate_many(iter([(3,)]))
        assert len(calls) == 4
        deferred = made.generate(submit=False)
        later = [made.defer().generate(), *made.generate_many([(1,)], submit=False)]
        assert len(calls) == 4
        broker.submit(deferred)
        broker.submit_many([*later, later[0]])
        assert len(calls) == 7
        assert broker.sync_from_backend(deferred).metadata == {"spy": "was here"}
        assert claim(broker).metadata == {"own": 1, "spy": "was here"}

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_an_exception_refuses_the_submission(self, backend: MemoryBackend, error: BaseException) -> None:
        """The caller sees the very exception, and nothing is submitted, of a list as of one."""
        broker = _broker(backend, Refusing(error, "t"))
        made = task(broker, name="t")(_echo)
        message = made.generate(submit=False)
        with pytest.raises(type(error)) as raised:
            made.generate()
        assert raised.value is error
        with pytest.raises(type(error)) as raised:
            made.generate_many([(0,), (1,), Call((2,))])
        assert raised.value is error
        with pytest.raises(type(error)) as raised:
            broker.submit_many([made.generate(args=(0,), submit=False), message])
        assert raised.value is error
        assert backend.messages.count(made.queue) == 0

    def test_of_a_generator_what_came_before_is_submitted(self, backend: MemoryBackend) -> None:
        """A call that is refused ends the generator, as in a loop over generate()."""
        made = task(_broker(backend, Refusing(ValueError("no"), "t")), name="t")(_echo)
        with pytest.raises(ValueError, match=r"^no$"):
            made.generate_many(iter([(0,), (0,), (1,), (0,)]))
        assert backend.messages.count(made.queue) == 2

    def test_it_is_called_for_a_callback(self, backend: MemoryBackend) -> None:
        """A callback is submitted at the end of the attempt: what is added to it goes with it."""
        calls: list[str] = []
        broker = _broker(backend, Spy(calls))
        first, second = task(broker, name="first")(lambda: 7), task(broker, name="second")(lambda: None)
        message, conclusion = run(first, callback=second.generate(submit=False))
        assert calls == [
            "spy submitting first",
            "spy before",
            "spy submitting second",
            "spy after",
        ]
        assert isinstance(conclusion.outcome, Succeeded)
        assert conclusion.callback is not None
        assert conclusion.callback.metadata == {"spy": "was here"}
        assert conclusion.callback.previous_result == 7
        assert conclusion.callback.previous_message_uuid == message.uuid

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_a_refused_callback_fails_the_attempt(self, backend: MemoryBackend, error: BaseException) -> None:
        """No message succeeds without its callback because that was refused: the attempt is retried."""
        broker = _broker(backend, Refusing(error, "second"))
        first, second = task(broker, name="first")(lambda: 7), task(broker, name="second")(lambda: None)
        _, conclusion = run(first, callback=second.generate(submit=False))
        assert conclusion.ending == "retrying"

    def test_a_message_that_is_put_back_is_not_submitted(self, backend: MemoryBackend) -> None:
        """Neither a retry nor a replay calls it: the message keeps what was added."""
        calls: list[str] = []
        broker = _broker(backend, Spy(calls))
        made = task(broker, max_retries=0)(failing(ValueError("no")))
        made.generate()
        message = claim(broker)
        broker.fail(message)
        broker.replay(message)
        assert len(calls) == 1
        assert claim(broker).metadata == {"spy": "was here"}


def test_what_is_not_overridden_is_not_called(backend: MemoryBackend) -> None:
    """A broker knows which of its middleware has something to do, so that the rest costs nothing."""

    class Nothing(Middleware):
        pass

    plain = Broker(backend)
    assert plain.middleware == ()
    broker = _broker(backend, Nothing(), spy := Spy([]), wrapping := Wrapping(lambda: None))
    assert len(broker.middleware) == 3
    assert broker.submission_middleware == (spy,)
    assert broker.attempt_middleware == (spy, wrapping)
    assert broker.end_middleware == (spy,)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (Middleware(), "must be a list of middleware"),
        (7, "must be a list of middleware"),
        ("Timing", "must be a list of middleware"),
        ([Middleware], "that is the class; make one: Middleware\\(\\)"),
        ([object()], "object is no subclass of alsek.Middleware"),
    ],
)
def test_what_is_no_middleware_is_refused(backend: MemoryBackend, given: Any, text: str) -> None:
    """A broker refuses what is no list of middleware, and says what to give it."""
    with pytest.raises(ValidationError, match=text):
        Broker(backend, middleware=given)


def test_an_interruption_that_is_swallowed_is_no_success(
    backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the attempt itself was interrupted, and the context manager swallows that, the attempt has failed."""

    class Swallowing:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> bool:
            return True

    made = task(_broker(backend, Wrapping(Swallowing)))(lambda: None)
    made.generate()
    delivery = held(claim(made.broker))

    def interrupted(*_: Any) -> Attempt:
        raise MessageRevokedError("now")

    own = attempt
    monkeypatch.setattr("alsek.core.execution.attempts.attempt", interrupted)
    assert isinstance(own(made, delivery).exception, TaskFailedError)


def test_hooks_see_no_middleware_twice(backend: MemoryBackend, caplog: pytest.LogCaptureFixture) -> None:
    """A message that runs again goes through it again."""
    caplog.set_level(logging.CRITICAL)
    calls: list[str] = []
    made = task(_broker(backend, Spy(calls)))(failing(ValueError("no")))
    made.generate()
    message = claim(made.broker)
    through(made, message)
    through(made, message)
    assert calls.count("spy before") == 2
