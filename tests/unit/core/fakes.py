"""What the tests of alsek-core put in place of time, of an honest network, and of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from alsek.core.attempt_state import read_message
from alsek.core.broker import Broker
from alsek.core.claim import Claim
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import (
    Added,
    Claimed,
    HistoryCounts,
    Outcome,
    Report,
    Running,
    Step,
    Submission,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.subscriptions import Note, Subscription

#: Long enough for any machine; a test that gets here has failed.
PATIENCE = 60.0


class LossyMessages:
    """A message port whose next calls lose their request or their reply, as `plan` says.

    Args:
        inner: The store's own port.
        plan: For each coming call ``"ok"``, ``"request"`` (never arrives) or ``"reply"`` (done, but nobody
            hears of it); what is left over is honest.
    """

    def __init__(self, inner: MessagePort, plan: list[str]) -> None:
        self._inner = inner
        self.plan = plan
        self.steps: list[tuple[int, tuple[Outcome, ...], int]] = []
        self.sent_reports: list[tuple[Report, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        """As the port's."""
        self._through(lambda: self._inner.register(worker, facts))

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        **pushes: Any,
    ) -> Step:
        """As the port's."""
        self.steps.append((seq, tuple(outcomes), sum(limits.values())))
        answer: Step = self._through(
            lambda: self._inner.step(worker, seq, outcomes, limits, history, **pushes)
        )
        return answer

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        """As the port's."""
        answer: Added = self._through(lambda: self._inner.replay(submission, died_at, unreachable))
        return answer

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        """As the port's."""
        answer: list[str] = self._through(lambda: self._inner.renew(worker, seq, tokens, running))
        return answer

    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        """As the port's."""
        self.sent_reports.append(tuple(reports))
        answer: list[str] = self._through(lambda: self._inner.report(worker, reports))
        return answer

    def _through(self, call: Callable[[], Any]) -> Any:
        fate = self.plan.pop(0) if self.plan else "ok"
        if fate == "request":
            raise BackendUnavailableError("the request was lost")
        answer = call()
        if fate == "reply":
            raise BackendUnavailableError("the reply was lost")
        return answer


class LossyBackend(MemoryBackend):
    """A store whose message port loses requests and replies, as `plan` says."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        super().__init__(clock=clock)
        self.plan: list[str] = []
        self.lossy = LossyMessages(super().messages, self.plan)

    @property
    def messages(self) -> MessagePort:
        """The lossy port."""
        return self.lossy  # type: ignore[return-value]


class Signalled(Subscription):
    """A subscription that tells when somebody has begun to wait on it."""

    def __init__(self, inner: Subscription, waiting: threading.Event) -> None:
        self._inner = inner
        self._waiting = waiting
        self.waits = 0

    def wait(self, timeout: int | None = None) -> Note | None:
        """As the inner one's."""
        self.waits += 1
        self._waiting.set()
        return self._inner.wait(timeout)

    def close(self) -> None:
        """As the inner one's."""
        self._inner.close()


class WatchedBackend(MemoryBackend):
    """A store that tells when somebody sleeps on it: ``backend.asleep.wait()``."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        super().__init__(clock=clock)
        self.asleep = threading.Event()
        self.opened: list[Signalled] = []

    def subscribe(self, *channels: str) -> Subscription:
        """A subscription that is watched."""
        subscription = Signalled(super().subscribe(*channels), self.asleep)
        self.opened.append(subscription)
        return subscription


class Elsewhere:
    """Runs a function in another thread; ``value()`` is what it returned or raised."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001  handed over to the test
            self._error = error

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def value(self) -> Any:
        """What the function returned; what it raised is raised here."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it does not end"
        if self._error is not None:
            raise self._error
        return self._value


def a_session(backend: Backend, lease: int = 15_000) -> WorkerSession:
    """A registered worker that takes everything."""
    session = WorkerSession(backend, Worker("", "any", None, lease, 7 * 24 * 3_600_000, "freely"))
    session.register()
    return session


def claim(broker: Broker, session: WorkerSession | None = None) -> Message:
    """The next message, with its claim, as a consumer hands it out."""
    session = session or a_session(broker.backend)
    claimed = session.step((), {"any": 1}).claimed[0]
    message = read_message(claimed, broker.backend.serializer)
    message.claim = Claim(session, claimed)
    return message


def delivered(message: Message, broker: Broker) -> Delivery:
    """A message made by hand, as if a worker of nobody's held it."""
    serializer = broker.backend.serializer
    session = WorkerSession(broker.backend, Worker("", "any", None, 15_000, 1_000, "freely"))
    return Delivery(Claimed(message.uuid, message.queue, message.pack(serializer), 1), session, serializer)


def held(message: Message) -> Delivery:
    """A message that was claimed, as a pool has it."""
    claim = message.claim
    assert claim is not None
    return Delivery(claim.claimed, claim.session, claim.session.backend.serializer)
