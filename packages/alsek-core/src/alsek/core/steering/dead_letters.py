"""Replays dead letters as an inspector shows them, one at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple

from alsek.core.broker import Broker
from alsek.core.inspection.dead import DeadInfo
from alsek.core.lookup import UNKNOWN_TASK
from alsek.core.message import Message
from alsek.exceptions import CorruptMessageError, MessageDoesNotExistsError, MessageNotUniqueError


class Replay(NamedTuple):
    """What became of a dead letter that was to be replayed.

    Attributes:
        outcome: ``"replayed"``; ``"gone"``: there is no such dead letter any more; ``"held"``: it stays, because
            another message holds its unique key; ``"unreadable"``: it stays, because it can't be read.
        text: Why it stays.
    """

    outcome: Literal["replayed", "gone", "held", "unreadable"]
    text: str = ""


def replay_one(broker: Broker, info: DeadInfo) -> Replay:
    """Move a dead letter back into its queue, as it is stored.

    Raises:
        BackendError: The store can't be used.
    """
    try:
        broker.replay(Message(info.task or UNKNOWN_TASK, queue=info.queue, uuid=info.uuid))
    except MessageDoesNotExistsError:
        return Replay("gone")
    except MessageNotUniqueError as error:
        return Replay("held", str(error))
    except CorruptMessageError as error:
        return Replay("unreadable", str(error))
    return Replay("replayed")
