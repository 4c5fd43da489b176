"""Arguments that a function can't take are refused by the producer, and by a worker that meets them anyway."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.arguments.parameters import Parameters
from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude
from alsek.core.message import Message
from alsek.core.submission.calls import Call
from alsek.core.task import Task, task
from alsek.exceptions import AlsekError, ArgumentsError, ArgumentsRejectedError, ValidationError
from alsek.storage.backends.records import Failed
from tests.unit.core.fakes import delivered

#: All kinds of parameters, alone and together; each returns what it was given.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "none": lambda: (),
    "one": lambda a: a,
    "default": lambda a, b=2: (a, b),
    "all defaults": lambda a=1, b=2: (a, b),
    "positional-only": lambda a, /, b: (a, b),
    "positional-only with named rest": lambda a, /, **b: (a, b),
    "keyword-only": lambda a, *, b: (a, b),
    "keyword-only default": lambda a, *, b=2, c: (a, b, c),
    "rest": lambda a, *b: (a, b),
    "named rest": lambda a, **b: (a, b),
    "everything": lambda a, /, b, *c, d, e=5, **f: (a, b, c, d, e, f),
    "partial": functools.partial(lambda a, b, c: (a, b, c), 1, c=3),
    "class": type("Class", (), {"__init__": lambda self, a, b=2: None}),
    "bound": type("Bound", (), {"method": lambda self, a: a})().method,
}

NAMES = ("a", "b", "c", "d", "z")


def takes(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether Python can call it so."""
    try:
        function(*args, **kwargs)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_what_is_refused_is_what_python_refuses(function: Callable[..., Any]) -> None:
    """Of all calls with up to four positional arguments and any names, those are at fault that Python refuses."""
    parameters = Parameters(function)
    for count, size in itertools.product(range(5), range(len(NAMES) + 1)):
        for names in itertools.combinations(NAMES, size):
            args, kwargs = (0,) * count, dict.fromkeys(names, 0)
            for _ in range(2):  # the second time it is remembered
                fault = parameters.fault(args, kwargs)
                assert (fault is None) is takes(function, args, kwargs), (args, kwargs, fault)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "sentence"),
    [
        (lambda to, copies=1: 0, (), {}, "'to' is missing. It takes (to, copies=…); given: args=(), kwargs={}"),
        (lambda a, b: 0, (), {}, "'a', 'b' are missing"),
        (lambda a: 0, (1, 2), {}, "2 positional arguments are too many: at most 1 can be given"),
        (lambda to: 0, (), {"two": 1}, "it has no parameter 'two' (did you mean 'to'?)"),
        (lambda to: 0, (1,), {"qqq": 1}, "it has no parameter 'qqq'. It takes (to)"),
        (lambda a: 0, (1,), {"a": 1}, "'a' is given twice: by position, as args[0], and by name"),
        (lambda a, /, *, b: 0, (), {"a": 1, "b": 1}, "'a' can only be given by position, in args. It takes (a, /, *"),
        (lambda message, a: 0, (1,), {}, "'a' is missing (args[0] was taken for 'message'"),
    ],
)  # fmt: skip
def test_the_refusal_names_parameter_task_and_what_is_expected(
    broker: Broker, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], sentence: str
) -> None:
    """One sentence says what is wrong, another what the task takes; nothing is submitted."""
    made = task(broker, name="send")(function)
    with pytest.raises(ArgumentsError) as caught:
        made.generate(args, kwargs)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("task 'send': ")
    assert isinstance(caught.value, AlsekError)
    assert isinstance(caught.value, TypeError)
    assert broker.backend.messages.queues() == []


def test_every_way_to_make_a_message_refuses(broker: Broker) -> None:
    """`generate`, `submit=False`, `defer`, `generate_many` and callbacks."""
    made = task(broker, name="send")(lambda to: None)
    with pytest.raises(ArgumentsError, match="'to' is missing"):
        made.generate(submit=False)
    with pytest.raises(ArgumentsError, match="'to' is missing"):
        made.defer().generate()
    with pytest.raises(ArgumentsError, match=r"call 1 of send.*'to' is missing.*Nothing was submitted"):
        made.generate_many([(1,), ()])
    with pytest.raises(ArgumentsError, match="'to' is missing"):
        made.generate((1,), callback=made.generate(submit=False))
    assert broker.backend.messages.queues() == []


def test_a_refused_message_leaves_its_callback_as_it_was(broker: Broker) -> None:
    """The callbacks given may be used for another message."""
    made = task(broker)(lambda to: None)
    one, two = made.generate((1,), submit=False), made.generate((2,), submit=False)
    with pytest.raises(ArgumentsError):
        made.generate(callback=(one, two))
    assert one.descendant_uuids is None
    assert made.generate((0,), callback=(one, two)).descendant_uuids == [one.uuid, two.uuid]


def test_a_callback_takes_what_came_before_from_its_message(broker: Broker) -> None:
    """`previous_result` is no argument of the function."""
    made = task(broker)(lambda message: message.previous_result)
    assert made.op(made.generate(previous_result=7)) == 7


def test_nobody_is_refused_who_can_not_be_asked(broker: Broker) -> None:
    """A builtin without a signature, a wrapper that takes anything, and a class with an `op` of its own."""

    def with_session(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function("session", *args, **kwargs)

        return wrapper

    @task(broker)
    @with_session
    def pay(session: str, amount: int) -> tuple[str, int]:
        return session, amount

    class Lenient(Task[..., Any]):
        """Brings an argument of its own."""

        def op(self, message: Message) -> Any:
            return self.function(*message.args, b=2)

    assert pay.op(pay.generate((5,))) == ("session", 5)
    assert task(broker)(max).op(Message("max", args=(1, 2))) == 2
    made = task(broker, base_task=Lenient)(lambda a, b: a + b)
    assert made.op(made.generate((1,))) == 3


def test_a_class_may_check_in_its_own_way(broker: Broker) -> None:
    """`check_arguments` is asked in the producer alone: what `pre_op` adds to the arguments is let pass."""

    class WithSession(Task[..., Any]):
        """Adds an argument."""

        def check_arguments(self, args: Any, kwargs: Any) -> None:
            super().check_arguments(args, {**kwargs, "session": None})

        def pre_op(self, message: Message) -> None:
            message.kwargs["session"] = "s"

    made = task(broker, base_task=WithSession)(lambda a, session: (a, session))
    message = made.generate((1,))
    with pytest.raises(ArgumentsError):
        made.generate((1, 2, 3))
    assert attempt(made, delivered(message, broker)).result == (1, "s")


def first(message, to):  # type: ignore[no-untyped-def]
    """Without a hint, first."""
    return message, to


def default(level, message="nothing"):  # type: ignore[no-untyped-def]
    """Without a hint, with a default."""
    return level, message


def by_position(message, /, to="x"):  # type: ignore[no-untyped-def]
    """Positional-only."""
    return message, to


def behind_defaults(a=1, b=2, message=None, /):  # type: ignore[no-untyped-def]
    """Positional-only, behind others that may be left out."""
    return a, b, message


def optional(message: Message | str, to: str = "x") -> Any:
    """Takes something else, too."""
    return message, to


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (first, ("hello", "+44")),
        (default, (1, "hello")),
        (by_position, ("hello", "+44")),
        (behind_defaults, (5, 6, 7)),
        (optional, ("hello", "+44")),
    ],
)
def test_an_argument_goes_where_a_call_would_put_it(
    broker: Broker, function: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    """An argument in the place of `message` goes first, by position as by name."""
    made = task(broker)(function)
    assert made.op(made.generate(args)) == made(*args)


def test_the_message_takes_the_place_that_is_left(broker: Broker) -> None:
    """Whatever its kind of parameter: behind the arguments given, and behind the defaults of those that are not."""
    for function, args, kwargs, expected in [
        (first, (), {"to": "+44"}, lambda m: (m, "+44")),
        (default, (1,), {}, lambda m: (1, m)),
        (by_position, (), {"to": "y"}, lambda m: (m, "y")),
        (by_position, (), {}, lambda m: (m, "x")),
        (behind_defaults, (), {}, lambda m: (1, 2, m)),
        (behind_defaults, (5,), {}, lambda m: (5, 2, m)),
        (optional, (), {}, lambda m: (m, "x")),
    ]:
        made: Any = task(broker)(function)  # type: ignore[arg-type]
        message = made.generate(args, kwargs)
        assert made.op(message) == expected(message)


def test_what_is_annotated_as_the_message_takes_nothing_else_by_position(broker: Broker) -> None:
    """A value there would be taken for the message: it is refused, with what to do. By name it is as documented."""

    @task(broker)
    def work(message: Message, amount: int = 1) -> Any:
        return message, amount

    with pytest.raises(
        ArgumentsError, match=r"args\[0\] is given for the parameter 'message', which Alsek fills in"
    ):
        work.generate((5,))
    assert work.op(work.generate(kwargs={"message": "m", "amount": 5})) == ("m", 5)
    message = work.generate(kwargs={"amount": 5})
    assert work.op(message) == (message, 5)


@pytest.mark.parametrize("max_retries", [3, None])
def test_a_worker_fails_it_at_once(broker: Broker, max_retries: int | None) -> None:
    """A message of an older producer is not run, not retried, and says why; no hook is asked for a retry."""
    ran: list[int] = []

    class Eager(Task[..., Any]):
        """Would always run it again."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return True

    made = task(broker, name="send", base_task=Eager, max_retries=max_retries)(lambda to: ran.append(to))
    message = Message("send", args=(1, 2))
    delivery = delivered(message, broker)
    conclusion = conclude(made, delivery, attempt(made, delivery))
    assert isinstance(conclusion.outcome, Failed)
    assert ran == []
    details = delivery.message.exception_details
    assert details is not None
    assert details["name"] == ArgumentsRejectedError.__name__
    assert "task 'send': 2 positional arguments are too many" in details["text"]


def test_a_refusal_inside_a_task_is_a_failure_like_any_other(broker: Broker) -> None:
    """A task that submits another with wrong arguments is retried: only its own arguments end it at once."""
    other = task(broker, name="other")(lambda to: None)
    made = task(broker, name="made")(lambda: other.generate())
    exception = attempt(made, delivered(Message("made"), broker)).exception
    assert isinstance(exception, ArgumentsError)
    assert not isinstance(exception, ArgumentsRejectedError)


def test_a_type_error_of_the_function_is_its_own(broker: Broker) -> None:
    """What the function raises is not taken for wrong arguments."""
    made = task(broker)(lambda a: len(a))
    exception = attempt(made, delivered(made.generate((5,)), broker)).exception
    assert type(exception) is TypeError


def test_shapes_without_end_are_not_kept() -> None:
    """A function that takes any name may be called with new ones for ever."""
    parameters = Parameters(lambda **names: None)
    for number in range(2_000):
        assert parameters.fault((), {f"n{number}": 1}) is None
    check: Any = parameters.fault
    assert len(check.__self__._good) <= 256


def test_calls_with_options_are_checked(broker: Broker) -> None:
    """A `Call` is checked as any other; the error is a ValidationError, too."""
    made = task(broker, name="send")(lambda to: None)
    with pytest.raises(ValidationError, match=r"call 0 of send.*too many"):
        made.generate_many([Call((1, 2), priority=1)])
