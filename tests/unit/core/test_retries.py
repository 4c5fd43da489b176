"""A message that fails: retried or a dead letter, and what Retry and Reject do."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.backoff import ConstantBackoff, LinearBackoff
from alsek.core.broker import Broker
from alsek.core.execution.conclusions import dead_letter
from alsek.core.message import Message
from alsek.core.task import Task, task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import (
    MessageRevokedError,
    Reject,
    Retry,
    TaskTimeoutError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Retried, Succeeded
from tests.unit.core.attempt_harness import (
    Recorder,
    again,
    claimed_again,
    dead,
    failing,
    run,
    through,
)
from tests.unit.core.fakes import claim, held


def test_a_failure_is_retried_after_the_backoff(broker: Broker) -> None:
    """One retry more, the exception kept, the delay that of the backoff."""
    made = task(broker, base_task=Recorder, backoff=ConstantBackoff(7, floor=0))(failing(ValueError("no")))
    message, conclusion = run(made)
    retried = again(made, conclusion)
    assert retried.retries == 1
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == 7
    assert retried.ready_at == retried.updated_at + 7
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == "ValueError"
    assert "in function" in (retried.exception_details["traceback"] or "")
    assert message.retries == 0
    assert made.calls == ["pre_op", "on_retry 1 ValueError('no')"]


def test_spent_retries_end_in_the_dead_letters(broker: Broker) -> None:
    """max_retries=3 is four runs; 0 is one."""
    made = task(broker, base_task=Recorder, backoff=None)(failing(ValueError("no")))
    made.generate()
    for retries in range(3):
        message = claim(broker)
        assert message.retries == retries
        conclusion = through(made, message)
        assert again(made, conclusion).retries == retries + 1
        assert message.claim is not None
        message.claim.session.step((conclusion.outcome,), {})
    message = claim(broker)
    conclusion = through(made, message)
    assert dead(conclusion)["text"] == "no"
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.outcome.dlq_ttl == broker.dlq_ttl
    assert made.calls[-1] == "on_failure ValueError('no')"
    once = task(broker, max_retries=0)(failing(ValueError("no")))
    message = claimed_again(broker, Message(once.name))
    dead(through(once, message))


def test_dead_letters_can_be_off(backend: MemoryBackend) -> None:
    """Then the outcome keeps the message for no time."""
    made = task(Broker(backend, dlq_ttl=None), max_retries=0)(failing(ValueError("no")))
    _, conclusion = run(made)
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.outcome.dlq_ttl == 0


def test_do_retry_decides(broker: Broker) -> None:
    """The tour's: no retry of a ZeroDivisionError; it sees the exception and the message."""

    class Custom(Task[..., Any]):
        """The tour's."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return not isinstance(exception, ZeroDivisionError)

    assert (
        dead(run(task(broker, base_task=Custom)(failing(ZeroDivisionError())))[1])["name"]
        == "ZeroDivisionError"
    )
    made = task(broker, base_task=Custom, max_retries=0)(failing(KeyError()))
    again(made, run(made)[1])


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), TaskTimeoutError("late")]
)
def test_whatever_a_task_raises_ends_the_attempt_alone(broker: Broker, error: BaseException) -> None:
    """sys.exit() in a task ends the task, not the worker."""
    made = task(broker)(failing(error))
    retried = again(made, run(made)[1])
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == type(error).__name__


@pytest.mark.parametrize("hook", ["pre_op", "post_op", "do_callback"])
def test_a_failing_hook_around_the_function_is_a_failure(broker: Broker, hook: str) -> None:
    """pre_op, post_op and do_callback belong to the attempt."""

    def broken(self: Any, *args: Any) -> None:
        raise RuntimeError(hook)

    made = task(broker, base_task=type("Custom", (Task,), {hook: broken}))(lambda: 1)
    retried = again(made, run(made, callback=made.generate(submit=False))[1])
    assert retried.exception_details is not None
    assert retried.exception_details["text"] == hook


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
@pytest.mark.parametrize("hook", ["on_success", "on_retry", "on_failure", "on_revocation"])
def test_a_failing_hook_after_the_fact_changes_nothing(
    broker: Broker, hook: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the message ends as it would have."""

    def broken(self: Any, *args: Any) -> None:
        raise error

    base = type("Custom", (Task,), {hook: broken})
    fails = hook != "on_success"
    made = task(broker, base_task=base, max_retries=int(hook == "on_retry"))(
        failing(ValueError()) if fails else lambda: None
    )
    if hook == "on_revocation":
        made.generate()
        conclusion = dead_letter(made, held(claim(broker)), MessageRevokedError("revoked"))
    else:
        _, conclusion = run(made)
    expected = {"on_success": Succeeded, "on_retry": Retried}.get(hook, Failed)
    assert type(conclusion.outcome) is expected
    assert f"{hook} failed" in caplog.text or "broken failed" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
def test_a_failing_do_retry_leaves_it_to_max_retries(broker: Broker, error: BaseException) -> None:
    """The user's mistake must not decide that a message is lost."""

    class Custom(Task[..., Any]):
        """Broken."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            raise error

    made = task(broker, base_task=Custom)(failing(ValueError()))
    again(made, run(made)[1])
    once = task(broker, base_task=Custom, max_retries=0)(failing(ValueError("v")))
    once.generate(queue="once")
    message = claimed_again(broker, Message(once.name))
    assert dead(through(once, message))["text"] == "v"


def test_what_a_task_does_to_its_arguments_does_not_reach_the_next_attempt(broker: Broker) -> None:
    """A retry runs what was submitted, though the function emptied its list and spoilt its dict."""

    @task(broker)
    def spoil(items: list[Any], options: dict[str, Any], message: Message) -> None:
        items.append(object())
        options.clear()
        message.metadata = object()
        raise ValueError

    _, conclusion = run(spoil, args=([1, 2],), kwargs={"options": {"a": 1}}, metadata="m")
    retried = again(spoil, conclusion)
    assert retried.args == ([1, 2],)
    assert retried.kwargs == {"options": {"a": 1}}
    assert retried.metadata == "m"


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(None, 60_000), (0, 0), (5, 5), (-5, 0), (2.7, 2), ("soon", 60_000), (10**20, MAX_DURATION)],
    ids=str,
)
def test_retry_asks_for_a_delay(broker: Broker, asked: Any, delay: int) -> None:
    """Its own delay in place of the backoff; what is no delay leaves it to the backoff."""
    made = task(broker)(failing(Retry("later", delay=asked)))
    _, conclusion = run(made)
    retried = again(made, conclusion)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == delay
    assert retried.ready_at == retried.updated_at + delay
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == "Retry"


def test_retry_counts(broker: Broker) -> None:
    """With max_retries spent it fails like any other; a failure after it takes the backoff again."""
    assert dead(run(task(broker, max_retries=0)(failing(Retry("later"))))[1])["name"] == "Retry"
    made = task(broker)(failing(ValueError()))
    message = claimed_again(broker, Message(made.name, retries=1, retry_delay=5))
    retried = again(made, through(made, message))
    assert retried.retry_delay is None
    assert retried.ready_at == retried.updated_at + retried.backoff.get(2)


def test_reject_goes_to_the_dead_letters_at_once(broker: Broker) -> None:
    """Whatever do_retry would say."""
    made = task(broker, max_retries=None, base_task=Recorder)(failing(Reject("never")))
    assert dead(run(made)[1])["text"] == "never"
    assert made.calls[-1] == "on_failure Reject('never')"


def test_an_uncounted_retry_leaves_the_count_as_it_is(broker: Broker) -> None:
    """Neither max_retries nor do_retry is asked, and what the store keeps of it comes back although it counts none."""

    class Never(Recorder):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            raise AssertionError("it is not asked")

    made = task(broker, base_task=Never, max_retries=0)(failing(Retry("stopping", delay=0, uncounted=True)))
    _, conclusion = run(made)
    retried = again(made, conclusion)
    assert isinstance(conclusion.outcome, Retried)
    assert (conclusion.outcome.delay, retried.retries, retried.retry_delay) == (0, 0, 0)
    assert retried.updated_at == retried.ready_at == conclusion.outcome.updated_at
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == "Retry"
    assert retried.exception_details["text"] == "stopping (not counted as a retry)"
    assert made.calls[-1] == "on_retry 0 Retry('stopping')"


def test_an_uncounted_retry_without_a_delay_waits_for_the_backoff(broker: Broker) -> None:
    """As long as it would if it counted; later ones as long as that, for nothing is counted."""
    made = task(broker, backoff=LinearBackoff(1_000, floor=1_000, ceiling=9_000))(
        failing(Retry(uncounted=True))
    )
    _, conclusion = run(made)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == made.backoff.get(1)
    assert again(made, conclusion).retry_delay == made.backoff.get(1)


def test_a_hostile_uncounted_counts(broker: Broker) -> None:
    """What can't be told from no is no."""

    class Odd(Retry):
        def __init__(self) -> None:
            BaseException.__init__(self)

        @property
        def uncounted(self) -> bool:  # type: ignore[override]
            raise RuntimeError("odd")

    made = task(broker)(failing(Odd()))
    assert again(made, run(made)[1]).retries == 1


def test_an_uncounted_retry_is_logged_as_no_failure(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, with a field that says so."""
    made = task(broker)(failing(Retry(delay=5, uncounted=True)))
    with caplog.at_level("INFO", logger="alsek"):
        run(made)
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "retrying"]
    assert (record.levelname, record.__dict__["uncounted"]) == ("INFO", True)
    assert record.getMessage().endswith("is run again in 5 ms, as its task asked: (not counted as a retry)")
