"""Iterating over the results of many messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alsek.core.bounds import check_number, checked_wait, milliseconds
from alsek.core.clock import real_time as time
from alsek.core.message import Message
from alsek.core.short_repr import shown as shown_value
from alsek.exceptions import ValidationError
from alsek.storage.result import ResultStore
from alsek.tools.progress_bar import shown
from alsek.tools.result_lookup import Look
from alsek.types import Duration

#: The longest sleep (ms) between two looks at the store, whatever is heard from it: the safety net.
DEFAULT_WAIT_MS = 5_000


class ResultPool:
    """Yields the results of messages as they become available.

    It sleeps until the store tells of a result; nothing is polled.

    Args:
        result_store: Where the results are.
    """

    def __init__(self, result_store: ResultStore) -> None:
        if not isinstance(result_store, ResultStore):
            raise ValidationError(
                f"ResultPool(result_store={shown_value(result_store)}): must be a ResultStore"
            )
        self.result_store = result_store

    def istream(
        self,
        *messages: Message,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Message, Any]]:
        """Each message with its result, in the order in which the results become available.

        Args:
            messages: Whose results.
            wait: The longest sleep (ms) between two looks at the store; news ends it at once.
            timeout: How long (ms) all of it may take; None for as long as it takes.
            descendants: Wait for the callbacks of each message too, until all have ended or can't come any more (see
                :meth:`ResultStore.get`), and yield a list of the results that there are, oldest write first.
            keep: Leave the results in the store; otherwise each is deleted once it has been received.
            progress: Show a progress bar, on stderr.

        Raises:
            ValidationError: A message is given twice, or is none; a time is no number of milliseconds.
            TimeoutError: Not all results came in time. Those not yielded are still in the store.
            TaskFailedError: One of the messages, or with `descendants` one of their callbacks, has failed for good, was
                revoked or has expired; or a message was removed. What is there by then is yielded before.
        """
        pending, timeout = _by_uuid(messages), checked_wait("timeout", timeout, "ResultPool")
        wait = milliseconds(wait)
        check_number("wait", wait, 1, "ResultPool")
        return shown(self._as_they_come(pending, wait, timeout, descendants, keep), len(messages), progress)

    def stream(
        self,
        *messages: Message,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Message, Any]]:
        """Each message with its result, in the order in which the messages are given.

        Arguments and errors are those of :meth:`istream`.
        """
        pending, timeout = _by_uuid(messages), checked_wait("timeout", timeout, "ResultPool")
        wait = milliseconds(wait)
        check_number("wait", wait, 1, "ResultPool")
        return shown(self._in_order(pending, wait, timeout, descendants, keep), len(messages), progress)

    def _as_they_come(
        self, pending: dict[str, Message], wait: int, timeout: int | None, descendants: bool, keep: bool
    ) -> Iterator[tuple[Message, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        look = Look(self.result_store, list(pending.values()), descendants)
        # The first look is at all of them; from then on, at those of which something is heard.
        look_at, note = list(pending.values()), None
        with self.result_store.backend.subscribe(*look.channels) as news:
            while pending:
                complete, failure = look.at(look_at, told=note is not None)
                for message in complete:
                    del pending[message.uuid]
                    yield message, self.result_store.get(message, keep=keep, descendants=descendants)
                if failure is not None:
                    raise failure
                if pending:
                    note = news.wait(_left(pending, deadline, timeout, wait))
                    # With no note something may have been missed.
                    heard_of = pending.values() if note is None else [pending.get(look.owner(note))]
                    look_at = [message for message in heard_of if message is not None]

    def _in_order(
        self, pending: dict[str, Message], wait: int, timeout: int | None, descendants: bool, keep: bool
    ) -> Iterator[tuple[Message, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        look = Look(self.result_store, list(pending.values()), descendants)
        told: set[str] = set()
        with self.result_store.backend.subscribe(*look.channels) as news:
            for uuid, message in list(pending.items()):
                while True:
                    complete, failure = look.at([message], told=uuid in told)
                    if complete:
                        break
                    if failure is not None:
                        raise failure
                    while (note := news.wait(_left(pending, deadline, timeout, wait))) is not None:
                        told.add(look.owner(note))
                        if look.owner(note) == uuid:
                            break
                del pending[uuid]
                yield message, self.result_store.get(message, keep=keep, descendants=descendants)


def _by_uuid(messages: tuple[Message, ...]) -> dict[str, Message]:
    for message in messages:
        if not isinstance(message, Message):
            raise ValidationError(
                f"{shown_value(message)} is no message: give messages one by one, as in pool.istream(*messages)"
            )
    pending = {message.uuid: message for message in messages}
    if len(pending) < len(messages):
        raise ValidationError("a message is given twice: each has one result")
    return pending


def _left(pending: dict[str, Message], deadline: float | None, timeout: int | None, wait: int) -> int:
    if deadline is None:
        return wait
    left = int((deadline - time.monotonic()) * 1000)
    if left <= 0:
        some = ", ".join(list(pending)[:3]) + (", …" if len(pending) > 3 else "")
        raise TimeoutError(f"{len(pending)} results are missing after {timeout} ms: {some}")
    return min(wait, left)
