"""Submission of new messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from alsek.storage.backends.records import Added, Submission


class SubmissionPort(ABC):
    """Stores new messages."""

    @abstractmethod
    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        """Store new messages: ready, or delayed by their `delay`; write SUBMITTED for tracked ones.

        A message is accepted if its uuid is new: no message of this uuid is stored in any queue, and none was finished
        by its worker (it succeeded or died) within :data:`~alsek.defaults.DEDUP_WINDOW`. The uuid of a message that
        was removed or failed by hand, or set aside as unreadable, is new at once. One sleeping worker is woken for
        each kind of worker that may take the messages.

        A message whose uuid is ``named`` replaces the last message of that uuid. The same step removes what is left
        of the old one: its result, its status, its dead letter if that is in the same queue, and the note of which
        results descend from it (those results stay). A submission that is refused, or that is accepted again, removes
        nothing. A dead letter in another queue stays, and is found there only.

        Args:
            submissions: Any number; each batch of up to :data:`~alsek.defaults.SUBMISSION_BATCH` is one step.
            request: Identifies this call. A submission that the store accepted under the same request before is
                accepted again and changes nothing, so a call may be repeated after a lost reply. This also holds if
                the message has been claimed, has finished, or was removed or failed by hand since (within the
                window), unless another request has submitted a message of its uuid since. The request of a message
                that was set aside as unreadable is not remembered.

        Returns:
            The answer to each submission: :data:`~alsek.storage.backends.records.ACCEPTED`, or the message because of
            which it was refused, and its state now. Of two submissions with one uuid in one call, the second is
            refused, with the state in which the first is stored. A repeated call accepts what the first call accepted;
            the state in a refusal is that of the repetition.
        """
