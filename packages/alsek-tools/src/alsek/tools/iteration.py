"""Iterating over the results of many messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from alsek.core.clock import real_time as time
from alsek.core.limits import check_number, checked_wait
from alsek.core.message import Message
from alsek.core.shown import shown as shown_value
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Note
from alsek.storage.result import ResultStore
from alsek.tools.progress import shown

#: The longest sleep (ms) between two looks at the store, whatever is heard from it: the safety net.
DEFAULT_WAIT = 5_000


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
        wait: int = DEFAULT_WAIT,
        timeout: int | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Message, Any]]:
        """Each message with its result, in the order in which the results become available.

        Args:
            messages: Whose results.
            wait: The longest sleep (ms) between two looks at the store; news ends it at once.
            timeout: How long (ms) all of it may take; None for as long as it takes.
            descendants: Wait for the callbacks of each message too, and yield a list of results for each,
                oldest write first.
            keep: Leave the results in the store; otherwise each is deleted once it has been received.
            progress: Show a progress bar, on stderr.

        Raises:
            ValidationError: A message is given twice, or is none; a time is no number of milliseconds.
            TimeoutError: Not all results came in time. Those not yielded are still in the store.
            TaskFailedError: One of the messages has failed for good; what is there by then is yielded before.
        """
        pending, timeout = _by_uuid(messages), checked_wait("timeout", timeout, "ResultPool")
        check_number("wait", wait, 1, "ResultPool")
        return shown(self._as_they_come(pending, wait, timeout, descendants, keep), len(messages), progress)

    def stream(
        self,
        *messages: Message,
        wait: int = DEFAULT_WAIT,
        timeout: int | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Message, Any]]:
        """Each message with its result, in the order in which the messages are given.

        Arguments and errors are those of :meth:`istream`.
        """
        pending, timeout = _by_uuid(messages), checked_wait("timeout", timeout, "ResultPool")
        check_number("wait", wait, 1, "ResultPool")
        return shown(self._in_order(pending, wait, timeout, descendants, keep), len(messages), progress)

    def _as_they_come(
        self, pending: dict[str, Message], wait: int, timeout: int | None, descendants: bool, keep: bool
    ) -> Iterator[tuple[Message, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        # The first look is at all of them; from then on, at those of which something is heard.
        look_at = list(pending.values())
        whose = _owners(pending.values(), descendants)
        with self.result_store.backend.subscribe(*(f"results:{uuid}" for uuid in whose)) as news:
            while pending:
                complete, missing = self._look(look_at, descendants)
                for message in complete:
                    del pending[message.uuid]
                    yield message, self.result_store.get(message, keep=keep, descendants=descendants)
                self._raise_failure(missing)
                if pending:
                    note = news.wait(_left(pending, deadline, timeout, wait))
                    # With no note something may have been missed.
                    heard_of = pending.values() if note is None else [pending.get(_owner(note, whose))]
                    look_at = [message for message in heard_of if message is not None]

    def _in_order(
        self, pending: dict[str, Message], wait: int, timeout: int | None, descendants: bool, keep: bool
    ) -> Iterator[tuple[Message, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        whose = _owners(pending.values(), descendants)
        with self.result_store.backend.subscribe(*(f"results:{uuid}" for uuid in whose)) as news:
            for uuid, message in list(pending.items()):
                while True:
                    complete, missing = self._look([message], descendants)
                    if complete:
                        break
                    self._raise_failure(missing)
                    note = news.wait(_left(pending, deadline, timeout, wait))
                    while note is not None and _owner(note, whose) != uuid:
                        note = news.wait(_left(pending, deadline, timeout, wait))
                del pending[uuid]
                yield message, self.result_store.get(message, keep=keep, descendants=descendants)

    def _look(self, messages: list[Message], descendants: bool) -> tuple[list[Message], list[Message]]:
        """One question to the store, however many messages.

        Returns:
            Those whose results are all there, in the order in which they were completed; and for each of the others
            what its result is missing of: itself, or the first such of its callbacks.
        """
        chains = [[message, *(_callbacks(message) if descendants else ())] for message in messages]
        found = iter(self.result_store.backend.results.get([each.uuid for chain in chains for each in chain]))
        complete: list[tuple[int, Message]] = []
        missing: list[Message] = []
        for chain in chains:
            written = [None if record is None else record.timestamp for record in islice(found, len(chain))]
            if None in written:
                missing.append(chain[written.index(None)])
            else:
                complete.append((max(at for at in written if at is not None), chain[0]))
        complete.sort(key=itemgetter(0))
        return [message for _, message in complete], missing

    def _raise_failure(self, missing: list[Message]) -> None:
        """Raise the TaskFailedError of the first of these that has failed for good."""
        for message in missing:
            failure = self.result_store.failure(message)
            if failure is not None:
                raise failure


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


def _callbacks(message: Message) -> Iterator[Message]:
    data = message.callback_message_data
    while data is not None:
        yield Message(**data)
        data = data.get("callback_message_data")


def _owners(messages: Iterable[Message], descendants: bool) -> dict[str, str]:
    """For each uuid whose result is waited for, the message to look at when something is heard of it."""
    whose: dict[str, str] = {}
    for message in messages:
        whose[message.uuid] = message.uuid
        for uuid in (message.descendant_uuids or []) if descendants else []:
            whose[uuid] = message.uuid
    return whose


def _owner(note: Note, whose: dict[str, str]) -> str:
    return whose[note.channel.removeprefix("results:")]


def _left(pending: dict[str, Message], deadline: float | None, timeout: int | None, wait: int) -> int:
    if deadline is None:
        return wait
    left = int((deadline - time.monotonic()) * 1000)
    if left <= 0:
        some = ", ".join(list(pending)[:3]) + (", …" if len(pending) > 3 else "")
        raise TimeoutError(f"{len(pending)} results are missing after {timeout} ms: {some}")
    return min(wait, left)
