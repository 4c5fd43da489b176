"""What the store is told of a message comes from its claim, whatever the user's code does to the message object."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import Conclusion, conclude
from alsek.core.execution.delivery import RESTORED, Delivery
from alsek.core.execution.notices import pending_notices, send_notice, send_status
from alsek.core.message import Message
from alsek.core.message_fields import FIELDS
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import ClaimLostError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Retried, Succeeded
from alsek.storage.result import ResultStore
from tests.unit.core.fakes import a_session, claim, held


class Unshowable:
    """Can't be shown, compared or serialized."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]


def spoil(message: Message) -> None:
    """Change all fields of a message but those that a task may choose."""
    for name in (*FIELDS, "claim"):
        if name not in ("callback_message_data", "result_ttl"):
            setattr(message, name, Unshowable())


#: Where the user's code has the message in its hands.
PLACES = (
    "pre_op",
    "function",
    "post_op",
    "do_callback",
    "do_retry",
    "on_success",
    "on_retry",
    "on_failure",
    "tracker",
    "store",
)


class World:
    """A task that spoils its message at one place, and what is told of it elsewhere.

    Args:
        broker: Its broker.
        place: Where.
        fails: It raises.
        max_retries: Of the task.
        elsewhere: Its result store and its tracker have a `set` of their own.
    """

    def __init__(self, broker: Broker, place: str, *, fails: bool, max_retries: int, elsewhere: bool) -> None:
        self.told: list[tuple[Any, ...]] = []
        world = self

        def here(name: str, message: Message) -> None:
            if name == place:
                spoil(message)

        class Spoils(Task[Any, Any]):
            def pre_op(self, message: Message) -> None:
                here("pre_op", message)

            def op(self, message: Message) -> Any:
                here("function", message)
                if fails:
                    raise ValueError("no")
                return 1

            def post_op(self, message: Message, result: Any) -> None:
                here("post_op", message)

            def do_callback(self, message: Message, result: Any) -> bool:
                here("do_callback", message)
                return True

            def do_retry(self, message: Message, exception: BaseException) -> bool:
                world.told.append(("do_retry", message.uuid, message.queue, message.retries, message.token))
                more = super().do_retry(message, exception)
                here("do_retry", message)
                return more

            def on_success(self, message: Message, result: Any) -> None:
                world.told.append(("on_success", message.uuid, message.queue, message.token))
                here("on_success", message)

            def on_retry(self, message: Message, exception: BaseException) -> None:
                world.told.append(("on_retry", message.uuid, message.queue, message.retries))
                here("on_retry", message)

            def on_failure(self, message: Message, exception: BaseException) -> None:
                details = message.exception_details
                world.told.append(("on_failure", message.uuid, message.queue, details and details["name"]))
                here("on_failure", message)
                if place == "on_failure" and details:
                    details.clear()  # type: ignore[attr-defined]

        class Tells(StatusTracker):
            def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
                world.told.append((status, message.uuid, message.queue))
                here("tracker", message)

        class Keeps(ResultStore):
            def set(self, message: Message, result: Any) -> None:
                world.told.append(("store", message.uuid, message.token, message.progenitor_uuid))
                here("store", message)

        store = Keeps(MemoryBackend()) if elsewhere else ResultStore(broker.backend)
        tracker = Tells(MemoryBackend()) if elsewhere else StatusTracker(broker.backend)
        self.task = task(
            broker,
            max_retries=max_retries,
            backoff=None,
            base_task=Spoils,
            result_store=store,
            status_tracker=tracker,
        )(lambda: None)

    def live(self, broker: Broker) -> Conclusion:
        """One message, through its life."""
        then = Message(self.task.name, uuid="then", created_at=1)
        message = self.task.generate(uuid="mine", callback=then, submit=False)
        message.progenitor_uuid, message.created_at = "root", 1
        broker.submit(message)
        session = a_session(broker.backend)
        (claimed,) = session.step((), {"any": 1}).claimed
        delivery = Delivery(claimed, session, broker.backend.serializer)
        send_status(self.task, delivery, TaskStatus.RUNNING)
        conclusion = conclude(self.task, delivery, attempt(self.task, delivery))
        for each in pending_notices(
            {self.task.name: self.task}, self.task, delivery, conclusion, self.task.broker
        ):
            send_notice(each)
        assert session.finish(conclusion.outcome)
        return conclusion


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    ("fails", "max_retries", "kind"), [(False, 0, Succeeded), (True, 1, Retried), (True, 0, Failed)]
)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_done_to_the_message_the_store_is_told_of_its_claim(
    place: str,
    fails: bool,
    max_retries: int,
    kind: type[Any],
    elsewhere: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The outcome, the hooks, trackers and stores after it are those of a task that leaves its message alone."""
    for module in ("callback", "retries"):
        monkeypatch.setattr(f"alsek.core.execution.{module}.now_ms", lambda: 5)
    monkeypatch.setattr(
        "alsek.core.execution.conclusions.describe_failure",
        lambda e: {"name": "E", "text": "t", "traceback": None},
    )
    heard = []
    for where in ("nowhere", place):
        broker = Broker(MemoryBackend())
        world = World(broker, where, fails=fails, max_retries=max_retries, elsewhere=elsewhere)
        conclusion = world.live(broker)
        assert isinstance(conclusion.outcome, kind)
        heard.append((conclusion[:2], world.told))
        assert len(world.told) >= (4 if elsewhere else 1)
    assert heard[0] == heard[1]


@pytest.mark.parametrize("name", RESTORED)
def test_a_deleted_field_comes_back(broker: Broker, name: str) -> None:
    """Also one that is no more at all."""
    broker.submit(Message("t"))
    delivery = held(claim(broker))
    before = getattr(delivery.message, name)
    delattr(delivery.message, name)
    assert getattr(delivery.restore(), name) == before


def test_a_task_may_choose_what_follows_it(broker: Broker) -> None:
    """A callback that it appends while it runs is submitted with its completion; a retry forgets it."""

    @task(broker, backoff=None)
    def chooses(message: Message, fails: bool) -> int:
        message.append_callback(Message("other", uuid="chosen"))
        if fails:
            raise ValueError
        return 1

    for fails in (False, True):
        chooses.generate(args=(), kwargs={"fails": fails})
        delivery = held(claim(broker))
        outcome = conclude(chooses, delivery, attempt(chooses, delivery)).outcome
        if fails:
            assert isinstance(outcome, Retried)
            assert outcome.payload is None
        else:
            assert isinstance(outcome, Succeeded)
            assert outcome.callback is not None
            assert outcome.callback.uuid == "chosen"


@pytest.mark.parametrize(
    ("asked", "kept"), [(7, 7), (10**30, MAX_DURATION), ("soon", None), (0, None)], ids=str
)
def test_a_task_may_choose_how_long_its_result_is_kept(broker: Broker, asked: Any, kept: int | None) -> None:
    """What is no duration is a failure that says so; what is too long is cut."""

    @task(broker, result_store=ResultStore(broker.backend), max_retries=0)
    def chooses(message: Message) -> int:
        message.result_ttl = asked
        return 1

    chooses.generate()
    delivery = held(claim(broker))
    outcome = conclude(chooses, delivery, attempt(chooses, delivery)).outcome
    if kept is None:
        assert isinstance(outcome, Failed)
        assert b"result_ttl" in outcome.error
    else:
        assert isinstance(outcome, Succeeded)
        assert outcome.result_ttl == kept


@pytest.mark.parametrize("field", ["uuid", "queue"])
@pytest.mark.parametrize("what", ["ack", "remove", "fail", "retry"])
def test_a_broker_settles_only_what_the_claim_is_for(broker: Broker, field: str, what: str) -> None:
    """With another uuid or queue nothing is done, and the error says what to do; with its own it is settled then."""
    broker.submit(Message("t", uuid="mine"))
    message = claim(broker)
    before = getattr(message, field)
    setattr(message, field, "another")
    with pytest.raises(ValidationError, match="handed out as uuid 'mine'"):
        getattr(broker, what)(message)
    setattr(message, field, before)
    assert broker.exists(message)
    getattr(broker, what)(message)
    with pytest.raises(ClaimLostError):
        broker.ack(message)
