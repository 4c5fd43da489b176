"""Control: changes to single messages and dead letters, by hand or by a tool."""

from __future__ import annotations

from abc import ABC, abstractmethod

from alsek.storage.backends.records import Added, Retried, Submission


class ControlPort(ABC):
    """Changes messages and dead letters, whoever holds them."""

    @abstractmethod
    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        """Remove a message in any state, held or not; False if it isn't there.

        UNKNOWN is written, unless its status is FAILED or SUCCEEDED. The uuid is new at once, except to the request
        that submitted it: see :meth:`~alsek.storage.backends.ports.SubmissionPort.add`. The same holds for
        :meth:`fail`.

        Args:
            queue: Its queue.
            uuid: The message.
            waiting: Leave it if a worker holds it, and return False.
        """

    @abstractmethod
    def reschedule(self, retried: Retried) -> bool:
        """Apply a retry to a message, held or not, whatever its token; False if the message isn't there.

        RETRYING is written, and the message no longer expires. A claim on it ends: its outcome will be refused.
        """

    @abstractmethod
    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> bool:
        """Move a message to the dead letters, held or not, and write FAILED.

        `callback` and `unreachable` are as in :class:`~alsek.storage.backends.records.Failed`.

        Returns:
            False if it is neither among the messages nor among the dead letters of this queue.
        """

    @abstractmethod
    def revoke(self, queue: str, uuid: str) -> bool:
        """Mark a message as revoked and leave it where it is; False if it isn't there.

        The worker that holds it is told at once. If none does, a note is published on the channel of its result, and
        the message holds its unique key no longer, but for its window: it will not run.
        """

    @abstractmethod
    def pause(self, queue: str, by: str) -> bool:
        """Pause a queue: it takes messages in and hands none out, also those that become ready later.

        What is claimed goes on. A queue may be paused that holds nothing; it stays paused until :meth:`resume`. A
        message costs nothing while its queue is paused, and wakes no worker.

        Args:
            queue: The queue.
            by: Who pauses it: any text, to be shown.

        Returns:
            False if it was paused already; then nothing is changed.
        """

    @abstractmethod
    def resume(self, queue: str) -> bool:
        """Let a paused queue hand out messages again, and wake workers for what is ready; False if it was not paused.

        Messages that expired while their queue was paused have expired.
        """

    @abstractmethod
    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        """Turn the dead letter of ``submission.uuid`` with this `died_at` into a message again, as `submission`.

        This is the old message, not a new one: the dead letter is removed, and a result of it stays, as does what is
        kept of reports on it, whether or not the uuid is ``named``. It takes its unique key again, whatever `conflict`
        says, and the notes of the `unreachable` callbacks are deleted.

        Returns:
            Accepted if this was done, now or before: also if the message of this uuid that is stored, or the last one
            (within :data:`~alsek.defaults.DEDUP_WINDOW`), came from a replay. Refused without an ``existing`` if there
            is no such dead letter; else ``existing`` is the message of its uuid that is stored, or the one that holds
            its key: the dead letter stays.
        """

    @abstractmethod
    def purge(self, queue: str, uuid: str | None = None) -> int:
        """Delete one dead letter, or all of a queue, with what is kept of reports on them; returns their number."""
