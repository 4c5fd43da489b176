"""Iterating over the results of many messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from alsek.core.short_repr import shown as shown_value
from alsek.exceptions import ValidationError
from alsek.storage.backends.drivers.blocking import BlockingDriver, iterate_blocking
from alsek.storage.result import ResultStore
from alsek.tools.progress_bar import shown
from alsek.tools.result_stream import Given, ResultStream
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
        *messages: Given,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Given, Any]]:
        """Each message with its result, in the order in which the results become available.

        Args:
            messages: Whose results: messages, or their uuids, whatever their queues. What was given is what is yielded.
                A duplicate has the result of the message for which it stands, which may be given as well.
            wait: The longest sleep (ms) between two looks at the store; news ends it at once.
            timeout: How long (ms) all of it may take; None for as long as it takes.
            descendants: Wait for the callbacks of each message too, until all have ended or can't come any more (see
                :meth:`ResultStore.get`), and yield a list of the results that there are, oldest write first.
            keep: Leave the results in the store; otherwise each is deleted once it has been received. Of results that
                are there together, up to 200 are deleted with the last of them, or when the iteration ends or is
                closed, so one that was yielded may be in the store until then.
            progress: Show a progress bar on stderr, and one for each task that tells how far it is, if the results are
                in the store of the messages: for up to 10 of the first 200 that are awaited.

        Raises:
            ValidationError: A message is given twice, or is none, nor a uuid; a time is no number of milliseconds.
            TimeoutError: Not all results came in time. Those not yielded are still in the store.
            TaskFailedError: One of the messages, or with `descendants` one of their callbacks, has failed for good, was
                revoked or has expired; or a message was removed. What is there by then is yielded before.
        """
        stream = ResultStream(self.result_store, messages, wait, timeout, descendants, keep)
        return iterate_blocking(
            shown(stream.as_they_come(self._blocking()), messages, self.result_store.backend, progress)
        )

    def aistream(
        self,
        *messages: Given,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[tuple[Given, Any], None]:
        """As :meth:`istream`, for ``async for``, without blocking the event loop.

        It cleans up when it is closed, which happens by itself some time after a loop over it was left. Where that
        matters, use ``contextlib.aclosing``.
        """
        stream = ResultStream(self.result_store, messages, wait, timeout, descendants, keep)
        return shown(
            stream.as_they_come(self.result_store.backend.loop_driver()),
            messages,
            self.result_store.backend,
            progress,
        )

    def stream(
        self,
        *messages: Given,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[Given, Any]]:
        """Each message with its result, in the order in which the messages are given.

        Arguments and errors are those of :meth:`istream`.
        """
        stream = ResultStream(self.result_store, messages, wait, timeout, descendants, keep)
        return iterate_blocking(
            shown(stream.in_order(self._blocking()), messages, self.result_store.backend, progress)
        )

    def astream(
        self,
        *messages: Given,
        wait: Duration = DEFAULT_WAIT_MS,
        timeout: Duration | None = None,
        descendants: bool = False,
        keep: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[tuple[Given, Any], None]:
        """As :meth:`stream`, for ``async for``, without blocking the event loop.

        It cleans up when it is closed, which happens by itself some time after a loop over it was left. Where that
        matters, use ``contextlib.aclosing``.
        """
        stream = ResultStream(self.result_store, messages, wait, timeout, descendants, keep)
        return shown(
            stream.in_order(self.result_store.backend.loop_driver()),
            messages,
            self.result_store.backend,
            progress,
        )

    def _blocking(self) -> BlockingDriver:
        return BlockingDriver(self.result_store.backend)
