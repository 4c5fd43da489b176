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

        **Unique keys.** A message with a `unique` key takes it in this step; without one nothing below costs anything.
        It holds the key until it has ended, in whatever way, or until it is first claimed; and, if there is a `window`,
        at least so long from its submission. A holder that is no longer stored holds nothing. If another message holds
        the key, this one is refused, with that one's uuid as ``existing``. With ``"replace"``:

        * A holder that is not claimed is replaced: this message takes its place under its uuid, with payload, queue,
          priority, limits and attempt state of a new message, and its delay begins anew. It is accepted, and
          ``existing`` has the uuid. The same request again changes nothing. A key whose holder has ended, and whose
          window has not, refuses this one.
        * If the holder is claimed, or was, and waits for a retry, this message is accepted and *waits* behind it:
          it takes the key in the step in which the holder ends, and becomes ready, or delayed by what is left of its
          delay. If a message waits there already, that one is replaced.

        **Limits.** A message with `limits` is ready only if all of them *admit* it; else it *waits* for the first one
        (by id) that does not. It takes up a place of each in the step in which it becomes ready, and of none while it
        is delayed or waits. A concurrency (`per` 0) has `amount` places; a message gives its place back when it ends,
        is retried, given back or lost. A rate has `amount` places for messages that are ready, and for starts within
        the last `per` ms: a claim turns the one into the other; that of a message which was revoked or has expired, and
        so does not run, just gives the place back. Whatever frees a place lets in, in the same step, those
        that wait for it, by (priority, arrival); each may then wait for another limit. If several limits have room at
        once, they take turns in the order of their ids, one message each, so that a long line at one holds up no other.
        At most :data:`~alsek.defaults.PROMOTION_BATCH` messages are looked at in one step; the next step goes on with
        the rest. When a
        start leaves the window of a rate for which messages wait, that is as if a delayed message became due. The
        numbers of the last submission that names a limit hold for all.

        Args:
            submissions: Any number; each batch of up to :data:`~alsek.defaults.SUBMISSION_BATCH` is one step.
            request: Identifies this call. A submission that the store accepted under the same request before is
                accepted again and changes nothing, so a call may be repeated after a lost reply. This also holds if
                the message has been claimed, has finished, or was removed or failed by hand since (within the
                window), unless another request has submitted a message of its uuid since. The request of a message
                that was set aside as unreadable is not remembered.

        Returns:
            The answer to each submission: :data:`~alsek.storage.backends.records.ACCEPTED`, or the message because of
            which it was refused, and its state after this step. Of two submissions with one uuid in one call, the
            second is refused, with the state in which the first is stored. A repeated call accepts what the first call
            accepted; the state in a refusal is that of the repetition.
        """
